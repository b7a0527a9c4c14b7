"""The `vector_stores` resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ...spi.operations import (
    STORES_CREATE,
    STORES_DELETE,
    STORES_LIST,
    STORES_RETRIEVE,
    STORES_SEARCH,
    STORES_UPDATE,
)
from ...types.sentinels import NotGiven, Omit, not_given, omit
from ..base import Core, given, sent
from ..resolver import checked_id
from ..running import AsyncRunner
from .file_batches import AsyncFileBatches
from .raw import AsyncRaw, AsyncStreaming
from .store_files import AsyncVectorStoreFiles

if TYPE_CHECKING:
    from typing import Unpack

    import httpx

    from ...types.filters import ComparisonFilter, CompoundFilter
    from ...types.pages import AsyncCursorPaginator, AsyncPagePaginator
    from ...types.params import (
        ChunkingStrategyParam,
        ExpiresAfterParam,
        RankingOptionsParam,
        RequestOptions,
    )
    from ...types.search import VectorStoreSearchResponse
    from ...types.vector_stores import VectorStore, VectorStoreDeleted


class AsyncVectorStores:
    """Vector stores."""

    def __init__(self, core: Core, runner: AsyncRunner) -> None:
        self._core = core
        self._runner = runner

    @cached_property
    def files(self) -> AsyncVectorStoreFiles:
        """The files in vector stores."""
        return AsyncVectorStoreFiles(self._core, self._runner)

    @cached_property
    def file_batches(self) -> AsyncFileBatches:
        """Batches of files that are attached together."""
        return AsyncFileBatches(self._core, self._runner)

    @cached_property
    def with_raw_response(self) -> AsyncRaw:
        """The same methods, returning a `RawResponse` whose `parse()` is the answer."""
        return AsyncRaw(self)

    @cached_property
    def with_streaming_response(self) -> AsyncStreaming:
        """The same methods, as context managers of a response that is read piece by piece."""
        return AsyncStreaming(self)

    async def create(
        self,
        *,
        name: str | Omit | None = omit,
        file_ids: Sequence[str] | Omit | None = omit,
        metadata: Mapping[str, Any] | Omit | None = omit,
        expires_after: ExpiresAfterParam | Mapping[str, Any] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        description: str | Omit | None = omit,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        **payload: Any,
    ) -> VectorStore:
        """Create a vector store. None means the same as leaving an argument out.

        Args:
            name: Its name, at most 512 characters.
            file_ids: Files to attach; either all of them exist, or no store is made.
            metadata: At most 16 pairs; keys of at most 64, values of at most 512 characters.
            expires_after: When it expires: `{"anchor": "last_active_at", "days": 7}`, 1 to 365 days after its
                last use.
            chunking_strategy: How files are split: `{"type": "auto"}`, or `{"type": "static", "static":
                {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}`.
            description: What it is for, at most 2048 characters.
            extra_headers: More HTTP headers; local drivers ignore them.
            extra_query: More query parameters; local drivers ignore them.
            extra_body: More fields; they win over the named arguments.
            timeout: Limit in seconds; None for none.
            **payload: More fields, kept with the store and returned with it.

        Returns:
            The store.

        Raises:
            ParameterValidationError: An argument is wrong.
            NotFoundError: A file does not exist.
        """
        fields = {
            **given(**payload),
            **given(
                name=name,
                file_ids=file_ids,
                metadata=metadata,
                expires_after=expires_after,
                chunking_strategy=chunking_strategy,
                description=description,
            ),
        }
        options = {
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "timeout": timeout,
        }
        found: VectorStore = await self._runner.run(self._core.call, STORES_CREATE, fields, options)
        return found

    async def retrieve(self, vector_store_id: str, **options: Unpack[RequestOptions]) -> VectorStore:
        """Get a vector store.

        Args:
            vector_store_id: Id of the store.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The store.

        Raises:
            NotFoundError: There is no such store.
        """
        fields = {"vector_store_id": checked_id("vector_store_id", vector_store_id)}
        found: VectorStore = await self._runner.run(self._core.call, STORES_RETRIEVE, fields, options)
        return found

    async def update(
        self,
        vector_store_id: str,
        *,
        name: str | Omit | None = omit,
        file_ids: Sequence[str] | Omit | None = omit,
        metadata: Mapping[str, Any] | Omit | None = omit,
        expires_after: ExpiresAfterParam | Mapping[str, Any] | Omit | None = omit,
        description: str | Omit | None = omit,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        **payload: Any,
    ) -> VectorStore:
        """Change a vector store. An argument that is left out keeps what is there; an explicit None clears
        it.

        Args:
            vector_store_id: Id of the store.
            name: New name.
            file_ids: The files that it is to have: others are taken out, missing ones are attached.
            metadata: New metadata, in place of all that was there.
            expires_after: New expiry: `{"anchor": "last_active_at", "days": 7}`.
            description: New description.
            extra_headers: More HTTP headers; local drivers ignore them.
            extra_query: More query parameters; local drivers ignore them.
            extra_body: More fields; they win over the named arguments.
            timeout: Limit in seconds; None for none.
            **payload: More fields, kept with the store and returned with it.

        Returns:
            The store as it is now.

        Raises:
            ParameterValidationError: An argument is wrong.
            NotFoundError: There is no such store, or no such file.
        """
        checked_id("vector_store_id", vector_store_id)
        fields = {
            **sent(**payload),
            **sent(
                name=name,
                file_ids=file_ids,
                metadata=metadata,
                expires_after=expires_after,
                description=description,
            ),
            "vector_store_id": vector_store_id,
        }
        options = {
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "timeout": timeout,
        }
        found: VectorStore = await self._runner.run(self._core.call, STORES_UPDATE, fields, options)
        return found

    def list(
        self,
        *,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        **params: Any,
    ) -> AsyncCursorPaginator[VectorStore]:
        """List vector stores.

        Args:
            after: Id of the store after which the page begins.
            before: Id of the store before which the page ends.
            limit: Stores a page, 1 to 100; by default 20.
            order: By time of creation: `asc` or, by default, `desc`.
            extra_headers: More HTTP headers; local drivers ignore them.
            extra_query: More query parameters; local drivers ignore them.
            extra_body: More fields; they win over the named arguments.
            timeout: Limit in seconds; None for none.
            **params: More parameters; an unknown one is refused, since it could only change the answer.

        Returns:
            A page; iterate it with `async for` to go on through the following ones.

        Raises:
            ParameterValidationError: An argument is wrong or unknown.
        """
        fields = {**given(**params), **given(after=after, before=before, limit=limit, order=order)}
        options = {
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "timeout": timeout,
        }
        return self._runner.cursor_page(self._core.call, STORES_LIST, fields, options)

    async def delete(self, vector_store_id: str, **options: Unpack[RequestOptions]) -> VectorStoreDeleted:
        """Delete a vector store. The files themselves stay; `files.delete` deletes those.

        Args:
            vector_store_id: Id of the store.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The confirmation.

        Raises:
            NotFoundError: There is no such store.
        """
        fields = {"vector_store_id": checked_id("vector_store_id", vector_store_id)}
        found: VectorStoreDeleted = await self._runner.run(self._core.call, STORES_DELETE, fields, options)
        return found

    def search(
        self,
        vector_store_id: str,
        *,
        query: str | Sequence[str],
        max_num_results: int | Omit | None = omit,
        filters: ComparisonFilter | CompoundFilter | Mapping[str, Any] | Omit | None = omit,
        ranking_options: RankingOptionsParam | Mapping[str, Any] | Omit | None = omit,
        rewrite_query: bool | Omit | None = omit,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        **payload: Any,
    ) -> AsyncPagePaginator[VectorStoreSearchResponse]:
        """Search a vector store.

        Args:
            vector_store_id: Id of the store.
            query: What to search; several texts are searched each on its own and their hits merged.
            max_num_results: Hits at most, 1 to 50; by default 10.
            filters: Which files to search, by their attributes: `{"type": "eq", "key": "lang", "value":
                "de"}`, or `{"type": "and", "filters": [...]}`.
            ranking_options: `ranker`, `score_threshold` in [0, 1], and `hybrid_search` with its two weights.
            rewrite_query: Whether to rewrite the query first; `page.search_query` tells what was searched.
            extra_headers: More HTTP headers; local drivers ignore them.
            extra_query: More query parameters; local drivers ignore them.
            extra_body: More fields; they win over the named arguments.
            timeout: Limit in seconds; None for none.
            **payload: More parameters; an unknown one is refused, since it could only change the answer.

        Returns:
            A page with all hits, best first; `score` is in [0, 1].

        Raises:
            ParameterValidationError: An argument is wrong or unknown.
            NotFoundError: There is no such store.
            NotSupportedError: The driver does not offer what is asked.
        """
        checked_id("vector_store_id", vector_store_id)
        fields = {
            **given(**payload),
            **given(
                max_num_results=max_num_results,
                filters=filters,
                ranking_options=ranking_options,
                rewrite_query=rewrite_query,
            ),
            "vector_store_id": vector_store_id,
            "query": query,
        }
        options = {
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "timeout": timeout,
        }
        return self._runner.plain_page(self._core.call, STORES_SEARCH, fields, options)
