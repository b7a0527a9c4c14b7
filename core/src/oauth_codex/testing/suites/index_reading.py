"""What an index answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ..marks import requires, rule
from .index_base import IndexTests
from .index_data import (
    DIMENSION,
    Expected,
    IndexStorage,
    axis,
    clouds,
    corners,
    keys_of,
    numbered,
    spec_of,
)

if TYPE_CHECKING:
    from ...spi import VectorIndex

#: Most keys of `limit`, as fractions of what is there and beyond.
_LIMITS = (1, 2, 3, 39, 40, 41, 100, 5000)


def _filled(storage: IndexStorage, count: int = 40, *, seed: int = 1) -> tuple[VectorIndex, Expected]:
    """An index of vectors of which many are equal."""
    index, expected = storage.open(), Expected(storage.traits)
    keys, vectors = numbered(1, count), corners(seed, max(1, count // 2))[np.arange(count) // 2]
    index.upsert(keys, vectors)
    expected.upsert(keys, vectors)
    return index, expected


class QueryTests(IndexTests):
    """`query`, without and with `among`."""

    @rule("I3", "I7")
    def test_query_of_an_empty_index_finds_nothing(self, storage: IndexStorage) -> None:
        index = storage.open()
        Expected(storage.traits).check_query(index, axis(DIMENSION, 0), limit=10)

    @rule("I7")
    @pytest.mark.parametrize("limit", _LIMITS)
    def test_query_gives_as_many_as_asked_or_all(self, storage: IndexStorage, limit: int) -> None:
        index, expected = _filled(storage)
        expected.check_query(index, corners(2, 1)[0], limit=limit)

    @rule("I7")
    @pytest.mark.parametrize("seed", range(5))
    def test_query_gives_the_nearest_best_first(self, storage: IndexStorage, seed: int) -> None:
        index, expected = storage.open(spec_of(dimension=32)), Expected(storage.traits)
        keys, vectors = numbered(100, 300), clouds(seed, 300)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        for vector in clouds(seed + 50, 5):
            expected.check_query(index, vector, limit=10)

    @rule("I7")
    @pytest.mark.parametrize("limit", _LIMITS)
    def test_equal_vectors_come_in_the_order_of_their_keys(self, storage: IndexStorage, limit: int) -> None:
        """Also at the end of the list: among equals the lowest keys are in it."""
        index, expected = storage.open(), Expected(storage.traits)
        keys, vectors = numbered(1, 60), np.concatenate((corners(3, 20), np.repeat(corners(4, 1), 40, axis=0)))
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        expected.check_order(index, vectors[-1], limit=limit)

    @rule("I7")
    @pytest.mark.parametrize("seed", range(5))
    def test_equal_vectors_of_any_numbers_come_in_the_order_of_their_keys(
        self, storage: IndexStorage, seed: int
    ) -> None:
        """Sums of float32 differ between equal vectors, by where in a matrix they stand; the order must not."""
        index, expected = storage.open(spec_of(dimension=32)), Expected(storage.traits)
        keys, vectors = numbered(1, 203), np.repeat(clouds(seed, 1), 203, axis=0)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        expected.check_order(index, clouds(seed + 50, 1)[0], limit=50)

    @rule("I7")
    def test_keys_are_numbers_not_texts(self, storage: IndexStorage) -> None:
        """9 comes before 10, and 64 bits are kept."""
        index, expected = storage.open(), Expected(storage.traits)
        keys = keys_of(1, 9, 10, 99, 100, 2**31, 2**32 + 1, 2**53, 2**53 + 1, 2**62, 2**62 + 1)
        vectors = np.repeat(corners(5, 1), len(keys), axis=0)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        expected.check_order(index, vectors[0], limit=20)
        expected.check_order(index, vectors[0], limit=9)
        expected.check_rows(index)

    @rule("I7")
    def test_a_vector_finds_itself(self, storage: IndexStorage) -> None:
        index = storage.open(spec_of(dimension=32))
        vectors = clouds(6, 200, clusters=200)
        index.upsert(numbered(1, 200), vectors)
        found = [int(index.query(vector, limit=1)[0]) for vector in vectors]
        assert sum(key == at for at, key in enumerate(found, start=1)) >= (200 if storage.traits.exact else 198)

    @rule("I1", "I7")
    def test_vectors_far_away_count_as_well(self, storage: IndexStorage) -> None:
        """Cosines of 0 and below are no reason to leave a vector out, nor is a vector of zeros."""
        index, expected = storage.open(), Expected(storage.traits)
        vectors = np.stack([axis(DIMENSION, 0, -1.0), axis(DIMENSION, 1), np.zeros(DIMENSION, np.float32)])
        index.upsert(keys_of(1, 2, 3), vectors)
        expected.upsert(keys_of(1, 2, 3), vectors)
        expected.check_order(index, axis(DIMENSION, 0), limit=10)
        assert int(index.query(axis(DIMENSION, 0), limit=10)[-1]) == 1

    @rule("I1")
    @pytest.mark.parametrize("dimension", [1, 2, 3, 512])
    def test_any_dimension(self, storage: IndexStorage, dimension: int) -> None:
        if storage.traits.max_dimension is not None:
            dimension = min(dimension, storage.traits.max_dimension)
        index, expected = storage.open(spec_of(dimension=dimension)), Expected(storage.traits)
        vectors = np.stack([axis(dimension, 0), axis(dimension, dimension - 1, -1.0)])
        index.upsert(keys_of(1, 2), vectors)
        expected.upsert(keys_of(1, 2), vectors)
        expected.check_order(index, axis(dimension, 0), limit=2)

    @rule("I1")
    def test_the_largest_dimension_works(self, storage: IndexStorage) -> None:
        dimension = min(storage.traits.max_dimension or 4096, 16384)
        index = storage.open(spec_of(dimension=dimension))
        index.upsert(keys_of(1, 2), np.stack([axis(dimension, 0), axis(dimension, dimension - 1)]))
        assert index.query(axis(dimension, dimension - 1), limit=1).tolist() == [2]

    @rule("I7")
    def test_sparse_queries_get_the_same_answers(self, storage: IndexStorage) -> None:
        """`IndexSpec.sparse_queries` is a hint."""
        index, expected = storage.open(spec_of(sparse=True)), Expected(storage.traits)
        keys, vectors = numbered(1, 40), corners(7, 40)
        index.upsert(keys[:30], vectors[:30])
        index.upsert(keys[30:], vectors[30:])
        expected.upsert(keys, vectors)
        for vector in (axis(DIMENSION, 3), corners(8, 1)[0]):
            expected.check_order(index, vector, limit=7)
            if storage.traits.among:
                expected.check_order(index, vector, limit=7, among=numbered(20, 15))

    @rule("I7")
    def test_every_vector_of_many_can_be_asked_for(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        keys, vectors = numbered(1, 6000), corners(9, 6000)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        expected.check_order(index, corners(10, 1)[0], limit=6000)
        expected.check_rows(index)

    @rule("I6", "I7")
    def test_as_many_as_asked_after_most_were_deleted(self, storage: IndexStorage) -> None:
        """Those that were the nearest are gone; the others must take their places."""
        index, expected = storage.open(spec_of(dimension=32)), Expected(storage.traits)
        keys, vectors = numbered(1, 1000), clouds(11, 1000)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        nearest = np.argsort(-(vectors @ vectors[0]))[:900]
        gone = np.sort(keys[nearest])
        index.delete(gone)
        expected.delete(gone)
        for limit in (1, 10, 100, 1000):
            expected.check_query(index, vectors[0], limit=limit)
        expected.check_rows(index)

    @rule("I10")
    def test_several_threads_read_at_once(self, storage: IndexStorage) -> None:
        index, _ = _filled(storage, 200)
        vectors = corners(12, 40)
        alone = [index.query(vector, limit=10).tolist() for vector in vectors]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(3):
                together = list(pool.map(lambda vector: index.query(vector, limit=10).tolist(), vectors))
                assert together == alone


class AmongTests(IndexTests):
    """`query(among=)`, by providers that declare it; the others must refuse."""

    @rule("I8")
    @requires("among")
    @pytest.mark.parametrize("limit", [1, 5, 100])
    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
    def test_only_these_count(self, storage: IndexStorage, share: float, limit: int) -> None:
        index, expected = _filled(storage, 400)
        among = np.sort(np.random.default_rng(1).permutation(numbered(1, 400))[: int(400 * share)])
        expected.check_order(index, corners(13, 1)[0], limit=limit, among=among)

    @rule("I8")
    @requires("among")
    def test_the_farthest_are_found_when_they_alone_count(self, storage: IndexStorage) -> None:
        """Filtering afterwards would find nothing."""
        index, expected = storage.open(spec_of(dimension=32)), Expected(storage.traits)
        keys, vectors = numbered(1, 2000), clouds(14, 2000)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        farthest = np.sort(keys[np.argsort(vectors @ vectors[0])[:20]])
        for limit in (1, 10, 50):
            expected.check_query(index, vectors[0], limit=limit, among=farthest)

    @rule("I8")
    @requires("among")
    def test_absent_keys_are_skipped(self, storage: IndexStorage) -> None:
        index, expected = _filled(storage)
        index.delete(keys_of(4, 5))
        expected.delete(keys_of(4, 5))
        among = keys_of(0, 3, 4, 5, 6, 39, 40, 41, 1000, 2**62)
        expected.check_order(index, corners(15, 1)[0], limit=10, among=among)
        expected.check_order(index, corners(15, 1)[0], limit=2, among=among)

    @rule("I8")
    @requires("among")
    @pytest.mark.parametrize("among", [(), (41, 1000), (2**62,)], ids=["none", "absent", "one"])
    def test_nothing_is_found_among_nothing(self, storage: IndexStorage, among: tuple[int, ...]) -> None:
        index, expected = _filled(storage)
        expected.check_query(index, corners(16, 1)[0], limit=10, among=keys_of(*among))

    @rule("I8")
    @requires("among")
    def test_an_empty_index_has_nothing_among(self, storage: IndexStorage) -> None:
        Expected(storage.traits).check_query(storage.open(), axis(DIMENSION, 0), limit=3, among=keys_of(1, 2))

    @rule("I7", "I8")
    @requires("among")
    def test_equal_ones_among_come_by_key(self, storage: IndexStorage) -> None:
        index, expected = storage.open(), Expected(storage.traits)
        vectors = np.repeat(corners(17, 1), 50, axis=0)
        index.upsert(numbered(1, 50), vectors)
        expected.upsert(numbered(1, 50), vectors)
        expected.check_order(index, vectors[0], limit=4, among=numbered(11, 30))

    @rule("I8")
    @requires("among")
    def test_many_candidates_of_many(self, storage: IndexStorage) -> None:
        """More keys than a database takes as parameters of one statement."""
        index, expected = storage.open(spec_of(dimension=4)), Expected(storage.traits)
        vectors = clouds(18, 40_000, 4)
        index.upsert(numbered(1, 40_000), vectors)
        expected.upsert(numbered(1, 40_000), vectors)
        expected.check_query(index, vectors[0], limit=10, among=numbered(2, 35_000))

    @rule("I8", "I10")
    @requires("among")
    def test_candidates_of_one_thread_are_not_those_of_another(self, storage: IndexStorage) -> None:
        index, expected = _filled(storage, 200)
        vector = corners(19, 1)[0]
        sets = [numbered(1 + 10 * n, 10) for n in range(20)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda among: index.query(vector, limit=10, among=among), sets))
        for keys, among in zip(found, sets, strict=True):
            assert sorted(keys.tolist()) == among.tolist()
        expected.check_rows(index)


class CosineTests(IndexTests):
    """`cosines`, of providers that declare it."""

    @rule("I11")
    @requires("cosines")
    def test_cosines_are_exact(self, storage: IndexStorage) -> None:
        """As if summed in float64 from the very values that were given: the score that users see is made of them."""
        index, expected = storage.scoring(spec_of(dimension=32)), Expected(storage.traits)
        keys, vectors = numbered(1, 200), clouds(20, 200)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        for vector in clouds(21, 5):
            found = index.cosines(keys, vector)
            assert (found.dtype, found.shape) == (np.dtype(np.float64), (200,))
            assert np.abs(found - expected.cosines(keys, vector)).max() < 1e-12

    @rule("I11")
    @requires("cosines")
    def test_cosines_are_in_the_order_of_the_keys(self, storage: IndexStorage) -> None:
        index = storage.scoring()
        vectors = corners(22, 30)
        index.upsert(numbered(1, 30), vectors)
        keys = np.random.default_rng(2).permutation(numbered(1, 30))
        expected = vectors[keys - 1].astype(np.float64) @ vectors[0]
        assert index.cosines(keys, vectors[0]).tolist() == expected.tolist()

    @rule("I11")
    @requires("cosines")
    def test_the_cosine_of_an_absent_key_is_no_number(self, storage: IndexStorage) -> None:
        index = storage.scoring()
        assert np.isnan(index.cosines(keys_of(1, 2), axis(DIMENSION, 0))).tolist() == [True, True]
        index.upsert(keys_of(1, 2, 4), corners(23, 3))
        index.delete(keys_of(2))
        found = index.cosines(keys_of(0, 1, 2, 3, 4, 5), axis(DIMENSION, 0))
        assert np.isnan(found).tolist() == [True, False, True, True, False, True]
        assert index.cosines(keys_of(), axis(DIMENSION, 0)).shape == (0,)

    @rule("I5", "I11")
    @requires("cosines")
    def test_cosines_are_those_of_the_newest_vectors(self, storage: IndexStorage) -> None:
        index = storage.scoring()
        index.upsert(keys_of(1, 2), np.stack([axis(DIMENSION, 0), axis(DIMENSION, 1)]))
        index.upsert(keys_of(1), np.stack([axis(DIMENSION, 2)]))
        assert index.cosines(keys_of(1, 2), axis(DIMENSION, 2)).tolist() == [1.0, 0.0]

    @rule("I1", "I11")
    @requires("cosines")
    def test_the_cosine_of_a_zero_vector_is_zero(self, storage: IndexStorage) -> None:
        index = storage.scoring()
        index.upsert(keys_of(1), np.zeros((1, DIMENSION), dtype=np.float32))
        assert index.cosines(keys_of(1), axis(DIMENSION, 0)).tolist() == [0.0]

    @rule("I11")
    @requires("cosines")
    def test_sparse_queries_have_the_same_cosines(self, storage: IndexStorage) -> None:
        index, expected = storage.scoring(spec_of(dimension=32, sparse=True)), Expected(storage.traits)
        keys, vectors = numbered(1, 50), clouds(24, 50)
        index.upsert(keys, vectors)
        expected.upsert(keys, vectors)
        for vector in (axis(32, 5), clouds(25, 1)[0]):
            assert np.abs(index.cosines(keys, vector) - expected.cosines(keys, vector)).max() < 1e-12
