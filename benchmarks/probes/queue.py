"""What the queue costs where preparing a file costs nothing: `python -m benchmarks.probes.queue STORAGE FILES`.

Files are announced in one batch, claimed, found unreadable at once, and settled: all transactions of a file, and none of its content.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from oauth_codex import OAuthCodexClient
from oauth_codex.local.ingest.prepare import Refused
from oauth_codex.local.ingest.publishing import Work
from oauth_codex.local.ingest.queue import Queue

_UNREADABLE = Refused("invalid_file", "It is not read here.")


def main() -> None:
    """Measure and report."""
    storage, number = sys.argv[1], int(sys.argv[2])
    with OAuthCodexClient(backend="sqlite", storage_dir=storage, ingest="background") as opened:
        backend: Any = opened.backend
        backend.background.start(0)
        queue: Queue = backend._engine.ingest.queue
        files = [opened.files.create(file=(f"{i}.txt", b"%d" % i), purpose="assistants").id for i in range(number)]
        store = opened.vector_stores.create().id
        start = time.perf_counter()
        opened.vector_stores.file_batches.create(store, file_ids=files)
        announced = time.perf_counter() - start
        while (task := queue.take()) is not None:
            work = [(Work(row.id, row.generation, row.blob_id), _UNREADABLE) for row in task.rows]
            queue.publish(task, work)
        seconds = time.perf_counter() - start
        counts = opened.vector_stores.retrieve(store).file_counts
        if counts.failed != number:
            raise RuntimeError(f"Of {number} files the store says {counts!r}.")
    print(json.dumps({"seconds": seconds, "announced": announced}))


main()
