"""A real server: gone and back, shared by processes; and storages that change their driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import StorageError
from oauth_codex_chroma.index import ChromaIndex

from .conftest import Open, Server, chroma_of, keys_of, spec_of, unit_rows

OpenClient = Callable[..., OAuthCodexClient]
HERE = Path(__file__).parent


def answers(client: OAuthCodexClient, store_id: str) -> list[Any]:
    queries = ("red foxes", "number 7", "nothing of that kind", "fo")
    return [client.vector_stores.search(store_id, query=query, max_num_results=50).to_dict() for query in queries]


def add(client: OAuthCodexClient, store_id: str, numbers: range) -> None:
    for number in numbers:
        content = f"Fox number {number} is {'red' if number % 3 else 'white'}.".encode()
        client.vector_stores.files.upload(store_id, file=(f"{number}.txt", content), attributes={"n": number})


def test_nobody_there(tmp_path: Path, server: Server) -> None:
    server.stop()
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path / "s", **server.options)
    text = str(caught.value)
    assert f"http://127.0.0.1:{server.port}" in text
    assert f"chroma run --host 127.0.0.1 --port {server.port}" in text
    assert caught.value.__cause__ is not None


def test_a_database_that_does_not_exist(tmp_path: Path, shared_server: Server) -> None:
    with pytest.raises(StorageError, match="nope") as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **shared_server.options, database="nope")
    assert "the tenant and the database exist" in str(caught.value)


def test_killed_and_back(tmp_path: Path, server: Server, open_client: OpenClient) -> None:
    """Files are acknowledged without the server, searches fail by name, and afterwards nothing is missing."""
    client = open_client(tmp_path / "s", **server.options)
    store = client.vector_stores.create()
    add(client, store.id, range(10))
    assert len(answers(client, store.id)[0]["data"]) == 10
    server.stop(signal.SIGKILL)
    add(client, store.id, range(10, 20))
    for _ in range(2):
        with pytest.raises(StorageError, match="cannot be reached"):
            client.vector_stores.search(store.id, query="foxes")
    server.start()
    found = answers(client, store.id)
    assert len(found[0]["data"]) == 20
    client.close()
    assert answers(open_client(tmp_path / "s", "sqlite"), store.id) == found


def test_a_store_is_deleted_without_the_server(
    tmp_path: Path, server: Server, open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_client(tmp_path / "s", **server.options)
    store = client.vector_stores.create()
    add(client, store.id, range(3))
    answers(client, store.id)
    server.stop(signal.SIGKILL)
    assert client.vector_stores.delete(store.id).deleted
    assert not client.vector_stores.list().data
    assert "left behind" in caplog.text
    assert "cannot be reached" in caplog.text


def test_killed_while_vectors_are_written(
    tmp_path: Path, server: Server, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(tmp_path / "s", **server.options)
    store = client.vector_stores.create()
    add(client, store.id, range(20))
    upsert = ChromaIndex.upsert

    def half(index: ChromaIndex, keys: Any, vectors: Any) -> None:
        upsert(index, keys[:10], vectors[:10])
        server.stop(signal.SIGKILL)
        upsert(index, keys[10:], vectors[10:])

    monkeypatch.setattr(ChromaIndex, "upsert", half)
    with pytest.raises(StorageError, match="writing vectors"):
        client.vector_stores.search(store.id, query="foxes")
    monkeypatch.undo()
    server.start()
    assert len(answers(client, store.id)[0]["data"]) == 20


def test_a_collection_that_somebody_deletes(
    tmp_path: Path, shared_server: Server, open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_client(tmp_path, **shared_server.options)
    store = client.vector_stores.create()
    add(client, store.id, range(5))
    found = answers(client, store.id)
    chroma = chroma_of(client.backend._engine.search._provider)  # type: ignore[attr-defined]
    (name,) = [each.name for each in chroma.list_collections() if client.backend._engine.catalog.id in each.name]  # type: ignore[attr-defined]
    chroma.delete_collection(name)
    add(client, store.id, range(5, 6))
    client.vector_stores.search(store.id, query="foxes")
    assert "was deleted" in caplog.text
    client.vector_stores.files.delete(_file(client, store.id, "5.txt"), vector_store_id=store.id)
    assert answers(client, store.id) == found
    client.vector_stores.delete(store.id)
    assert not [each for each in chroma.list_collections() if each.name == name]


def _file(client: OAuthCodexClient, store_id: str, name: str) -> str:
    return next(f.id for f in client.vector_stores.files.list(store_id) if client.files.retrieve(f.id).filename == name)


def test_two_processes_write_and_search(tmp_path: Path, shared_server: Server, open_client: OpenClient) -> None:
    """Both follow the catalog into one collection, each at its own pace."""
    client = open_client(tmp_path, **shared_server.options)
    store = client.vector_stores.create()
    program = """
import sys
from oauth_codex import OAuthCodexClient
directory, port, store, first = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with OAuthCodexClient(backend="chroma", storage_dir=directory, host="127.0.0.1", port=port) as client:
    for number in range(first, first + 15):
        file = client.vector_stores.files.upload(store, file=(f"{number}.txt", f"Fox number {number}.".encode()))
        names = {hit.filename for hit in client.vector_stores.search(store, query="fox", max_num_results=50)}
        assert f"{number}.txt" in names, (number, names)
        if number % 3 == 0:
            client.vector_stores.files.delete(file.id, vector_store_id=store)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(shared_server.port), store.id, str(first)],
            stderr=subprocess.PIPE, text=True,
        )
        for first in (0, 100)
    ]  # fmt: skip
    for process in processes:
        assert process.communicate(timeout=300)[1].count("Error") == 0
        assert process.returncode == 0
    expected = {f"{n}.txt" for first in (0, 100) for n in range(first, first + 15) if n % 3}
    found = client.vector_stores.search(store.id, query="fox", max_num_results=50)
    assert {hit.filename for hit in found} == expected
    client.close()
    late = open_client(tmp_path, **shared_server.options)
    assert answers(late, store.id) == answers(open_client(tmp_path, "sqlite"), store.id)


@pytest.mark.parametrize("where", ["embedded", "server"])
def test_switching(where: str, tmp_path: Path, request: pytest.FixtureRequest, open_client: OpenClient) -> None:
    """From sqlite to chroma, with changes on both sides, and back: the answers are the same."""
    options: dict[str, Any] = request.getfixturevalue("shared_server").options if where == "server" else {}
    first = open_client(tmp_path, "sqlite")
    store = first.vector_stores.create()
    add(first, store.id, range(40))
    before = answers(first, store.id)
    first.close()
    chroma = open_client(tmp_path, **options)
    assert answers(chroma, store.id) == before
    filtered = {"type": "gte", "key": "n", "value": 30}
    assert len(chroma.vector_stores.search(store.id, query="foxes", filters=filtered, max_num_results=50).data) == 10
    chroma.close()
    first = open_client(tmp_path, "sqlite")
    add(first, store.id, range(40, 45))
    first.vector_stores.files.delete(_file(first, store.id, "3.txt"), vector_store_id=store.id)
    after = answers(first, store.id)
    first.close()
    assert answers(open_client(tmp_path, **options), store.id) == after


def test_server_survives_for_the_index(server: Server, open_provider: Open) -> None:
    """What the server acknowledged is there after it was killed."""
    index = open_provider(**server.options).open(spec_of("1"))
    index.upsert(keys_of(2500), unit_rows(2500))
    index.flush(4)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.start()
    again = open_provider(**server.options).open(spec_of("1"))
    assert (again.watermark, again.count(), len(again.query(unit_rows(1)[0], limit=100))) == (4, 2500, 100)
    assert index.count() == 2500
