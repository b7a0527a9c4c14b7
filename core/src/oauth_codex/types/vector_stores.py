"""Objects of the `vector_stores` and `vector_stores.files` resources."""

from __future__ import annotations

from typing import Any, Literal

from ._base import Answer, Model, Record, Tagged

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
#: Value of an attribute of a file in a vector store.
AttributeValue = str | int | float | bool


class FileCounts(Model):
    """How many files are in which state; `total` is the sum of the others."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0


class ExpiresAfter(Tagged):
    """A store expires `days` days (1 to 365) after it was last used."""

    anchor: Literal["last_active_at"] = "last_active_at"
    days: int


class VectorStore(Answer):
    """A vector store. Times are Unix seconds, `usage_bytes` counts the searchable text of its completed files."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str | None = None
    description: str | None = None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: ExpiresAfter | None = None
    expires_at: int | None = None
    last_active_at: int | None = None
    metadata: dict[str, str] | None = None
    #: Ids of the files, oldest first; None on a remote service and on stores of more than 10,000 files.
    file_ids: list[str] | None = None


class VectorStoreDeleted(Answer):
    """Answer to the deletion of a vector store."""

    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: bool = True


class LastError(Model):
    """Why a file could not be processed."""

    #: A service may have further ones; none of them makes its whole answer unreadable.
    code: Literal["server_error", "unsupported_file", "invalid_file"] | str
    message: str


class StaticChunking(Model):
    """Window and overlap of the chunks, in cl100k tokens."""

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class StaticChunkingStrategy(Tagged):
    """The chunking that a file was split with."""

    type: Literal["static"] = "static"
    static: StaticChunking


class OtherChunkingStrategy(Tagged):
    """The chunking of a file is unknown."""

    type: Literal["other"] = "other"


class VectorStoreFile(Answer):
    """A file in a vector store. `id` is the file's id; `created_at` is the time of attaching it."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    usage_bytes: int = 0
    status: FileStatus
    last_error: LastError | None = None
    chunking_strategy: StaticChunkingStrategy | OtherChunkingStrategy | None = None
    attributes: dict[str, str | bool | int | float] | None = None


class VectorStoreFileDeleted(Record):
    """Answer to the removal of a file from a vector store: a dict whose entries are attributes too."""

    id: str
    object: str
    deleted: bool

    def __init__(self, id: str, *, deleted: bool = True, **extra: Any) -> None:
        super().__init__(id=id, object="vector_store.file.deleted", deleted=deleted, **extra)


class FileContentResponse(Tagged):
    """One chunk of the parsed text of a file."""

    type: str | None = "text"
    text: str | None = None
    #: Attributes of the file.
    metadata: dict[str, Any] | None = None

    @property
    def content(self) -> str | None:
        """The text."""
        return self.text
