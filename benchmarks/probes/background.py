"""Workers ingest a folder: `python -m benchmarks.probes.background FOLDER STORAGE warm|cold`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from oauth_codex import OAuthCodexClient

from benchmarks.measure import peak_memory
from benchmarks.product import check

#: More stores than threads, with a file that is read by a process: each thread has started its own before the time begins.
_STORES = 8
_READ_BY_A_PROCESS = b"everybody writes about rivers and banks\n" * 4_000


def main() -> None:
    """Ingest and report."""
    folder, storage, way = sys.argv[1:]
    paths = sorted(path for path in Path(folder).iterdir() if path.name != "complete")
    with OAuthCodexClient(backend="sqlite", storage_dir=storage, ingest="background") as opened:
        first = opened.vector_stores.create(name="first").id
        opened.vector_stores.files.upload_and_poll(first, file=("first.txt", b"loads what is loaded once"))
        opened.vector_stores.search(first, query="loaded")
        if way == "warm":
            _start_processes(opened)
        store = opened.vector_stores.create(name="all").id
        cpu, start = time.process_time(), time.perf_counter()
        opened.vector_stores.file_batches.upload_and_poll(store, files=paths)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        check(opened, store, len(paths))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak_memory()}))


def _start_processes(opened: OAuthCodexClient) -> None:
    file = opened.files.create(file=("a.txt", _READ_BY_A_PROCESS), purpose="assistants").id
    stores = [opened.vector_stores.create(file_ids=[file]).id for _ in range(_STORES)]
    for store in stores:
        opened.vector_stores.files.poll(file, vector_store_id=store)


main()
