"""The driver under a client: switching, several processes, lost files, options."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import ConfigurationError, OAuthCodexClient
from oauth_codex_faiss import files
from oauth_codex_faiss import index as index_module

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "jade", "knoll", "lagoon"]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., OAuthCodexClient]]:
    """Opens clients on one directory; they are closed after the test."""
    clients: list[OAuthCodexClient] = []

    def open_one(backend: str = "faiss", **options: Any) -> OAuthCodexClient:
        clients.append(OAuthCodexClient(backend=backend, storage_dir=tmp_path / "storage", **options))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that happens to large stores happens to small ones."""
    for name, low in (("_TAIL_FROM", 8), ("_GRAPH_FROM", 16), ("_SAVE_FROM", 4)):
        monkeypatch.setattr(index_module, name, low)


def text(number: int) -> bytes:
    return (
        f"{WORDS[number % 12]} and {WORDS[number * 5 % 12]} beside {WORDS[number // 12 % 12]}, page {number}".encode()
    )


def filled(client: OAuthCodexClient, count: int = 40) -> str:
    made = [client.files.create(file=(f"{n}.txt", text(n)), purpose="assistants").id for n in range(count)]
    return client.vector_stores.create(file_ids=made).id


def answers(client: OAuthCodexClient, store: str) -> list[Any]:
    found = []
    for query in ("amber beside dune", "ceder grovs", "lagoon page 7"):
        for legs in (None, {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}):
            named: dict[str, Any] = {} if legs is None else {"ranking_options": legs}
            hits = client.vector_stores.search(store, query=query, max_num_results=20, **named).data
            found.append([(hit.filename, hit.score) for hit in hits])
    assert all(found)
    return found


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("options", [{}, {"index": "flat", "quantisation": "sq8"}, {"index": "hnsw"}], ids=str)
def test_a_directory_of_another_driver(opened: Callable[..., OAuthCodexClient], options: dict[str, Any]) -> None:
    before = opened("sqlite")
    store = filled(before)
    expected = answers(before, store)
    for _ in range(2):  # built from the catalog, and opened from its files
        with_faiss = opened(**options)
        assert answers(with_faiss, store) == expected
        with_faiss.close()
    assert answers(opened("sqlite"), store) == expected


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("damage", ["cut", "removed", "scrambled"])
def test_a_damaged_index_is_rebuilt_without_embedding(
    opened: Callable[..., OAuthCodexClient], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = opened()
    store = filled(client)
    expected = answers(client, store)
    client.close()
    (path,) = (tmp_path / "storage" / "cache").rglob("part0.faiss")
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-50] if damage == "cut" else content[:-90] + b"\xff" * 90)
    with caplog.at_level(logging.WARNING, logger="oauth_codex"):
        again = opened()
        documents: list[str] = []
        embedder: Any = again.backend._engine.embedder  # type: ignore[attr-defined]
        real = embedder.embed

        def embed(texts: Any, *, kind: str) -> Any:
            documents.extend(texts if kind == "document" else ())
            return real(texts, kind=kind)

        embedder.embed = embed
        assert answers(again, store) == expected
    assert documents == []
    (told,) = [record.getMessage() for record in caplog.records if "of no use" in record.getMessage()]
    assert ".faiss" in told
    assert "part0" in told


_WORKER = """
import json, sys
from oauth_codex import OAuthCodexClient
from oauth_codex_faiss import index
index._TAIL_FROM, index._GRAPH_FROM, index._SAVE_FROM = 8, 16, 4
directory, store, name = sys.argv[1:]
with OAuthCodexClient(backend="faiss", storage_dir=directory, index="hnsw") as client:
    made = []
    for number in range(25):
        word = f"{name}q{number}x"
        made.append((client.vector_stores.files.upload_and_poll(store, file=(word, f"{word} in the wood".encode())).id, word))
        if number % 5 == 4:
            client.vector_stores.files.delete(made.pop(0)[0], vector_store_id=store)
        for file, word in made[-3:]:
            hits = client.vector_stores.search(store, query=word, max_num_results=3).data
            assert hits[0].file_id == file, (word, hits)
    json.dump(made, sys.stdout)
"""


def test_two_processes_on_one_directory(opened: Callable[..., OAuthCodexClient], tmp_path: Path) -> None:
    client = opened()
    store = filled(client, 12)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(tmp_path / "storage"), store, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("ab", "cd")
    ]
    results = [worker.communicate(timeout=300) for worker in workers]
    assert [errors for _, errors in results] == ["", ""]
    kept = [pair for made, _ in results for pair in json.loads(made)]
    assert len(kept) == 40
    for reader in (client, opened(), opened("sqlite")):
        for file, word in kept:
            assert reader.vector_stores.search(store, query=word, max_num_results=1).data[0].file_id == file
        assert reader.vector_stores.retrieve(store).file_counts.completed == 52


@pytest.mark.usefixtures("busy")
def test_threads_that_add_and_search_at_once(opened: Callable[..., OAuthCodexClient]) -> None:
    client = opened(index="hnsw")
    store = filled(client, 4)
    stop = threading.Event()
    legs: Any = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}

    def add(name: int) -> list[tuple[str, str]]:
        made = []
        for number in range(12):
            word = f"w{name}q{number}x"
            made.append((client.vector_stores.files.upload_and_poll(store, file=(word, word.encode())).id, word))
        return made

    def search(number: int) -> int:
        done = 0
        while not stop.is_set() or not done:
            hits = client.vector_stores.search(store, query=text(number).decode(), ranking_options=legs).data
            assert hits[0].filename == f"{number}.txt"
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        searching = [pool.submit(search, number) for number in range(4)]
        adding = [pool.submit(add, name) for name in range(4)]
        made = [pair for future in adding for pair in future.result()]
        stop.set()
        assert all(future.result() for future in searching)
    for file, word in made:
        assert client.vector_stores.search(store, query=word, ranking_options=legs).data[0].file_id == file


@pytest.mark.usefixtures("busy")
def test_a_search_goes_on_when_the_disk_is_full(
    opened: Callable[..., OAuthCodexClient], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = opened()
    store = filled(client)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    with caplog.at_level(logging.WARNING, logger="oauth_codex"):
        found = answers(client, store)
        client.close()
    assert any("No space left" in record.getMessage() for record in caplog.records)
    monkeypatch.undo()
    assert answers(opened(), store) == found


def test_a_deleted_store_leaves_no_files(opened: Callable[..., OAuthCodexClient], tmp_path: Path) -> None:
    client = opened(flush_seconds=0)
    store = filled(client)
    answers(client, store)
    cache = tmp_path / "storage" / "cache"
    assert list(cache.glob("*.faiss"))
    client.vector_stores.delete(store)
    assert not list(cache.glob("*.faiss"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"index": "ivf"}, "auto"),
        ({"quantisation": "pq"}, "sq8"),
        ({"links": 1}, "4"),
        ({"ef_search": 0}, "1"),
        ({"flush_seconds": float("nan")}, "flush_seconds"),
        ({"efsearch": 5}, "ef_search"),
    ],
)
def test_wrong_options(opened: Callable[..., OAuthCodexClient], options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))) as error:
        opened(**options)
    assert says in str(error.value)


def test_the_record_imports_no_faiss() -> None:
    program = (
        "import sys, oauth_codex_faiss as driver; print(driver.driver.name, {'faiss', 'numpy'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "faiss set()\n"
