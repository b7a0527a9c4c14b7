# Generated from client/_async/store_files.py by core/tools/unasync.py: do not edit.
"""The `vector_stores.files` resource.

Methods with a store and a file take `(vector_store_id, file_id)` as well as `(file_id, vector_store_id=...)`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from ...spi.operations import (
    FILES_CONTENT,
    STORE_FILES_CONTENT,
    STORE_FILES_CREATE,
    STORE_FILES_DELETE,
    STORE_FILES_LIST,
    STORE_FILES_RETRIEVE,
    STORE_FILES_UPDATE,
)
from ...types.sentinels import Omit, omit
from ..base import Core, given, sent
from ..polling import Patience
from ..resolver import checked_id, either_style, needs_attributes
from ..running import SyncRunner
from .raw import Raw, Streaming

if TYPE_CHECKING:
    from typing import Unpack

    from ...types.files import FileBytes, FileTypes
    from ...types.pages import SyncCursorPage, SyncPage
    from ...types.params import ChunkingStrategyParam, OnProgress, RequestOptions
    from ...types.vector_stores import (
        AttributeValue,
        FileContentResponse,
        VectorStoreFile,
        VectorStoreFileDeleted,
    )


class VectorStoreFiles:
    """Files in vector stores."""

    def __init__(self, core: Core, runner: SyncRunner) -> None:
        self._core = core
        self._runner = runner
        self._sleep = runner.sleep
        self._now = time.monotonic

    @cached_property
    def with_raw_response(self) -> Raw:
        """The same methods, returning a `RawResponse` whose `parse()` is the answer."""
        return Raw(self)

    @cached_property
    def with_streaming_response(self) -> Streaming:
        """The same methods, as context managers of a response that is read piece by piece."""
        return Streaming(self)

    @overload
    def create(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @overload
    def create(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @either_style("file_id")
    def create(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Attach an uploaded file to a vector store.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            attributes: What searches can filter by: at most 16 strings, numbers or booleans.
            chunking_strategy: How to split it; by default as the store was told, else 800 tokens with 400 of
                overlap.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The file in the store.

        Raises:
            NotFoundError: There is no such store or file.
            ParameterValidationError: An argument is wrong.
        """
        fields = _attachment(vector_store_id, file_id, attributes, chunking_strategy)
        found: VectorStoreFile = self._runner.run(self._core.call, STORE_FILES_CREATE, fields, options)
        return found

    @overload
    def create_and_poll(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @overload
    def create_and_poll(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @either_style("file_id")
    def create_and_poll(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Attach a file and wait until it was processed.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            attributes: What searches can filter by.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up; by default never.
            on_progress: Called as `on_progress(done, 1, item)` with the file, at first and when it is done.
            chunking_strategy: How to split it.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The file in the store; `status` may be `failed`, and then `last_error` says why.

        Raises:
            PollTimeoutError: It took too long; the file stays attached.
            NotFoundError: There is no such store or file.
        """
        patience = self._patience(file_id, poll_interval_ms, max_wait_seconds, on_progress)
        fields = _attachment(vector_store_id, file_id, attributes, chunking_strategy)
        found: VectorStoreFile = self._runner.run(self._core.call, STORE_FILES_CREATE, fields, options)
        return self._wait(vector_store_id, file_id, patience, options, found)

    @overload
    def retrieve(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFile: ...
    @overload
    def retrieve(
        self, vector_store_id: str, file_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFile: ...
    @either_style("file_id")
    def retrieve(self, vector_store_id: str, file_id: str, **options: Unpack[RequestOptions]) -> VectorStoreFile:
        """Get a file of a vector store.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The file in the store.

        Raises:
            NotFoundError: There is no such store, or the file is not in it.
        """
        fields = {"vector_store_id": vector_store_id, "file_id": file_id}
        found: VectorStoreFile = self._runner.run(self._core.call, STORE_FILES_RETRIEVE, fields, options)
        return found

    @overload
    def update(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        attributes: Mapping[str, AttributeValue] | None,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @overload
    def update(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | None,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @needs_attributes
    @either_style("file_id")
    def update(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Replace the attributes of a file of a vector store.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            attributes: The new attributes, in place of all that were there; None or `{}` clears them.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The file in the store.

        Raises:
            NotSupportedError: `attributes` is left out (nothing else can be changed), or the driver cannot
                change them.
            NotFoundError: There is no such store, or the file is not in it.
        """
        fields = sent(vector_store_id=vector_store_id, file_id=file_id, attributes=attributes)
        found: VectorStoreFile = self._runner.run(self._core.call, STORE_FILES_UPDATE, fields, options)
        return found

    def list(
        self,
        vector_store_id: str,
        *,
        after: str | Omit | None = omit,
        before: str | Omit | None = omit,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | Omit | None = omit,
        limit: int | Omit | None = omit,
        order: Literal["asc", "desc"] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> SyncCursorPage[VectorStoreFile]:
        """List the files of a vector store.

        Args:
            vector_store_id: Id of the store.
            after: Id of the file after which the page begins.
            before: Id of the file before which the page ends.
            filter: Only files of this status.
            limit: Files a page, 1 to 100; by default 20.
            order: By time of attaching: `asc` or, by default, `desc`.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            A page; iterate it with `for` to go on through the following ones.

        Raises:
            NotFoundError: There is no such store.
            ParameterValidationError: An argument is wrong.
        """
        fields = given(after=after, before=before, filter=filter, limit=limit, order=order)
        fields["vector_store_id"] = checked_id("vector_store_id", vector_store_id)
        return self._runner.cursor_page(self._core.call, STORE_FILES_LIST, fields, options)

    @overload
    def delete(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileDeleted: ...
    @overload
    def delete(
        self, vector_store_id: str, file_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileDeleted: ...
    @either_style("file_id")
    def delete(
        self, vector_store_id: str, file_id: str, **options: Unpack[RequestOptions]
    ) -> VectorStoreFileDeleted:
        """Take a file out of a vector store. The file itself stays; `files.delete` deletes it.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            The confirmation: a dict whose entries are attributes too.

        Raises:
            NotFoundError: There is no such store, or the file is not in it.
        """
        fields = {"vector_store_id": vector_store_id, "file_id": file_id}
        found: VectorStoreFileDeleted = self._runner.run(self._core.call, STORE_FILES_DELETE, fields, options)
        return found

    @overload
    def content(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[RequestOptions]
    ) -> SyncPage[FileContentResponse]: ...
    @overload
    def content(
        self, vector_store_id: str, file_id: str, **options: Unpack[RequestOptions]
    ) -> FileBytes: ...
    @either_style("file_id", tell=True)
    def content(
        self, vector_store_id: str, file_id: str, *, store_first: bool, **options: Unpack[RequestOptions]
    ) -> SyncPage[FileContentResponse] | FileBytes:
        """Get the content of a file of a vector store. What is returned depends on how it is called.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            `content(file_id, vector_store_id=...)` and the call with both by name: a page of the parsed text,
            chunk by chunk. `content(vector_store_id, file_id)`: the bytes that were uploaded.

        Raises:
            NotFoundError: There is no such store, or the file is not in it.
        """
        if store_first:
            return self._original(vector_store_id, file_id, options)
        fields = {"vector_store_id": vector_store_id, "file_id": file_id}
        return self._runner.plain_page(self._core.call, STORE_FILES_CONTENT, fields, options)

    def _original(self, vector_store_id: str, file_id: str, options: Mapping[str, Any]) -> FileBytes:
        member = {"vector_store_id": vector_store_id, "file_id": file_id}
        self._runner.run(self._core.call, STORE_FILES_RETRIEVE, member, options)
        return self._runner.run(self._core.read, FILES_CONTENT, {"file_id": file_id}, options)

    @overload
    def poll(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @overload
    def poll(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile: ...
    @either_style("file_id")
    def poll(
        self,
        vector_store_id: str,
        file_id: str,
        *,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Wait until a file of a vector store was processed.

        Args:
            vector_store_id: Id of the store.
            file_id: Id of the file.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up, 0 for without a single look; by default never.
            on_progress: Called as `on_progress(done, 1, item)` with the file, at first and when it is done.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The file in the store; `status` may be `failed`, and then `last_error` says why.

        Raises:
            PollTimeoutError: It took too long; `.last` is the file as last seen.
            NotFoundError: There is no such store, or the file is not in it.
        """
        patience = self._patience(file_id, poll_interval_ms, max_wait_seconds, on_progress)
        return self._wait(vector_store_id, file_id, patience, options, None)

    def upload(
        self,
        vector_store_id: str,
        *,
        file: FileTypes,
        purpose: str = "assistants",
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Upload a file and attach it. When it cannot be attached, the uploaded file is deleted again.

        Args:
            vector_store_id: Id of the store.
            file: What to upload; see `files.create`.
            purpose: What it is for.
            attributes: What searches can filter by.
            chunking_strategy: How to split it.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The file in the store.

        Raises:
            TypeError: `file` is none of the accepted kinds.
            NotFoundError: There is no such store.
            ParameterValidationError: An argument is wrong.
        """
        checked_id("vector_store_id", vector_store_id)
        fields = given(attributes=attributes, chunking_strategy=chunking_strategy)
        found: VectorStoreFile = self._runner.run(
            self._core.attach_new, vector_store_id, file, purpose, fields, options
        )
        return found

    def upload_and_poll(
        self,
        vector_store_id: str,
        *,
        file: FileTypes,
        purpose: str = "assistants",
        attributes: Mapping[str, AttributeValue] | Omit | None = omit,
        poll_interval_ms: int | Omit | None = omit,
        max_wait_seconds: float | Omit | None = omit,
        on_progress: OnProgress | Omit | None = omit,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | Omit | None = omit,
        **options: Unpack[RequestOptions],
    ) -> VectorStoreFile:
        """Upload a file, attach it, and wait until it was processed.

        Args:
            vector_store_id: Id of the store.
            file: What to upload; see `files.create`.
            purpose: What it is for.
            attributes: What searches can filter by.
            poll_interval_ms: Milliseconds between two looks; by default the driver's own pace.
            max_wait_seconds: When to give up; by default never.
            on_progress: Called as `on_progress(done, 1, item)` with the file, at first and when it is done.
            chunking_strategy: How to split it.
            **options: Options of the calls, see `RequestOptions`.

        Returns:
            The file in the store; `status` may be `failed`, and then `last_error` says why.

        Raises:
            PollTimeoutError: It took too long; the file stays attached.
            TypeError: `file` is none of the accepted kinds.
            NotFoundError: There is no such store.
        """
        patience = self._patience("", poll_interval_ms, max_wait_seconds, on_progress)
        found = self.upload(
            vector_store_id,
            file=file,
            purpose=purpose,
            attributes=attributes,
            chunking_strategy=chunking_strategy,
            **options,
        )
        return self._wait(vector_store_id, found.id, patience, options, found)

    def _patience(
        self, file_id: str, poll_interval_ms: object, max_wait_seconds: object, on_progress: object
    ) -> Patience:
        return Patience(
            f"vector store file '{file_id}'",
            now=self._now,
            local=self._core.local,
            poll_interval_ms=poll_interval_ms,
            max_wait_seconds=max_wait_seconds,
            on_progress=on_progress,
        )

    def _wait(
        self,
        vector_store_id: str,
        file_id: str,
        patience: Patience,
        options: Mapping[str, Any],
        found: VectorStoreFile | None,
    ) -> VectorStoreFile:
        fields = {"vector_store_id": vector_store_id, "file_id": file_id}
        what = f"vector store file '{file_id}'"
        with self._core.watching(file_id, patience) as watch:
            while found is None or found.status == "in_progress":
                patience.check(found, what)
                if found is not None:
                    _report(patience, found)
                    self._runner.pause(watch, patience.delay(), self._sleep)
                    patience.check(found, what)
                if watch is not None:
                    watch.clear()
                found = self._runner.run(self._core.look, STORE_FILES_RETRIEVE, fields, options, patience)
        _report(patience, found)
        return found


def _attachment(vector_store_id: str, file_id: str, attributes: object, chunking_strategy: object) -> dict[str, object]:
    fields = given(attributes=attributes, chunking_strategy=chunking_strategy)
    return {**fields, "vector_store_id": vector_store_id, "file_id": file_id}


def _report(patience: Patience, file: VectorStoreFile) -> None:
    patience.report(int(file.status != "in_progress"), 1, file)
