"""One frozen request model for each operation: what a backend receives, already validated.

The values are checked by `spi.values`, whose `ParameterValidationError` the client lets through; what pydantic reports on its own
is translated there. Fields of the path, the query and the body stand side by side; `options` holds what
belongs to the call and not to the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from .. import messages as say
from ..errors import ParameterValidationError
from .paging import Position
from .values import (
    After,
    Attributes,
    BatchFile,
    BatchFiles,
    BatchId,
    Before,
    Chunking,
    ContentType,
    Description,
    FileExpiry,
    FileId,
    FileIds,
    Filename,
    FilesLimit,
    Filters,
    Limit,
    Metadata,
    Name,
    Order,
    Purpose,
    Query,
    Ranking,
    Results,
    Status,
    StoreExpiry,
    VectorStoreId,
    check_extras,
    text,
)


class CallOptions(BaseModel):
    """What belongs to one call: `extra_*` of the SDK, its limits, and the id under which it is logged.

    `timeout` is in seconds; `max_retries` is for remote drivers. Both are set only when the caller gave them. `extra_body` holds
    fields of the body, or of the query where there is none, that the request has no place for: the service behind a remote driver
    may know them. A driver that speaks HTTP calls `on_answer` with each answer that it took, an `httpx.Response`, and the number of
    retries before it.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    request_id: str | None = None
    timeout: Any = None
    max_retries: int | None = None
    #: Not shown, since either may hold a secret.
    extra_headers: Mapping[str, str] | None = Field(default=None, repr=False)
    extra_query: Mapping[str, object] | None = Field(default=None, repr=False)
    extra_body: Mapping[str, object] | None = Field(default=None, repr=False)
    on_answer: Callable[[Any, int], None] | None = Field(default=None, repr=False)


NO_OPTIONS = CallOptions()


class Request(BaseModel):
    """Base of all requests."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True)

    options: CallOptions = Field(default=NO_OPTIONS, exclude=True, repr=False)


class ListRequest(Request):
    """A page of a list: `after` and `before` are ids; `resume`, a position, takes the place of `after` in process."""

    after: After = None
    before: Before = None
    limit: Limit = None
    order: Order = None
    resume: Position | None = Field(default=None, exclude=True, repr=False)


# -- files -------------------------------------------------------------------------------------------------------------


class FileCreate(Request):
    """Upload a file. Extra fields are kept as its metadata. `content` is a readable binary stream."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, arbitrary_types_allowed=True)

    content: Annotated[Any, Field(exclude=True, repr=False)]
    filename: Filename = "upload"
    content_type: ContentType = None
    purpose: Purpose
    expires_after: FileExpiry = None

    @model_validator(mode="after")
    def _extra_fields(self) -> Self:
        check_extras(self)
        return self

    @property
    def stream(self) -> BinaryIO:
        """The content, typed."""
        stream: BinaryIO = self.content
        return stream


class FilesCreate(Request):
    """Upload several files, all of them or none."""

    files: tuple[FileCreate, ...]


class FileRetrieve(Request):
    """One file."""

    file_id: FileId


class FileDelete(FileRetrieve):
    """Delete one file."""


class FileContent(FileRetrieve):
    """The content of one file."""


class FileList(ListRequest):
    """Files, optionally of one purpose."""

    limit: FilesLimit = None
    purpose: Annotated[str | None, text("purpose", 64)] = None


# -- vector stores -----------------------------------------------------------------------------------------------------


class VectorStoreCreate(Request):
    """Create a store. Extra fields are kept and echoed."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, arbitrary_types_allowed=True)

    name: Name = None
    description: Description = None
    file_ids: FileIds = None
    metadata: Metadata = None
    #: Days.
    expires_after: StoreExpiry = None
    chunking_strategy: Chunking = None

    @model_validator(mode="after")
    def _extra_fields(self) -> Self:
        check_extras(self)
        return self


class VectorStoreRetrieve(Request):
    """One store."""

    vector_store_id: VectorStoreId
    #: Leave out `file_ids`, so that the cost does not grow with the store; for use in process.
    brief: bool = Field(default=False, exclude=True, repr=False)


class VectorStoreUpdate(VectorStoreRetrieve):
    """Change a store: a field that is set replaces, null clears, an absent one (`model_fields_set`) keeps."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, arbitrary_types_allowed=True)

    name: Name = None
    description: Description = None
    file_ids: FileIds = None
    metadata: Metadata = None
    #: Days.
    expires_after: StoreExpiry = None

    @model_validator(mode="after")
    def _extra_fields(self) -> Self:
        check_extras(self)
        return self


class VectorStoreDelete(VectorStoreRetrieve):
    """Delete a store."""


class VectorStoreList(ListRequest):
    """Stores."""


class VectorStoreSearch(VectorStoreRetrieve):
    """Search a store; several queries are searched each on its own and their hits merged."""

    query: Query
    max_num_results: Results = None
    filters: Filters = None
    ranking_options: Ranking = None
    rewrite_query: StrictBool | None = None


# -- files of a vector store -------------------------------------------------------------------------------------------


class VectorStoreFileCreate(VectorStoreRetrieve):
    """Attach a file to a store."""

    file_id: FileId
    attributes: Attributes = None
    chunking_strategy: Chunking = None


class VectorStoreFileUpload(VectorStoreRetrieve):
    """Upload a file and attach it; nothing of it stays when it cannot be attached. `content` is a readable binary stream."""

    content: Annotated[Any, Field(exclude=True, repr=False)]
    filename: Filename = "upload"
    content_type: ContentType = None
    purpose: Purpose = "assistants"
    attributes: Attributes = None
    chunking_strategy: Chunking = None

    @property
    def stream(self) -> BinaryIO:
        """The content, typed."""
        stream: BinaryIO = self.content
        return stream


class VectorStoreFileRetrieve(VectorStoreRetrieve):
    """One file of a store."""

    file_id: FileId


class VectorStoreFileUpdate(VectorStoreFileRetrieve):
    """Replace the attributes of a file of a store; null clears them."""

    attributes: Attributes


class VectorStoreFileDelete(VectorStoreFileRetrieve):
    """Take a file out of a store."""


class VectorStoreFileContent(VectorStoreFileRetrieve):
    """The parsed text of a file of a store."""


class VectorStoreFileList(VectorStoreRetrieve, ListRequest):
    """Files of a store, optionally of one status."""

    filter: Status = None


# -- batches -----------------------------------------------------------------------------------------------------------


class FileBatchCreate(VectorStoreRetrieve):
    """Attach many files; `attributes` and `chunking_strategy` apply to `file_ids` only."""

    file_ids: FileIds = None
    files: BatchFiles = None
    attributes: Attributes = None
    chunking_strategy: Chunking = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file_ids is None) == (self.files is None):
            given = "neither was" if self.files is None else "both were"
            raise ParameterValidationError(
                f"Exactly one of 'file_ids' and 'files' is required, but {given} given.", param="file_ids"
            )
        if not self.entries:
            raise say.array_length("files" if self.file_ids is None else "file_ids", 0, 1, 2000)
        return self

    @property
    def entries(self) -> tuple[BatchFile, ...]:
        """The files, each with the attributes and chunking that hold for it."""
        if self.files is not None:
            return self.files
        return tuple(
            BatchFile(file_id=i, attributes=self.attributes, chunking_strategy=self.chunking_strategy)
            for i in self.file_ids or ()
        )


class FileBatchRetrieve(VectorStoreRetrieve):
    """One batch."""

    batch_id: BatchId


class FileBatchCancel(FileBatchRetrieve):
    """Cancel what a batch has not done yet."""


class FileBatchListFiles(FileBatchRetrieve, ListRequest):
    """Files of a batch, optionally of one status."""

    filter: Status = None
