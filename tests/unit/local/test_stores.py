"""Vector stores: what they show, expiry and activity, updates, replacing files, deletion, listings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from oauth_codex import BadRequestError, EmbedderMismatchError, NotFoundError
from oauth_codex.local.catalog import stores
from oauth_codex.spi import requests as r

NAMESPACE = "tests"
DAY = 86400


def create(local: Any, **given: Any) -> Any:
    return local.backend.vector_stores.create(r.VectorStoreCreate(**given))


def retrieve(local: Any, store: Any) -> Any:
    return local.backend.vector_stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store.id))


def update(local: Any, store: Any, **given: Any) -> Any:
    return local.backend.vector_stores.update(r.VectorStoreUpdate(vector_store_id=store.id, **given))


def search(local: Any, store: Any, query: str = "words") -> list[str]:
    found = local.backend.vector_stores.search(r.VectorStoreSearch(vector_store_id=store.id, query=query))
    return [hit.file_id for hit in found.data]


def test_an_empty_store_shows_what_it_was_given_and_nothing_else(local: Any) -> None:
    made = create(local, name="n", description="d", metadata={"a": 1, "b": True}, color="red", shape={"x": [1, None]})
    assert made.model_dump() == {
        "id": made.id,
        "object": "vector_store",
        "created_at": 1_000_000,
        "name": "n",
        "description": "d",
        "usage_bytes": 0,
        "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0},
        "status": "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": 1_000_000,
        "metadata": {"a": "1", "b": "true"},
        "file_ids": [],
        "color": "red",
        "shape": {"x": [1, None]},
    }
    assert retrieve(local, made) == made
    assert create(local).metadata == {}


def test_a_store_with_files_is_complete_and_searchable_at_once(local: Any) -> None:
    files = [local.upload(b"words %d" % number) for number in range(3)]
    made = create(local, file_ids=[file.id for file in files])
    assert made.status == "completed"
    assert made.file_ids == [file.id for file in files]
    assert made.file_counts.model_dump() == {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3}
    assert made.usage_bytes == 21
    assert sorted(search(local, made)) == sorted(made.file_ids)
    assert local.room.count("jobs") == 0


def test_a_missing_file_leaves_no_store_behind(local: Any) -> None:
    file = local.upload()
    with pytest.raises(NotFoundError, match=r"No file found with id 'file-x'\."):
        create(local, file_ids=[file.id, "file-x"])
    for table in ("stores", "attachments", "jobs", "tombstones"):
        assert local.room.count(table) == 0


def test_the_chunking_of_a_store_is_that_of_its_files(local: Any) -> None:
    file = local.upload(b"word " * 500)
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    made = create(local, file_ids=[file.id], chunking_strategy=static)
    found = local.backend.vector_stores.retrieve_file(
        r.VectorStoreFileRetrieve(vector_store_id=made.id, file_id=file.id)
    )
    assert found.chunking_strategy.model_dump() == static


def test_update_changes_what_is_given_clears_what_is_null_and_keeps_the_rest(local: Any) -> None:
    made = create(local, name="n", description="d", metadata={"a": "b"}, color="red")
    local.time.now += 5
    changed = update(local, made, name="m")
    assert (changed.name, changed.description, changed.metadata, changed.color) == ("m", "d", {"a": "b"}, "red")
    assert (changed.created_at, changed.last_active_at) == (1_000_000, 1_000_005)
    changed = update(local, made, metadata={"c": "d"}, description=None, size=7)
    assert (changed.name, changed.description, changed.metadata) == ("m", None, {"c": "d"})
    assert (changed.color, changed.size) == ("red", 7)
    changed = update(local, made, name=None, metadata=None, color=None)
    assert (changed.name, changed.metadata, changed.color) == (None, {}, None)
    assert retrieve(local, made) == changed


def test_replacing_the_files_keeps_those_that_stay_as_they_are(local: Any) -> None:
    a, b, c = (local.upload(b"words " + name) for name in (b"a", b"b", b"c"))
    made = create(local, file_ids=[a.id, b.id])
    kept = local.room.query("SELECT id FROM attachments WHERE file_id = 2")
    changed = update(local, made, file_ids=[c.id, b.id])
    assert changed.file_ids == [b.id, c.id]
    assert local.room.query("SELECT id FROM attachments WHERE file_id = 2") == kept
    assert sorted(search(local, made)) == [b.id, c.id]
    with pytest.raises(NotFoundError, match="file-x"):
        update(local, made, file_ids=["file-x"], name="never")
    assert retrieve(local, made) == changed
    assert update(local, made, file_ids=None).file_ids == [b.id, c.id]
    emptied = update(local, made, file_ids=[])
    assert (emptied.file_ids, emptied.usage_bytes, emptied.file_counts.total) == ([], 0, 0)
    assert search(local, made) == []


# -- activity and expiry -----------------------------------------------------------------------------------------------


def test_what_uses_a_store_moves_its_expiry_and_looking_at_it_does_not(local: Any) -> None:
    made = create(local, expires_after={"anchor": "last_active_at", "days": 1})
    assert made.expires_after.model_dump() == {"anchor": "last_active_at", "days": 1}
    assert made.expires_at == 1_000_000 + DAY
    file, other = local.upload(b"words"), local.upload(b"more words")
    backend = local.backend
    uses = (
        lambda: search(local, made),
        lambda: backend.vector_stores.create_file(r.VectorStoreFileCreate(vector_store_id=made.id, file_id=file.id)),
        lambda: backend.batches.create(r.FileBatchCreate(vector_store_id=made.id, file_ids=[other.id])),
        lambda: backend.vector_stores.delete_file(r.VectorStoreFileDelete(vector_store_id=made.id, file_id=file.id)),
        lambda: update(local, made, name="x"),
        lambda: update(local, made),
    )
    for use in uses:
        local.time.now += 10
        use()
        found = retrieve(local, made)
        assert found.last_active_at == int(local.time.now)
        assert found.expires_at == int(local.time.now) + DAY
    last = int(local.time.now)
    local.time.now += 10
    backend.vector_stores.list(r.VectorStoreList())
    backend.vector_stores.list_files(r.VectorStoreFileList(vector_store_id=made.id))
    backend.vector_stores.file_content(r.VectorStoreFileContent(vector_store_id=made.id, file_id=other.id))
    assert retrieve(local, made).last_active_at == last


def test_a_clock_that_steps_back_shortens_nothing(local: Any) -> None:
    made = create(local, expires_after={"anchor": "last_active_at", "days": 2})
    local.time.now -= 5000
    search(local, made)
    assert update(local, made, name="x").expires_at == made.expires_at


def test_an_expired_store_can_be_looked_at_and_deleted_and_nothing_else(local: Any) -> None:
    file, other = local.upload(b"words"), local.upload(b"other")
    made = create(local, file_ids=[file.id], expires_after={"anchor": "last_active_at", "days": 1})
    local.time.now += DAY - 1
    assert retrieve(local, made).status == "completed"
    local.time.now += 1
    assert retrieve(local, made).status == "expired"
    stores_, batches = local.backend.vector_stores, local.backend.batches
    (listed,) = stores_.list(r.VectorStoreList()).data
    assert listed.status == "expired"
    refused = (
        lambda: search(local, made),
        lambda: update(local, made, expires_after=None),
        lambda: update(local, made, file_ids=[]),
        lambda: stores_.create_file(r.VectorStoreFileCreate(vector_store_id=made.id, file_id=other.id)),
        lambda: stores_.update_file(
            r.VectorStoreFileUpdate(vector_store_id=made.id, file_id=file.id, attributes={"a": 1})
        ),
        lambda: batches.create(r.FileBatchCreate(vector_store_id=made.id, file_ids=[other.id])),
    )
    for call in refused:
        with pytest.raises(BadRequestError) as caught:
            call()
        assert caught.value.code == "vector_store_expired"
    stores_.delete_file(r.VectorStoreFileDelete(vector_store_id=made.id, file_id=file.id))
    assert retrieve(local, made).status == "expired"
    stores_.delete(r.VectorStoreDelete(vector_store_id=made.id))
    with pytest.raises(NotFoundError):
        retrieve(local, made)


def test_the_expiry_policy_can_be_changed_and_cleared(local: Any) -> None:
    made = create(local, expires_after={"anchor": "last_active_at", "days": 1})
    local.time.now += 100
    assert update(local, made, expires_after={"anchor": "last_active_at", "days": 3}).expires_at == 1_000_100 + 3 * DAY
    cleared = update(local, made, expires_after=None)
    assert (cleared.expires_after, cleared.expires_at) == (None, None)


def test_activity_writes_at_most_once_a_second(room: Any) -> None:
    store = room.add_store()
    with room.catalog.write() as connection, room.statements() as seen:
        stores.touch(connection, store, room.now)
        assert seen == []
        stores.touch(connection, store, room.now + 1)
    assert len(seen) == 1


# -- embedder ----------------------------------------------------------------------------------------------------------


def test_a_store_is_bound_to_its_embedder(local: Any) -> None:
    file = local.upload(b"words")
    made = create(local, file_ids=[file.id])
    with local.room.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE stores SET embedder_name = 'other', embedder_fingerprint = 'f'")
    other = local.upload(b"more")
    for call in (
        lambda: search(local, made),
        lambda: local.backend.vector_stores.create_file(
            r.VectorStoreFileCreate(vector_store_id=made.id, file_id=other.id)
        ),
        lambda: local.backend.batches.create(r.FileBatchCreate(vector_store_id=made.id, file_ids=[other.id])),
        lambda: update(local, made, file_ids=[other.id]),
    ):
        with pytest.raises(EmbedderMismatchError, match=r"'other'.*'hashing'.*embedder=.other") as caught:
            call()
        assert made.id in str(caught.value)
    assert update(local, made, name="still").name == "still"


# -- deletion ----------------------------------------------------------------------------------------------------------


def test_deleting_a_store_leaves_its_files_and_nothing_of_its_own(local: Any) -> None:
    files = [local.upload(b"<p>words %d</p>" % number, filename="a.html") for number in range(3)]
    keep = create(local, file_ids=[files[0].id])
    before = {table: local.room.count(table) for table in ("chunks", "segments", "generations", "attributes", "blobs")}
    made = create(local, name="gone")
    for file in files:
        local.backend.vector_stores.create_file(
            r.VectorStoreFileCreate(vector_store_id=made.id, file_id=file.id, attributes={"k": "v"})
        )
    local.backend.batches.create(r.FileBatchCreate(vector_store_id=made.id, file_ids=[file.id for file in files]))
    local.backend.vector_stores.delete_file(r.VectorStoreFileDelete(vector_store_id=made.id, file_id=files[2].id))
    found = local.backend.vector_stores.delete(r.VectorStoreDelete(vector_store_id=made.id))
    assert found.model_dump() == {"id": made.id, "object": "vector_store.deleted", "deleted": True}
    after = {table: local.room.count(table) for table in before}
    assert after == before
    assert local.room.count("attachments") == local.room.count("stores") == 1
    assert local.room.count("batches") == local.room.count("batch_files") == 0
    assert [row[0] for row in local.room.query("SELECT scope FROM tombstones")] == ["stores"]
    assert local.room.count("files") == 3
    assert search(local, keep) == [files[0].id]
    with pytest.raises(NotFoundError, match="No vector store found with id"):
        local.backend.vector_stores.delete(r.VectorStoreDelete(vector_store_id=made.id))


def test_namespaces_never_see_each_other(local: Any) -> None:
    file = local.upload(b"words")
    made = create(local, file_ids=[file.id])
    other = local.backend.scoped("other")
    assert list(other.vector_stores.list(r.VectorStoreList()).data) == []
    for call, request in (
        (other.vector_stores.retrieve, r.VectorStoreRetrieve(vector_store_id=made.id)),
        (other.vector_stores.update, r.VectorStoreUpdate(vector_store_id=made.id, name="x")),
        (other.vector_stores.delete, r.VectorStoreDelete(vector_store_id=made.id)),
        (other.vector_stores.search, r.VectorStoreSearch(vector_store_id=made.id, query="words")),
        (other.vector_stores.create_file, r.VectorStoreFileCreate(vector_store_id=made.id, file_id=file.id)),
        (other.vector_stores.create, r.VectorStoreCreate(file_ids=[file.id])),
        (other.batches.create, r.FileBatchCreate(vector_store_id=made.id, file_ids=[file.id])),
    ):
        with pytest.raises(NotFoundError):
            call(request)
    other.close()  # a view closes nothing
    assert search(local, made) == [file.id]


def test_everything_survives_reopening(open_local: Any, tmp_path: Path) -> None:
    first = open_local(tmp_path)
    file = first.upload(b"words that stay")
    made = create(first, name="n", file_ids=[file.id], metadata={"a": "b"})
    first.backend.close()
    again = open_local(tmp_path)
    again.backend.ping()
    assert retrieve(again, made) == made
    assert search(again, made) == [file.id]


# -- listings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_page_of_stores_with_files_is_two_statements(local: Any, count: int) -> None:
    files = [local.upload(b"%d" % number) for number in range(3)]
    made = [create(local, file_ids=[file.id for file in files]) for _ in range(count)]
    with local.room.statements() as seen:
        found = local.backend.vector_stores.list(r.VectorStoreList(order="asc"))
    assert len(seen) == 2
    assert [store.id for store in found.data] == [store.id for store in made]
    assert {tuple(store.file_ids) for store in found.data} == {tuple(file.id for file in files)}


def test_a_store_of_very_many_files_does_not_list_them(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_FILE_IDS", 3)
    many, few = room.add_store(), room.add_store()
    room.attach(many, room.add_files(4))
    rows = room.add_files(3)
    room.attach(few, rows)
    with room.catalog.read() as connection:
        found = [stores.require(connection, NAMESPACE, store.public_id) for store in (many, few)]
        ids = stores.file_ids(connection, NAMESPACE, found)
    assert ids == {few.id: [row.public_id for row in rows]}


@pytest.mark.parametrize("count", [2, 40])
def test_creating_with_files_takes_no_statement_per_file(local: Any, count: int) -> None:
    files = [local.upload(b"words %d" % number) for number in range(count)]
    with local.room.statements() as seen:
        create(local, file_ids=[file.id for file in files])
    assert len([statement for statement in seen if "FROM blobs" not in statement]) <= 36
