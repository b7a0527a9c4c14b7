"""The `vector_stores.file_batches` resource.

Methods with a store and a batch take `(vector_store_id, batch_id)` as well as `(batch_id,
vector_store_id=...)`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ...spi.operations import BATCHES_CANCEL, BATCHES_CREATE, BATCHES_LIST_FILES, BATCHES_RETRIEVE
from ...types.sentinels import Omit, omit
from ..base import Core, given
from ..polling import Patience
from ..resolver import checked_id, either_style
from ..running import AsyncRunner
from ..uploads import several
from .raw import AsyncRaw, AsyncStreaming

if TYPE_CHECKING:
    from typing import Unpack

    from ...types.file_batches import VectorStoreFileBatch
    from ...types.files import FileTypes
    from ...types.pages import AsyncCursorPaginator
    from ...types.params import BatchFileParam, ChunkingStrategyParam, OnProgress, RequestOptions
    from ...types.vector_stores import AttributeValue, VectorStoreFile


class AsyncFileBatches:
    """Batches of files that are attached to a vector store together."""

    def __init__(self, core: Core, runner: AsyncRunner) -> None:
        self._core = core
        self._runner = runner
        self._sleep = runner.sleep
        self._now = time.monotonic

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
        vector_store_id: str,
        *,
        file_ids: Sequence[str] | Omit | None = omit,
        files: Sequence[BatchFileParam | Mapping[str, Any]] | Omit | None = omit,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch:
        """Attach many uploaded files. Exactly one of `file_ids` and `files` is given.

        Args:
            vector_store_id: Id of the store.
            file_ids: Ids of the files.
            files: The files, each with `file_id` and, if wanted, `attributes` and `chunking_strategy` of its
                own.
            attributes: Attributes of all files of `file_ids`; ignored with `files`, as by the service.
            chunking_strategy: How to split the files of `file_ids`; ignored with `files`, as by the service.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The batch.

        Raises:
            ParameterValidationError: Neither or both are given, or an argument is wrong.
            NotFoundError: There is no such store, or a file does not exist; nothing was attached then.
        """
        fields = _fields(vector_store_id, file_ids, files, attributes, chunking_strategy)
        found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_CREATE, fields, options)
        return found

    async def create_and_poll(
        self,
        vector_store_id: str,
        *,
        file_ids: Sequence[str] | Omit | None = omit,
        files: Sequence[BatchFileParam | Mapping[str, Any]] | Omit | None = omit,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch:
        """Attach many uploaded files and wait until all were processed.

        Args:
            vector_store_id: Id of the store.
            file_ids: Ids of the files.
            files: The files, each with settings of its own.
            attributes: Attributes of all files of `file_ids`.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up; by default never.
            on_progress: Called as `on_progress(done, total, item)` with the batch, whenever more of it is done.
            chunking_strategy: How to split the files of `file_ids`.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The batch; `file_counts` tells how many files failed.

        Raises:
            PollTimeoutError: It took too long; the batch goes on.
            ParameterValidationError: Neither or both are given, or an argument is wrong.
            NotFoundError: There is no such store, or a file does not exist.
        """
        patience = self._patience("", poll_interval_ms, max_wait_seconds, on_progress)
        fields = _fields(vector_store_id, file_ids, files, attributes, chunking_strategy)
        found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_CREATE, fields, options)
        return await self._wait(vector_store_id, found.id, patience, options, found)

    @overload
    async def retrieve(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @overload
    async def retrieve(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @either_style("batch_id")
    async def retrieve(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch:
        """Get a batch.

        Args:
            vector_store_id: Id of the store.
            batch_id: Id of the batch.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The batch.

        Raises:
            NotFoundError: There is no such store or batch.
        """
        fields = {"vector_store_id": vector_store_id, "batch_id": batch_id}
        found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_RETRIEVE, fields, options)
        return found

    @overload
    async def cancel(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @overload
    async def cancel(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @either_style("batch_id")
    async def cancel(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch:
        """Cancel what a batch has not done yet; files that are processed already stay attached.

        Args:
            vector_store_id: Id of the store.
            batch_id: Id of the batch.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The batch.

        Raises:
            NotFoundError: There is no such store or batch.
        """
        fields = {"vector_store_id": vector_store_id, "batch_id": batch_id}
        found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_CANCEL, fields, options)
        return found

    @overload
    async def retry_failed(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @overload
    async def retry_failed(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch: ...
    @either_style("batch_id")
    async def retry_failed(
        self, vector_store_id: str, batch_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileBatch:
        """Attach the files of a batch that failed once more, with the settings that they had.

        They leave the old batch, which keeps the others.

        Args:
            vector_store_id: Id of the store.
            batch_id: Id of the batch.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            A new batch of these files.

        Raises:
            BadRequestError: No file of the batch has failed (code `nothing_failed`).
            NotFoundError: There is no such store or batch.
        """
        entries = await self._runner.run(self._core.failed_of, vector_store_id, batch_id, options)
        fields: dict[str, object] = {"vector_store_id": vector_store_id, "files": entries}
        found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_CREATE, fields, options)
        return found

    @overload
    def list_files(
        self,
        batch_id: str,
        *,
        vector_store_id: str,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncCursorPaginator[VectorStoreFile]: ...
    @overload
    def list_files(
        self,
        vector_store_id: str,
        batch_id: str,
        *,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncCursorPaginator[VectorStoreFile]: ...
    @either_style("batch_id")
    def list_files(
        self,
        vector_store_id: str,
        batch_id: str,
        *,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncCursorPaginator[VectorStoreFile]:
        """List the files of a batch.

        Args:
            vector_store_id: Id of the store.
            batch_id: Id of the batch.
            after: Id of the file after which the page begins.
            before: Id of the file before which the page ends.
            filter: Only files of this status.
            limit: Files a page, 1 to 100; by default 20.
            order: By time of attaching: `asc` or, by default, `desc`.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            A page; iterate it with `async for` to go on through the following ones.

        Raises:
            NotFoundError: There is no such store or batch.
            ParameterValidationError: An argument is wrong.
        """
        fields = given(after=after, before=before, filter=filter, limit=limit, order=order)
        fields |= {"vector_store_id": vector_store_id, "batch_id": batch_id}
        return self._runner.cursor_page(self._core.call, BATCHES_LIST_FILES, fields, options)

    @overload
    async def poll(
        self,
        batch_id: str,
        *,
        vector_store_id: str,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch: ...
    @overload
    async def poll(
        self,
        vector_store_id: str,
        batch_id: str,
        *,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch: ...
    @either_style("batch_id")
    async def poll(
        self,
        vector_store_id: str,
        batch_id: str,
        *,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch:
        """Wait until no file of a batch is in progress any more.

        Args:
            vector_store_id: Id of the store.
            batch_id: Id of the batch.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up, 0 for without a single look; by default never.
            on_progress: Called as `on_progress(done, total, item)` with the batch, whenever more of it is done.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The batch; `file_counts` tells how many files failed.

        Raises:
            PollTimeoutError: It took too long; `.last` is the batch as last seen.
            NotFoundError: There is no such store or batch.
        """
        patience = self._patience(batch_id, poll_interval_ms, max_wait_seconds, on_progress)
        return await self._wait(vector_store_id, batch_id, patience, options, None)

    async def upload_and_poll(
        self,
        vector_store_id: str,
        *,
        files: Iterable[FileTypes],
        purpose: str = "assistants",
        max_concurrency: int = 5,
        file_ids: Sequence[str] | Omit | None = omit,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFileBatch:
        """Upload files, attach them together, and wait until all were processed.

        When an upload fails, or the batch cannot be made, the files that this call has uploaded are deleted
        again.

        Args:
            vector_store_id: Id of the store.
            files: What to upload; see `files.create`.
            purpose: What the files are for.
            max_concurrency: Uploads at the same time, at least 1.
            file_ids: Files that are uploaded already; they come first in the batch, then `files` in their
                order.
            attributes: Attributes of all files.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up waiting for the processing; by default never.
            on_progress: Called as `on_progress(done, total, item)`: first with the id of each file of `files`
                that was uploaded, then with the batch, whenever more of it is done.
            chunking_strategy: How to split the files.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The batch; `file_counts` tells how many files failed.

        Raises:
            TypeError: A file is none of the accepted kinds; nothing was uploaded.
            ParameterValidationError: An argument is wrong, or there is no file at all; nothing was uploaded.
            PollTimeoutError: It took too long; the batch goes on.
            Exception: Whatever the first failing upload raised, with a note that says which file it was.
        """
        checked_id("vector_store_id", vector_store_id)
        patience = self._patience("", poll_interval_ms, max_wait_seconds, on_progress)
        sources = several(files)
        fields = _fields(vector_store_id, file_ids, None, attributes, chunking_strategy)
        tasks = await self._runner.run(self._core.batch_plan, fields, sources, purpose, max_concurrency, options)
        outcomes = await self._runner.settle(tasks, max_concurrency, patience.counting(len(sources)))
        uploaded = await self._runner.shielded(self._core.uploaded, outcomes)
        try:
            fields["file_ids"] = [*cast("Sequence[str]", fields.get("file_ids", ())), *uploaded]
            found: VectorStoreFileBatch = await self._runner.run(self._core.call, BATCHES_CREATE, fields, options)
        except BaseException as error:
            await self._runner.shielded(self._core.undo, uploaded, error)
            raise
        return await self._wait(vector_store_id, found.id, patience, options, found)

    def _patience(
        self, batch_id: str, poll_interval_ms: object, max_wait_seconds: object, on_progress: object
    ) -> Patience:
        return Patience(
            f"vector store file batch '{batch_id}'",
            now=self._now,
            local=self._core.local,
            poll_interval_ms=poll_interval_ms,
            max_wait_seconds=max_wait_seconds,
            on_progress=on_progress,
        )

    async def _wait(
        self,
        vector_store_id: str,
        batch_id: str,
        patience: Patience,
        options: Mapping[str, Any],
        found: VectorStoreFileBatch | None,
    ) -> VectorStoreFileBatch:
        fields = {"vector_store_id": vector_store_id, "batch_id": batch_id}
        what = f"vector store file batch '{batch_id}'"
        with self._core.watching(vector_store_id, patience) as watch:
            while found is None or found.file_counts.in_progress > 0:
                patience.check(found, what)
                if found is not None:
                    _report(patience, found)
                    await self._runner.pause(watch, patience.delay(), self._sleep)
                    patience.check(found, what)
                if watch is not None:
                    watch.clear()
                found = await self._runner.run(self._core.look, BATCHES_RETRIEVE, fields, options, patience)
        _report(patience, found)
        return found


def _fields(
    vector_store_id: str, file_ids: object, files: object, attributes: object, chunking_strategy: object
) -> dict[str, object]:
    fields = given(file_ids=file_ids, files=files, attributes=attributes, chunking_strategy=chunking_strategy)
    return {**fields, "vector_store_id": checked_id("vector_store_id", vector_store_id)}


def _report(patience: Patience, batch: VectorStoreFileBatch) -> None:
    counts = batch.file_counts
    patience.report(counts.total - counts.in_progress, counts.total, batch)
