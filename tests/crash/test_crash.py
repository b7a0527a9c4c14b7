"""Processes that die, and disks that fail, while they write: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local.catalog import jobs

HERE = Path(__file__).parent
LONG = float(os.environ.get("OAUTH_CODEX_TEST_SECONDS", "4")) > 10
pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("how", ["kill", "raise"])
def test_at_every_commit_and_file_operation(how: str, tmp_path: Path) -> None:
    """`kill` sends SIGKILL before or after it; `raise` lets it fail once, as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / "script.py"), str(tmp_path), how, "1" if LONG else "8"],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert len(said["points"]) > 30
    assert {name.split()[1] for name in said["points"]} >= {"commit", "replace", "fsync"}
    assert "\n".join(f"{point}: {what}" for point, what in said["wrong"].items()) == ""


def test_killed_at_any_moment(
    tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    """One storage, many deaths; each time another process goes on."""
    moments = random.Random(5)
    storage = tmp_path / "storage"
    present: set[str] = set()
    gone: set[str] = set()
    loose: set[str] = set()  # uploaded, but the process died before they were attached
    stores: dict[int, str] = {}
    clock.now = time.time() + 10_000  # long after every lease
    for death in range(30 if LONG else 4):
        victim = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "victim.py"), str(storage), str(death)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert victim.stdout is not None
        lines = [victim.stdout.readline()]  # it works now
        killer = threading.Timer(moments.uniform(0.01, 0.8), victim.kill)
        killer.start()
        lines += victim.stdout.readlines()
        killer.join()
        victim.stdout.close()
        assert victim.wait() == -signal.SIGKILL
        lines = [line for line in lines if line.endswith("\n")]
        open_end: dict[str, Any] = {}
        for said in map(json.loads, lines):
            if "store" in said:
                stores[death] = said["store"]
            elif "begins" in said:
                open_end = said
            else:
                open_end = {}
                (present if said["done"] == "attach" else gone).update(said["words"])
        present -= gone
        maybe = set(open_end.get("words", ()))

        opened = open_client("sqlite", storage)
        client = opened.client
        audit(client)
        names = {file.id: file.filename for file in client.files.list()}
        assert present - maybe <= set(names.values()) <= present | maybe | loose, lines[-3:]
        attached: set[str] = set()
        for number, store in stores.items():
            seen = client.vector_stores.retrieve(store)
            assert (seen.status, seen.file_counts.in_progress) == ("completed", 0)
            members = {names[file.id]: file.status for file in client.vector_stores.files.list(store, limit=100)}
            assert set(members.values()) <= {"completed"}
            attached.update(members)
            mine = {word for word in present if word.startswith(f"word{number}q")}
            assert mine - maybe <= set(members) <= mine | maybe
            sample = sorted(maybe | set(moments.sample(sorted(mine), min(len(mine), 10))))
            for word in [word for word in sample if word.startswith(f"word{number}q")]:
                hits = client.vector_stores.search(store, query=word, max_num_results=50).data
                assert [hit.filename for hit in hits if word in hit.text.split()] == ([word] if word in members else [])
        opened.close()
        present, loose = attached, set(names.values()) - attached


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
