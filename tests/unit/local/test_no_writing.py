"""Where the storage takes nothing, as on a full disk: what is there is read, and what was accepted is done later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import StorageBusyError, StorageError
from oauth_codex.local.catalog import jobs
from oauth_codex.local.ingest.queue import Queue
from oauth_codex.spi import requests as r
from oauth_codex.spi.waiting import time_limit

pytestmark = pytest.mark.parametrize("error", [StorageError("the disk is full"), StorageBusyError("others write")])


@pytest.fixture
def local(open_local: Callable[..., Any], tmp_path: Path) -> Any:
    """A backend on disk."""
    return open_local(tmp_path)


@contextmanager
def nothing_is_written(local: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[list[float | None]]:
    """No write transaction begins; collects how long each was willing to wait."""
    waits: list[float | None] = []

    def refuse(wait: float | None = None) -> None:
        waits.append(wait)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(local.room.catalog, "write", refuse)
        yield waits


def test_reading_goes_on_when_what_has_expired_cannot_be_removed(
    local: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    backend = local.backend
    kept = local.upload(b"apples and pears").id
    soon = local.upload(b"plums", expires_after={"anchor": "created_at", "seconds": 3600}).id
    store = backend.vector_stores.create(r.VectorStoreCreate(file_ids=(kept, soon))).id
    local.time.now += 4000
    with nothing_is_written(local, monkeypatch, error) as waits:
        assert backend.files.retrieve(r.FileRetrieve(file_id=kept)).id == kept
        assert local.content(kept) == b"apples and pears"
        assert kept in {file.id for file in backend.files.list(r.FileList()).data}
        assert backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store)).status == "completed"
        hits = backend.vector_stores.search(r.VectorStoreSearch(vector_store_id=store, query=("apples",))).data
        assert hits[0].file_id == kept
        with pytest.raises(KeyError):
            backend.files.retrieve(r.FileRetrieve(file_id=soon))
        with pytest.raises(type(error)):
            local.upload(b"new")
    assert max(wait for wait in waits if wait is not None) == 1.0, "whoever reads does not wait long for others"
    assert any("may still be found" in record.getMessage() for record in caplog.records)
    assert {file.id for file in backend.files.list(r.FileList()).data} == {kept}


def test_what_was_accepted_is_done_later_and_looking_at_it_is_no_error(
    local: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    backend = local.backend
    ids = tuple(local.upload(b"zanzibar %d" % number).id for number in range(3))
    store = backend.vector_stores.create(r.VectorStoreCreate()).id

    def refuse(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "publish", refuse)
        batch = backend.batches.create(r.FileBatchCreate(vector_store_id=store, file_ids=ids))
        assert batch.file_counts.in_progress == 3
        assert backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store)).status == "in_progress"
    look = r.FileBatchRetrieve(vector_store_id=store, batch_id=batch.id)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with nothing_is_written(local, monkeypatch, error) as waits:
        assert backend.batches.retrieve(look).file_counts.in_progress == 3, "there is a pause between two attempts"
        local.time.now += jobs.PAUSES[0]
        assert backend.batches.retrieve(look).file_counts.in_progress == 3
        one = backend.vector_stores.retrieve_file(r.VectorStoreFileRetrieve(vector_store_id=store, file_id=ids[0]))
        assert one.status == "in_progress"
        assert set(waits) == {1.0}
    assert backend.batches.retrieve(look).file_counts.completed == 3


def test_a_storage_that_takes_nothing_can_be_opened_and_read(
    local: Any, open_local: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ids = tuple(local.upload(b"zanzibar %d" % number).id for number in range(3))
    store = local.backend.vector_stores.create(r.VectorStoreCreate()).id

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "publish", refuse)
        patch.setattr(Queue, "put_off", refuse)
        local.backend.batches.create(r.FileBatchCreate(vector_store_id=store, file_ids=ids))
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "take", refuse)
        later = open_local(tmp_path, local.time)
        found = later.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store))
        assert found.file_counts.in_progress == 3
    local.time.now += jobs.LEASE_SECONDS
    found = later.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store))
    while found.file_counts.in_progress:
        found = later.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store))
    assert found.file_counts.completed == 3


def test_nobody_waits_longer_than_the_time_limit_of_the_call(
    local: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Not for the removal of what has expired either, which comes before the answer."""
    waits: list[float] = []

    def refuse(_: Any, wait: float) -> None:
        waits.append(wait)
        raise error

    local.upload(b"plums", expires_after={"anchor": "created_at", "seconds": 3600})
    local.time.now += 4000
    monkeypatch.setattr(local.room.catalog, "_begin_writing", refuse)
    token = time_limit.set(0.25)
    try:
        local.backend.files.list(r.FileList())
    finally:
        time_limit.reset(token)
    local.backend.files.list(r.FileList())
    assert waits == [0.25, 1.0]
