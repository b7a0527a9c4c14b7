"""A file that is attached anew answers as before until its new version is published, whatever happens in between."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import NotFoundError
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.catalog import jobs
from oauth_codex.local.ingest import engine as engine_module
from oauth_codex.spi import requests as r

TEXT = " ".join(f"word{number}" for number in range(400))
HOW = ["file", "batch"]


def window(size: int) -> Any:
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": 0}}


class Paused(HashingEmbedder):
    """Makes workers wait, while it is told to, and fail, while it is told to; queries it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.fails = False

    def embed_words(self, counts: Any) -> Any:
        if not threading.current_thread().name.startswith("oauth-codex-worker"):
            return super().embed_words(counts)
        self.entered.set()
        assert self.go_on.wait(60)
        if self.fails:
            raise ConnectionError("the model is away")
        return super().embed_words(counts)

    def pause(self) -> None:
        self.entered.clear()
        self.go_on.clear()


class Shelf:
    """A client with one store of one file, in one chunk."""

    def __init__(self, local: Any, embedder: Paused) -> None:
        self.local = local
        self.embedder = embedder
        self.backend = local.backend
        self.store = self.backend.vector_stores.create(r.VectorStoreCreate()).id
        self.file = local.upload(TEXT.encode("utf-16")).id  # so that the parsed text is another content
        self.batch = ""
        self.attach("file", 4000, {"a": 1})
        self.finish()
        self.search()  # so that there is something in memory that must follow

    def attach(self, how: str, size: int | None, attributes: Any = None) -> None:
        chunking = None if size is None else window(size)
        if how == "file":
            request = r.VectorStoreFileCreate(
                vector_store_id=self.store, file_id=self.file, chunking_strategy=chunking, attributes=attributes
            )
            self.backend.vector_stores.create_file(request)
        else:
            entry = {"file_id": self.file, "chunking_strategy": chunking, "attributes": attributes}
            self.batch = self.backend.batches.create(
                r.FileBatchCreate(vector_store_id=self.store, files=(entry,))  # type: ignore[arg-type]
            ).id

    def member(self) -> Any:
        return self.backend.vector_stores.retrieve_file(
            r.VectorStoreFileRetrieve(vector_store_id=self.store, file_id=self.file)
        )

    def finish(self, passing: float = 0) -> Any:
        """The file when it is not in progress; meanwhile time passes, if it shall, while nobody works."""
        if self.backend.background is None:
            return self.member()
        for _ in range(3000):
            with self.backend.background.watch(self.store) as watch:
                if (found := self.member()).status != "in_progress":
                    return found
                watch.wait(0.02)
            if not self.local.room.query("SELECT 1 FROM jobs WHERE owner IS NOT NULL"):
                self.local.time.now += passing
        raise AssertionError("still in progress")

    def search(self, **filters: Any) -> list[str]:
        """What is found, of a word near the end of the text, and with a filter for one attribute."""
        given: list[Any] = [{"type": "eq", "key": key, "value": value} for key, value in filters.items()]
        request = r.VectorStoreSearch(
            vector_store_id=self.store, query=("word390",), max_num_results=50, filters=given[0] if given else None
        )
        return [hit.text for hit in self.backend.vector_stores.search(request).data]

    def pieces(self) -> int:
        request = r.VectorStoreFileContent(vector_store_id=self.store, file_id=self.file)
        found = [chunk.text for chunk in self.backend.vector_stores.file_content(request).data]
        assert "".join(found) in (TEXT, "")
        return len(found)

    def assert_old(self, status: str, **attributes: Any) -> None:
        """Everybody sees the old version, whole and once, under the attributes that the file has now."""
        assert (self.search(), self.pieces()) == ([TEXT], 1)
        for key, value in (attributes or {"a": 1}).items():
            assert self.search(**{key: value}) == [TEXT]
            assert self.search(**{key: -1}) == []
        seen, store = self.member(), self.seen()
        assert (seen.status, seen.usage_bytes) == (status, len(TEXT))
        assert (getattr(store.file_counts, status), store.file_counts.total) == (1, 1)
        assert store.usage_bytes == len(TEXT)
        assert self.findings() == []

    def assert_new(self) -> None:
        seen = self.member()
        assert (seen.status, seen.last_error, seen.usage_bytes) == ("completed", None, len(TEXT))
        found = self.search()
        assert (len(found), len(self.search(a=1)), len(found) > 5) == (self.pieces(), self.pieces(), True)
        assert self.seen().usage_bytes == len(TEXT)
        assert self.living() == 1

    def seen(self) -> Any:
        return self.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=self.store))

    def findings(self) -> Any:
        return self.backend.maintenance.verify(deep=True, on_progress=None).findings

    def living(self) -> int:
        found: int = self.local.room.query("SELECT count(*) FROM generations WHERE removed IS NULL")[0][0]
        return found


@pytest.fixture
def shelf(open_local: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Shelf]]:
    embedder = Paused()

    def make(**given: Any) -> Shelf:
        return Shelf(open_local(tmp_path / "here", embedder=embedder, **{"ingest": "background", **given}), embedder)

    yield make
    embedder.go_on.set()


@pytest.mark.parametrize("how", HOW)
def test_the_old_version_answers_until_the_new_one_is_published(
    shelf: Callable[..., Shelf], open_local: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    here = shelf()
    here.backend.background.start(0)
    here.embedder.pause()
    here.attach(how, 100, {"b": 2})
    here.assert_old("in_progress", b=2)  # announced
    here.backend.background.start(1)
    assert here.embedder.entered.wait(60)
    here.assert_old("in_progress", b=2)  # claimed, and being prepared
    assert here.search(a=1) == []
    other = open_local(tmp_path / "here", here.local.time)  # which has seen nothing of it before
    request = r.VectorStoreSearch(vector_store_id=here.store, query=("word390",))
    assert [hit.text for hit in other.backend.vector_stores.search(request).data] == [TEXT]
    here.embedder.go_on.set()
    assert here.finish().attributes == {"b": 2}
    assert here.pieces() == len(here.search(b=2)) > 5
    assert here.living() == 1
    assert len(other.backend.vector_stores.search(request).data) > 5
    assert here.findings() == []


@pytest.mark.parametrize("how", HOW)
def test_a_new_version_that_fails_takes_nothing_away_and_can_be_tried_again(
    shelf: Callable[..., Shelf], how: str
) -> None:
    here = shelf()
    here.embedder.fails = True
    here.attach(how, 100)
    failed = here.finish(passing=jobs.PAUSES[-1])
    assert "the model is away" in failed.last_error.message
    here.assert_old("failed")
    here.embedder.fails = False
    here.attach(how, None)  # as it was asked for
    here.finish()
    here.assert_new()


@pytest.mark.parametrize("ingest", ["inline", "background"])
def test_a_new_version_that_is_refused_takes_nothing_away(shelf: Callable[..., Shelf], ingest: str) -> None:
    refusing: list[bool] = []
    more: list[str] = []

    def read(content: bytes, filename: str | None) -> str:
        if refusing:
            raise ValueError("no page")
        return content.decode("utf-16") + "".join(more)

    here = shelf(ingest=ingest, parsers={".txt": read})
    refusing.append(True)
    here.attach("file", 100)
    assert here.finish().last_error.code == "invalid_file"
    here.assert_old("failed")
    refusing.clear()
    here.attach("file", None)
    here.finish()
    here.assert_new()
    more.append(" and more")
    here.attach("file", 200)
    assert here.finish().usage_bytes > len(TEXT)
    assert here.findings() == []  # the text of the older version is not kept


def test_cancelling_takes_nothing_away(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    here.embedder.pause()
    here.attach("batch", 100)
    assert here.embedder.entered.wait(60)
    request = r.FileBatchCancel(vector_store_id=here.store, batch_id=here.batch)
    counts = here.backend.batches.cancel(request).file_counts
    assert (counts.in_progress, counts.cancelled) == (0, 1)
    here.assert_old("cancelled")
    here.embedder.go_on.set()
    here.attach("batch", 100)
    here.finish()
    here.assert_new()


def test_the_last_of_several_wishes_is_what_is_published(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    here.embedder.pause()
    here.attach("file", 150)
    assert here.embedder.entered.wait(60)
    here.attach("batch", 200)
    here.attach("file", 100)
    here.assert_old("in_progress")
    assert here.local.room.count("attachments") == here.local.room.count("jobs") == 1
    here.embedder.go_on.set()
    seen = here.finish()
    assert seen.chunking_strategy.static.max_chunk_size_tokens == 100
    here.assert_new()
    assert here.findings() == []


@pytest.mark.parametrize("how", ["detach", "delete", "expire"])
def test_what_leaves_meanwhile_is_gone_as_a_whole(shelf: Callable[..., Shelf], how: str) -> None:
    here = shelf()
    if how == "expire":
        with here.local.room.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE files SET expires_at = ?", (int(here.local.time.now) + 3600,))
        here.backend._engine.expiry._quiet.clear()  # what the clients of this time have looked up
    here.embedder.pause()
    here.attach("file", 100)
    assert here.embedder.entered.wait(60)
    if how == "detach":
        request = r.VectorStoreFileDelete(vector_store_id=here.store, file_id=here.file)
        here.backend.vector_stores.delete_file(request)
    elif how == "delete":
        here.backend.files.delete(r.FileDelete(file_id=here.file))
    else:
        here.local.time.now += 3600
    assert here.search() == []
    here.embedder.go_on.set()
    here.backend.background.close()
    with pytest.raises(NotFoundError):
        here.member()
    assert here.living() == 0
    assert [here.local.room.count(table) for table in ("attachments", "jobs", "chunks", "segments")] == [0] * 4
    assert (here.seen().usage_bytes, here.search()) == (0, [])
    assert here.findings() == []


_DIES = """
import os, signal, sys
from oauth_codex import OAuthCodexClient
from oauth_codex.embedders.hashing import HashingEmbedder
class Deadly(HashingEmbedder):
    recipe = None
    def __init__(self): self.__dict__.update(HashingEmbedder().__dict__ | {"recipe": None})
    def embed_words(self, counts): os.kill(os.getpid(), signal.SIGKILL)
directory, now, store, file = sys.argv[1:]
client = OAuthCodexClient(
    "sqlite", storage_dir=directory, clock=lambda: float(now), embedder=Deadly(), ingest="background"
)
small = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
batch = client.vector_stores.file_batches.create(store, file_ids=[file], chunking_strategy=small)
client.vector_stores.file_batches.poll(batch.id, vector_store_id=store)
"""


def test_a_process_that_dies_over_a_new_version_leaves_the_old_one(shelf: Callable[..., Shelf], tmp_path: Path) -> None:
    here = shelf(namespace="default")
    here.backend.background.start(0)
    given = [str(tmp_path / "here"), str(here.local.time.now), here.store, here.file]
    done = subprocess.run([sys.executable, "-c", _DIES, *given], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    here.assert_old("in_progress")
    here.backend.background.start(1)
    here.local.time.now += jobs.LEASE_SECONDS
    here.finish()
    here.assert_new()


# -- who looks at work that nobody does --------------------------------------------------------------------------------


@pytest.fixture
def left(open_local: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that processes files itself, and two batches of five files that another one has left."""
    monkeypatch.setattr(engine_module, "_HELPING", 0)  # the second is over at once
    inline = open_local(tmp_path)
    inline.stores, inline.batches, inline.uploaded = [], [], []
    away = open_local(tmp_path, inline.time, ingest="background")
    away.room.ids = inline.room.ids
    away.backend.background.start(0)
    vector_stores = inline.backend.vector_stores
    for number in range(2):
        inline.stores.append(vector_stores.create(r.VectorStoreCreate()).id)
        inline.uploaded += [inline.upload(b"tree %d" % (5 * number + each)).id for each in range(5)]
        ids = tuple(inline.uploaded[-5:])
        request = r.FileBatchCreate(vector_store_id=inline.stores[-1], file_ids=ids)
        inline.batches.append(away.backend.batches.create(request).id)
    inline.away = away
    return inline


def _pending(local: Any) -> set[str]:
    rows = local.room.query("SELECT f.public_id FROM jobs j JOIN attachments a ON a.id = j.attachment_id"
                            " JOIN files f ON f.id = a.file_id")  # fmt: skip
    return {row[0] for row in rows}


def test_looking_does_one_file_of_what_is_looked_at(left: Any) -> None:
    vector_stores, uploaded = left.backend.vector_stores, left.uploaded
    seen = vector_stores.retrieve_file(r.VectorStoreFileRetrieve(vector_store_id=left.stores[1], file_id=uploaded[7]))
    assert seen.status == "completed"
    assert set(uploaded) - _pending(left) == {uploaded[7]}
    seen = vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=left.stores[1]))
    assert (seen.file_counts.completed, seen.file_counts.in_progress) == (2, 3)
    assert set(uploaded) - _pending(left) == {uploaded[5], uploaded[7]}
    batch = r.FileBatchRetrieve(vector_store_id=left.stores[0], batch_id=left.batches[0])
    for number in range(1, 6):
        assert left.backend.batches.retrieve(batch).file_counts.completed == number
    assert set(uploaded) - _pending(left) == {*uploaded[:6], uploaded[7]}


def test_looking_does_nothing_while_others_work_on_the_store(left: Any) -> None:
    left.away.backend._engine.ingest.queue.take()  # five files of the first store
    left.backend.batches.create(r.FileBatchCreate(vector_store_id=left.stores[0], file_ids=(left.uploaded[9],)))
    with left.room.catalog.write() as connection:  # one more of it, which nobody has begun
        connection.exec_driver_sql(
            "UPDATE jobs SET owner = NULL, lease_until = 0 WHERE id = (SELECT min(id) FROM jobs)"
        )
    before = _pending(left)
    store = r.VectorStoreRetrieve(vector_store_id=left.stores[0])
    assert left.backend.vector_stores.retrieve(store).file_counts.in_progress == 5
    assert _pending(left) == before
    left.time.now += jobs.LEASE_SECONDS
    while left.backend.vector_stores.retrieve(store).status == "in_progress":
        pass
    assert len(_pending(left)) == 5
