"""Workers: what is attached in the background is completed without anybody's help, once; stopping loses nothing."""

from __future__ import annotations

import functools
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.catalog import jobs
from oauth_codex.local.ingest import child as child_module
from oauth_codex.local.ingest.child import Child
from oauth_codex.local.ingest.prepare import Refused
from oauth_codex.local.ingest.publishing import Work
from oauth_codex.local.ingest.queue import Queue
from oauth_codex.spi import requests as r
from oauth_codex.types.vector_stores import VectorStore, VectorStoreFile

#: Too much for a thread, so that a process prepares it.
LARGE = b"zanzibar and its rivers\n" * 4000


def attached(local: Any, store: str, *contents: bytes, name: str = "a.txt") -> list[str]:
    ids = [local.upload(content, filename=name).id for content in contents]
    local.backend.batches.create(r.FileBatchCreate(vector_store_id=store, file_ids=tuple(ids)))
    return ids


def new_store(local: Any) -> str:
    made: VectorStore = local.backend.vector_stores.create(r.VectorStoreCreate())
    return made.id


def finished(local: Any, store: str, passing: float = 0) -> VectorStore:
    """The store when nothing is in progress; meanwhile time passes, if it shall, while nobody works."""
    with local.backend.background.watch(store) as watch:
        for _ in range(3000):
            watch.clear()
            found: VectorStore = local.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store))
            if not found.file_counts.in_progress:
                return found
            watch.wait(0.02)
            if not local.room.query("SELECT count(*) FROM jobs WHERE owner IS NOT NULL")[0][0]:
                local.time.now += passing
    raise AssertionError(f"still in progress: {local.room.query('SELECT * FROM jobs')}")


def member(local: Any, store: str, file: str) -> VectorStoreFile:
    found: VectorStoreFile = local.backend.vector_stores.retrieve_file(
        r.VectorStoreFileRetrieve(vector_store_id=store, file_id=file)
    )
    return found


def found(local: Any, store: str, query: str) -> set[str]:
    request = r.VectorStoreSearch(vector_store_id=store, query=(query,), max_num_results=50)
    hits = local.backend.vector_stores.search(request).data
    return {hit.file_id for hit in hits if any(word in hit.text for word in query.split())}


@pytest.fixture
def background(open_local: Callable[..., Any]) -> Callable[..., Any]:
    return functools.partial(open_local, ingest="background")


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "file"])
def test_what_is_attached_is_completed_in_the_end(
    background: Callable[..., Any], tmp_path: Path, on_disk: bool
) -> None:
    local = background(tmp_path if on_disk else None)
    store = new_store(local)
    ids = attached(local, store, b"a garden", LARGE, b"\0bad", *(b"tree %d" % i for i in range(70)))
    single = local.upload(b"a lonely shed").id
    seen = local.backend.vector_stores.create_file(r.VectorStoreFileCreate(vector_store_id=store, file_id=single))
    assert seen.status == "in_progress"
    counts = finished(local, store).file_counts
    assert (counts.completed, counts.failed, counts.total) == (73, 1, 74)
    assert found(local, store, "garden") == {ids[0]}
    assert found(local, store, "zanzibar") == {ids[1]}
    assert found(local, store, "shed") == {single}
    error = member(local, store, ids[2]).last_error
    assert error is not None
    assert error.code == "unsupported_file"
    work = local.backend.background
    work.close()
    assert (work.completed, work.failed) == (73, 1)


def test_uploading_and_attaching_in_one_step_returns_at_once(background: Callable[..., Any]) -> None:
    local = background()
    local.backend.background.start(0)
    store = new_store(local)
    made = local.backend.vector_stores.upload_file(
        r.VectorStoreFileUpload(
            vector_store_id=store, content=b"a garden", filename="a.txt", purpose="assistants", attributes={"a": 1}
        )
    )
    assert (made.status, made.attributes) == ("in_progress", {"a": 1})
    assert found(local, store, "garden") == set()
    local.backend.background.start(2)
    finished(local, store)
    assert found(local, store, "garden") == {made.id}


def test_attaching_at_once_and_later_ends_in_the_same(
    open_local: Callable[..., Any], background: Callable[..., Any]
) -> None:
    contents = [b"a garden", LARGE, b"\0", b" ", "trees of 東京".encode()]
    seen = []
    for make in (open_local, background):
        local = make()
        store = new_store(local)
        ids = attached(local, store, *contents)
        finished(local, store) if make is background else None
        request = r.VectorStoreFileContent
        seen.append(
            [
                (
                    member(local, store, each).model_dump(exclude={"created_at"}),
                    local.backend.vector_stores.file_content(request(vector_store_id=store, file_id=each)).data,
                )
                for each in ids
            ]
        )
    assert seen[0] == seen[1]


def test_a_store_made_of_files_and_one_whose_files_are_replaced(background: Callable[..., Any]) -> None:
    local = background()
    one, two = local.upload(b"a garden").id, local.upload(b"a forest").id
    made = local.backend.vector_stores.create(r.VectorStoreCreate(file_ids=(one,)))
    assert made.status == "in_progress"
    assert finished(local, made.id).file_counts.completed == 1
    local.backend.vector_stores.update(r.VectorStoreUpdate(vector_store_id=made.id, file_ids=(two,)))
    assert finished(local, made.id).file_counts.total == 1
    assert (found(local, made.id, "garden"), found(local, made.id, "forest")) == (set(), {two})


class Moody(HashingEmbedder):
    """Fails so many times, and waits where it is told to."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures = failures
        self.calls = 0
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def embed_words(self, counts: Any) -> Any:
        self.calls += 1
        self.entered.set()
        self.go_on.wait()
        if self.calls <= self.failures:
            raise ConnectionError("the model is away")
        return super().embed_words(counts)


def test_an_embedder_that_fails_is_tried_again_after_a_pause(background: Callable[..., Any]) -> None:
    embedder = Moody(failures=2)
    local = background(embedder=embedder)
    store = new_store(local)
    (file,) = attached(local, store, b"a garden")
    assert finished(local, store, passing=jobs.PAUSES[-1]).file_counts.completed == 1
    assert embedder.calls == 3
    assert found(local, store, "garden") == {file}


def test_an_embedder_that_never_works_fails_the_file_with_its_reason(background: Callable[..., Any]) -> None:
    embedder = Moody(failures=1000)
    local = background(embedder=embedder)
    store = new_store(local)
    (file,) = attached(local, store, b"a garden")
    assert finished(local, store, passing=jobs.PAUSES[-1]).file_counts.failed == 1
    error = member(local, store, file).last_error
    assert error is not None
    assert (error.code, embedder.calls) == ("server_error", jobs.MAX_ATTEMPTS)
    assert "the model is away" in error.message
    # Whoever asks for it gets another attempt.
    embedder.failures = 0
    attached_again = r.VectorStoreFileCreate(vector_store_id=store, file_id=file)
    local.backend.vector_stores.create_file(attached_again)
    assert finished(local, store).file_counts.completed == 1


def test_an_embedder_without_a_recipe_makes_the_vectors_of_what_a_process_read(background: Callable[..., Any]) -> None:
    class Lengths:
        name, dimension, fingerprint, semantic, max_batch = "lengths", 8, "lengths-1", True, 4

        def embed(self, texts: Any, *, kind: str) -> Any:
            return np.array([[1, len(text) % 7, *[0] * 6] for text in texts], dtype=np.float32)

    local = background(embedder=Lengths())
    store = new_store(local)
    (file,) = attached(local, store, LARGE)
    assert finished(local, store).file_counts.completed == 1
    assert found(local, store, "zanzibar") == {file}


def test_parts_of_the_caller_are_used_in_its_own_process(background: Callable[..., Any]) -> None:
    seen: list[str] = []

    def read(content: bytes, filename: str | None) -> str:
        seen.append(threading.current_thread().name)
        if content.startswith(b"bad"):
            raise ValueError("no page")
        return "parsed " + content.decode()

    local = background(parsers={".pdf": read})
    store = new_store(local)
    good, bad = attached(local, store, LARGE, b"bad" + LARGE, name="a.pdf")
    finished(local, store)
    assert found(local, store, "parsed") == {good}
    error = member(local, store, bad).last_error
    assert error is not None
    assert (error.code, "no page" in error.message) == ("invalid_file", True)
    assert {name.rpartition("-")[0] for name in seen} == {"oauth-codex-worker"}


def test_a_file_that_kills_its_reader_fails_alone_with_the_reason(
    background: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "from oauth_codex.local.ingest import process\n"
        "from oauth_codex.local.ingest.prepare import Preparer\n"
        "real = Preparer.prepare\n"
        "def prepare(self, content, *rest):\n"
        "    if content.startswith(b'kill'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, content, *rest)\n"
        "Preparer.prepare = prepare\n"
        "process.run()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(child_module, "Child", functools.partial(Child, module="deadly"))
    local = background()
    store = new_store(local)
    ids = attached(local, store, LARGE, b"kill" + LARGE, LARGE + b"!")
    counts = finished(local, store, passing=jobs.PAUSES[-1]).file_counts
    assert (counts.completed, counts.failed) == (2, 1)
    error = member(local, store, ids[1]).last_error
    assert error is not None
    assert (error.code, "SIGKILL" in error.message) == ("server_error", True)


def test_stopping_requeues_and_is_no_attempt(background: Callable[..., Any], tmp_path: Path) -> None:
    embedder = Moody()
    embedder.go_on.clear()
    local = background(tmp_path, embedder=embedder)
    store = new_store(local)
    attached(local, store, *(b"garden %d" % i for i in range(5)))
    assert embedder.entered.wait(60)
    closing = threading.Thread(target=local.backend.close)
    closing.start()
    embedder.go_on.set()
    closing.join(60)
    assert not closing.is_alive()
    again = background(tmp_path, time=local.time)  # at the same moment: nobody waits for a lease
    assert finished(again, store).file_counts.completed == 5
    assert again.room.count("jobs") == 0


_DIES = """
import os, signal, sys
from oauth_codex import OAuthCodexClient
from oauth_codex.embedders.hashing import HashingEmbedder
class Deadly(HashingEmbedder):
    recipe = None
    def __init__(self): self.__dict__.update(HashingEmbedder().__dict__ | {"recipe": None})
    def embed_words(self, counts): os.kill(os.getpid(), signal.SIGKILL)
now = float(sys.argv[2])
client = OAuthCodexClient("sqlite", storage_dir=sys.argv[1], clock=lambda: now, embedder=Deadly(), ingest="background")
store = client.vector_stores.create().id
files = [client.files.create(file=b"garden %d" % i, purpose="assistants").id for i in range(5)]
print(store, flush=True)
batch = client.vector_stores.file_batches.create(store, file_ids=files).id
client.vector_stores.file_batches.poll(batch, vector_store_id=store)
"""


def test_work_of_a_killed_process_is_taken_over_when_its_lease_has_run_out(
    background: Callable[..., Any], tmp_path: Path
) -> None:
    local = background(tmp_path / "other")  # for its clock
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(tmp_path / "storage"), str(local.time.now)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    store = done.stdout.strip()
    other = background(tmp_path / "storage", time=local.time, namespace="default")
    with other.backend.background.watch(store) as watch:
        assert not watch.wait(0.2), "the lease of the dead one holds"
    held = other.room.query("SELECT count(*), min(attempts) FROM jobs WHERE owner IS NOT NULL")[0]
    assert held[0] > 0
    local.time.now += jobs.LEASE_SECONDS
    assert finished(other, store).file_counts.completed == 5


def test_leases_are_renewed_while_work_goes_on(background: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from oauth_codex.local.ingest import queue

    monkeypatch.setattr(queue.Queue.__init__, "__kwdefaults__", {"beat_seconds": 0.01})
    embedder = Moody()
    embedder.go_on.clear()
    local = background(embedder=embedder)
    store = new_store(local)
    attached(local, store, b"a garden")
    assert embedder.entered.wait(60)
    for _ in range(3):
        local.time.now += jobs.LEASE_SECONDS - 1
        for _ in range(3000):
            if local.room.query("SELECT heartbeat_at, lease_until FROM jobs") == [
                (local.room.now, local.room.now + jobs.LEASE_SECONDS)
            ]:
                break
            threading.Event().wait(0.01)
        else:
            raise AssertionError("the lease was not renewed")
    embedder.go_on.set()
    assert finished(local, store).file_counts.completed == 1
    assert embedder.calls == 1, "it was done once, although it took longer than a lease"


def test_what_was_stopped_and_goes_on_all_the_same_writes_nothing(
    background: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread in the middle of somebody else's code cannot be interrupted; its claim is taken away from it."""
    from oauth_codex.local.ingest import workers

    monkeypatch.setattr(workers, "_PATIENCE", 0.0)
    embedder = Moody()
    embedder.go_on.clear()
    local = background(tmp_path, embedder=embedder)
    store = new_store(local)
    (file,) = attached(local, store, b"a garden")
    assert embedder.entered.wait(60)
    thread = next(each for each in threading.enumerate() if each.name.startswith("oauth-codex-worker") and each.daemon)
    local.backend.background.close()
    other = background(tmp_path, time=local.time)
    assert finished(other, store).file_counts.completed == 1
    before = other.room.query("SELECT * FROM attachments, generations, meta")
    embedder.go_on.set()
    thread.join(60)
    assert other.room.query("SELECT * FROM attachments, generations, meta") == before
    assert found(other, store, "garden") == {file}


def test_cancelling_leaves_nothing_in_progress_while_workers_hold_the_files(background: Callable[..., Any]) -> None:
    embedder = Moody()
    embedder.go_on.clear()
    local = background(embedder=embedder)
    store = new_store(local)
    ids = tuple(local.upload(b"garden %d" % i).id for i in range(120))
    batch = local.backend.batches.create(r.FileBatchCreate(vector_store_id=store, file_ids=ids)).id
    assert embedder.entered.wait(60)
    seen = local.backend.batches.cancel(r.FileBatchCancel(vector_store_id=store, batch_id=batch))
    assert (seen.status, seen.file_counts.in_progress, seen.file_counts.cancelled) == ("cancelled", 0, 120)
    embedder.go_on.set()
    local.backend.background.close()
    seen = local.backend.batches.retrieve(r.FileBatchRetrieve(vector_store_id=store, batch_id=batch))
    assert (seen.file_counts.cancelled, seen.file_counts.completed) == (120, 0)
    assert found(local, store, "garden") == set()


def test_deleting_the_file_or_the_store_under_a_worker_leaves_nothing(background: Callable[..., Any]) -> None:
    embedder = Moody()
    embedder.go_on.clear()
    local = background(embedder=embedder)
    store, other = new_store(local), new_store(local)
    one, two = attached(local, store, b"a garden", b"a forest")
    attached(local, other, b"a garden")
    assert embedder.entered.wait(60)
    local.backend.files.delete(r.FileDelete(file_id=one))
    local.backend.vector_stores.delete(r.VectorStoreDelete(vector_store_id=other))
    embedder.go_on.set()
    assert finished(local, store).file_counts.total == 1
    assert found(local, store, "forest garden") == {two}
    local.backend.background.close()
    assert [local.room.count(table) for table in ("jobs", "generations", "attachments")] == [0, 1, 1]


def test_what_another_client_announces_is_found(
    open_local: Callable[..., Any], background: Callable[..., Any], tmp_path: Path
) -> None:
    one = background(tmp_path)
    one.backend.background.start(0)
    store = new_store(one)
    two = background(tmp_path, time=one.time)
    attached(one, store, b"a garden")
    assert finished(two, store).file_counts.completed == 1
    # And a client that works at once does what it finds.
    two.backend.close()
    attached(one, store, b"a forest")
    inline = open_local(tmp_path, time=one.time)
    assert inline.room.count("jobs") == 0


def test_many_clients_and_threads_do_each_file_once(background: Callable[..., Any], tmp_path: Path) -> None:
    clients = [background(tmp_path) for _ in range(4)]
    store = new_store(clients[0])
    files = [clients[0].upload(b"garden %d" % i).id for i in range(40)]
    barrier = threading.Barrier(8)

    def attach(number: int) -> None:
        local = clients[number % 4]
        barrier.wait()
        for file in files:
            local.backend.vector_stores.create_file(r.VectorStoreFileCreate(vector_store_id=store, file_id=file))

    threads = [threading.Thread(target=attach, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = finished(clients[0], store).file_counts
    assert (counts.completed, counts.total) == (40, 40)
    assert clients[0].room.query("SELECT count(*), max(generation) FROM generations") == [(40, 1)]
    for each in clients:
        each.backend.background.close()
    assert sum(each.backend.background.completed for each in clients) == 40


def test_expired_files_are_removed_though_nobody_looks(
    background: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oauth_codex.local.ingest import workers

    monkeypatch.setattr(workers, "_SWEEP", 0.0)
    local = background()
    local.upload(b"a garden", expires_after={"anchor": "created_at", "seconds": 3600})
    local.time.now += 3600
    for _ in range(3000):
        if local.room.count("files") == 0:
            return
        threading.Event().wait(0.02)
    raise AssertionError("it is still there")


def test_files_do_not_wait_for_slow_ones_of_their_group(
    background: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oauth_codex.local.ingest import workers

    monkeypatch.setattr(workers, "_AT_LATEST", 0.0)
    local = background()
    store = new_store(local)
    attached(local, store, b"a garden", b"\0", b"a forest", b"a lake")
    counts = finished(local, store).file_counts
    assert (counts.completed, counts.failed) == (3, 1)
    assert local.room.query("SELECT count(DISTINCT published) FROM generations") == [(3,)]


def test_processes_are_ready_when_much_was_uploaded_and_not_for_little(background: Callable[..., Any]) -> None:
    local = background()
    crew = local.backend.background._crew
    store = new_store(local)
    attached(local, store, b"a garden")
    finished(local, store)
    assert [child._process for child in crew._children] == [None, None]
    local.upload(LARGE)
    for _ in range(3000):
        if all(child._process is not None for child in crew._children):
            return
        threading.Event().wait(0.02)
    raise AssertionError("no process was started")


def test_a_client_that_is_forgotten_stops(
    background: Callable[..., Any], tmp_path: Path, open_local: Callable[..., Any]
) -> None:
    import gc

    local = background(tmp_path)
    workers = [each for each in threading.enumerate() if each.name.startswith("oauth-codex-worker")]
    assert len(workers) == 2
    crew = local.backend.background._crew
    local.backend = SimpleNamespace(close=lambda: None)
    local.room = None
    gc.collect()
    assert crew._stopping
    for each in workers:
        each.join(60)
        assert not each.is_alive()


def test_waiting_threads_are_told(background: Callable[..., Any]) -> None:
    """Nobody looks at an interval: the news alone ends the waiting."""
    local = background()
    local.backend.background.start(0)
    store = new_store(local)
    (file,) = attached(local, store, b"a garden")
    watch = local.backend.background.watch
    with watch(file) as one, watch(store) as two, watch("file-other") as other:
        local.backend.background.start(1)
        assert one.wait(60)
        assert two.wait(60)
        assert not other.has_news


def test_what_another_embedder_must_do_now_is_given_back_at_once(room: Any) -> None:
    """Nobody of this process can publish it any more, and those who can need not wait for a lease."""
    embedder = HashingEmbedder()
    store = room.add_store()
    ids = room.attach(store, room.add_files(2))
    queue = Queue(room.catalog, room.time, embedder, logging.getLogger("tests"))
    with room.catalog.write() as connection:
        queue.announce(connection, "tests", store.id, ids, mine=False)
    task = queue.take()
    assert task is not None
    with room.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE stores SET embedder_fingerprint = 'another'")
    work = [(Work(row.id, row.generation, row.blob_id), Refused("server_error", "never written")) for row in task.rows]
    assert queue.publish(task, work) == set()
    rows = room.query("SELECT owner, lease_until, attempts, not_before FROM jobs")
    assert [tuple(row) for row in rows] == [(None, 0, 0, 0)] * 2
