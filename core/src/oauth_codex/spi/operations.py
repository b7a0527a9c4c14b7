"""The operations table: every REST route once, with its request model and the method of a backend that serves it.

Resources, `client.request`, a server and a remote driver all read this table; nothing else knows a path.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from ..types._base import Model, Record
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
from . import requests as r
from .requests import Request


class Answer(Enum):
    """Shape of an answer on the wire."""

    OBJECT = "object"
    LIST = "list"
    SEARCH = "search"
    CONTENT = "content"
    BYTES = "bytes"
    #: Of a shortcut only: several objects.
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Operation:
    """One route.

    Attributes:
        name: Its name as users call it, for instance `vector_stores.files.retrieve`.
        method: HTTP method.
        path: Path template below the base address; empty for a shortcut, which no server knows.
        request: Model of path, query and body together.
        serve: Attribute path of the serving method on a `Backend`.
        returns: Model of the answer, or of one entry where the answer holds several; None for bytes.
        answer: Shape of the answer.
        requires: Capability flag that the backend must declare, or None.
        multipart: Whether the body is `multipart/form-data`.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    request: type[Request]
    serve: str
    returns: type[Model] | type[Record] | None
    answer: Answer = Answer.OBJECT
    requires: str | None = None
    multipart: bool = False


_STORE = "/vector_stores/{vector_store_id}"

FILES_CREATE: Final = Operation(
    "files.create", "POST", "/files", r.FileCreate, "files.create", FileObject, multipart=True
)
FILES_LIST: Final = Operation("files.list", "GET", "/files", r.FileList, "files.list", FileObject, Answer.LIST)
FILES_RETRIEVE: Final = Operation(
    "files.retrieve", "GET", "/files/{file_id}", r.FileRetrieve, "files.retrieve", FileObject
)
FILES_DELETE: Final = Operation("files.delete", "DELETE", "/files/{file_id}", r.FileDelete, "files.delete", FileDeleted)
FILES_CONTENT: Final = Operation(
    "files.content", "GET", "/files/{file_id}/content", r.FileContent, "files.content", None, Answer.BYTES
)

STORES_CREATE: Final = Operation(
    "vector_stores.create", "POST", "/vector_stores", r.VectorStoreCreate, "vector_stores.create", VectorStore
)
STORES_LIST: Final = Operation(
    "vector_stores.list", "GET", "/vector_stores", r.VectorStoreList, "vector_stores.list", VectorStore, Answer.LIST
)
STORES_RETRIEVE: Final = Operation(
    "vector_stores.retrieve", "GET", _STORE, r.VectorStoreRetrieve, "vector_stores.retrieve", VectorStore
)
STORES_UPDATE: Final = Operation(
    "vector_stores.update", "POST", _STORE, r.VectorStoreUpdate, "vector_stores.update", VectorStore
)
STORES_DELETE: Final = Operation(
    "vector_stores.delete", "DELETE", _STORE, r.VectorStoreDelete, "vector_stores.delete", VectorStoreDeleted
)
STORES_SEARCH: Final = Operation(
    "vector_stores.search",
    "POST",
    f"{_STORE}/search",
    r.VectorStoreSearch,
    "vector_stores.search",
    VectorStoreSearchResponse,
    Answer.SEARCH,
)

STORE_FILES_CREATE: Final = Operation(
    "vector_stores.files.create",
    "POST",
    f"{_STORE}/files",
    r.VectorStoreFileCreate,
    "vector_stores.create_file",
    VectorStoreFile,
)
STORE_FILES_LIST: Final = Operation(
    "vector_stores.files.list",
    "GET",
    f"{_STORE}/files",
    r.VectorStoreFileList,
    "vector_stores.list_files",
    VectorStoreFile,
    Answer.LIST,
)
STORE_FILES_RETRIEVE: Final = Operation(
    "vector_stores.files.retrieve",
    "GET",
    f"{_STORE}/files/{{file_id}}",
    r.VectorStoreFileRetrieve,
    "vector_stores.retrieve_file",
    VectorStoreFile,
)
STORE_FILES_UPDATE: Final = Operation(
    "vector_stores.files.update",
    "POST",
    f"{_STORE}/files/{{file_id}}",
    r.VectorStoreFileUpdate,
    "vector_stores.update_file",
    VectorStoreFile,
    requires="update_attributes",
)
STORE_FILES_DELETE: Final = Operation(
    "vector_stores.files.delete",
    "DELETE",
    f"{_STORE}/files/{{file_id}}",
    r.VectorStoreFileDelete,
    "vector_stores.delete_file",
    VectorStoreFileDeleted,
)
STORE_FILES_CONTENT: Final = Operation(
    "vector_stores.files.content",
    "GET",
    f"{_STORE}/files/{{file_id}}/content",
    r.VectorStoreFileContent,
    "vector_stores.file_content",
    FileContentResponse,
    Answer.CONTENT,
)

BATCHES_CREATE: Final = Operation(
    "vector_stores.file_batches.create",
    "POST",
    f"{_STORE}/file_batches",
    r.FileBatchCreate,
    "batches.create",
    VectorStoreFileBatch,
    requires="file_batches",
)
BATCHES_RETRIEVE: Final = Operation(
    "vector_stores.file_batches.retrieve",
    "GET",
    f"{_STORE}/file_batches/{{batch_id}}",
    r.FileBatchRetrieve,
    "batches.retrieve",
    VectorStoreFileBatch,
    requires="file_batches",
)
BATCHES_CANCEL: Final = Operation(
    "vector_stores.file_batches.cancel",
    "POST",
    f"{_STORE}/file_batches/{{batch_id}}/cancel",
    r.FileBatchCancel,
    "batches.cancel",
    VectorStoreFileBatch,
    requires="file_batches",
)
BATCHES_LIST_FILES: Final = Operation(
    "vector_stores.file_batches.list_files",
    "GET",
    f"{_STORE}/file_batches/{{batch_id}}/files",
    r.FileBatchListFiles,
    "batches.list_files",
    VectorStoreFile,
    Answer.LIST,
    requires="file_batches",
)

#: Uploads several files in one step, where the driver can (`Capabilities.create_many`); elsewhere each is an operation.
FILES_CREATE_MANY: Final = Operation(
    "files.create_many",
    "POST",
    "",
    r.FilesCreate,
    "files.create_many",
    FileObject,
    Answer.SEVERAL,
    requires="create_many",
    multipart=True,
)
#: Uploads and attaches in one step, where the driver can (`Capabilities.upload_files`); elsewhere these are two operations.
STORE_FILES_UPLOAD: Final = Operation(
    "vector_stores.files.upload",
    "POST",
    "",
    r.VectorStoreFileUpload,
    "vector_stores.upload_file",
    VectorStoreFile,
    requires="upload_files",
    multipart=True,
)

_EVERY = tuple(value for value in tuple(globals().values()) if isinstance(value, Operation))
#: The routes.
OPERATIONS: Final[tuple[Operation, ...]] = tuple(operation for operation in _EVERY if operation.path)
#: Several routes in one call of a driver.
SHORTCUTS: Final[tuple[Operation, ...]] = tuple(operation for operation in _EVERY if not operation.path)
