"""Threads of one process that attach files in the background, beside others that do the same. A program:

    python background.py DIRECTORY STORE PROCESS SECONDS CLOCK SHARED_FILE...

prints, as JSON, which files it has attached and how many its own workers have completed. CLOCK is `steady`, or `jumps`: then time
leaps forward and back, by more than a lease, so that processes take work from each other that goes on.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from oauth_codex import OAuthCodexClient
from oauth_codex.local.catalog import jobs

sys.path.append(str(Path(__file__).parents[1] / "crash"))
import sabotages

THREADS = 10
#: Larger than what is prepared in a thread.
LONG = "and what everybody writes about rivers and banks " * 40


def work(client: OAuthCodexClient, store: str, name: str, end: float, shared: list[str]) -> dict[str, str]:
    """Attach files one by one, in batches, and those that everybody attaches; return the own ones, with a word in each."""
    chosen = random.Random(name)
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    own: dict[str, str] = {}

    def upload() -> str:
        word = f"word{name}q{len(own)}x"
        text = f"{word} in a garden" + (f"{word} {LONG}" * 50 if chosen.random() < 0.05 else "")
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


class Jumping:
    """A clock that leaps with every thirtieth look at it: a day forward, then back, and to before it was."""

    def __init__(self) -> None:
        self._looks = itertools.count()

    def __call__(self) -> float:
        return time.time() + (0, 86_400, 0, -86_400)[next(self._looks) // 30 % 4]


def main() -> None:
    sabotages.apply()
    directory, store, process, seconds, clock, *shared = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    parts: dict[str, Any] = {}
    if clock == "jumps":
        parts["clock"] = Jumping()
        jobs.MAX_ATTEMPTS = 10**6  # what is taken from one that works on it counts as an attempt
    with OAuthCodexClient(backend="sqlite", storage_dir=directory, ingest="background", **parts) as client:
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
