"""The product ingests a folder: `python -m benchmarks.probes.ingest FOLDER STORAGE files|batch`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.measure import peak_memory, private_memory
from benchmarks.product import check, client


def main() -> None:
    """Ingest and report."""
    folder, storage, way = sys.argv[1:]
    paths = sorted(path for path in Path(folder).iterdir() if path.name != "complete")
    with client(Path(storage)) as opened:
        first = opened.vector_stores.create(name="first").id
        opened.vector_stores.files.upload_and_poll(first, file=("first.txt", b"loads what is loaded once"))
        opened.vector_stores.search(first, query="loaded")
        store = opened.vector_stores.create(name="all").id
        cpu, start = time.process_time(), time.perf_counter()
        if way == "files":
            for path in paths:
                opened.vector_stores.files.upload_and_poll(store, file=path)
        else:
            opened.vector_stores.file_batches.upload_and_poll(store, files=paths)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        check(opened, store, len(paths))
    size = sum(path.stat().st_size for path in Path(storage).rglob("*") if path.is_file())
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": cpu,
                "disk": size,
                "peak": peak_memory(),
                "private": private_memory(),
            }
        )
    )


main()
