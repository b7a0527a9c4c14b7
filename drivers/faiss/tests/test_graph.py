"""The graph is made beside the searches."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from oauth_codex_faiss import parts
from oauth_codex_faiss.index import in_thread

from .support import DIMENSION, Home, fill, nearest, units


class Later:
    """Work that is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        self.waiting.append(work)
        return lambda: None

    def go(self) -> None:
        self.waiting.pop()()


def test_flat_answers_while_the_graph_is_made_and_nothing_is_lost(home: Home) -> None:
    later = Later()
    index = home.open(start=later, hnsw_from=1000)
    keys, vectors = fill(index, 1000)
    assert len(later.waiting) == 1
    assert index.query(vectors[7], limit=9).tolist() == nearest(keys, vectors, vectors[7], 9)
    new = units(1200, seed=3)
    index.upsert(np.arange(200) + 5000, new[:200])  # added,
    index.delete(keys[:100])  # removed,
    index.upsert(keys[200:210], new[200:210])  # and replaced meanwhile
    index.flush(2)
    assert len(later.waiting) == 1
    keys = np.concatenate((keys[200:210], keys[100:200], keys[210:], np.arange(200) + 5000))
    vectors = np.concatenate((new[200:210], vectors[100:200], vectors[210:], new[:200]))
    for made in (False, True):
        if made:
            later.go()
        assert index._parts[0].graph == made
        assert sorted(index.keys()) == sorted(keys.tolist())
        for vector in (new[205], vectors[50], new[3], units(1, seed=77)[0]):
            assert index.query(vector, limit=9).tolist() == nearest(keys, vectors, vector, 9)
    index.close()
    again = home.open(start=later, hnsw_from=1000)
    assert again._parts[0].graph
    assert (again.watermark, sorted(again.keys())) == (2, sorted(keys.tolist()))


def test_a_graph_grows_without_being_made_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    index = home.open(index="hnsw")
    keys, vectors = fill(index, 5000)
    index.close()
    index = home.open(index="hnsw")  # mapped: FAISS ends the process when something is added to it
    asked: list[int] = []

    def extended(*given: Any) -> Any:
        asked.append(1)
        return parts.extended(*given)

    monkeypatch.setattr("oauth_codex_faiss.index.extended", extended)
    more = units(5000, seed=2)
    index.delete(keys[:50])
    index.upsert(np.arange(5000) + 50_000, more)
    index.flush(2)
    assert asked == [1]
    (first, tail) = index._parts
    assert (first.graph, len(first), len(tail)) == (True, 10_000, 0)
    assert index.count() == 9950
    assert index.query(more[17], limit=1).tolist() == [50_017]
    assert index.query(vectors[10], limit=1).tolist() != [21]
    index.delete(keys[50:4500])  # too many: now it is made anew, without them
    index.flush(3)
    assert len(index._parts[0]) == index.count() == 5500
    assert asked == [1]


def test_a_graph_that_fails_is_told_and_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise MemoryError("no room for a graph")

    index = home.open(index="hnsw")
    with monkeypatch.context() as patch:
        patch.setattr(faiss, "IndexHNSWFlat", fail)
        _, vectors = fill(index, 1500)
        index.upsert(np.array([9001]), units(1, seed=9))
        index.flush(2)
    assert len(home.warnings) == 2
    assert "no room for a graph" in home.warnings[0]
    assert index.query(vectors[3], limit=1).tolist() == [7]
    index.flush(3)
    assert index._parts[0].graph
    assert index.count() == 1501


def test_no_thread_can_be_started(home: Home) -> None:
    def refuse(work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("can't start new thread")

    index = home.open(start=refuse, index="hnsw")
    _, vectors = fill(index, 1500)
    assert "can't start new thread" in home.warnings[0]
    assert index.query(vectors[3], limit=1).tolist() == [7]
    index.close()
    assert home.open().count() == 1500


def test_closing_stops_the_making(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on, batches = threading.Event(), threading.Event(), 0
    real = faiss.IndexHNSWFlat.add

    def add(graph: Any, vectors: Any) -> None:
        nonlocal batches
        batches += 1
        began.set()
        assert go_on.wait(60)
        real(graph, vectors)

    monkeypatch.setattr(faiss.IndexHNSWFlat, "add", add)
    index = home.open(start=in_thread, index="hnsw")
    _, vectors = fill(index, 5000)
    assert began.wait(60)
    assert index.query(vectors[3], limit=1).tolist() == [7]
    index._stopped.set()
    go_on.set()
    index.close()
    assert batches == 1
    assert home.open(start=Later(), index="hnsw").count() == 5000
    assert not home.warnings


def test_searches_while_graphs_are_put_in_place(home: Home) -> None:
    """Real threads: queries see each vector, before, while and after the parts are replaced."""
    index = home.open(start=in_thread, index="hnsw")
    keys, vectors = fill(index, 3000)
    wrong: list[Any] = []
    done = threading.Event()

    def search(seed: int) -> None:
        chances = np.random.default_rng(seed)
        while not done.is_set():
            row = int(chances.integers(0, 3000))
            found = index.query(vectors[row], limit=120)
            if found[0] != keys[row] or len(found) != 120 or np.isnan(index.cosines(found, vectors[row])).any():
                wrong.append((row, found))

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    index._join()
    done.set()
    for thread in threads:
        thread.join()
    assert index._parts[0].graph
    assert wrong == []
    index.close()


def test_an_interpreter_that_ends_does_not_wait_for_a_graph(tmp_path: Path) -> None:
    program = f"""
import logging, sys, threading
from pathlib import Path
import faiss
import numpy as np
from oauth_codex.spi import IndexSpec
from oauth_codex_faiss.index import FaissProvider
from oauth_codex_faiss.options import FaissOptions

began, batches, real = threading.Event(), 0, faiss.IndexHNSWFlat.add
def add(graph, vectors):
    global batches
    batches += 1
    began.set()
    while threading.main_thread().is_alive():
        threading.main_thread().join(0.01)
    real(graph, vectors)
    sys.stdout.write(f"{{batches}}\\n")
faiss.IndexHNSWFlat.add = add
options = FaissOptions(index="hnsw")
provider = FaissProvider(directory=Path({str(tmp_path)!r}), options=options, clock=lambda: 0.0, logger=logging.getLogger())
index = provider.open(IndexSpec(id="1", dimension={DIMENSION}, stamp="a"))
vectors = np.eye({DIMENSION}, dtype=np.float32)[np.arange(9000) % {DIMENSION}]
index.upsert(np.arange(9000), vectors)
index.flush(1)
assert began.wait(60)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")
