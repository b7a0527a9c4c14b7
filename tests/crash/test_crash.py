"""Processes that die, and disks that fail, while they write: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local.catalog import jobs

HERE = Path(__file__).parent
LONG = float(os.environ.get("LONG_TEST_SECONDS", "4")) > 10
pytestmark = pytest.mark.usefixtures("clean_environment")


#: How many points are passed over in a short run, and the first: others for each driver and way to work.
POINTS = {
    ("kill", "sqlite", "inline"): (21, 3),
    ("kill", "sqlite", "background"): (29, 5),
    ("kill", "faiss", "background"): (37, 9),
    ("power", "sqlite", "inline"): (27, 11),
    ("freeze", "sqlite", "background"): (17, 5),
    ("raise", "sqlite", "inline"): (17, 7),
}
EVERY = list(itertools.product(("kill", "power", "freeze", "raise"), ("sqlite", "faiss"), ("inline", "background")))
#: Deaths in a short run; in a long one 75 of each driver and way to work.
MOMENTS = {("sqlite", "inline"): 3, ("faiss", "background"): 7}


def _run(record: Callable[[str, object], None], *command: object) -> Any:
    """What a program said; what is wrong with the storage afterwards fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)], capture_output=True, text=True, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    wrong = said.pop("wrong")
    assert "\n".join(f"{where}: {what}" for where, what in wrong.items()) == ""
    counts = {name: len(found) if isinstance(found, list) else found for name, found in said.items()}
    record("counts", {**counts, "lost": 0})
    return said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("how", "driver", "ingest"), [pytest.param(*each, id="-".join(each)) for each in (EVERY if LONG else POINTS)]
)
def test_at_every_commit_and_file_operation(
    how: str, driver: str, ingest: str, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """`kill` sends SIGKILL before or after it; `power` does, and whatever was not synced is gone; `freeze` stops the process, while
    another one takes over what it holds; `raise` lets the operation fail once, as on a full disk.
    """
    if how == "power" and not sys.platform.startswith("linux"):
        pytest.skip("what is synced is seen by way of /proc")
    chosen = (1, 0) if LONG else POINTS[how, driver, ingest]
    said = _run(record_property, HERE / "script.py", tmp_path, how, driver, ingest, *chosen)
    assert len(said["points"]) > 100
    assert said["tried"] > 0
    assert {name.split()[1] for name in said["points"]} >= {"commit", "replace", "fsync", "unlink"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("driver", "ingest"),
    [
        pytest.param(*each, id="-".join(each))
        for each in (dict.fromkeys(each[1:] for each in EVERY) if LONG else MOMENTS)
    ],
)
def test_killed_at_any_moment(driver: str, ingest: str, tmp_path: Path, record_property: Callable[..., None]) -> None:
    """Four threads that write, many deaths; each time another process goes on."""
    deaths = 75 if LONG else MOMENTS[driver, ingest]
    said = _run(record_property, HERE / "moments.py", tmp_path, driver, ingest, deaths, len(driver + ingest))
    assert said["acknowledged"] > 0


# -- what a dead process leaves ----------------------------------------------------------------------------------------

_DIES = """
import os, signal, sys
from oauth_codex import OAuthCodexClient
from oauth_codex.local.ingest.queue import Queue
client = OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1], clock=lambda: float(sys.argv[2]))
api = client.vector_stores
def publish(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "begin":
    files = [client.files.create(file=("%d.txt" % i, b"zanzibar %d" % i), purpose="assistants").id for i in range(5)]
    store = api.create().id
    Queue.publish = publish
    api.file_batches.create(store, file_ids=files)
"""
_DIES_AGAIN = _DIES.replace(
    "client = OAuth", "Queue.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nclient = OAuth"
)


def _dies(program: str, storage: Path, now: float, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(storage), str(now), how], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _batch(client: OAuthCodexClient) -> tuple[str, str]:
    (store,) = client.vector_stores.list()
    with client.backend._engine.catalog.read() as connection:  # type: ignore[attr-defined]
        (batch,) = connection.exec_driver_sql("SELECT public_id FROM batches").scalars()
    return store.id, batch


def _state(client: OAuthCodexClient) -> tuple[str, dict[str, int], str, int]:
    """Status of the store, counters, status of the batch, files that are found."""
    store, batch = _batch(client)
    found = client.vector_stores.file_batches.retrieve(store, batch)
    seen = client.vector_stores.retrieve(store)
    assert seen.file_counts == found.file_counts
    hits = client.vector_stores.search(store, query="zanzibar", max_num_results=50).data
    counts = {name: number for name, number in found.file_counts.to_dict().items() if number}
    return seen.status, counts, found.status, len({hit.file_id for hit in hits})


def test_leftovers_wait_for_the_lease_and_are_then_taken_up(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    _dies(_DIES, tmp_path, clock.now, "begin")
    for later in (0, jobs.LEASE_SECONDS - 1):
        clock.now = 1_700_000_000.0 + later
        opened = open_client("sqlite", tmp_path)
        assert _state(opened.client) == ("in_progress", {"in_progress": 5, "total": 5}, "in_progress", 0)
        audit(opened.client)
        opened.close()
    clock.now = 1_700_000_000.0 + jobs.LEASE_SECONDS
    opened = open_client("sqlite", tmp_path)
    assert _state(opened.client) == ("completed", {"completed": 5, "total": 5}, "completed", 5)
    audit(opened.client)


def test_leftovers_are_taken_up_by_one_of_several(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    _dies(_DIES, tmp_path, clock.now, "begin")
    clock.advance(jobs.LEASE_SECONDS)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_client("sqlite", tmp_path), range(4)))
    for each in opened:
        assert _state(each.client) == ("completed", {"completed": 5, "total": 5}, "completed", 5)
        audit(each.client)


def test_more_leftovers_than_one_claim_takes(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may be made of 10,000 files, more than are claimed at once; whoever polls sees the end."""
    _dies(_DIES, tmp_path, clock.now, "begin")
    clock.advance(jobs.LEASE_SECONDS)
    monkeypatch.setattr(jobs, "MOST_FILES", 2)
    client = open_client("sqlite", tmp_path).client
    client.vector_stores.file_batches.poll(*_batch(client), poll_interval_ms=1, max_wait_seconds=20)
    assert _state(client) == ("completed", {"completed": 5, "total": 5}, "completed", 5)


def test_leftovers_are_taken_up_by_a_client_that_was_open_all_the_time(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any
) -> None:
    survivor = open_client("sqlite", tmp_path)
    _dies(_DIES, tmp_path, clock.now, "begin")
    store, _ = _batch(survivor.client)
    assert survivor.client.vector_stores.retrieve(store).status == "in_progress"
    clock.advance(jobs.LEASE_SECONDS)
    # What a program does that waits for a store, with nobody opening anything anew.
    assert survivor.client.vector_stores.retrieve(store).status == "completed"
    assert _state(survivor.client) == ("completed", {"completed": 5, "total": 5}, "completed", 5)


def test_files_that_kill_every_process_fail_in_the_end(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    _dies(_DIES, tmp_path, clock.now, "begin")
    # All five together, and the last attempt of each by itself.
    for _ in range(jobs.MAX_ATTEMPTS - 2 + 5):
        clock.advance(jobs.LEASE_SECONDS)
        _dies(_DIES_AGAIN, tmp_path, clock.now, "again")
    clock.advance(jobs.LEASE_SECONDS)
    opened = open_client("sqlite", tmp_path)
    assert _state(opened.client) == ("completed", {"failed": 5, "total": 5}, "failed", 0)
    (store,) = opened.client.vector_stores.list()
    for file in opened.client.vector_stores.files.list(store.id):
        assert (file.status, file.last_error.code) == ("failed", "server_error")
        assert str(jobs.MAX_ATTEMPTS) in file.last_error.message
        # Another attempt is allowed when somebody asks for it.
        assert opened.client.vector_stores.files.create(store.id, file_id=file.id).status == "completed"
    audit(opened.client)


def test_leftovers_can_be_cancelled_detached_and_deleted(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    _dies(_DIES, tmp_path, clock.now, "begin")
    client = open_client("sqlite", tmp_path).client
    (store,) = client.vector_stores.list()
    files = [file.id for file in client.vector_stores.files.list(store.id)]
    client.vector_stores.files.delete(store.id, files[0])
    client.files.delete(files[1])
    assert client.vector_stores.files.content(files[2], vector_store_id=store.id).data == []
    assert client.vector_stores.files.create(store.id, file_id=files[2]).status == "in_progress"
    batch = client.vector_stores.file_batches.cancel(*_batch(client))
    assert (batch.status, batch.file_counts.cancelled, batch.file_counts.in_progress) == ("cancelled", 3, 0)
    audit(client)
    clock.advance(jobs.LEASE_SECONDS)
    again = open_client("sqlite", tmp_path).client
    assert _state(again) == ("completed", {"cancelled": 3, "total": 3}, "cancelled", 0)
    audit(again)


def test_remnants_in_the_folder_of_content_harm_nobody(tmp_path: Path, audit: Callable[[Any], None]) -> None:
    content = b"zanzibar " * 200_000
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        file = client.files.create(file=content, purpose="assistants").id
        (blob,) = (tmp_path / "blobs").iterdir()
        client.files.delete(file)
        # As after a crash: torn content under its final name, and a temporary file.
        blob.write_bytes(content[:100])
        (blob.parent / "incoming-dead.part").write_bytes(b"half")
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        store = client.vector_stores.create().id
        file = client.vector_stores.files.upload(store, file=content).id
        assert client.files.content(file).read() == content
        assert client.vector_stores.search(store, query="zanzibar", max_num_results=1).data
        audit(client)


def test_caches_that_changed_places_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conformance kit loses and tears them."""
    from oauth_codex.local import matrix
    from oauth_codex.local.search import view

    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        files = [client.files.create(file=b"zanzibar %d" % i, purpose="assistants").id for i in range(30)]
        store = client.vector_stores.create(file_ids=files[:20]).id
        other = client.vector_stores.create(file_ids=files).id
        found = [
            client.vector_stores.search(each, query="zanzibar 7", max_num_results=50).model_dump()
            for each in (store, other)
        ]
    assert len(list((tmp_path / "cache").iterdir())) == 4
    for kind in ("matrix", "terms"):
        one, two = (tmp_path / "cache" / f"{number}.{kind}" for number in (1, 2))
        one.rename(tmp_path / "aside")
        two.rename(one)
        (tmp_path / "aside").rename(two)
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        again = [
            client.vector_stores.search(each, query="zanzibar 7", max_num_results=50).model_dump()
            for each in (store, other)
        ]
    assert again == found
