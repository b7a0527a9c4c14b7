"""Vectors for `IndexSuite`, an index of the plainest kind to compare with, and the storage under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from ...spi import IndexSpec, IndexTraits, ScoringIndex, VectorIndex, VectorIndexProvider

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]

DIMENSION: Final = 16
#: Sums of float32 products may differ by this much from the true cosine.
_ROUNDING: Final = 1e-5
#: What an index that is not exact may return in place of the true nearest: a cosine that is this much smaller.
_SLACK: Final = 0.02


def spec_of(id: str = "7", *, dimension: int = DIMENSION, stamp: str = "a:7:f", sparse: bool = False) -> IndexSpec:
    """Which index to open."""
    return IndexSpec(id=id, dimension=dimension, stamp=stamp, sparse_queries=sparse)


def keys_of(*keys: int) -> Keys:
    """An array of keys."""
    return np.array(keys, dtype=np.int64)


def numbered(first: int, count: int) -> Keys:
    """The keys `first`, `first + 1`, ..."""
    return np.arange(first, first + count, dtype=np.int64)


def corners(seed: int, count: int) -> Vectors:
    """Unit vectors of `DIMENSION` whose cosines are exact in whatever order they are summed, so that ties are true ties."""
    signs = np.random.default_rng(seed).integers(0, 2, size=(count, DIMENSION))
    return (signs * 0.5 - 0.25).astype(np.float32)


def clouds(seed: int, count: int, dimension: int = 32, clusters: int = 50) -> Vectors:
    """Unit vectors around some centres, as embedders make them and as the catalog gives them, which keeps float16."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, dimension))
    found = centres[random.integers(0, clusters, size=count)] + 0.6 * random.standard_normal((count, dimension))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    kept = found.astype(np.float16).astype(np.float32)
    return np.asarray(kept / np.linalg.norm(kept, axis=1, keepdims=True), dtype=np.float32)


def axis(dimension: int, at: int, sign: float = 1.0) -> Vectors:
    """The unit vector along one dimension."""
    found = np.zeros(dimension, dtype=np.float32)
    found[at] = sign
    return found


class Expected:
    """What an index must hold and answer: a dict of vectors, searched by comparing with every one."""

    def __init__(self, traits: IndexTraits) -> None:
        self.traits = traits
        self.rows: dict[int, Vectors] = {}

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        self.rows.update(zip(keys.tolist(), vectors, strict=True))

    def delete(self, keys: Keys) -> None:
        for key in keys.tolist():
            self.rows.pop(key, None)

    def keys(self) -> Keys:
        return np.array(sorted(self.rows), dtype=np.int64)

    def cosines(self, keys: Keys, vector: Vectors) -> Cosines:
        """Cosines of keys that are there."""
        rows = np.array([self.rows[key] for key in keys.tolist()], dtype=np.float64).reshape(len(keys), len(vector))
        return rows @ vector.astype(np.float64)

    def check_rows(self, index: VectorIndex) -> None:
        """The index has these keys, each once, and no other."""
        found = list(index.keys())
        assert sorted(found) == self.keys().tolist(), _difference(found, self.keys().tolist())
        assert all(isinstance(key, int) for key in found), "keys() gives Python integers"
        assert index.count() == len(self.rows), f"count() is {index.count()}, and there are {len(self.rows)} vectors"

    def check_query(self, index: VectorIndex, vector: Vectors, *, limit: int, among: Keys | None = None) -> None:
        """The index answers a query as well as its traits promise."""
        found = index.query(vector, limit=limit, among=among)
        assert isinstance(found, np.ndarray), f"query returned {type(found).__name__}, not an array"
        assert (found.dtype, found.ndim) == (np.dtype(np.int64), 1), f"query returned {found.dtype}[{found.shape}]"
        candidates = self.keys()
        if among is not None:
            candidates = candidates[np.isin(candidates, among)]
        strays = found[~np.isin(found, candidates)]
        assert not len(strays), f"query returned {strays[:5]}, which are not there or not among the candidates"
        assert len(set(found.tolist())) == len(found), f"query returned a key twice: {found[:20]}"
        wanted = min(limit, len(candidates))
        assert len(found) == wanted, f"query returned {len(found)} keys for limit={limit} of {len(candidates)} vectors"
        cosines = self.cosines(candidates, vector)
        order = np.lexsort((candidates, -cosines))[:limit]
        returned = cosines[np.searchsorted(candidates, found)]
        if self.traits.exact:
            worse = np.flatnonzero(np.abs(returned - cosines[order]) > _ROUNDING)
            assert not len(worse), (
                f"Hit {worse[0]} has the cosine {returned[worse[0]]:.6f}; the {worse[0] + 1}th best vector has"
                f" {cosines[order][worse[0]]:.6f}"
            )
        elif wanted:
            missed = int(np.count_nonzero(returned < cosines[order][-1] - _SLACK))
            assert missed <= wanted // 10, f"{missed} of {wanted} hits are not among the nearest"

    def check_order(self, index: VectorIndex, vector: Vectors, *, limit: int, among: Keys | None = None) -> None:
        """As `check_query`; and where cosines are exact (`corners`), an exact index gives exactly these keys in this order."""
        self.check_query(index, vector, limit=limit, among=among)
        if self.traits.exact:
            candidates = self.keys()
            if among is not None:
                candidates = candidates[np.isin(candidates, among)]
            order = np.lexsort((candidates, -self.cosines(candidates, vector)))[:limit]
            found = index.query(vector, limit=limit, among=among)
            assert found.tolist() == candidates[order].tolist(), "best first, and equal ones by key ascending"


def _difference(found: list[int], expected: list[int]) -> str:
    twice = sorted({key for key in found if found.count(key) > 1})[:5] if len(found) < 1000 else []
    return (
        f"keys() lacks {sorted(set(expected) - set(found))[:5]}, has {sorted(set(found) - set(expected))[:5]} too many"
        f" and {twice} twice"
    )


class History:
    """Writes to an index as the engine does, in revisions, and replays from it what a reopened index has lost."""

    def __init__(self, traits: IndexTraits) -> None:
        self.expected = Expected(traits)
        self.revision = 0
        self.told = 0  # the last watermark that the index was given
        self._written: dict[int, int] = {}
        self._removed: dict[int, int] = {}

    def upsert(self, index: VectorIndex, keys: Keys, vectors: Vectors) -> None:
        self.revision += 1
        index.upsert(keys, vectors)
        self.expected.upsert(keys, vectors)
        self._written.update(dict.fromkeys(keys.tolist(), self.revision))

    def delete(self, index: VectorIndex, keys: Keys) -> None:
        self.revision += 1
        index.delete(keys)
        for key in keys.tolist():
            if key in self.expected.rows:
                self._removed[key] = self.revision
        self.expected.delete(keys)

    def flush(self, index: VectorIndex) -> None:
        index.flush(self.revision)
        self.told = self.revision

    def catch_up(self, index: VectorIndex) -> None:
        """Replay what came after the watermark of an index that was opened again.

        What is there without any watermark has no known age, so all of it is written anew.
        """
        reached = index.watermark
        assert 0 <= reached <= self.told, f"the watermark is {reached}, and flush was told no more than {self.told}"
        lost = sorted(key for key, revision in self._removed.items() if revision > reached)
        if not reached:
            lost = sorted(set(index.keys()) - set(self.expected.rows))
        index.delete(np.array(lost, dtype=np.int64))
        late = [key for key in sorted(self.expected.rows) if self._written[key] > reached]
        if late:
            index.upsert(np.array(late, dtype=np.int64), np.array([self.expected.rows[key] for key in late]))
        index.flush(self.revision)
        self.told = self.revision


class IndexStorage:
    """The storage of one provider: opens its indexes, and closes everything in the right order."""

    def __init__(self, open_provider: Callable[[], VectorIndexProvider]) -> None:
        self._open_provider = open_provider
        self._opened: list[VectorIndex] = []
        self.provider = open_provider()
        self.traits = self.provider.traits

    def open(self, spec: IndexSpec | None = None) -> VectorIndex:
        """Open an index; `close` closes it."""
        index = self.provider.open(spec or spec_of())
        self._opened.append(index)
        return index

    def scoring(self, spec: IndexSpec | None = None) -> ScoringIndex:
        """Open an index of a provider that declares cosines."""
        return cast("ScoringIndex", self.open(spec))

    def close_index(self, index: VectorIndex) -> None:
        self._opened = [each for each in self._opened if each is not index]
        index.close()

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self.provider.close()

    def reopen(self) -> None:
        """Close everything and open the provider anew on the same storage."""
        self.close()
        self.provider = self._open_provider()
