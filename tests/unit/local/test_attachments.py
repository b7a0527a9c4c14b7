"""Files in stores: status and counters, attributes, attaching twice, detaching, parsed content."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from oauth_codex import NotFoundError
from oauth_codex.local.catalog import attachments, replacing, stores
from oauth_codex.local.catalog.attachments import Outcome
from oauth_codex.spi import requests as r
from oauth_codex.types.vector_stores import StaticChunking

NAMESPACE = "tests"
STATUSES = ("in_progress", "completed", "failed", "cancelled")


def assert_counters_are_true(room: Any) -> None:
    """Recount what stores and batches count."""
    for table, rows, key in (("stores", "attachments", "store_id"), ("batches", "batch_files", "batch_id")):
        for row in room.query(f"SELECT id, {', '.join(STATUSES)} FROM {table}"):
            counted = dict(room.query(f"SELECT status, count(*) FROM {rows} WHERE {key} = ? GROUP BY 1", row[0]))
            assert dict(zip(STATUSES, row[1:], strict=True)) == {s: counted.get(s, 0) for s in STATUSES}, table
    for store_id, usage in room.query("SELECT id, usage_bytes FROM stores"):
        assert room.query("SELECT coalesce(sum(usage_bytes), 0) FROM attachments WHERE store_id = ?", store_id) == [
            (usage,)
        ]


@pytest.fixture
def attached(room: Any) -> tuple[Any, list[Any], list[int]]:
    """A store, six files, and their attachments, in progress."""
    store, rows = room.add_store(), room.add_files(6)
    return store, rows, room.attach(store, rows)


def test_attaching_counts_and_shows_the_file_in_progress(room: Any) -> None:
    store, rows = room.add_store(chunking=StaticChunking(max_chunk_size_tokens=200, chunk_overlap_tokens=50)), None
    rows = room.add_files(2)
    room.time.now += 7
    room.attach(store, rows[:1], attributes=[{"a": 1, "b": "x", "c": True}])
    room.attach(store, rows[1:], chunking=StaticChunking(max_chunk_size_tokens=300, chunk_overlap_tokens=0))
    with room.catalog.read() as connection:
        found = [
            attachments.to_model(attachments.require(connection, NAMESPACE, store, row.public_id), store.public_id)
            for row in rows
        ]
    assert found[0].model_dump() == {
        "id": rows[0].public_id,
        "object": "vector_store.file",
        "created_at": 1_000_007,  # when it was attached, not when it was uploaded
        "vector_store_id": store.public_id,
        "usage_bytes": 0,
        "status": "in_progress",
        "last_error": None,
        "chunking_strategy": {
            "type": "static",
            "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50},
        },
        "attributes": {"a": 1, "b": "x", "c": True},
    }
    assert found[1].chunking_strategy.static.max_chunk_size_tokens == 300
    assert found[1].attributes == {}
    assert room.store(store).status == "in_progress"
    assert_counters_are_true(room)


def test_each_outcome_moves_one_count(room: Any, attached: Any) -> None:
    store, rows, ids = attached
    with room.catalog.write() as connection:
        moved = attachments.settle(
            connection,
            NAMESPACE,
            store.id,
            [
                Outcome(ids[0], "completed", 30, generation=1, text_blob_id=1),
                Outcome(ids[1], "failed", 0, "invalid_file", "The file could not be parsed."),
                Outcome(ids[2], "cancelled"),
            ],
        )
        row = attachments.require(connection, NAMESPACE, store, rows[1].public_id)
    assert moved == 3
    shown = room.store(store)
    assert shown.file_counts.model_dump() == {
        "in_progress": 3, "completed": 1, "failed": 1, "cancelled": 1, "total": 6,
    }  # fmt: skip
    assert (shown.status, shown.usage_bytes) == ("in_progress", 30)
    error = attachments.to_model(row, store.public_id).last_error
    assert error is not None
    assert error.model_dump() == {"code": "invalid_file", "message": "The file could not be parsed."}
    assert_counters_are_true(room)


def test_a_replay_changes_nothing(room: Any, attached: Any) -> None:
    store, _, ids = attached
    assert room.settle(store, ids[:4]) == 4
    before = room.query("SELECT * FROM attachments"), room.query("SELECT * FROM stores")
    assert room.settle(store, ids[:4]) == 0
    assert room.settle(store, ids[:4], "failed") == 0
    assert room.settle(store, [*ids[2:5], 999], "cancelled") == 1
    assert room.settle(store, []) == 0
    room.settle(store, ids[4:])
    assert (room.query("SELECT * FROM attachments")[:4], len(before[0])) == (before[0][:4], 6)
    assert_counters_are_true(room)


def test_another_store_or_namespace_cannot_settle_a_file(room: Any, attached: Any) -> None:
    store, _, ids = attached
    other = room.add_store()
    assert room.settle(other, ids) == 0
    with room.catalog.write() as connection:
        assert attachments.settle(connection, "other", store.id, [Outcome(i, "completed") for i in ids]) == 0
    assert room.store(store).file_counts.in_progress == 6


def test_a_store_with_only_failed_files_is_complete(room: Any, attached: Any) -> None:
    store, _, ids = attached
    room.settle(store, ids, "failed")
    assert room.store(store).status == "completed"


@pytest.mark.parametrize("count", [1, 50])
def test_settling_takes_a_fixed_number_of_statements(room: Any, count: int) -> None:
    store, rows = room.add_store(), room.add_files(count)
    ids = room.attach(store, rows)
    room.add_batch(store, ids)
    with room.catalog.write() as connection, room.statements() as seen:
        attachments.settle(connection, NAMESPACE, store.id, [Outcome(i, "completed", 5) for i in ids])
    assert len(seen) == 7


@pytest.mark.parametrize("count", [1, 50])
def test_attaching_and_detaching_take_a_fixed_number_of_statements(room: Any, count: int) -> None:
    store, rows = room.add_store(), room.add_files(count)
    with room.catalog.write() as connection:
        with room.statements() as seen:
            entries = [(row, None, {"k": 1}) for row in rows]
            ids = attachments.insert(connection, NAMESPACE, store.id, entries, room.now)
        assert len(seen) == (5 if count == 1 else 6)
        with room.statements() as seen:
            attachments.detach(connection, NAMESPACE, store.id, ids, room.now)
        assert len(seen) == 9
    assert_counters_are_true(room)


def test_rows_given_by_id_are_found_by_id_however_many_others_there_are(room: Any) -> None:
    for statement, expected in (
        (attachments._IN_PROGRESS, "attachments USING INTEGER PRIMARY KEY"),
        (attachments._LEAVING, "attachments USING INTEGER PRIMARY KEY"),
        (attachments._EVERYWHERE, "attachments_by_file (namespace=? AND file_id=?)"),
    ):
        assert expected in room.plan(statement)[0]


def test_detaching_undoes_attaching_in_every_status(room: Any, attached: Any) -> None:
    store, rows, ids = attached
    batch = room.add_batch(store, ids)
    for status, at in (("completed", 0), ("failed", 1), ("cancelled", 2)):
        room.settle(store, [ids[at]], status)
    with room.catalog.write() as connection:
        attachments.detach(connection, NAMESPACE, store.id, [*ids[:4], 999], room.now)
        with pytest.raises(NotFoundError, match="No file found with id"):
            attachments.require(connection, NAMESPACE, store, rows[0].public_id)
    shown = room.store(store)
    assert (shown.file_counts.total, shown.file_counts.in_progress, shown.usage_bytes) == (2, 2, 0)
    assert room.query("SELECT in_progress, completed FROM batches WHERE id = ?", batch.id) == [(2, 0)]
    assert_counters_are_true(room)


def test_counters_stay_true_through_any_sequence(room: Any) -> None:
    """Random attaching, settling, cancelling, detaching and deleting, with the counters recounted after each step."""
    from oauth_codex.local.catalog import batches, files

    chance = random.Random(7)
    shelves = [room.add_store() for _ in range(3)]
    rows = room.add_files(12)
    for _ in range(150):
        store = chance.choice(shelves)
        held = [row[0] for row in room.query("SELECT id FROM attachments WHERE store_id = ?", store.id)]
        some = chance.sample(held, min(len(held), 3))
        with room.catalog.write() as connection:
            match chance.choice(["admit", "admit", "settle", "settle", "detach", "cancel", "delete"]):
                case "admit":
                    entries = [(row, None, {"n": chance.random()}) for row in chance.sample(rows, 3)]
                    admitted = replacing.admit(connection, NAMESPACE, store, entries, room.now)
                    batches.insert(connection, NAMESPACE, room.ids("vsfb_"), store.id, admitted.ids, room.now)
                case "settle":
                    outcomes = [Outcome(i, chance.choice(STATUSES[1:]), 0) for i in some]
                    attachments.settle(connection, NAMESPACE, store.id, outcomes)
                case "detach":
                    attachments.detach(connection, NAMESPACE, store.id, some, room.now)
                case "cancel":
                    found = connection.exec_driver_sql("SELECT * FROM batches ORDER BY random() LIMIT 1").first()
                    if found is not None:
                        batches.cancel(connection, NAMESPACE, found)
                case "delete" if len(rows) > 6:
                    files.delete(connection, NAMESPACE, [rows.pop()], room.now)
        assert_counters_are_true(room)


# -- attaching what is there -------------------------------------------------------------------------------------------


def admit(room: Any, store: Any, *entries: Any) -> replacing.Admitted:
    with room.catalog.write() as connection:
        return replacing.admit(connection, NAMESPACE, store, entries, room.now)


def test_attaching_again_with_the_same_settings_changes_nothing(room: Any, attached: Any) -> None:
    store, rows, ids = attached
    room.settle(store, ids[:1])
    before = room.query("SELECT * FROM attachments")
    same = StaticChunking(max_chunk_size_tokens=800, chunk_overlap_tokens=400)
    again = admit(room, store, (rows[1], same, {}), (rows[0], None, None))
    assert again == ([ids[1], ids[0]], [])
    assert room.query("SELECT * FROM attachments") == before


def test_other_attributes_are_set_without_indexing_anew(room: Any, attached: Any) -> None:
    store, rows, ids = attached
    room.settle(store, ids[:1])
    assert admit(room, store, (rows[0], None, {"a": 1})) == ([ids[0]], [])
    assert room.query("SELECT status, attributes FROM attachments WHERE id = ?", ids[0]) == [("completed", '{"a": 1}')]
    assert room.query("SELECT attachment_id, key, number_value FROM attributes") == [(ids[0], "a", 1)]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_is_tried_again_with_its_settings(room: Any, status: str) -> None:
    store, (row,) = room.add_store(), room.add_files(1)
    window = StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=10)
    (old,) = room.attach(store, [row], attributes=[{"a": 1}], chunking=window)
    room.settle(store, [old], status)
    again = admit(room, store, (row, None, None))
    assert again.ids == again.pending != [old]
    with room.catalog.read() as connection:
        found = attachments.require(connection, NAMESPACE, store, row.public_id)
    assert attachments.chunking_of(found) == window
    assert attachments.attributes_of(found) == {"a": 1}
    assert_counters_are_true(room)


def test_another_chunking_attaches_anew_at_the_newest_end(room: Any, attached: Any) -> None:
    store, rows, ids = attached
    room.settle(store, ids)
    room.time.now += 1
    window = StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=10)
    again = admit(room, store, (rows[0], window, None), (rows[1], None, None))
    assert again.ids[1] == ids[1]
    assert again.pending == again.ids[:1]
    with room.catalog.read() as connection:
        request = r.VectorStoreFileList(vector_store_id=store.public_id, limit=1)
        newest = attachments.page(connection, NAMESPACE, store.id, request).rows[0]
    assert (newest.public_id, newest.status, newest.created_at) == (rows[0].public_id, "in_progress", room.now)


# -- through the resource ----------------------------------------------------------------------------------------------


def test_attributes_are_replaced_cleared_and_seen_by_filters(local: Any) -> None:
    file = local.upload(b"some words")
    backend = local.backend.vector_stores
    store = backend.create(r.VectorStoreCreate(file_ids=[file.id]))

    def update(attributes: Any) -> Any:
        request = r.VectorStoreFileUpdate(vector_store_id=store.id, file_id=file.id, attributes=attributes)
        shown = backend.update_file(request)
        found = backend.retrieve_file(r.VectorStoreFileRetrieve(vector_store_id=store.id, file_id=file.id))
        assert found == shown
        return shown.attributes

    def hits(key: str, value: Any) -> int:
        filters = {"type": "eq", "key": key, "value": value}
        return len(backend.search(r.VectorStoreSearch(vector_store_id=store.id, query="words", filters=filters)).data)

    assert update({"a": 1, "b": "x"}) == {"a": 1, "b": "x"}
    assert (hits("a", 1), hits("b", "x")) == (1, 1)
    assert update({"b": 2.5, "c": False}) == {"b": 2.5, "c": False}
    assert (hits("a", 1), hits("b", "x"), hits("b", 2.5), hits("c", False)) == (0, 0, 1, 1)
    assert update(None) == {}
    assert hits("b", 2.5) == 0
    assert local.room.count("attributes") == 0


def test_the_parsed_text_comes_chunk_by_chunk(local: Any) -> None:
    words = " ".join(f"wörd{number}" for number in range(400))
    file = local.upload(words.encode("utf-16"), filename="a.txt")
    backend = local.backend.vector_stores
    store = backend.create(r.VectorStoreCreate())
    request = r.VectorStoreFileCreate(
        vector_store_id=store.id,
        file_id=file.id,
        attributes={"k": 1},
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}},
    )
    assert backend.create_file(request).status == "completed"
    found = backend.file_content(r.VectorStoreFileContent(vector_store_id=store.id, file_id=file.id))
    assert len(found.data) > 5
    assert "".join(chunk.text or "" for chunk in found.data) == words
    assert {chunk.type for chunk in found.data} == {"text"}
    assert (found.file_id, found.filename, found.attributes) == (file.id, "a.txt", {"k": 1})


def test_a_file_that_is_not_complete_has_no_content_yet(local: Any) -> None:
    file = local.upload(b"\x00\x01\x02\xff\xfe", filename="a.bin")
    backend = local.backend.vector_stores
    store = backend.create(r.VectorStoreCreate(file_ids=[file.id]))
    assert store.file_counts.failed == 1
    found = backend.file_content(r.VectorStoreFileContent(vector_store_id=store.id, file_id=file.id))
    assert list(found.data) == []
    with pytest.raises(NotFoundError):
        backend.file_content(r.VectorStoreFileContent(vector_store_id=store.id, file_id="file-x"))


def test_a_file_can_leave_and_come_back(local: Any) -> None:
    file = local.upload(b"foobazbar")
    backend = local.backend.vector_stores
    store = backend.create(r.VectorStoreCreate(file_ids=[file.id]))
    remove = r.VectorStoreFileDelete(vector_store_id=store.id, file_id=file.id)
    assert backend.delete_file(remove) == {"id": file.id, "object": "vector_store.file.deleted", "deleted": True}
    search = r.VectorStoreSearch(vector_store_id=store.id, query="foobazbar")
    assert list(backend.search(search).data) == []
    with pytest.raises(NotFoundError):
        backend.delete_file(remove)
    backend.create_file(r.VectorStoreFileCreate(vector_store_id=store.id, file_id=file.id))
    assert [hit.file_id for hit in backend.search(search).data] == [file.id]
    counts = Counter(row[0] for row in local.room.query("SELECT status FROM attachments"))
    assert counts == {"completed": 1}


def test_the_counters_of_a_store_are_public_and_sum_up(room: Any, attached: Any) -> None:
    store, _, ids = attached
    room.settle(store, ids[:2])
    with room.catalog.read() as connection:
        row = stores.require(connection, NAMESPACE, store.public_id)
    assert stores.counts(row).total == stores.total(row) == 6
