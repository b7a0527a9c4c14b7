"""File batches: counts and status, cancelling, members that were attached before."""

from __future__ import annotations

from typing import Any

import pytest
from oauth_codex import NotFoundError
from oauth_codex.local.catalog import batches
from oauth_codex.spi import requests as r

NAMESPACE = "tests"


def shown(room: Any, store: Any, batch: Any) -> Any:
    with room.catalog.read() as connection:
        return batches.to_model(batches.require(connection, NAMESPACE, store, batch.public_id), store.public_id)


def cancel(room: Any, batch: Any) -> None:
    with room.catalog.write() as connection:
        batches.cancel(connection, NAMESPACE, batch)


@pytest.fixture
def four(room: Any) -> tuple[Any, list[int], Any]:
    """A store, four attachments in progress, and a batch of them."""
    store = room.add_store()
    ids = room.attach(store, room.add_files(4))
    return store, ids, room.add_batch(store, ids)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([], "in_progress"),
        (["completed"] * 3, "in_progress"),
        (["completed"] * 4, "completed"),
        (["failed"] * 3 + ["completed"], "completed"),
        (["failed"] * 4, "failed"),
        (["failed"] * 3 + ["cancelled"], "completed"),
    ],
)
def test_the_status_follows_from_the_files(room: Any, four: Any, outcomes: list[str], status: str) -> None:
    store, ids, batch = four
    for attachment, outcome in zip(ids, outcomes, strict=False):
        room.settle(store, [attachment], outcome)
    found = shown(room, store, batch)
    assert found.status == status
    assert found.file_counts.total == 4
    for name in set(outcomes):
        assert getattr(found.file_counts, name) == outcomes.count(name)
    assert found.file_counts.in_progress == 4 - len(outcomes)


def test_cancelling_keeps_what_is_done_and_leaves_nothing_in_progress(room: Any, four: Any) -> None:
    store, ids, batch = four
    room.settle(store, ids[:1])
    cancel(room, batch)
    found = shown(room, store, batch)
    assert found.status == "cancelled"
    assert found.file_counts.model_dump() == {
        "in_progress": 0, "completed": 1, "failed": 0, "cancelled": 3, "total": 4,
    }  # fmt: skip
    assert room.store(store).file_counts == found.file_counts
    assert room.store(store).status == "completed"
    cancel(room, batch)
    assert shown(room, store, batch) == found
    assert room.settle(store, ids) == 0  # a worker that finishes late changes nothing


def test_a_finished_batch_can_be_cancelled_too(room: Any, four: Any) -> None:
    store, ids, batch = four
    room.settle(store, ids)
    cancel(room, batch)
    found = shown(room, store, batch)
    assert (found.status, found.file_counts.completed, found.file_counts.cancelled) == ("cancelled", 4, 0)


def test_cancelling_ends_the_jobs(room: Any, four: Any) -> None:
    from oauth_codex.local.catalog import jobs

    store, ids, batch = four
    with room.catalog.write() as connection:
        jobs.announce(connection, NAMESPACE, store.id, ids, room.now, None)
    room.settle(store, ids[:1])
    assert room.count("jobs") == 3
    cancel(room, batch)
    assert room.count("jobs") == 0


def test_a_file_in_two_batches_counts_in_both(room: Any, four: Any) -> None:
    store, ids, first = four
    room.settle(store, ids[:1])
    second = room.add_batch(store, ids[:3])
    assert shown(room, store, second).file_counts.model_dump() == {
        "in_progress": 2, "completed": 1, "failed": 0, "cancelled": 0, "total": 3,
    }  # fmt: skip
    room.settle(store, ids[1:2], "failed")
    cancel(room, first)
    found = shown(room, store, second)
    assert found.status == "completed"
    assert found.file_counts.model_dump() == {
        "in_progress": 0, "completed": 1, "failed": 1, "cancelled": 1, "total": 3,
    }  # fmt: skip


def test_a_batch_belongs_to_its_store(room: Any, four: Any) -> None:
    _, _, batch = four
    other = room.add_store()
    with room.catalog.read() as connection, pytest.raises(NotFoundError, match=batch.public_id):
        batches.require(connection, NAMESPACE, other, batch.public_id)


# -- through the resource ----------------------------------------------------------------------------------------------


def test_a_batch_is_complete_and_searchable_at_once(local: Any) -> None:
    backend = local.backend
    files = [local.upload(b"words %d" % number) for number in range(3)]
    store = backend.vector_stores.create(r.VectorStoreCreate())
    entries = [
        {"file_id": files[0].id, "attributes": {"a": 1}},
        {"file_id": files[1].id},
        {
            "file_id": files[2].id,
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
            },
        },
    ]
    batch = backend.batches.create(r.FileBatchCreate(vector_store_id=store.id, files=entries))
    assert batch.model_dump() == {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": 1_000_000,
        "vector_store_id": store.id,
        "status": "completed",
        "file_counts": {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3},
    }
    retrieved = backend.batches.retrieve(r.FileBatchRetrieve(vector_store_id=store.id, batch_id=batch.id))
    assert retrieved == batch
    found = backend.vector_stores.search(r.VectorStoreSearch(vector_store_id=store.id, query="words")).data
    assert {hit.file_id for hit in found} == {file.id for file in files}
    listed = backend.batches.list_files(
        r.FileBatchListFiles(vector_store_id=store.id, batch_id=batch.id, order="asc")
    ).data
    assert [file.id for file in listed] == [file.id for file in files]
    assert [file.attributes for file in listed] == [{"a": 1}, {}, {}]
    assert [file.chunking_strategy.static.max_chunk_size_tokens for file in listed] == [800, 800, 100]
    cancelled = backend.batches.cancel(r.FileBatchCancel(vector_store_id=store.id, batch_id=batch.id))
    assert (cancelled.status, cancelled.file_counts) == ("cancelled", batch.file_counts)


def test_a_missing_file_leaves_no_batch_behind(local: Any) -> None:
    file = local.upload()
    store = local.backend.vector_stores.create(r.VectorStoreCreate())
    with pytest.raises(NotFoundError, match=r"No file found with id 'file-x'\."):
        local.backend.batches.create(r.FileBatchCreate(vector_store_id=store.id, file_ids=[file.id, "file-x"]))
    for table in ("batches", "batch_files", "attachments", "jobs"):
        assert local.room.count(table) == 0


def test_members_that_were_attached_before_count_and_are_listed(local: Any) -> None:
    backend = local.backend
    old, new = local.upload(b"old words"), local.upload(b"new words")
    store = backend.vector_stores.create(r.VectorStoreCreate(file_ids=[old.id]))
    local.time.now += 5
    request = r.FileBatchCreate(vector_store_id=store.id, file_ids=[new.id, old.id])
    batch = backend.batches.create(request)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    listed = backend.batches.list_files(r.FileBatchListFiles(vector_store_id=store.id, batch_id=batch.id)).data
    assert [(file.id, file.created_at) for file in listed] == [(new.id, 1_000_005), (old.id, 1_000_000)]
    again = backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store.id))
    assert (again.file_counts.total, again.usage_bytes) == (2, 18)


def test_a_file_detached_leaves_its_batch(local: Any) -> None:
    backend = local.backend
    files = [local.upload(b"words %d" % number) for number in range(2)]
    store = backend.vector_stores.create(r.VectorStoreCreate())
    batch = backend.batches.create(r.FileBatchCreate(vector_store_id=store.id, file_ids=[file.id for file in files]))
    backend.vector_stores.delete_file(r.VectorStoreFileDelete(vector_store_id=store.id, file_id=files[0].id))
    found = backend.batches.retrieve(r.FileBatchRetrieve(vector_store_id=store.id, batch_id=batch.id))
    assert (found.status, found.file_counts.completed, found.file_counts.total) == ("completed", 1, 1)


def test_unknown_stores_and_batches_are_404(local: Any) -> None:
    backend = local.backend.batches
    store = local.backend.vector_stores.create(r.VectorStoreCreate())
    for call, request in (
        (backend.retrieve, r.FileBatchRetrieve(vector_store_id=store.id, batch_id="vsfb_x")),
        (backend.cancel, r.FileBatchCancel(vector_store_id=store.id, batch_id="vsfb_x")),
        (backend.list_files, r.FileBatchListFiles(vector_store_id=store.id, batch_id="vsfb_x")),
        (backend.retrieve, r.FileBatchRetrieve(vector_store_id="vs_x", batch_id="vsfb_x")),
        (backend.create, r.FileBatchCreate(vector_store_id="vs_x", file_ids=["file-a"])),
    ):
        with pytest.raises(NotFoundError, match=r"vsfb_x|vs_x"):
            call(request)


@pytest.mark.parametrize("count", [2, 60])
def test_creating_a_batch_takes_no_statement_per_file(room: Any, count: int) -> None:
    store, rows = room.add_store(), room.add_files(count)
    ids = room.attach(store, rows)
    with room.catalog.write() as connection, room.statements() as seen:
        batches.insert(connection, NAMESPACE, "vsfb_x", store.id, ids, room.now)
    assert len(seen) == 3
    batch = room.query("SELECT * FROM batches")[0]
    with room.catalog.write() as connection, room.statements() as seen:
        batches.cancel(connection, NAMESPACE, batch)
    assert len(seen) == 9
