"""The `files` resource."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ...spi.operations import FILES_CONTENT, FILES_DELETE, FILES_LIST, FILES_RETRIEVE
from ...types.sentinels import NotGiven, Omit, not_given, omit
from ..base import Core, given
from ..polling import Patience
from ..resolver import checked_id
from ..running import AsyncRunner
from .raw import AsyncRaw, AsyncStreaming

if TYPE_CHECKING:
    from typing import Unpack

    import httpx

    from ...types.files import FileBytes, FileDeleted, FileObject, FileTypes
    from ...types.pages import AsyncCursorPaginator
    from ...types.params import FileExpiresAfterParam, RequestOptions


class AsyncFiles:
    """Uploaded files."""

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
        *,
        file: FileTypes,
        purpose: str,
        expires_after: FileExpiresAfterParam | Omit | None = omit,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        **metadata: Any,
    ) -> FileObject:
        """Upload a file.

        Args:
            file: What to upload: bytes, bytearray, memoryview, a path (str or os.PathLike), an open file of
                bytes or text (text becomes UTF-8), or a tuple `(filename, content[, content_type[,
                headers]])`. An open file is read from its current position and left open.
            purpose: What it is for: `assistants`, `batch`, `fine-tune`, `vision`, `user_data` or `evals`.
            expires_after: When it is deleted: `{"anchor": "created_at", "seconds": 3600}`, 3600 to 2592000
                seconds.
            extra_headers: More HTTP headers; local drivers ignore them.
            extra_query: More query parameters; local drivers ignore them.
            extra_body: More fields; they win over the named arguments.
            timeout: Limit in seconds; None for none.
            **metadata: More fields, kept with the file.

        Returns:
            The file.

        Raises:
            TypeError: `file` is none of the accepted kinds.
            OSError: The path cannot be opened.
            ParameterValidationError: Another argument is wrong.
        """
        fields = {**given(**metadata), **given(purpose=purpose, expires_after=expires_after)}
        options = {
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "timeout": timeout,
        }
        found: FileObject = await self._runner.run(self._core.upload, file, fields, options)
        return found

    async def retrieve(self, file_id: str, **options: Unpack[RequestOptions]) -> FileObject:
        """Get a file.

        Args:
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The file.

        Raises:
            NotFoundError: There is no such file.
        """
        fields = {"file_id": checked_id("file_id", file_id)}
        found: FileObject = await self._runner.run(self._core.call, FILES_RETRIEVE, fields, options)
        return found

    def list(
        self,
        *,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        purpose: str | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> AsyncCursorPaginator[FileObject]:
        """List files.

        Args:
            after: Id of the file after which the page begins.
            before: Id of the file before which the page ends.
            limit: Files a page, 1 to 10,000; by default 10,000.
            order: By time of creation: `asc` or, by default, `desc`.
            purpose: Only files of this purpose.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            A page; iterate it with `async for` to go on through the following ones.

        Raises:
            ParameterValidationError: An argument is wrong.
        """
        fields = given(after=after, before=before, limit=limit, order=order, purpose=purpose)
        return self._runner.cursor_page(self._core.call, FILES_LIST, fields, options)

    async def delete(self, file_id: str, **options: Unpack[RequestOptions]) -> FileDeleted:
        """Delete a file, and take it out of every vector store.

        Args:
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The confirmation.

        Raises:
            NotFoundError: There is no such file.
        """
        fields = {"file_id": checked_id("file_id", file_id)}
        found: FileDeleted = await self._runner.run(self._core.call, FILES_DELETE, fields, options)
        return found

    async def content(self, file_id: str, **options: Unpack[RequestOptions]) -> FileBytes:
        """Get the content of a file, all of it at once.

        Args:
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The bytes, which also have `.text`, `.json()`, `.iter_bytes()` and `.write_to_file()`.

        Raises:
            NotFoundError: There is no such file.
        """
        fields = {"file_id": checked_id("file_id", file_id)}
        return await self._runner.run(self._core.read, FILES_CONTENT, fields, options)

    async def retrieve_content(self, file_id: str, **options: Unpack[RequestOptions]) -> FileBytes:
        """Another name of `content`.

        Args:
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The bytes.
        """
        return await self.content(file_id, **options)

    async def wait_for_processing(
        self,
        id: str,
        *,
        poll_interval: float = 5.0,
        max_wait_seconds: float = 1800.0,
    ) -> FileObject:
        """Wait until a file was processed or has failed.

        Args:
            id: Id of the file.
            poll_interval: Seconds between two looks.
            max_wait_seconds: When to give up.

        Returns:
            The file, with status `processed`, `error` or `deleted`.

        Raises:
            PollTimeoutError: It took too long; `.last` is the file as last seen.
        """
        checked_id("file_id", id)
        patience = Patience(
            f"file '{id}'",
            now=self._now,
            local=self._core.local,
            poll_interval_ms=poll_interval * 1000,
            max_wait_seconds=max_wait_seconds,
        )
        found: FileObject | None = None
        while found is None or found.status not in ("processed", "error", "deleted"):
            patience.check(found)
            if found is not None:
                await self._sleep(patience.delay())
                patience.check(found)
            found = await self.retrieve(id)
        return found
