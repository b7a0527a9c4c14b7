"""How many of the true nearest an index finds, where the engine has no way to notice that one is missing."""

from __future__ import annotations

import numpy as np
import pytest

from ..marks import requires, rule
from .index_base import IndexTests
from .index_data import IndexStorage, clouds, numbered, spec_of

_COUNT = 6000
_QUERIES = 40
#: Share of the ten nearest that an index must find which is not exact.
_ENOUGH = 0.95


def _recall(storage: IndexStorage, *, deleted: bool = False, share: float | None = None) -> float:
    """Mean share of the ten nearest that are found, over vectors around centres."""
    index = storage.open(spec_of(dimension=32))
    every = clouds(90, _COUNT + _QUERIES)
    keys, vectors, queries = numbered(1, _COUNT), every[:_COUNT], every[_COUNT:]
    for first in range(0, _COUNT, 1500):
        index.upsert(keys[first : first + 1500], vectors[first : first + 1500])
    random = np.random.default_rng(91)
    if deleted:
        gone = np.sort(random.permutation(_COUNT)[: _COUNT // 2])
        index.delete(keys[gone])
        keys, vectors = np.delete(keys, gone), np.delete(vectors, gone, axis=0)
    among = None
    if share is not None:
        chosen = np.sort(random.permutation(len(keys))[: int(share * len(keys))])
        keys, vectors = keys[chosen], vectors[chosen]
        among = keys
    found = 0
    for query in queries:
        cosines = vectors.astype(np.float64) @ query
        tenth = np.partition(cosines, -10)[-10]
        answered = index.query(query, limit=10, among=among)
        assert len(answered) == 10
        found += int(np.count_nonzero(cosines[np.searchsorted(keys, answered)] >= tenth - 1e-6))
    return found / (10 * _QUERIES)


class RecallTests(IndexTests):
    """Recall at 10; exact indexes find all."""

    @rule("I7")
    def test_recall(self, storage: IndexStorage) -> None:
        assert _recall(storage) >= (1.0 if storage.traits.exact else _ENOUGH)

    @rule("I6", "I7")
    def test_recall_after_half_was_deleted(self, storage: IndexStorage) -> None:
        assert _recall(storage, deleted=True) >= (1.0 if storage.traits.exact else _ENOUGH)

    @rule("I8")
    @requires("among")
    @pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
    def test_recall_among_some(self, storage: IndexStorage, share: float) -> None:
        """Selective filters are where approximate indexes lose most."""
        assert _recall(storage, share=share) >= (1.0 if storage.traits.exact else _ENOUGH)
