"""Objects of the `vector_stores.file_batches` resource."""

from __future__ import annotations

from typing import Literal

from ._base import Answer
from .vector_stores import FileCounts, FileStatus


class VectorStoreFileBatch(Answer):
    """A batch of files that is being attached to a vector store."""

    id: str
    #: The live service sends `vector_store.file_batch`, its schema says `vector_store.files_batch`; both are accepted.
    object: Literal["vector_store.files_batch", "vector_store.file_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: FileStatus
    file_counts: FileCounts
