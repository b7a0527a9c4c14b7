"""Random programs against an index and a dict; what an index loses at reopening is replayed, as the engine does it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)
from hypothesis.stateful import rule as step

from ...spi import VectorIndex
from ..marks import rule
from .index_base import IndexTests
from .index_data import DIMENSION, History, IndexStorage, axis, corners, spec_of
from .programs import program_settings

#: Few different vectors, so that many are equal: corners, axes, and the zero vector.
_POOL = np.concatenate(
    (
        corners(100, 6),
        np.stack([axis(DIMENSION, 0), axis(DIMENSION, 0, -1.0), axis(DIMENSION, 5)]),
        np.zeros((1, DIMENSION), dtype=np.float32),
    )
)
_VECTOR = st.integers(0, len(_POOL) - 1)
_QUERY = st.integers(0, len(_POOL) - 2)  # a query has a direction


class IndexProgram(RuleBasedStateMachine):
    """One index, written to in revisions, and the history of what was written."""

    storage: ClassVar[IndexStorage]

    def __init__(self) -> None:
        super().__init__()
        self.history = History(self.storage.traits)
        self.next_key = 1
        self.spec = spec_of("machine")
        self.storage.provider.drop(self.spec.id)
        self.index: VectorIndex = self.storage.open(self.spec)

    def teardown(self) -> None:
        self.storage.close_index(self.index)

    @initialize(sparse=st.booleans())
    def begin(self, sparse: bool) -> None:
        self.storage.close_index(self.index)
        self.spec = spec_of("machine", stamp=f"sparse={sparse}", sparse=sparse)
        self.index = self.storage.open(self.spec)

    @step(gap=st.integers(0, 3), vectors=st.lists(_VECTOR, min_size=1, max_size=12))
    def add(self, gap: int, vectors: list[int]) -> None:
        first = self.next_key + gap
        self.next_key = first + len(vectors)
        self.history.upsert(self.index, np.arange(first, self.next_key, dtype=np.int64), _POOL[vectors])

    @step(data=st.data())
    @precondition(lambda self: self.history.expected.rows)
    def replace(self, data: st.DataObject) -> None:
        keys = data.draw(st.sets(st.sampled_from(sorted(self.history.expected.rows)), min_size=1, max_size=5))
        vectors = data.draw(st.lists(_VECTOR, min_size=len(keys), max_size=len(keys)))
        self.history.upsert(self.index, np.array(sorted(keys), dtype=np.int64), _POOL[vectors])

    @step(keys=st.sets(st.integers(0, 60), min_size=1, max_size=8))
    def delete(self, keys: set[int]) -> None:
        self.history.delete(self.index, np.array(sorted(keys), dtype=np.int64))

    @step()
    @precondition(lambda self: len(self.history.expected.rows) > 3)
    def delete_most(self) -> None:
        self.history.delete(self.index, self.history.expected.keys()[:-2])

    @step()
    def flush(self) -> None:
        self.history.flush(self.index)

    @step(provider=st.booleans())
    def reopen(self, provider: bool) -> None:
        if provider:
            self.storage.reopen()
        else:
            self.storage.close_index(self.index)
        self.index = self.storage.open(self.spec)
        self.history.catch_up(self.index)

    @step()
    def drop(self) -> None:
        self.storage.close_index(self.index)
        self.storage.provider.drop(self.spec.id)
        self.index = self.storage.open(self.spec)
        assert (self.index.watermark, self.index.count()) == (0, 0)
        self.history.catch_up(self.index)

    @step(query=_QUERY, limit=st.sampled_from([1, 2, 5, 100]))
    def search(self, query: int, limit: int) -> None:
        self.history.expected.check_order(self.index, _POOL[query], limit=limit)

    @step(query=_QUERY, limit=st.sampled_from([1, 2, 5, 100]), among=st.sets(st.integers(0, 80), max_size=30))
    @precondition(lambda self: self.storage.traits.among)
    def search_among(self, query: int, limit: int, among: set[int]) -> None:
        keys = np.array(sorted(among), dtype=np.int64)
        self.history.expected.check_order(self.index, _POOL[query], limit=limit, among=keys)

    @step(query=_QUERY)
    @precondition(lambda self: self.storage.traits.cosines)
    def score(self, query: int) -> None:
        index: Any = self.index
        keys = np.arange(self.next_key + 2, dtype=np.int64)[::-1]
        found = index.cosines(keys, _POOL[query])
        held = np.isin(keys, self.history.expected.keys())
        assert np.isnan(found).tolist() == (~held).tolist()
        assert found[held].tolist() == self.history.expected.cosines(keys[held], _POOL[query]).tolist()

    @invariant()
    def rows(self) -> None:
        self.history.expected.check_rows(self.index)


class MachineTests(IndexTests):
    """Any program of writes, deletes, flushes and reopenings."""

    @rule("I2", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I12", "I13")
    def test_any_program_leaves_what_a_dict_would(self, storage: IndexStorage, oauth_codex_examples: int) -> None:
        program = type("Program", (IndexProgram,), {"storage": storage})
        examples = program_settings(oauth_codex_examples, steps=30)
        run_state_machine_as_test(program, settings=examples)
