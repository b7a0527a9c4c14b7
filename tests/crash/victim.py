"""Threads that write until their process is killed, and say what they begin and what was acknowledged."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from program import Opened, early_caches

THREADS = 4
PLAIN = "everybody writes about rivers and banks\n"
#: Content in the row; content that another process reads; content in a file of its own.
SIZES = (1, 2_500, 30_000)


class Writer:
    """One thread, with stores and files of its own. All that it names begins with its name."""

    def __init__(self, opened: Opened, name: str, outside: Path, pipe: int) -> None:
        self.client, self.name, self.outside, self._pipe = opened.client, name, outside, pipe
        self.api = self.client.vector_stores
        self.choose = random.Random(name)
        self.made = 0
        self.attached: dict[str, str] = {}

    def run(self) -> None:
        with self.told("store", [self.name]):
            self.store = self.api.create(name=self.name).id
        ways = [self.one, self.one, self.batch, self.batch, self.cancelled, self.delete, self.again, self.detach]
        rare = [self.other_store, self.gc, self.snapshot, self.search]
        while True:
            self.choose.choice(ways if self.choose.random() < 0.85 else rare)()

    @contextmanager
    def told(self, what: str, names: list[str]) -> Iterator[None]:
        """Say that something begins, and, when it was acknowledged, that it is done."""
        self._say({"by": self.name, "begins": what, "names": names})
        yield
        self._say({"by": self.name, "done": what, "names": names})

    def _say(self, said: dict[str, Any]) -> None:
        line = (json.dumps(said) + "\n").encode()
        assert len(line) < 4096  # so that lines of several threads do not mix
        os.write(self._pipe, line)

    def word(self) -> str:
        self.made += 1
        return f"{self.name}q{self.made}x"

    def text(self, word: str, times: int) -> bytes:
        return f"{word}\n{PLAIN * times}".encode()

    def upload(self) -> tuple[str, str]:
        word = self.word()
        with self.told("upload", [word]):
            content = self.text(word, self.choose.choices(SIZES, (20, 3, 1))[0])
            return word, self.client.files.create(file=(word, content), purpose="assistants").id

    def one(self) -> None:
        word, file = self.upload()
        with self.told("attach", [word]):
            self.api.files.create(self.store, file_id=file, attributes={"word": word})
        self.attached[word] = file

    def batch(self) -> Any:
        files = dict(self.upload() for _ in range(4))
        with self.told("attach", list(files)):
            batch = self.api.file_batches.create(self.store, file_ids=list(files.values()))
        self.attached |= files
        return batch, files

    def cancelled(self) -> None:
        batch, files = self.batch()
        with self.told("cancel", list(files)):
            counts = self.api.file_batches.cancel(self.store, batch.id).file_counts
        assert (counts.in_progress, counts.completed + counts.cancelled) == (0, counts.total), counts
        for word in files:
            self.attached.pop(word)

    def some(self) -> tuple[str, str] | None:
        return self.choose.choice(sorted(self.attached.items())) if self.attached else None

    def delete(self) -> None:
        if (chosen := self.some()) is not None:
            with self.told("delete", [chosen[0]]):
                self.client.files.delete(chosen[1])
            del self.attached[chosen[0]]

    def detach(self) -> None:
        if (chosen := self.some()) is not None:
            with self.told("detach", [chosen[0]]):
                self.api.files.delete(self.store, chosen[1])
            del self.attached[chosen[0]]

    def again(self) -> None:
        if (chosen := self.some()) is not None:
            size = {"max_chunk_size_tokens": self.choose.randrange(100, 800), "chunk_overlap_tokens": 0}
            self.api.files.create(
                self.store,
                file_id=chosen[1],
                chunking_strategy={"type": "static", "static": size},  # type: ignore[arg-type]
            )

    def other_store(self) -> None:
        name, files = self.word(), [file for _, file in (self.upload(), self.upload())]
        with self.told("store", [name]):
            store = self.api.create(name=name, file_ids=files).id
        self.api.update(store, file_ids=files[1:])
        with self.told("drop", [name]):
            self.api.delete(store)

    def gc(self) -> None:
        self.client.maintenance.gc()

    def snapshot(self) -> None:
        name = self.word()
        with self.told("snapshot", [name]):
            self.client.maintenance.snapshot(self.outside / name)

    def search(self) -> None:
        if (chosen := self.some()) is not None:
            self.api.search(self.store, query=chosen[0])


def work(driver: str, ingest: str, storage: Path, outside: Path, death: str, pipe: int) -> None:
    """The process: write until it is killed; an error of a thread ends it."""
    early_caches()
    opened = Opened(driver, storage, time.time(), ingest)
    failures: list[BaseException] = []
    over = threading.Event()

    def run(writer: Writer) -> None:
        try:
            writer.run()
        except BaseException as error:
            failures.append(error)
            over.set()

    for number in range(THREADS):
        writer = Writer(opened, f"d{death}t{number}", outside, pipe)
        threading.Thread(target=run, args=(writer,), daemon=True).start()
    over.wait()
    raise failures[0]
