"""Run as a program: works in the background on a disk that gets full, and, as a second step, on one that may only be read.

    python small_disk.py DIRECTORY full|read-only

Prints one JSON document.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oauth_codex import OAuthCodexError, StorageError

sys.path.append(str(Path(__file__).parents[1] / "crash"))
import sabotages
from program import START, Opened, load_support

FILES = 30
LARGE = 5


class Heard(logging.Handler):
    """Hears of a trouble of the workers."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self.event.set()


def paused(opened: Opened) -> None:
    """Let the workers stop, and wait until they have."""
    work = opened.backend.background
    work.start(0)
    end = time.monotonic() + 30
    while work._crew._threads:
        assert time.monotonic() < end
        time.sleep(0.002)


def attempt(call: Callable[[], Any]) -> str:
    try:
        call()
    except OAuthCodexError as error:
        return type(error).__name__ if isinstance(error, StorageError) else repr(error)
    except Exception as error:
        return f"raw {error!r}"
    return "done"


def fill(directory: Path) -> Path:
    filler = directory / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return filler


def begin(storage: Path) -> tuple[Opened, str, list[str]]:
    """A storage with a file that is done, and others that are acknowledged and wait."""
    opened = Opened("sqlite", storage, START, "background")
    client = opened.client
    kept = client.files.create(file=("kept.txt", b"apples and pears"), purpose="assistants").id
    store = client.vector_stores.create(name="kept", file_ids=[kept]).id
    opened.settle()
    paused(opened)
    waiting = [
        client.files.create(file=(f"{i}.txt", b"plum%d " % i * (8_000 if i < LARGE else 20)), purpose="assistants").id
        for i in range(FILES)
    ]
    client.vector_stores.file_batches.create(store, file_ids=waiting)
    return opened, store, waiting


def read(opened: Opened, store: str) -> list[Any]:
    counts = opened.client.vector_stores.retrieve(store).file_counts
    hits = opened.client.vector_stores.search(store, query="apples pears", max_num_results=1).data
    return [counts.total, counts.failed, hits[0].filename, len(opened.client.files.list(limit=100).data)]


def end(opened: Opened, store: str) -> dict[str, Any]:
    """What there is when there is room again, and everything is done."""
    opened.backend.background.start(2)
    opened.settle()
    load_support().audit_of(opened.client)
    verified = opened.client.maintenance.verify(deep=True)
    counts = opened.client.vector_stores.retrieve(store).file_counts.to_dict()
    found = [
        opened.client.vector_stores.search(store, query=f"plum{i}", max_num_results=1).data[0].filename == f"{i}.txt"
        for i in range(FILES)
    ]
    opened.close()
    return {"counts": counts, "found": sum(found), "verified": verified.ok}


def full(directory: Path) -> dict[str, Any]:
    opened, store, _ = begin(directory / "storage")
    heard = Heard()
    logging.getLogger("oauth_codex").addHandler(heard)
    filler = fill(directory)
    upload = attempt(lambda: opened.client.files.create(file=b"x" * 3_000_000, purpose="assistants"))
    opened.backend.background.start(2)
    assert heard.event.wait(60), "the workers had no trouble"
    reading = read(opened, store)
    filler.unlink()
    return {"upload": upload, "reading": reading, "heard": heard.said[0], **end(opened, store)}


def read_only(directory: Path) -> dict[str, Any]:
    opened, store, _ = begin(directory / "storage")
    opened.close()
    subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)

    def work() -> None:
        refused = Opened("sqlite", directory / "storage", START, "background")
        try:
            refused.client.files.create(file=b"x", purpose="assistants")
        finally:
            refused.close()

    opening = attempt(work)
    subprocess.run(["mount", "-o", "remount,rw", str(directory)], check=True)
    return {"opening": opening, **end(Opened("sqlite", directory / "storage", START, "background"), store)}


if __name__ == "__main__":
    sabotages.apply()
    sys.stdout.write(json.dumps({"full": full, "read-only": read_only}[sys.argv[2]](Path(sys.argv[1]))))
