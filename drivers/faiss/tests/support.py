"""Indexes on a directory of the test, on a clock of its own, with graphs made when and where the test says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oauth_codex.spi import IndexSpec
from oauth_codex_faiss.index import FaissIndex, FaissProvider, Start
from oauth_codex_faiss.options import FaissOptions

DIMENSION = 24


class Home:
    """What the indexes of a test live in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 0.0
        self.warnings: list[str] = []
        self.logger = logging.getLogger(f"tests.{directory}")
        self.logger.propagate = False
        self.logger.addHandler(_Notes(self.warnings))

    def provider(self, start: Start | None = None, **options: Any) -> FaissProvider:
        return FaissProvider(
            directory=self.directory,
            options=FaissOptions(**{"ef_construction": 40, **options}),  # quick to make
            clock=lambda: self.now,
            logger=self.logger,
            start=start or at_once,
        )

    def open(
        self, *, stamp: str = "a", dimension: int = DIMENSION, start: Start | None = None, **options: Any
    ) -> FaissIndex:
        return self.provider(start, **options).open(IndexSpec(id="1", dimension=dimension, stamp=stamp))

    @property
    def files(self) -> dict[str, int]:
        """Files of the index by name, with their sizes."""
        return {path.name: path.stat().st_size for path in self.directory.rglob("*") if path.is_file()}

    def file(self, ending: str) -> Path:
        return sorted(self.directory.rglob(f"*{ending}"))[0]


class _Notes(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


def at_once(work: Callable[[], None]) -> Callable[[], None]:
    """Work in the calling thread."""
    work()
    return lambda: None


def units(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def nearest(
    keys: NDArray[np.int64], vectors: NDArray[np.float32], vector: NDArray[np.float32], limit: int
) -> list[int]:
    """What an exact index must answer."""
    cosines = np.round(vectors.astype(np.float64) @ vector.astype(np.float64), 9)
    found: list[int] = keys[np.lexsort((keys, -cosines))[:limit]].tolist()
    return found


def fill(index: FaissIndex, count: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Vectors in an index, up to revision 1."""
    keys, vectors = np.arange(count) * 2 + 1, units(count, seed)
    index.upsert(keys, vectors)
    index.flush(1)
    return keys, vectors
