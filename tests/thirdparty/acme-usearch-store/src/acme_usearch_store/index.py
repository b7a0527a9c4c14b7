"""An index on USearch: a graph, a file that is mapped for reading, and exact answers where the graph has none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from oauth_codex.local import caches, check_query, check_rows, exact_cosines, nearest_keys
from oauth_codex.spi import IndexSpec, IndexTraits
from usearch.index import Index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]

#: The file is written anew when more than this share of the vectors has changed since.
_SAVE_SHARE = 0.25


class UsearchProvider:
    """Opens and drops the indexes of one storage."""

    traits = IndexTraits(exact=False, among=True, cosines=True)

    def __init__(
        self,
        directory: Path,
        *,
        exact_below: int = 2000,
        effort: int = 256,
        logger: logging.Logger | None = None,
    ) -> None:
        self._directory = directory
        self._exact_below = exact_below
        self._effort = effort
        self._logger = logger or logging.getLogger("oauth_codex")

    def open(self, spec: IndexSpec) -> UsearchIndex:
        return UsearchIndex(spec, self._folder(spec.id), self._exact_below, self._effort, self._logger)

    def drop(self, index_id: str) -> None:
        caches.remove(self._folder(index_id))

    def close(self) -> None:
        """Nothing is held here."""

    def _folder(self, index_id: str) -> Path:
        return self._directory / f"{index_id}.usearch"


class UsearchIndex:
    """All vectors of one store."""

    def __init__(self, spec: IndexSpec, folder: Path, exact_below: int, effort: int, logger: logging.Logger) -> None:
        self._spec = spec
        self._folder = folder
        self._exact_below = exact_below
        self._effort = effort
        self._logger = logger
        self._watermark = 0
        self._unsaved = 0
        self._mapped = False
        self._index = self._loaded() or self._new()

    @property
    def watermark(self) -> int:
        return self._watermark

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        check_rows(keys, vectors, self._spec.dimension)
        if not len(keys):
            return
        self.delete(keys)  # USearch refuses a key that is there
        self._make_writable()
        self._index.add(keys, np.ascontiguousarray(vectors), threads=1)
        self._unsaved += len(keys)

    def delete(self, keys: Keys) -> None:
        there = self._there(keys)
        if len(there):
            self._make_writable()
            self._index.remove(there)
            self._unsaved += len(there)

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        check_query(vector, self._spec.dimension)
        if among is not None:
            keys = self._there(among)
            return nearest_keys(keys, self._vectors(keys) @ vector, limit)
        count = len(self._index)
        if count > self._exact_below:
            found = self._index.search(vector, limit, threads=1)
            if len(found) == min(limit, count):  # among equal vectors the graph does not reach all
                return nearest_keys(found.keys.astype(np.int64), -found.distances, limit)
        if not count:
            return np.zeros(0, dtype=np.int64)
        # All of them, because which of equal ones come first is for us to say.
        found = self._index.search(vector, count, exact=True, threads=1)
        return nearest_keys(found.keys.astype(np.int64), -found.distances, limit)

    def cosines(self, keys: Keys, vector: Vectors) -> Cosines:
        found = np.full(len(keys), np.nan)
        if len(keys):
            known = np.asarray(self._index.contains(keys))
            found[known] = exact_cosines(self._vectors(keys[known]), vector)
        return found

    def keys(self) -> Iterator[int]:
        yield from np.asarray(self._index.keys[:]).tolist()

    def count(self) -> int:
        return len(self._index)

    def flush(self, watermark: int) -> None:
        self._watermark = watermark
        if self._unsaved > _SAVE_SHARE * len(self._index):
            facts = {"stamp": self._spec.stamp, "watermark": watermark}
            caches.write(self._folder, lambda folder: self._index.save(folder / "index.usearch"), facts)
            self._unsaved = 0

    def close(self) -> None:
        self._index = self._new()

    def _new(self) -> Index:
        return Index(ndim=self._spec.dimension, metric="ip", dtype="f32", expansion_search=self._effort)

    def _loaded(self) -> Index | None:
        """The index in the file, mapped; None if there is none of this store."""
        try:
            found = caches.read(self._folder)
            if found is None:
                return None
            facts, folder = found
            index = Index.restore(folder / "index.usearch", view=True, expansion_search=self._effort)
        except (caches.Torn, OSError, ValueError, RuntimeError) as error:
            self._logger.warning("The index %s cannot be read and is made anew: %s", self._folder, error)
            return None
        if index is None or facts.get("stamp") != self._spec.stamp or index.ndim != self._spec.dimension:
            self._logger.info("The index %s is of another store or embedder and is made anew.", self._folder)
            return None
        self._watermark = int(facts["watermark"])
        self._mapped = True
        return index

    def _make_writable(self) -> None:
        if self._mapped:  # a write to the mapped file would end the process
            self._index = self._index.copy()
            self._mapped = False

    def _there(self, keys: Keys) -> Keys:
        return keys[np.asarray(self._index.contains(keys), dtype=np.bool_)] if len(keys) else keys

    def _vectors(self, keys: Keys) -> Vectors:
        """Vectors of keys that are there, one a row."""
        if not len(keys):
            return np.zeros((0, self._spec.dimension), dtype=np.float32)
        return np.array(self._index.get(keys), dtype=np.float32)
