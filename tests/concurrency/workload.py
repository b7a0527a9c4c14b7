"""What one of many workers does on a shared storage, and what it expects of the result. Also a program:

    python workload.py DIRECTORY STORE SHARED_FILE WORKER SECONDS

prints, as JSON, what the worker's own files are in the end.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from oauth_codex import ConflictError, NotFoundError, OAuthCodexClient

#: Large enough to lie in a file of its own, and the same for all workers.
LARGE = b"the same large content for everybody\n" * 40_000


class Worker:
    """Uploads, attaches, searches, changes, lists, detaches and deletes files of its own, in a store that it shares with others."""

    def __init__(self, client: OAuthCodexClient, store: str, shared: str, name: str) -> None:
        self.client, self.store, self.shared, self.name = client, store, shared, name
        self.random = random.Random(name)
        self.count = 0
        #: Acknowledged files: id -> word in the text, and attributes in the store or None when it is not attached.
        self.live: dict[str, tuple[str, dict[str, Any] | None]] = {}
        self.gone: list[str] = []

    def run(self, until: Callable[[], bool]) -> dict[str, Any]:
        """Work until it is time to stop; at least once through everything."""
        steps = [
            self.add,
            self.add_batch,
            self.change,
            self.detach,
            self.delete,
            self.page,
            self.share,
            self.own_store,
            self.large,
        ]
        for step in steps:
            step()
        while not until():
            self.random.choice(steps)()
        return {"live": self.live, "gone": self.gone, "steps": self.count}

    def upload(self) -> tuple[str, str]:
        self.count += 1
        word = f"word{self.name}q{self.count}x"
        text = f"{word} and what everybody writes about rivers and banks"
        file = self.client.files.create(file=(f"{word}.txt", text.encode()), purpose="assistants").id
        self.live[file] = (word, None)
        return file, word

    def found(self, word: str, **options: Any) -> set[str]:
        hits = self.client.vector_stores.search(self.store, query=word, max_num_results=3, **options).data
        return {hit.file_id for hit in hits if word in hit.text}

    def add(self) -> None:
        file, word = self.upload()
        attributes = {"owner": self.name, "n": self.count}
        attached = self.client.vector_stores.files.create(self.store, file_id=file, attributes=attributes)
        assert attached.status == "completed", attached
        self.live[file] = (word, attributes)
        assert self.found(word) == {file}, f"{word} was attached and is not found"

    def add_batch(self) -> None:
        files = [self.upload() for _ in range(3)]
        attributes = {"owner": self.name, "n": -self.count}
        ids = [file for file, _ in files]
        batch = self.client.vector_stores.file_batches.create_and_poll(self.store, file_ids=ids, attributes=attributes)
        assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3), batch
        listed = self.client.vector_stores.file_batches.list_files(self.store, batch.id)
        assert {file.id for file in listed} == set(ids)
        for file, word in files:
            self.live[file] = (word, attributes)
            assert self.found(word) == {file}

    def some(self, *, attached: bool) -> tuple[str, str] | None:
        among = [(file, word) for file, (word, at) in self.live.items() if attached == (at is not None)]
        return self.random.choice(among) if among else None

    def change(self) -> None:
        if (chosen := self.some(attached=True)) is not None:
            file, word = chosen
            self.count += 1
            attributes = {"owner": self.name, "n": self.count, "changed": True}
            self.client.vector_stores.files.update(self.store, file, attributes=attributes)
            self.live[file] = (word, attributes)
            mine = {
                "type": "and",
                "filters": [{"type": "eq", "key": key, "value": value} for key, value in attributes.items()],
            }
            assert self.found(word, filters=mine) == {file}, "changed attributes are not seen by a filter"
            assert self.client.vector_stores.files.retrieve(self.store, file).attributes == attributes

    def detach(self) -> None:
        if (chosen := self.some(attached=True)) is not None:
            file, word = chosen
            assert self.client.vector_stores.files.delete(self.store, file).deleted
            self.live[file] = (word, None)
            assert self.found(word) == set(), "a file that was taken out is still found"

    def delete(self) -> None:
        if (chosen := self.some(attached=self.random.random() < 0.7)) is not None:
            file, word = chosen
            assert self.client.files.delete(file).deleted
            del self.live[file]
            self.gone.append(word)
            assert self.found(word) == set(), "a file that was deleted is still found"
            try:
                self.client.vector_stores.files.retrieve(self.store, file)
            except NotFoundError:
                return
            raise AssertionError("a file that was deleted is still attached")

    def page(self) -> None:
        mine = {file for file, (_, at) in self.live.items() if at is not None}
        seen = [file.id for file in self.client.vector_stores.files.list(self.store, limit=50)]
        assert len(seen) == len(set(seen)), "auto-paging gave a file twice"
        assert mine <= set(seen), "auto-paging skipped files that were there all the time"

    def share(self) -> None:
        """Everybody attaches and detaches the same file; it may be away, but never there twice."""
        try:
            self.client.vector_stores.files.create(self.store, file_id=self.shared)
            if self.random.random() < 0.5:
                self.client.vector_stores.files.delete(self.store, self.shared)
        except (NotFoundError, ConflictError):
            pass  # somebody else took it out first

    def own_store(self) -> None:
        file, word = self.upload()
        store = self.client.vector_stores.create(file_ids=[file, self.shared])
        assert store.file_counts.completed == 2
        assert word in self.client.vector_stores.search(store.id, query=word).data[0].text
        self.client.vector_stores.delete(store.id)

    def large(self) -> None:
        file = self.client.files.create(file=("large.txt", LARGE), purpose="assistants").id
        assert self.client.files.content(file).read() == LARGE
        self.client.files.delete(file)


def main() -> None:
    directory, store, shared, name, seconds = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    with OAuthCodexClient(backend="sqlite", storage_dir=directory) as client:
        json.dump(Worker(client, store, shared, name).run(lambda: time.monotonic() > end), sys.stdout)


if __name__ == "__main__":
    main()
