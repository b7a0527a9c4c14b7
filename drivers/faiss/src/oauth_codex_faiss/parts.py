"""Parts of an index: a FAISS index and the keys of its rows.

FAISS numbers its rows from 0. A part holds the key of each row, ascending, and which rows are alive: graphs cannot remove, so a
removed row is only left out of answers, by a selector, until its part is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from oauth_codex.local import saturated

from .options import FaissOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Rows = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]
    Mask = NDArray[np.bool_]

#: Vectors that are moved at a time when a part is made; between two batches the work can be stopped.
_BATCH = 1024
#: Vectors from which the ranges of 8-bit values are learnt at most.
_TRAINING = 65_536
#: Comparing with m chosen ones of n vectors costs as much as walking the graph of n for them where m * m == _WALK * ef * n.
_WALK = 40
#: Two cosines that differ by less in float32 may be equal.
_CLOSE = 2e-6
_QUANTISERS = {"float16": faiss.ScalarQuantizer.QT_fp16, "sq8": faiss.ScalarQuantizer.QT_8bit}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of a part that count: how many, and one bit for each row; no bits when all count."""

    count: int
    bits: NDArray[np.uint8] | None

    @classmethod
    def of(cls, mask: Mask) -> Chosen:
        return cls(int(np.count_nonzero(mask)), np.packbits(mask, bitorder="little"))

    def has(self, rows: Rows) -> Mask:
        """Which of these rows, or -1, count."""
        if self.bits is None:
            return np.ones(len(rows), dtype=np.bool_)
        found: Mask = (self.bits[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1 == 1
        return found

    def parameters(self) -> Any:
        """Search parameters, which hold on to the selector and its bits."""
        return (
            faiss.SearchParameters()
            if self.bits is None
            else faiss.SearchParameters(sel=faiss.IDSelectorBitmap(self.bits))
        )


class Part:
    """Vectors of ascending keys, `alive` or removed. `saved` is where it lies on disk as it is, without its ending."""

    def __init__(self, index: Any, keys: Keys, alive: Mask | None = None, saved: Path | None = None) -> None:
        self.index = index
        self.keys = keys
        self.saved = saved
        self.graph = isinstance(index, faiss.IndexHNSW)
        self._flat = index.storage if self.graph else index
        self._keep(np.ones(len(keys), dtype=np.bool_) if alive is None else alive)

    @classmethod
    def new(cls, dimension: int) -> Part:
        """An empty one that keeps float32, to append to."""
        return cls(faiss.IndexFlatIP(dimension), np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def count(self) -> int:
        """How many rows are alive."""
        return self._living.count

    def append(self, keys: Keys, vectors: Vectors) -> None:
        """Add rows after the others; never to a part that is mapped from a file, which ends the process."""
        self.index.add(vectors)
        self.keys = np.concatenate((self.keys, keys))
        self.saved = None
        self._keep(np.concatenate((self.alive, np.ones(len(keys), dtype=np.bool_))))

    def remove(self, keys: Keys) -> int:
        """Remove the keys that are here; how many that were."""
        rows = self.rows(keys)
        rows = rows[rows >= 0]
        if len(rows):
            alive = self.alive.copy()
            alive[rows] = False
            self._keep(alive)
        return len(rows)

    def rows(self, keys: Keys) -> Rows:
        """Row of each key, -1 for one that is absent or removed."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((self.keys[at] == keys) & self.alive[at], at, -1)

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of some rows, as they are kept."""
        found: Vectors = self._flat.reconstruct_batch(rows)
        return found

    def chosen(self, among: Keys | None) -> Chosen:
        """The living rows, or those of them that have one of these keys."""
        if among is None:
            return self._living
        mask = np.zeros(len(self), dtype=np.bool_)
        rows = self.rows(among)
        mask[rows[rows >= 0]] = True
        return Chosen.of(mask)

    def nearest(self, vector: Vectors, limit: int, chosen: Chosen, ef: int) -> tuple[Rows, Vectors]:
        """Rows and cosines of the nearest chosen ones: as many as there are, up to `limit`."""
        limit = min(limit, chosen.count)
        effort = max(ef, limit if chosen.bits is None else 2 * limit * len(self) // chosen.count)
        if self.graph and chosen.count**2 > _WALK * effort * len(self):
            # Without a selector: where the nearest are not chosen, a walk with one ends among them, with enough others and not the
            # best. So the nearest of all are asked for, and the chosen ones of them are enough or they are not.
            parameters = faiss.SearchParametersHNSW(efSearch=effort)
            cosines, rows = self.index.search(vector[None], min(effort, len(self)), params=parameters)
            found = rows[0] >= 0  # a graph may have islands, and then ends before it has found enough
            kept = found & chosen.has(rows[0])
            if np.count_nonzero(kept) >= limit and not saturated(cosines[0, found]):
                return rows[0, kept][:limit], cosines[0, kept][:limit]
        cosines, rows = self._flat.search(vector[None], limit, params=chosen.parameters())
        return rows[0], cosines[0]

    def within(self, vector: Vectors, cosine: float, chosen: Chosen) -> Rows:
        """All chosen rows whose cosine is not clearly below this one."""
        _, _, rows = self._flat.range_search(vector[None], cosine - _CLOSE, params=chosen.parameters())
        found: Rows = rows
        return found

    def _keep(self, alive: Mask) -> None:
        self.alive = alive
        self._living = Chosen(len(alive), None) if alive.all() else Chosen.of(alive)


def nearest_keys(parts: Sequence[Part], vector: Vectors, limit: int, among: Keys | None, ef: int) -> Keys:
    """The keys of the nearest vectors over all parts, best first, equal ones by key."""
    found: list[tuple[Part, Chosen, Rows, Vectors]] = []
    for part in parts:
        chosen = part.chosen(among)
        if chosen.count:
            found.append((part, chosen, *part.nearest(vector, limit + 1, chosen, ef)))
    if not found:
        return np.zeros(0, dtype=np.int64)
    nominated = np.concatenate([cosines for _, _, _, cosines in found])
    if any(part.graph for part, *_ in found):  # approximate anyhow: the engine scores what it is given
        every = np.concatenate([part.keys[rows] for part, _, rows, _ in found])
        return every[np.lexsort((every, -nominated))[:limit]]
    edge = -np.inf if len(nominated) <= limit else float(-np.partition(-nominated, limit - 1)[limit - 1])
    keys, exact = [], []
    for part, chosen, rows, cosines in found:
        # Where those left out may equal the last one that counts, all equals must be seen: the lowest keys count.
        if len(rows) < chosen.count and cosines[-1] >= edge - _CLOSE:
            rows = part.within(vector, edge, chosen)
        keys.append(part.keys[rows])
        exact.append(cosines_of(part, rows, vector))
    every, cosine = np.concatenate(keys), np.round(np.concatenate(exact), 9)
    return every[np.lexsort((every, -cosine))[:limit]]


def cosines_of(part: Part, rows: Rows, vector: Vectors) -> Cosines:
    """Cosines with the vectors of some rows, summed in float64."""
    wide = vector.astype(np.float64)
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        found[batch] = part.vectors(rows[batch]).astype(np.float64) @ wide
    return found


def merged(parts: Sequence[Part], index: Any, go_on: Callable[[], bool] = lambda: True) -> Part | None:
    """One part of the living vectors of others.

    Args:
        parts: At least one; a key lives in one of them only.
        index: An empty one that takes the vectors.
        go_on: Asked between batches; the answer is None after it has said no.
    """
    rows, keys = _living(parts)
    if not index.is_trained:
        index.train(_gathered(parts, rows[:: len(rows) // _TRAINING + 1]))
    return Part(index, keys) if _added(index, parts, rows, go_on) else None


def extended(graph: Part, parts: Sequence[Part], go_on: Callable[[], bool]) -> Part | None:
    """A copy of a graph with the living vectors of other parts added, all of higher keys; None if `go_on` said no."""
    rows, keys = _living(parts)
    index = faiss.deserialize_index(faiss.serialize_index(graph.index))  # a mapped one can only be read
    return Part(index, np.concatenate((graph.keys, keys))) if _added(index, parts, rows, go_on) else None


def new_index(dimension: int, options: FaissOptions, *, graph: bool) -> Any:
    """An empty FAISS index as the options want it."""
    quantiser, metric = _QUANTISERS.get(options.quantisation), faiss.METRIC_INNER_PRODUCT
    if not graph:
        if quantiser is None:
            return faiss.IndexFlatIP(dimension)
        return faiss.IndexScalarQuantizer(dimension, quantiser, metric)
    if quantiser is None:
        index = faiss.IndexHNSWFlat(dimension, options.links, metric)
    else:
        index = faiss.IndexHNSWSQ(dimension, quantiser, options.links, metric)
    index.hnsw.efConstruction = options.ef_construction
    return index


@contextmanager
def one_thread() -> Iterator[None]:
    """A single query is faster on one OpenMP thread. The setting is the calling thread's own, and is put back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _living(parts: Sequence[Part]) -> tuple[Rows, Keys]:
    """Rows of all living vectors, counted through all parts, and their keys; in the order of the keys."""
    keys = np.concatenate([part.keys for part in parts])
    rows = np.flatnonzero(np.concatenate([part.alive for part in parts]))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    return rows, keys[rows]


def _added(index: Any, parts: Sequence[Part], rows: Rows, go_on: Callable[[], bool]) -> bool:
    for start in range(0, len(rows), _BATCH):
        if not go_on():
            return False
        index.add(_gathered(parts, rows[start : start + _BATCH]))
    return True


def _gathered(parts: Sequence[Part], rows: Rows) -> Vectors:
    """Vectors of rows that are counted through all parts."""
    found = np.empty((len(rows), parts[0].index.d), dtype=np.float32)
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        if here.any():
            found[here] = part.vectors(rows[here] - start)
        start += len(part)
    return found
