"""The index level: what a local vector database implements. The engine gives it everything else.

Keys are 64-bit chunk ids of the catalog, never reused. Vectors are float32 of unit length, or all zero. The catalog is the
truth: an index that is lost, torn or behind is completed from it, or rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class IndexSpec:
    """Which index is meant, and of what shape.

    Attributes:
        id: Name of the index: letters, digits, `-` and `_`, at most 100.
        dimension: Length of the vectors.
        stamp: Changes when the store is another one or was embedded anew; an index with another stamp is worthless.
        sparse_queries: Query vectors have few non-zero dimensions.
    """

    id: str
    dimension: int
    stamp: str
    sparse_queries: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexTraits:
    """What the engine must know of an index.

    Attributes:
        exact: `query` compares with every vector, so that what it returns are the true cosines of the stored vectors.
        max_dimension: Largest dimension, or None.
    """

    exact: bool
    max_dimension: int | None = None


class IndexHits(NamedTuple):
    """Hits, best first: keys and their cosines with the query, float32, one each."""

    keys: Keys
    cosines: Vectors


class VectorIndex(Protocol):
    """One index. Calls come from one thread at a time for writing, from several for reading, never both at once."""

    @property
    def watermark(self) -> int:
        """Revision of the store up to which this index is complete; 0 for a new or a lost one."""
        ...

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        """Add vectors, replacing those of keys that are there. Keys ascend and differ; rows are in their order."""
        ...

    def delete(self, keys: Keys) -> None:
        """Remove keys; absent ones are no error."""
        ...

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> IndexHits:
        """The nearest vectors by cosine, best first, ties by key ascending; fewer than `limit` only if there are no more.

        Args:
            vector: One vector, of unit length.
            limit: Most hits, at least 1.
            among: Only these keys count (ascending, may name absent ones); None for all.
        """
        ...

    def keys(self) -> Iterator[int]:
        """All keys, for audit and repair."""
        ...

    def count(self) -> int:
        """How many vectors there are."""
        ...

    def flush(self, watermark: int) -> None:
        """Take note that the index is complete up to this revision; make it durable when that is worth while."""
        ...

    def close(self) -> None:
        """Let go of memory and files."""
        ...


class VectorIndexProvider(Protocol):
    """Opens and drops the indexes of one storage."""

    @property
    def traits(self) -> IndexTraits: ...

    def open(self, spec: IndexSpec) -> VectorIndex:
        """Open the index; an absent, torn or differently stamped one is opened empty, with watermark 0."""
        ...

    def drop(self, index_id: str) -> None:
        """Forget the index and what it keeps on disk; an absent one is no error."""
        ...

    def close(self) -> None:
        """Let go of everything; opened indexes were closed before."""
        ...
