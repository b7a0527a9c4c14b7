"""Others write while the storage is looked at, copied and cleared: no false alarm, nothing torn, nothing taken away."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local.catalog import blobs, remnants
from oauth_codex.local.maintenance import collecting, contents, restoring

_ROUNDS = 6

#: Adds, replaces, batches and deletes, with large content that others have too, until its input ends. Run as a program.
_WRITER = """
import sys, threading
from oauth_codex import NotFoundError, OAuthCodexClient

LARGE = b"the same large content for all writers\\n" * 30_000
ended = threading.Event()
client = OAuthCodexClient("sqlite", storage_dir=sys.argv[1])
store = client.vector_stores.list().data[0].id

def write(name):
    number = 0
    while not ended.is_set() or number < 2:
        number += 1
        texts = [f"{name} {number} {part} apple".encode() for part in range(3)]
        files = [client.files.create(file=(f"{name}.txt", text), purpose="assistants").id for text in texts]
        large = client.files.create(file=("large.txt", LARGE), purpose="assistants").id
        batch = client.vector_stores.file_batches.create_and_poll(store, file_ids=files, attributes={"n": number})
        assert batch.file_counts.completed == 3
        own = client.vector_stores.create(file_ids=files[:1]).id
        client.vector_stores.search(store, query=name)
        client.files.delete(large)
        client.files.delete(files[1])
        client.vector_stores.files.delete(store, files[0])
        client.vector_stores.delete(own)

threads = [threading.Thread(target=write, args=(f"{sys.argv[2]}{n}",)) for n in range(2)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
client.close()
"""


@contextmanager
def _writers(directory: Path, names: str) -> Iterator[None]:
    """Processes that write as long as the block runs, and must end well."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _WRITER, str(directory), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for each in running:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield
        for each in running:
            _, said = each.communicate(timeout=120)
            assert each.returncode == 0, said[-2000:]
    finally:
        for each in running:
            if each.poll() is None:
                each.kill()
                each.communicate()


def test_no_false_alarm_and_nothing_torn_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(collecting, "KEPT_SECONDS", -1)
    storage = tmp_path / "storage"
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        client.vector_stores.create(name="shared")
        maintenance = client.maintenance
        with _writers(storage, "ab"):
            for number in range(_ROUNDS):
                report = maintenance.verify()
                assert report.findings == [], number
                maintenance.gc()
                made = maintenance.snapshot(tmp_path / f"snapshot {number}")
                assert made.lost == []
                restored = restoring.restore(tmp_path / f"snapshot {number}", tmp_path / f"restored {number}")
                assert restored.verify.findings == [], number
                repaired = maintenance.repair()
                assert (repaired.mended, repaired.lost) == ([], []), number
        assert maintenance.verify().ok
        audit(client)
        maintenance.gc()  # what somebody still looked at when it was to be removed
        left = {path.name for path in (storage / "blobs").iterdir()}
        assert left == set(), "all large content was deleted"
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / f"restored {_ROUNDS - 1}") as client:
        audit(client)
        assert client.maintenance.verify().ok
        client.vector_stores.search(client.vector_stores.list(order="asc").data[0].id, query="apple")


def test_no_false_alarm_in_one_process(open_world: Callable[..., Any]) -> None:
    """Threads of the same client, in memory, where transactions have one connection among them."""
    world = open_world("memory")
    world.fill()
    ended = threading.Event()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            while not ended.is_set():
                file = world.upload("word.txt", "A word is round.")
                store = world.client.vector_stores.create(file_ids=[file])
                assert world.client.vector_stores.search(store.id, query="word").data
                world.client.vector_stores.delete(store.id)
                world.client.files.delete(file)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(_ROUNDS):
            assert world.client.maintenance.verify().findings == []
            assert world.client.maintenance.repair().mended == []
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_content_that_is_deleted_while_it_is_looked_at_is_not_missed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = contents._on_disk
    large = next(file.id for file in world.client.files.list() if file.filename == "large.html")

    def late(*given: Any) -> Any:
        world.client.files.delete(large)
        return look(*given)

    monkeypatch.setattr(contents, "_on_disk", late)
    assert world.client.maintenance.verify().findings == []


def test_content_that_is_being_removed_is_no_remnant(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is gone, and its file will be in a moment."""
    found: list[Any] = []
    unlink = blobs._unlink

    def late(*given: Any) -> None:
        found.append(world.client.maintenance.verify().findings)
        unlink(*given)

    monkeypatch.setattr(remnants, "_PAUSE", 0)
    monkeypatch.setattr(blobs, "_unlink", late)
    world.client.files.delete(next(file.id for file in world.client.files.list() if file.filename == "large.html"))
    assert found == [[]]
    assert list((world.directory / "blobs").iterdir()) == []
