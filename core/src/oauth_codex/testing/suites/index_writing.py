"""What an index keeps: adding, removing, refusing, and what is there when it is opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ...errors import StorageError
from ..marks import rule
from .index_base import IndexTests
from .index_data import (
    DIMENSION,
    Expected,
    History,
    IndexStorage,
    axis,
    clouds,
    corners,
    keys_of,
    numbered,
    spec_of,
)

#: So many vectors that every provider that saves anything saves them.
_MANY = 6000
#: Bytes that a flush may cost whatever it holds, such as the pages of a database.
_A_FLUSH = 65_536


class UpsertTests(IndexTests):
    """`upsert` and `delete`, `keys` and `count`."""

    @rule("I3", "I12")
    def test_a_new_index_is_empty(self, storage: IndexStorage) -> None:
        index = storage.open()
        Expected(storage.traits).check_rows(index)
        assert index.watermark == 0

    @rule("I5", "I12")
    def test_upsert_adds_to_what_is_there(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        vectors = corners(30, 30)
        for first in range(0, 30, 3):
            index.upsert(numbered(1 + first, 3), vectors[first : first + 3])
            expected.upsert(numbered(1 + first, 3), vectors[first : first + 3])
            expected.check_rows(index)
        expected.check_order(index, corners(31, 1)[0], limit=20)

    @rule("I5", "I12")
    def test_upsert_replaces_what_is_there(self, storage: IndexStorage) -> None:
        """The old vector is found no more, and the key is there once."""
        index, expected = storage.open(), Expected(storage.traits)
        for vectors in (corners(32, 10), corners(33, 10)):
            index.upsert(numbered(1, 10), vectors)
            expected.upsert(numbered(1, 10), vectors)
            expected.check_rows(index)
        for vector in corners(32, 10):
            expected.check_order(index, vector, limit=20)

    @rule("I5", "I12")
    def test_upsert_of_old_and_new_keys_together(self, storage: IndexStorage) -> None:
        """As a replay after a crash does it."""
        index, expected = storage.open(), Expected(storage.traits)
        for keys, seed in ((keys_of(2, 4, 6, 8), 34), (keys_of(1, 4, 5, 8, 9), 35), (keys_of(3, 4), 36)):
            vectors = corners(seed, len(keys))
            index.upsert(keys, vectors)
            expected.upsert(keys, vectors)
            expected.check_rows(index)
        expected.check_order(index, corners(37, 1)[0], limit=20)

    @rule("I5")
    def test_upsert_copies_what_it_is_given(self, storage: IndexStorage) -> None:
        """Arrays may be read-only, views of larger ones, and filled with something else afterwards."""
        index, expected = storage.open(), Expected(storage.traits)
        given, keys = np.asfortranarray(corners(38, 20)), numbered(1, 20)
        expected.upsert(keys.copy(), given.copy())
        rows = given[::2]
        rows.flags.writeable = False
        index.upsert(keys[::2], rows)
        index.upsert(keys[1::2], given[1::2])
        given[:] = 0
        keys[:] = 7
        expected.check_rows(index)
        expected.check_order(index, corners(38, 1)[0], limit=20)

    @rule("I5", "I6")
    def test_nothing_to_do_is_no_error(self, storage: IndexStorage) -> None:
        index = storage.open()
        for _ in range(2):
            index.upsert(keys_of(), np.zeros((0, DIMENSION), dtype=np.float32))
            index.delete(keys_of())
        Expected(storage.traits).check_rows(index)

    @rule("I6", "I12")
    def test_what_was_deleted_is_not_found(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        keys, vectors = numbered(1, 30), corners(39, 30)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        for gone in (keys_of(1), keys_of(30), keys_of(7, 8, 9), numbered(10, 15)):
            index.delete(gone)
            expected.delete(gone)
            expected.check_rows(index)
            for vector in vectors[gone - 1][:3]:
                expected.check_order(index, vector, limit=30)

    @rule("I6")
    def test_deleting_absent_keys_changes_nothing(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        index.delete(keys_of(1, 2))
        index.upsert(keys_of(5, 6), corners(40, 2))
        expected.upsert(keys_of(5, 6), corners(40, 2))
        for gone in (keys_of(1, 4, 7, 2**62), keys_of(0, 6, 9), keys_of(6)):
            index.delete(gone)
            expected.delete(gone)
            expected.check_rows(index)
        expected.check_order(index, corners(40, 1)[0], limit=5)

    @rule("I6", "I12")
    def test_an_index_may_become_empty_and_full_again(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        for turn in range(3):
            keys, vectors = numbered(1 + 20 * turn, 20), corners(41 + turn, 20)
            index.upsert(keys, vectors)
            expected.upsert(keys, vectors)
            expected.check_order(index, vectors[0], limit=5)
            index.delete(keys)
            expected.delete(keys)
            expected.check_rows(index)
            expected.check_order(index, vectors[0], limit=5)

    @rule("I5", "I6")
    def test_a_deleted_key_may_be_replayed(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        index.upsert(numbered(1, 5), corners(44, 5))
        index.delete(keys_of(2, 3))
        index.upsert(numbered(1, 5), corners(45, 5))
        expected.upsert(numbered(1, 5), corners(45, 5))
        expected.check_rows(index)
        expected.check_order(index, corners(45, 2)[1], limit=5)

    @rule("I6", "I12")
    def test_many_are_added_and_removed_in_one_call(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        keys, vectors = numbered(1, _MANY), corners(46, _MANY)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        expected.check_rows(index)
        index.delete(keys[:-50])
        expected.delete(keys[:-50])
        expected.check_rows(index)
        expected.check_order(index, vectors[0], limit=100)


class RefusalTests(IndexTests):
    """What does not fit is refused, and nothing of it stays."""

    @rule("I1", "I14")
    @pytest.mark.parametrize("bad", ["nan", "infinite", "short", "long", "flat", "too few", "twice"])
    def test_a_bad_upsert_is_refused_as_a_whole(self, storage: IndexStorage, bad: str) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        index.upsert(numbered(1, 3), corners(50, 3))
        expected.upsert(numbered(1, 3), corners(50, 3))
        keys, vectors = keys_of(3, 4, 5), corners(51, 3)
        if bad in ("nan", "infinite"):
            vectors[1, 2] = np.nan if bad == "nan" else -np.inf
        given = {
            "short": (keys, vectors[:, :-1]),
            "long": (keys, np.concatenate((vectors, vectors), axis=1)),
            "flat": (keys, vectors.ravel()),
            "too few": (keys, vectors[:2]),
            "twice": (keys_of(3, 4, 4), vectors),
        }.get(bad, (keys, vectors))
        with pytest.raises(StorageError):
            index.upsert(*given)
        expected.check_rows(index)
        for vector in corners(50, 3):
            expected.check_order(index, vector, limit=5)

    @rule("I1", "I14")
    @pytest.mark.parametrize("bad", ["nan", "infinite", "short", "long"])
    def test_a_bad_query_is_refused(self, storage: IndexStorage, bad: str) -> None:
        """An answer would be a guess."""
        index, vector = storage.open(), corners(52, 1)[0]
        index.upsert(numbered(1, 3), corners(52, 3))
        if bad in ("nan", "infinite"):
            vector[3] = np.nan if bad == "nan" else np.inf
        given = {"short": vector[:-1], "long": np.append(vector, vector[:1])}.get(bad, vector)
        with pytest.raises(StorageError):
            index.query(given, limit=2)


class ReopeningTests(IndexTests):
    """`flush`, `watermark`, `drop`, and an index that is closed and opened again."""

    @rule("I4")
    def test_watermark_is_what_flush_was_told(self, storage: IndexStorage) -> None:
        index = storage.open()
        index.flush(0)
        assert index.watermark == 0
        index.upsert(keys_of(1), corners(60, 1))
        assert index.watermark == 0, "only flush raises the watermark"
        for revision in (1, 2, 7, 2**40):
            index.flush(revision)
            assert index.watermark == revision
        index.delete(keys_of(1))
        assert index.watermark == 2**40, "only flush changes the watermark"

    @rule("I2", "I4", "I9")
    @pytest.mark.parametrize("count", [1, 100, _MANY])
    @pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "not flushed"])
    def test_what_was_lost_is_told_by_the_watermark(self, storage: IndexStorage, count: int, flushed: bool) -> None:
        """Reopened, an index is complete up to its watermark: what came later, and only that, is given to it again."""
        index, history = storage.open(), History(storage.traits)
        history.upsert(index, numbered(1, count), corners(61, count))
        history.flush(index)
        history.upsert(index, numbered(count + 1, 10), corners(62, 10))
        history.delete(index, keys_of(1, count + 2))
        if flushed:
            history.flush(index)
        storage.reopen()
        index = storage.open()
        history.catch_up(index)
        history.expected.check_rows(index)
        for vector in corners(62, 3):
            history.expected.check_order(index, vector, limit=12)

    @rule("I2", "I6", "I9")
    def test_what_was_deleted_stays_deleted_when_reopened(self, storage: IndexStorage) -> None:
        index, history = storage.open(), History(storage.traits)
        vectors = corners(63, _MANY)
        history.upsert(index, numbered(1, _MANY), vectors)
        history.flush(index)
        history.delete(index, numbered(1, _MANY // 2))
        history.flush(index)
        history.delete(index, numbered(_MANY // 2 + 1, 10))
        for _ in range(2):
            storage.reopen()
            index = storage.open()
            history.catch_up(index)
            history.expected.check_rows(index)
            history.expected.check_order(index, vectors[0], limit=50)

    @rule("I2", "I5", "I9")
    def test_a_replaced_vector_does_not_come_back(self, storage: IndexStorage) -> None:
        index, history = storage.open(), History(storage.traits)
        history.upsert(index, numbered(1, _MANY), corners(64, _MANY))
        history.flush(index)
        history.upsert(index, numbered(1, 100), corners(65, 100))
        history.flush(index)
        storage.reopen()
        index = storage.open()
        history.catch_up(index)
        history.expected.check_rows(index)
        for vector in corners(64, 5):
            history.expected.check_order(index, vector, limit=50)

    @rule("I9")
    def test_many_small_flushes_lose_nothing(self, storage: IndexStorage) -> None:
        index, history = storage.open(), History(storage.traits)
        for turn in range(60):
            history.upsert(index, numbered(1 + 5 * turn, 5), corners(66 + turn, 5))
            if turn % 7 == 3:
                history.delete(index, numbered(5 * turn - 10, 3))
            history.flush(index)
            if turn % 20 == 19:
                storage.reopen()
                index = storage.open()
                history.catch_up(index)
        history.expected.check_rows(index)
        history.expected.check_order(index, corners(66, 1)[0], limit=30)

    @rule("I9")
    def test_small_flushes_do_not_write_the_whole_index(self, storage: IndexStorage) -> None:
        counted = Path("/proc/self/io")
        if not counted.exists():
            pytest.skip("this system does not tell what a process writes")

        def written() -> int:
            return int(counted.read_text().partition("wchar: ")[2].split()[0])

        index, history = storage.open(), History(storage.traits)
        history.upsert(index, numbered(1, _MANY), corners(69, _MANY))
        history.flush(index)
        before, flushes = written(), 50
        for turn in range(flushes):
            history.upsert(index, numbered(_MANY + 1 + turn, 1), corners(turn, 1))
            history.flush(index)
        size = _MANY * DIMENSION * 4
        took = written() - before
        assert took <= 8 * size + flushes * _A_FLUSH, (
            f"{flushes} flushes of one vector each wrote {took:,} bytes beside an index of {size:,}: save by share or by time"
        )

    @rule("I3")
    def test_closed_and_opened_again_by_the_same_provider(self, storage: IndexStorage) -> None:
        index, history = storage.open(), History(storage.traits)
        history.upsert(index, numbered(1, 50), corners(70, 50))
        history.flush(index)
        storage.close_index(index)
        index = storage.open()
        history.catch_up(index)
        history.expected.check_rows(index)
        history.expected.check_order(index, corners(70, 1)[0], limit=10)

    @rule("I3")
    @pytest.mark.parametrize("count", [3, _MANY])
    @pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "same provider"])
    def test_an_index_of_another_stamp_is_worthless(self, storage: IndexStorage, count: int, reopened: bool) -> None:
        """Its vectors are of another store, or of another embedder."""
        index = storage.open(spec_of(stamp="old"))
        index.upsert(numbered(1, count), corners(71, count))
        index.flush(5)
        storage.close_index(index)
        if reopened:
            storage.reopen()
        index, history = storage.open(spec_of(stamp="new")), History(storage.traits)
        assert (index.watermark, index.count()) == (0, 0), "an index with another stamp is opened empty"
        history.expected.check_rows(index)
        history.upsert(index, keys_of(2), corners(72, 1))
        history.flush(index)
        history.expected.check_order(index, corners(71, 1)[0], limit=5)
        storage.reopen()
        index = storage.open(spec_of(stamp="new"))
        history.catch_up(index)
        history.expected.check_rows(index)

    @rule("I3")
    @pytest.mark.parametrize("count", [3, _MANY])
    def test_an_index_of_another_dimension_is_worthless(self, storage: IndexStorage, count: int) -> None:
        index = storage.open()
        index.upsert(numbered(1, count), corners(73, count))
        index.flush(5)
        storage.reopen()
        index, expected = storage.open(spec_of(dimension=8)), Expected(storage.traits)
        assert (index.watermark, index.count()) == (0, 0), "an index with another dimension is opened empty"
        vectors = clouds(74, 3, 8)
        index.upsert(numbered(1, 3), vectors)
        expected.upsert(numbered(1, 3), vectors)
        expected.check_query(index, vectors[0], limit=5)

    @rule("I13")
    @pytest.mark.parametrize("count", [3, _MANY])
    @pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "same provider"])
    def test_drop_forgets_an_index(self, storage: IndexStorage, count: int, reopened: bool) -> None:
        index = storage.open()
        index.upsert(numbered(1, count), corners(75, count))
        index.flush(5)
        storage.close_index(index)
        storage.provider.drop(spec_of().id)
        if reopened:
            storage.reopen()
        index = storage.open()
        assert (index.watermark, index.count()) == (0, 0)
        Expected(storage.traits).check_query(index, axis(DIMENSION, 0), limit=5)

    @rule("I13")
    def test_drop_of_an_absent_index_is_no_error(self, storage: IndexStorage) -> None:
        for _ in range(2):
            storage.provider.drop("7")
        index = storage.open(spec_of("8"))
        storage.provider.drop("7")
        Expected(storage.traits).check_rows(index)

    @rule("I3", "I13")
    @pytest.mark.parametrize("count", [5, _MANY])
    def test_indexes_do_not_touch_each_other(self, storage: IndexStorage, count: int) -> None:
        """Whatever their names have in common, and also when one is dropped."""
        names = ["1", "11", "1-1", "1_1", "x" * 100, "x" * 99 + "y"]
        opened = {name: storage.open(spec_of(name)) for name in names}
        histories = {name: History(storage.traits) for name in names}

        def check() -> None:
            for name, index in opened.items():
                histories[name].expected.check_rows(index)
                histories[name].expected.check_order(index, corners(80, 1)[0], limit=10)

        for at, name in enumerate(names):
            history = histories[name]
            history.upsert(opened[name], numbered(1 + at, count + at), corners(80 + at, count + at))
            history.flush(opened[name])
        check()
        storage.reopen()
        opened = {name: storage.open(spec_of(name)) for name in names}
        kept = {name: opened[name].watermark for name in names}
        for name, index in opened.items():
            histories[name].catch_up(index)
        check()
        storage.close_index(opened.pop("1"))
        storage.provider.drop("1")
        check()
        storage.reopen()
        opened = {name: storage.open(spec_of(name)) for name in names}
        assert (opened["1"].watermark, opened["1"].count()) == (0, 0)
        for name, index in opened.items():
            if name != "1":
                assert index.watermark >= kept[name], f"dropping '1' took {name!r} along"
            histories[name].catch_up(index)
        check()
