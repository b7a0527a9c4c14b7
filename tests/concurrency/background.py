"""Threads of one process that attach files in the background, beside others that do the same. A program:

    python background.py DIRECTORY STORE PROCESS SECONDS SHARED_FILE...

prints, as JSON, which files it has attached and how many its own workers have completed.
"""

from __future__ import annotations

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from oauth_codex import OAuthCodexClient

THREADS = 10
#: Larger than what is prepared in a thread.
LONG = " and what everybody writes about rivers and banks" * 2_000


def work(client: OAuthCodexClient, store: str, name: str, end: float, shared: list[str]) -> dict[str, str]:
    """Attach files one by one, in batches, and those that everybody attaches; return the own ones, with a word in each."""
    chosen = random.Random(name)
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    own: dict[str, str] = {}

    def upload() -> str:
        word = f"word{name}q{len(own)}x"
        text = f"{word} in a garden" + (LONG if chosen.random() < 0.05 else "")
        file = client.files.create(file=(f"{word}.txt", text.encode()), purpose="assistants").id
        own[file] = word
        return file

    while True:
        one = files.create(store, file_id=upload(), attributes={"owner": name})
        batch = batches.create(store, file_ids=[upload() for _ in range(4)])
        files.create(store, file_id=chosen.choice(shared))
        again = batches.create(store, file_ids=chosen.sample(shared, 3))
        assert files.poll(store, one.id).status == "completed"
        for each in (batch, again):
            counts = batches.poll(store, each.id).file_counts
            assert counts.completed == counts.total == each.file_counts.total, counts
        if time.monotonic() > end:
            return own


def main() -> None:
    directory, store, process, seconds, *shared = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    with OAuthCodexClient(backend="sqlite", storage_dir=directory, ingest="background") as client:
        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(work, client, store, f"{process}t{i}", end, shared) for i in range(THREADS)]
            own: dict[str, str] = {}
            for future in futures:
                own |= future.result()
        background: Any = client.backend
        work_done = background.background
    # What it has taken from others is done, or was given back, once it is closed.
    json.dump({"own": own, "completed": work_done.completed, "failed": work_done.failed}, sys.stdout)


if __name__ == "__main__":
    main()
