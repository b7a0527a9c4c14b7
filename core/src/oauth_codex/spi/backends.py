"""The resource level: what the client calls. A remote driver implements it directly, a local one gets it from the engine.

Every method takes one frozen request of `spi.requests`, already validated. A method raises errors of `oauth_codex.errors`; any
other exception is a failure of the driver and reaches the caller as `StorageError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Protocol, TypeVar, runtime_checkable

from ..types.file_batches import VectorStoreFileBatch
from ..types.files import FileDeleted, FileObject
from ..types.search import VectorStoreSearchResponse
from ..types.vector_stores import (
    FileContentResponse,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreFile,
    VectorStoreFileDeleted,
)
from .paging import Position

if TYPE_CHECKING:
    from types import TracebackType

    from . import requests as r
    from .capabilities import Capabilities

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T_co]):
    """One page of a list.

    Attributes:
        data: The items, in the requested order.
        has_more: Whether there are more in the direction of travel; never true for an empty page.
        last: Position of the last item, from which the next page goes on even if the item is gone by then or has moved.
        request_id: Id under which a service answered; None where the client chooses one.
    """

    data: Sequence[T_co]
    has_more: bool
    last: Position | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Answer to a search: the hits, best first, and the queries that were really searched."""

    data: Sequence[VectorStoreSearchResponse]
    search_query: Sequence[str]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedContent:
    """The parsed text of a file in a store, chunk by chunk."""

    file_id: str
    filename: str
    attributes: dict[str, str | bool | int | float] | None
    data: Sequence[FileContentResponse]
    request_id: str | None = None


class FileBackend(Protocol):
    """Keeps uploaded files."""

    def create(self, request: r.FileCreate) -> FileObject:
        """Store a file; it is durable when this returns. `request.content` is read from its position and not closed."""
        ...

    def create_many(self, request: r.FilesCreate) -> Sequence[FileObject]:
        """Store several files, all of them or none, in the order in which they are given; called only where the capability
        `create_many` is declared.
        """
        ...

    def retrieve(self, request: r.FileRetrieve) -> FileObject: ...

    def list(self, request: r.FileList) -> Listing[FileObject]: ...

    def delete(self, request: r.FileDelete) -> FileDeleted:
        """Delete a file and its memberships in all vector stores."""
        ...

    def content(self, request: r.FileContent) -> BinaryIO:
        """A readable stream of the content, which the caller closes. An unknown file is an error here, not at reading."""
        ...


class VectorStoreBackend(Protocol):
    """Keeps vector stores and the files in them."""

    def create(self, request: r.VectorStoreCreate) -> VectorStore: ...

    def retrieve(self, request: r.VectorStoreRetrieve) -> VectorStore: ...

    def update(self, request: r.VectorStoreUpdate) -> VectorStore: ...

    def list(self, request: r.VectorStoreList) -> Listing[VectorStore]: ...

    def delete(self, request: r.VectorStoreDelete) -> VectorStoreDeleted: ...

    def search(self, request: r.VectorStoreSearch) -> SearchResults: ...

    def create_file(self, request: r.VectorStoreFileCreate) -> VectorStoreFile: ...

    def upload_file(self, request: r.VectorStoreFileUpload) -> VectorStoreFile:
        """Upload a file and attach it; called only where the capability `upload_files` is declared."""
        ...

    def retrieve_file(self, request: r.VectorStoreFileRetrieve) -> VectorStoreFile: ...

    def update_file(self, request: r.VectorStoreFileUpdate) -> VectorStoreFile: ...

    def list_files(self, request: r.VectorStoreFileList) -> Listing[VectorStoreFile]: ...

    def delete_file(self, request: r.VectorStoreFileDelete) -> VectorStoreFileDeleted: ...

    def file_content(self, request: r.VectorStoreFileContent) -> ParsedContent: ...


class BatchBackend(Protocol):
    """Keeps file batches of vector stores."""

    def create(self, request: r.FileBatchCreate) -> VectorStoreFileBatch: ...

    def retrieve(self, request: r.FileBatchRetrieve) -> VectorStoreFileBatch: ...

    def cancel(self, request: r.FileBatchCancel) -> VectorStoreFileBatch: ...

    def list_files(self, request: r.FileBatchListFiles) -> Listing[VectorStoreFile]: ...


@runtime_checkable
class Backend(Protocol):
    """An opened driver. One serves many threads."""

    @property
    def name(self) -> str:
        """Name of the driver."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do: at most what its driver promises."""
        ...

    @property
    def files(self) -> FileBackend: ...

    @property
    def vector_stores(self) -> VectorStoreBackend: ...

    @property
    def batches(self) -> BatchBackend: ...

    def scoped(self, namespace: str) -> Backend:
        """The same storage seen from another namespace; views never see each other's objects."""
        ...

    def ping(self) -> None:
        """Raise if the storage cannot be used."""
        ...

    def close(self) -> None:
        """Let go of everything; what was acknowledged stays."""
        ...


class Watch(Protocol):
    """Waits for news of one store or file, as a context: news counts from its beginning on."""

    #: Called from any thread when there is news; it must return at once.
    wake: Callable[[], object] | None

    def __enter__(self) -> Watch: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    @property
    def has_news(self) -> bool:
        """Whether something was settled since `clear`."""
        ...

    def clear(self) -> None:
        """Forget older news; called before looking."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for news at most so long, and return whether there is some."""
        ...


class BackgroundWork(Protocol):
    """Workers of a backend that processes files after a call has returned. A backend that has them offers them as its attribute
    `background`; polling then waits for news instead of looking at an interval, and `oauth-codex worker` can drive it.
    """

    @property
    def completed(self) -> int:
        """Files that were completed by this process."""
        ...

    @property
    def failed(self) -> int:
        """Files that failed in this process."""
        ...

    def left(self) -> tuple[int, int]:
        """Files that are not settled, of all namespaces: those that can be done here, and those that another embedder needs."""
        ...

    def start(self, threads: int) -> None:
        """Work with so many threads from now on."""
        ...

    def watch(self, key: str) -> Watch:
        """Something to wait with for news of the store or the file of that id. What other processes settle is no news."""
        ...


class AsyncStream(Protocol):
    """The content of a file, read without blocking the event loop."""

    async def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` of them, all that are left when it is negative; none at the end."""
        ...

    async def close(self) -> None:
        """Let go of it, read or not."""
        ...


class AsyncBackend(Protocol):
    """The same backend for an event loop: the methods of the three protocols above, each `async def`; `files.content` gives an
    `AsyncStream`. A backend that waits for a network offers it as its attribute `asynchronous`, and an async client then needs no
    threads. All others are called in worker threads.
    """

    @property
    def files(self) -> Any: ...

    @property
    def vector_stores(self) -> Any: ...

    @property
    def batches(self) -> Any: ...

    async def close(self) -> None:
        """Let go of what belongs to the running event loop."""
        ...
