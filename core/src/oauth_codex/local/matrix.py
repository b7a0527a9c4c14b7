"""Exact vector search with numpy: the index of the `memory` and `sqlite` drivers.

A matrix is a list of blocks. The first one may be mapped from a file beside the catalog, so that opening a large store reads nothing
but the pages that a query touches; vectors that came later stand in blocks in memory. The file is a cache: it carries the stamp
of its store and the revision that it is complete to, and one that is absent, torn or stale is ignored and made anew.

Queries of an embedder whose query vectors are sparse read only the columns of their non-zero dimensions, so such a matrix is
stored with one row for each dimension; otherwise one row is one vector.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..spi.index import IndexSpec, IndexTraits
from . import caches
from .exact import check_query, check_rows, exact_cosines, nearest_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_FORMAT = 1
_log = logging.getLogger("oauth_codex")
#: Fewest vectors for which a file is worth while; below it the catalog is read quickly enough.
_SAVE_FROM = 4096
#: The file is written anew when more than this share of the vectors is not in it.
_TAIL_SHARE = 0.25
#: Removed vectors are skipped until they are more than this share; then the matrix is made anew without them.
_DEAD_SHARE = 0.3
#: Rows that are widened to float64 at a time.
_BATCH = 4096


class _Block(NamedTuple):
    """Vectors of ascending keys. `data` is (dimension, n) when queries are sparse, else (n, dimension)."""

    keys: Keys
    data: Vectors


class MatrixProvider:
    """Matrices of one storage; in memory only when `directory` is None."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    @property
    def traits(self) -> IndexTraits:
        return IndexTraits(exact=True, among=True, cosines=True, caches=("matrix",))

    def open(self, spec: IndexSpec) -> MatrixIndex:
        return MatrixIndex(spec, None if self._directory is None else self._directory / f"{spec.id}.matrix")

    def drop(self, index_id: str) -> None:
        if self._directory is not None:
            caches.remove(self._directory / f"{index_id}.matrix")

    def close(self) -> None:
        """Nothing is held here."""


class MatrixIndex:
    """All vectors of one store."""

    def __init__(self, spec: IndexSpec, folder: Path | None) -> None:
        self._spec = spec
        self._folder = folder
        self._blocks: list[_Block] = []
        self._alive: Mask | None = None
        self._watermark = 0
        self._saved = 0  # vectors in the file
        if folder is not None:
            self._load(folder)

    @property
    def watermark(self) -> int:
        return self._watermark

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        check_rows(keys, vectors, self._spec.dimension)
        if not len(keys):
            return
        if self._blocks and keys[0] <= self._blocks[-1].keys[-1]:
            self._merge_unordered(keys, vectors)
            return
        self._blocks.append(_Block(np.array(keys), self._laid_out(vectors)))
        if self._alive is not None:
            self._alive = np.concatenate((self._alive, np.ones(len(keys), dtype=np.bool_)))
        self._compact()

    def delete(self, keys: Keys) -> None:
        rows = self._rows(np.asarray(keys, dtype=np.int64))
        rows = rows[rows >= 0]
        if not len(rows):
            return
        alive = np.ones(self._size(), dtype=np.bool_) if self._alive is None else self._alive.copy()
        alive[rows] = False
        self._alive = alive
        if np.count_nonzero(alive) < (1 - _DEAD_SHARE) * len(alive):
            everything, vectors = self._everything()
            self._replace(everything[alive], vectors[alive])

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        check_query(vector, self._spec.dimension)
        used = np.flatnonzero(vector)
        if among is not None:
            keys, cosines = self._gathered(vector, used, among)
        else:
            keys, cosines = self._scanned(vector, used)
        return nearest_keys(keys, cosines, limit, lambda found: self.cosines(found, vector))

    def cosines(self, keys: Keys, vector: Vectors) -> Cosines:
        rows = self._rows(keys)
        known = rows >= 0
        if self._alive is not None:
            known &= self._alive[rows]
        found = np.full(len(keys), np.nan)
        used = np.flatnonzero(vector)
        start = 0
        for block in self._blocks:
            here = np.flatnonzero(known & (rows >= start) & (rows < start + len(block.keys)))
            if len(here):
                for few in [here] if len(here) <= _BATCH else np.array_split(here, len(here) // _BATCH + 1):
                    found[few] = self._exactly(block.data, rows[few] - start, vector, used)
            start += len(block.keys)
        return found

    def keys(self) -> Iterator[int]:
        start = 0
        for block in self._blocks:
            alive = None if self._alive is None else self._alive[start : start + len(block.keys)]
            yield from (block.keys if alive is None else block.keys[alive]).tolist()
            start += len(block.keys)

    def count(self) -> int:
        return self._size() if self._alive is None else int(np.count_nonzero(self._alive))

    def flush(self, watermark: int) -> None:
        self._watermark = watermark
        size = self._size()
        if self._folder is not None and size >= _SAVE_FROM and size - self._saved > _TAIL_SHARE * size:
            self._save(self._folder)

    def close(self) -> None:
        self._blocks = []
        self._alive = None

    # -- searching -----------------------------------------------------------------------------------------------------

    def _scanned(self, vector: Vectors, used: NDArray[np.intp]) -> tuple[Keys, Vectors]:
        parts = [self._dots(block.data, vector, used) for block in self._blocks]
        cosines = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype=np.float32), *parts])
        keys = self._all_keys()
        if self._alive is not None:
            keys, cosines = keys[self._alive], cosines[self._alive]
        return keys, cosines

    def _gathered(self, vector: Vectors, used: NDArray[np.intp], among: Keys) -> tuple[Keys, Vectors]:
        rows = self._rows(among)
        found = rows >= 0
        if self._alive is not None:
            found &= self._alive[rows]
        keys, rows = among[found], rows[found]
        if len(rows) * 4 > self._size():  # so many that reading everything is cheaper than picking
            parts = [self._dots(block.data, vector, used) for block in self._blocks]
            return keys, np.concatenate(parts)[rows]
        cosines = np.empty(len(rows), dtype=np.float32)
        start = 0
        for block in self._blocks:
            here = np.flatnonzero((rows >= start) & (rows < start + len(block.keys)))
            if len(here):
                cosines[here] = self._picked(block.data, rows[here] - start, vector, used)
            start += len(block.keys)
        return keys, cosines

    def _dots(self, data: Vectors, vector: Vectors, used: NDArray[np.intp]) -> Vectors:
        if not self._spec.sparse_queries:
            return data @ vector
        if len(used) * 4 > len(vector):
            return vector @ data
        total = np.zeros(data.shape[1], dtype=np.float32)
        part = np.empty_like(total)
        for dimension in used.tolist():
            np.multiply(data[dimension], vector[dimension], out=part)
            total += part
        return total

    def _picked(self, data: Vectors, rows: NDArray[np.intp], vector: Vectors, used: NDArray[np.intp]) -> Vectors:
        if not self._spec.sparse_queries:
            return data[rows] @ vector
        if len(used) * 4 > len(vector):
            used = np.arange(len(vector))
        total = np.zeros(len(rows), dtype=np.float32)
        for products in data[used[:, None], rows] * vector[used, None]:
            total += products
        return total

    def _exactly(self, data: Vectors, rows: NDArray[np.intp], vector: Vectors, used: NDArray[np.intp]) -> Cosines:
        if not self._spec.sparse_queries:
            return exact_cosines(data[rows], vector)
        return exact_cosines(data[used[:, None], rows].T, vector[used])

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _size(self) -> int:
        return sum(len(block.keys) for block in self._blocks)

    def _all_keys(self) -> Keys:
        if len(self._blocks) == 1:
            return self._blocks[0].keys
        return np.concatenate([np.zeros(0, dtype=np.int64), *(block.keys for block in self._blocks)])

    def _rows(self, keys: Keys) -> NDArray[np.intp]:
        """Row of each key, -1 for an absent one."""
        known = self._all_keys()
        if not len(known):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[at] == keys, at, -1)

    def _laid_out(self, vectors: Vectors) -> Vectors:
        return np.array(vectors.T if self._spec.sparse_queries else vectors, dtype=np.float32, order="C")

    def _everything(self) -> tuple[Keys, Vectors]:
        parts = [block.data.T if self._spec.sparse_queries else block.data for block in self._blocks]
        empty = np.zeros((0, self._spec.dimension), dtype=np.float32)
        return self._all_keys(), np.concatenate([empty, *parts])

    def _replace(self, keys: Keys, vectors: Vectors) -> None:
        self._blocks = [_Block(np.array(keys), self._laid_out(vectors))] if len(keys) else []
        self._alive = None
        self._saved = 0

    def _merge_unordered(self, keys: Keys, vectors: Vectors) -> None:
        old_keys, old = self._everything()
        kept = np.ones(len(old_keys), dtype=np.bool_) if self._alive is None else self._alive.copy()
        kept &= ~np.isin(old_keys, keys)
        everything = np.concatenate((old_keys[kept], keys))
        order = np.argsort(everything, kind="stable")
        self._replace(everything[order], np.concatenate((old[kept], vectors))[order])

    def _compact(self) -> None:
        """Join neighbouring blocks so that their sizes fall by more than four from one to the next; the file stays as it is."""
        first = 1 if self._saved else 0
        while len(self._blocks) - first > 1 and 4 * len(self._blocks[-1].keys) >= len(self._blocks[-2].keys):
            late, early = self._blocks.pop(), self._blocks.pop()
            axis = 1 if self._spec.sparse_queries else 0
            self._blocks.append(
                _Block(np.concatenate((early.keys, late.keys)), np.concatenate((early.data, late.data), axis=axis))
            )

    def _load(self, cache: Path) -> None:
        for _ in range(2):  # another process may replace the files while they are opened
            try:
                found = caches.read(cache)
            except caches.Torn as error:
                _log.warning("The vectors kept in %r are worthless: %s. The catalog has them all.", str(cache), error)
                return
            if found is None or self._map(*found):
                return

    def _map(self, facts: dict[str, Any], folder: Path) -> bool:
        """Start from saved files; False if they have vanished. Worthless ones are left alone: the catalog fills this index."""
        wanted = {"format": _FORMAT, "stamp": self._spec.stamp, "dimension": self._spec.dimension}
        if {name: facts.get(name) for name in wanted} != wanted:
            return True
        try:
            keys = np.load(folder / "keys.npy", allow_pickle=False)
            data = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, EOFError):
            return True
        shape = (len(keys), self._spec.dimension)
        if data.shape != (shape[::-1] if self._spec.sparse_queries else shape):
            return True
        if keys.dtype != np.int64 or data.dtype != np.float32:
            return True
        self._blocks = [_Block(keys, data)] if len(keys) else []
        self._alive = None
        self._saved = len(keys)
        self._watermark = int(facts["watermark"])
        return True

    def _save(self, cache: Path) -> None:
        keys, vectors = self._everything()
        if self._alive is not None:
            keys, vectors = keys[self._alive], vectors[self._alive]
        data = self._laid_out(vectors)
        facts = {
            "format": _FORMAT,
            "stamp": self._spec.stamp,
            "dimension": self._spec.dimension,
            "watermark": self._watermark,
        }

        def fill(fresh: Path) -> None:
            np.save(fresh / "keys.npy", keys, allow_pickle=False)
            np.save(fresh / "vectors.npy", data, allow_pickle=False)

        folder = caches.write(cache, fill, facts)
        self._replace(keys, vectors)
        self._map(facts, folder)  # what was just written, not what another process may have written since
