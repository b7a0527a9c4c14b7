"""The index level: what a local vector database implements. The engine gives it everything else.

Keys are 64-bit chunk ids of the catalog, never reused. Vectors are float32 of unit length, or all zero. The catalog is the
truth: an index that is lost, torn or behind is completed from it, or rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]


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
    """What the engine must know of the indexes of a provider. What is not declared is never asked for.

    Attributes:
        exact: `query` compares with every vector, so that it misses none of the nearest.
        among: `query` takes `among`; without it the engine searches candidate sets by itself.
        cosines: The indexes are `ScoringIndex`es; without it the engine keeps a second copy of the vectors to score hits.
        max_dimension: Largest dimension, or None.
        caches: Endings of the folders `<index id>.<ending>` that the indexes keep in `cache/`, so that those of other drivers can
            be cleared away; None keeps everything.
    """

    exact: bool
    among: bool
    cosines: bool
    max_dimension: int | None = None
    caches: tuple[str, ...] | None = None


class IndexLost(Exception):
    """What an index raises that finds its content gone or worthless: the engine opens it anew and fills it from the catalog."""


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

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        """Keys of the nearest vectors by cosine, best first, ties by key ascending; fewer than `limit` only if there are no more.

        The engine scores them itself, so the order of an index that is not exact may be an approximate one.

        Args:
            vector: One vector, of unit length.
            limit: Most keys, at least 1.
            among: Only these keys count (ascending, may name absent ones); None for all.

        Raises:
            NotSupportedError: `among` is given, and the provider's traits do not declare it.
        """
        ...

    def keys(self) -> Iterator[int]:
        """All keys, in any order, for audit and repair."""
        ...

    def count(self) -> int:
        """How many vectors there are."""
        ...

    def flush(self, watermark: int) -> None:
        """Take note that the index is complete up to this revision; make it durable when that is worth while."""
        ...

    def close(self) -> None:
        """Let go of memory and files. What was not made durable is replayed from the catalog."""
        ...


class ScoringIndex(VectorIndex, Protocol):
    """An index that can tell exact cosines of given vectors, cheaply and from the values that it was given."""

    def cosines(self, keys: Keys, vector: Vectors) -> Cosines:
        """Cosines of these vectors with `vector`, in the order of `keys`, summed in float64; NaN for an absent key.

        Sums of float32 depend on the order of their terms; those of float64 agree on every driver after rounding.
        """
        ...


class VectorIndexProvider(Protocol):
    """Opens and drops the indexes of one storage."""

    @property
    def traits(self) -> IndexTraits: ...

    def open(self, spec: IndexSpec) -> VectorIndex:
        """Open the index; an absent, torn or differently stamped one is opened empty, with watermark 0.

        Several may be opened at a time; the same one is not opened twice before it is closed.
        """
        ...

    def drop(self, index_id: str) -> None:
        """Forget the index and what it keeps on disk; an absent one is no error."""
        ...

    def close(self) -> None:
        """Let go of everything; opened indexes were closed before."""
        ...
