"""What an index answers, compared with every vector one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oauth_codex.errors import StorageError
from oauth_codex_faiss import index as index_module
from oauth_codex_faiss import parts

from .support import DIMENSION, Home, fill, nearest, units

KINDS: list[dict[str, Any]] = [
    {"index": kind, "quantisation": quantisation}
    for kind in ("flat", "hnsw")
    for quantisation in ("none", "float16", "sq8")
]


@pytest.mark.parametrize("options", KINDS, ids=lambda given: "-".join(given.values()))
def test_the_nearest_are_found(home: Home, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_WALK", 1)  # a graph is walked although there are few vectors, but not for few of them
    index = home.open(**options)
    keys, vectors = fill(index, 5000)
    for part in (slice(5000, 5200), slice(5200, 5400)):  # stays in the last part
        more = units(5400)[part]
        index.upsert(np.arange(part.start, part.stop) * 2 + 1, more)
        keys, vectors = np.append(keys, np.arange(part.start, part.stop) * 2 + 1), np.concatenate((vectors, more))
    index.delete(keys[100:300])
    index.flush(2)
    keys, vectors = np.delete(keys, np.s_[100:300]), np.delete(vectors, np.s_[100:300], axis=0)
    chances = np.random.default_rng(1)
    for share in (None, 0.002, 0.05, 0.9):
        kept = np.ones(len(keys), dtype=bool) if share is None else chances.random(len(keys)) < share
        among = None if share is None else np.union1d(keys[kept], [0, 2, 301, 10**9])  # absent and removed keys too
        found = wanted = 0
        for vector in units(20, seed=9):
            expected = nearest(keys[kept], vectors[kept], vector, 10)
            answer = index.query(vector, limit=10, among=among).tolist()
            if options == KINDS[0]:
                assert answer == expected
            assert len(answer) == len(set(answer)) == len(expected)
            assert set(answer) <= set(keys[kept].tolist())
            found += len(set(answer) & set(expected))
            wanted += len(expected)
        assert found >= (0.95 if options["quantisation"] == "sq8" else 0.97) * wanted
    index.close()


@pytest.mark.parametrize("options", KINDS, ids=lambda given: "-".join(given.values()))
@pytest.mark.parametrize("limit", [1, 99, 101, 1200, 5000])
def test_as_many_as_there_are(home: Home, options: dict[str, Any], limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_WALK", 0)
    index = home.open(**options)
    keys, vectors = fill(index, 1200)
    index.delete(keys[::10])
    living = np.delete(keys, np.s_[::10])
    assert len(index.query(vectors[0], limit=limit)) == min(limit, len(living))
    some = living[: len(living) // 2]
    assert len(index.query(vectors[0], limit=limit, among=some)) == min(limit, len(some))


def test_a_walk_that_ends_too_early_is_followed_by_a_comparison(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_WALK", 0)
    index = home.open(index="hnsw")
    keys, vectors = fill(index, 3000)
    real = faiss.SearchParametersHNSW
    monkeypatch.setattr(faiss, "SearchParametersHNSW", lambda efSearch, **named: real(efSearch=1, **named))
    among = keys[::50]
    expected = nearest(among, vectors[::50], vectors[0], 40)
    assert index.query(vectors[0], limit=40, among=among).tolist() == expected


@pytest.mark.parametrize("late", [0, 130])
def test_among_equals_the_lowest_keys_count(home: Home, late: int) -> None:
    """Also where float32 sums of equal vectors differ with their place, and when they lie in several parts."""
    index = home.open(index="flat")
    keys, vectors = np.arange(4500), units(4500)
    equal = np.random.default_rng(3).choice(4500, 700, replace=False)
    vectors[equal] = vectors[0] = units(1, seed=5)[0]
    index.upsert(keys[: 4500 - late], vectors[: 4500 - late])
    index.flush(1)
    if late:
        index.upsert(keys[-late:], vectors[-late:])
    expected = np.union1d(equal, [0])
    assert index.query(vectors[0], limit=200).tolist() == expected[:200].tolist()
    odd = expected[expected % 2 == 1]
    assert index.query(vectors[0], limit=200, among=odd).tolist() == odd[:200].tolist()
    zero = np.zeros((3, DIMENSION), dtype=np.float32)
    index.upsert(np.array([9001, 9002, 9003]), zero)
    assert index.query(vectors[0], limit=1, among=np.array([9002, 9003])).tolist() == [9002]
    assert index.cosines(np.array([9001]), vectors[0]).tolist() == [0.0]


def test_equal_cosines_of_different_vectors(home: Home) -> None:
    """Their float32 sums differ in the last digit, which must not decide who is among the nearest."""
    index = home.open(index="flat")
    chances, one = np.random.default_rng(4), units(1, seed=6)[0]
    index.upsert(np.arange(3000), np.array([chances.permutation(one) for _ in range(3000)]))
    index.flush(1)
    vector = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
    assert index.query(vector, limit=150).tolist() == list(range(150))
    assert index.query(vector, limit=150, among=np.arange(1000, 3000)).tolist() == list(range(1000, 1150))


def test_cosines_are_exact_and_nan_for_what_is_absent(home: Home) -> None:
    index = home.open(index="hnsw")
    keys, vectors = fill(index, 1500)
    index.upsert(np.array([5001]), units(1, seed=8))
    index.delete(keys[3:4])
    found = index.cosines(np.array([5001, keys[3], keys[700], 4]), vectors[700])
    expected = [units(1, seed=8)[0].astype(float) @ vectors[700].astype(float), np.nan]
    assert found[:2] == pytest.approx(expected, abs=1e-15, nan_ok=True)
    assert found[2] == pytest.approx(1)
    assert np.isnan(found[3])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_history(data: st.DataObject) -> None:
    """Any order of writing, removing, flushing and opening again, with thresholds so low that everything happens."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, low in (("_TAIL_FROM", 8), ("_GRAPH_FROM", 12), ("_SAVE_FROM", 6)):
            patch.setattr(index_module, name, low)
        home = Home(Path(folder))
        options: dict[str, Any] = {"index": data.draw(st.sampled_from(["flat", "hnsw"])), "flush_seconds": 5}
        index = home.open(**options)
        model: dict[int, NDArray[np.float32]] = {}
        flushed: dict[int, dict[int, NDArray[np.float32]]] = {0: {}}
        made = units(400, seed=1)
        for revision in range(1, data.draw(st.integers(1, 12)) + 1):
            home.now += data.draw(st.integers(0, 4))
            step = data.draw(st.sampled_from(["append", "replace", "delete", "open"]))
            if step == "open":
                index.close()
                index = home.open(**options)
                model = dict(flushed[index.watermark])
            some = sorted(data.draw(st.sets(st.integers(0, 60), max_size=12)))
            keys = np.array(some, dtype=np.int64) + (max(model, default=0) + 1 if step == "append" else 0)
            if step == "delete":
                index.delete(keys)
                model = {key: vector for key, vector in model.items() if key not in keys}
            elif step != "open":
                vectors = made[data.draw(st.integers(0, 300)) :][: len(keys)]
                index.upsert(keys, vectors)
                model.update(zip(keys.tolist(), vectors, strict=True))
            index.flush(revision)
            flushed[revision] = dict(model)
            assert sorted(index.keys()) == sorted(model)
            assert index.count() == len(model)
            vector, limit = made[-1], data.draw(st.integers(1, 20))
            among = np.unique(data.draw(st.lists(st.integers(0, 80))) + list(model)[::2]).astype(np.int64)
            for asked in (None, among):
                known = np.array([key for key in sorted(model) if asked is None or key in asked], dtype=np.int64)
                there = np.array([model[key] for key in known.tolist()]).reshape(-1, DIMENSION)
                answer = index.query(vector, limit=limit, among=asked).tolist()
                assert len(answer) == min(limit, len(known))
                if options["index"] == "flat":
                    assert answer == nearest(known, there, vector, limit)
                assert np.allclose(index.cosines(known, vector), there @ vector, atol=1e-6)
        index.close()
        assert not home.warnings


@pytest.mark.parametrize(
    ("keys", "vectors", "says"),
    [
        ([1, 2], units(2) * np.nan, "not finite"),
        ([1, 2], units(2) * np.inf, "not finite"),
        ([1, 2], units(3), "shape"),
        ([1, 2], units(2, dimension=DIMENSION + 1), "shape"),
        ([1, 1], units(2), "ascend"),
        ([2, 1], units(2), "ascend"),
    ],
)
def test_what_faiss_must_not_see(home: Home, keys: list[int], vectors: NDArray[np.float32], says: str) -> None:
    index = home.open()
    fill(index, 20)
    with pytest.raises(StorageError, match=says):
        index.upsert(np.array(keys), vectors)
    for wrong in (vectors[0] * np.nan, units(1, dimension=DIMENSION + 1)[0], units(1)):
        with pytest.raises(StorageError):
            index.query(wrong, limit=1)
    assert list(index.keys()) == list(range(1, 41, 2))


def test_an_empty_index(home: Home) -> None:
    index = home.open()
    index.upsert(np.zeros(0, dtype=np.int64), np.zeros((0, DIMENSION), dtype=np.float32))
    index.delete(np.array([1, 2]))
    index.flush(7)
    assert (index.watermark, index.count(), list(index.keys())) == (7, 0, [])
    assert index.query(units(1)[0], limit=5).tolist() == []
    assert index.query(units(1)[0], limit=5, among=np.array([1])).tolist() == []
    index.close()


def test_a_users_own_threads_stay_as_they_were(home: Home) -> None:
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(3)
        index = home.open()
        _, vectors = fill(index, 50)
        index.query(vectors[0], limit=5)
        index.cosines(np.array([1]), vectors[0])
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_a_query_uses_one_thread(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    index = home.open()
    _, vectors = fill(index, 50)
    seen: list[int] = []
    real = faiss.IndexFlatIP.search

    def search(*given: Any, **named: Any) -> Any:
        seen.append(faiss.omp_get_max_threads())
        return real(*given, **named)

    monkeypatch.setattr(faiss.IndexFlatIP, "search", search)
    index.query(vectors[0], limit=5)
    assert seen == [1]
