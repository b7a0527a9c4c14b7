"""Workers on a disk that is full or read-only, and under a clock that jumps: a typed error, nothing lost, and they go on."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex.local.catalog import jobs
from oauth_codex.local.ingest.queue import Queue

pytestmark = pytest.mark.usefixtures("clean_environment")
_PROGRAM = Path(__file__).parent / "small_disk.py"
_OWN_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=8m small "$0" && exec "$@"',
)
_DONE = {
    "counts": {"in_progress": 0, "completed": 31, "failed": 0, "cancelled": 0, "total": 31},
    "found": 30,
    "verified": True,
}


def _on_own_disk(directory: Path, way: str) -> Any:
    own = (*_OWN_DISK, str(directory))
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of their own")
    command = [*own, sys.executable, "-W", "error", str(_PROGRAM), str(directory), way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_full_disk_stops_no_reading_and_workers_go_on_when_there_is_room(tmp_path: Path) -> None:
    said = _on_own_disk(tmp_path, "full")
    assert said.pop("upload") == "StorageError"
    assert said.pop("reading") == [31, 0, "kept.txt", 31]
    assert "full" in said.pop("heard")
    assert said == _DONE


def test_a_read_only_disk_is_an_error_and_workers_go_on_when_it_is_none(tmp_path: Path) -> None:
    said = _on_own_disk(tmp_path, "read-only")
    assert said.pop("opening") == "StorageError"
    assert said == _DONE


def _until(work: Any, is_so: Callable[[], bool]) -> None:
    """Let the workers look until something is so."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "the workers do not get that far"
        work.wake()
        time.sleep(0.005)


@pytest.mark.parametrize("jump", [-86_400, -61, 61, 86_400])
def test_a_clock_that_jumps_delays_what_a_dead_process_held_by_no_more_than_a_lease(
    jump: int, tmp_path: Path, open_client: Callable[..., Any], clock: Any, audit: Callable[[Any], None]
) -> None:
    opened = open_client("sqlite", tmp_path, ingest="background")
    client, work = opened.client, opened.backend.background
    work.start(0)
    _until(work, lambda: not work._crew._threads)
    store = client.vector_stores.create().id
    files = [client.files.create(file=b"zanzibar %d" % i, purpose="assistants").id for i in range(5)]
    engine = opened.backend._engine
    client.vector_stores.file_batches.create(store, file_ids=files)
    dead = Queue(engine.catalog, clock, engine.embedder, logging.getLogger("dead"))
    task = dead.take()
    assert task is not None
    assert len(task.rows) == 5
    clock.advance(jump)
    work.start(2)

    def leases() -> list[int]:
        with engine.catalog.read() as connection:
            return list(connection.exec_driver_sql("SELECT lease_until FROM jobs").scalars())

    _until(work, lambda: max(leases(), default=0) <= clock.now + jobs.LEASE_SECONDS)
    clock.advance(jobs.LEASE_SECONDS)
    _until(work, lambda: not leases())
    counts = client.vector_stores.retrieve(store).file_counts
    assert (counts.completed, counts.total) == (5, 5)
    assert dead.publish(task, []) == set()
    hits = client.vector_stores.search(store, query="zanzibar", max_num_results=50).data
    assert sorted(hit.file_id for hit in hits) == sorted(files)
    audit(client)
