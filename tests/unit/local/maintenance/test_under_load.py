"""Others write while the storage is looked at, copied and cleared: no false alarm, nothing torn, nothing taken away."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import BadRequestError, OAuthCodexClient
from oauth_codex.local.catalog import blobs, locks, remnants
from oauth_codex.local.maintenance import collecting, contents, restoring

_ROUNDS = 6

#: Adds, replaces, batches and deletes, with large content that others have too, until its input ends. Run as a program.
_WRITER = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from oauth_codex import OAuthCodexClient

directory, store, names = sys.argv[1:]
LARGE = b"the same large content for all writers\\n" * 30_000
ended = threading.Event()
client = OAuthCodexClient("sqlite", storage_dir=directory)

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

with ThreadPoolExecutor(2) as threads:
    written = [threads.submit(write, f"{names}{n}") for n in range(2)]
    print("ready", flush=True)
    sys.stdin.read()
    ended.set()
for each in written:
    each.result()  # raises what was raised there
client.close()
"""


@contextmanager
def _writers(directory: Path, store: str, names: str) -> Iterator[None]:
    """Processes that write as long as the block runs, and must end well."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _WRITER, str(directory), store, name],
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
            assert each.returncode == 0, said
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
        shared = client.vector_stores.create(name="shared").id
        maintenance = client.maintenance
        with _writers(storage, shared, "ab"):
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


def test_content_that_comes_again_is_no_remnant(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file has its name, and its row is not committed; the file that was there before is gone."""
    content = b"again " * 200_000
    before = world.directory / "blobs" / hashlib.sha256(content).hexdigest()
    before.write_bytes(content)
    came, looked = threading.Event(), threading.Event()
    look, keep, share = remnants._unknown, blobs._keep, locks.share

    def upload() -> None:
        try:
            world.client.files.create(file=("again.txt", content), purpose="assistants")
        finally:
            came.set()

    uploading = threading.Thread(target=upload)

    def shared(folder: Path) -> Any:
        free = locks.alone(folder)
        if free is None:
            came.set()  # as far as it comes while somebody looks
        else:
            free()
        return share(folder)

    def kept(*given: Any) -> None:
        keep(*given)
        came.set()
        looked.wait()

    def first(*given: Any) -> Any:
        found = look(*given)
        before.unlink()
        return found

    def second(*given: Any) -> Any:
        uploading.start()
        came.wait()
        return look(*given)

    looks = [first, second]
    monkeypatch.setattr(remnants, "_unknown", lambda *given: looks.pop(0)(*given))
    monkeypatch.setattr(locks, "share", shared)
    monkeypatch.setattr(blobs, "_keep", kept)
    try:
        assert world.client.maintenance.verify().findings == []
    finally:
        looked.set()
        uploading.join()
    assert before.read_bytes() == content


def test_a_file_that_is_not_marked_yet_is_no_remnant(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer lives, and has just made it."""
    found: list[Any] = []
    mark = locks.mark

    def late(descriptor: int) -> None:
        found.append(world.client.maintenance.verify().findings)
        mark(descriptor)

    monkeypatch.setattr(remnants, "_PAUSE", 0)
    monkeypatch.setattr(locks, "mark", late)
    world.client.files.create(file=("again.txt", b"again " * 200_000), purpose="assistants")
    assert found == [[]]


def test_a_file_that_is_given_up_is_no_remnant(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer lives, and is about to remove it."""
    found: list[Any] = []
    unlink = Path.unlink

    def late(path: Path, **given: Any) -> None:
        found.append(world.client.maintenance.verify().findings)
        unlink(path, **given)

    monkeypatch.setattr(Path, "unlink", late)
    with pytest.raises(BadRequestError), blobs.spool(world.directory, b"again " * 400_000, blobs.INLINE_BYTES * 2):
        pass
    assert found == [[]]


def test_content_that_is_deleted_while_others_copy_it_is_no_remnant(world: Any) -> None:
    large = next(file.id for file in world.client.files.list() if file.filename == "large.html")
    done = locks.share(world.directory)  # as whoever makes a snapshot does
    world.client.files.delete(large)
    assert len(list((world.directory / "blobs").iterdir())) == 1
    assert world.client.maintenance.verify().findings == []
    done()
    (finding,) = world.client.maintenance.verify().findings
    assert finding.code == "stray_file"
    assert world.client.maintenance.gc().removed["stray_files"] == 1
