"""The files resource: uploading, reading, listing, expiry, deletion."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import BadRequestError, NotFoundError, StorageError
from oauth_codex.local.catalog import blobs, files
from oauth_codex.spi import LOCAL
from oauth_codex.spi import requests as r

NAMESPACE = "tests"
DAY = 86400


def test_a_file_is_stored_and_read_back(local: Any) -> None:
    made = local.upload(b"the content", filename="notes.md", purpose="user_data")
    assert made.model_dump() == {
        "id": made.id,
        "object": "file",
        "bytes": 11,
        "created_at": 1_000_000,
        "filename": "notes.md",
        "purpose": "user_data",
        "status": "processed",
        "expires_at": None,
        "status_details": None,
        "metadata": None,
    }
    assert local.backend.files.retrieve(r.FileRetrieve(file_id=made.id)) == made
    with local.backend.files.content(r.FileContent(file_id=made.id)) as stream:
        assert stream.read() == b"the content"


def test_a_stream_is_read_from_its_position_and_left_open(local: Any) -> None:
    stream = io.BytesIO(b"skipped, kept")
    stream.seek(9)
    made = local.backend.files.create(r.FileCreate(content=stream, purpose="assistants"))
    assert made.bytes == 4
    assert not stream.closed


def _several(local: Any, *contents: bytes, **given: Any) -> list[Any]:
    sent = [
        r.FileCreate(content=io.BytesIO(content), filename=f"{number}.txt", purpose="assistants", **given)
        for number, content in enumerate(contents)
    ]
    return list(local.backend.files.create_many(r.FilesCreate(files=tuple(sent))))


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_several_files_are_stored_in_one_transaction(open_local: Any, tmp_path: Path, where: str) -> None:
    local = open_local(tmp_path if where == "disk" else None)
    large = b"large " * 200_000
    local.upload(b"there before")
    contents = (b"one", b"twice", b"", large, b"twice", b"there before", large)
    with local.room.statements() as seen:
        made = _several(local, *contents, metadata={"k": "v"})
    assert sum(statement.startswith("INSERT INTO files") for statement in seen) == 1
    beside = 1 if where == "disk" else 0  # the large one
    assert sum(statement.startswith("INSERT INTO blobs") for statement in seen) == 1 + beside
    assert [local.content(file.id) for file in made] == list(contents)
    assert [(file.filename, file.bytes) for file in made] == [
        (f"{number}.txt", len(content)) for number, content in enumerate(contents)
    ]
    assert len({file.id for file in made}) == len(contents)
    assert {file.metadata["k"] for file in made} == {"v"}
    assert local.room.count("blobs") == len(set(contents))
    listed = local.backend.files.list(r.FileList(order="asc")).data
    assert [file.id for file in listed[1:]] == [file.id for file in made]


def test_what_it_costs_to_store_a_file_more_is_no_statement(open_local: Any, tmp_path: Path) -> None:
    local = open_local(tmp_path)
    _several(local, b"the first look at what has expired")
    counts = []
    for size in (2, 40):
        with local.room.statements() as seen:
            _several(local, *(b"%d of %d" % (number, size) for number in range(size)))
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 6


def test_of_several_files_all_are_stored_or_none(open_local: Any, tmp_path: Path) -> None:
    local = open_local(tmp_path, capabilities=replace(LOCAL, max_file_bytes=2_000_000))
    with pytest.raises(BadRequestError) as caught:
        _several(local, b"a", b"y" * 1_500_000, b"z" * 2_000_001)
    assert caught.value.code == "file_too_large"
    assert local.room.count("files") == local.room.count("blobs") == 0
    assert list((tmp_path / "blobs").iterdir()) == []


def test_what_is_given_beside_the_parameters_is_metadata(local: Any) -> None:
    made = local.upload(metadata={"a": 1}, project="x", tags=["ä"])
    assert made.metadata == {"a": 1, "project": "x", "tags": ["ä"]}
    assert local.upload(metadata="plain").metadata == {"metadata": "plain"}


def test_the_largest_file_is_accepted_and_a_larger_one_leaves_no_trace(open_local: Any, tmp_path: Path) -> None:
    local = open_local(tmp_path, capabilities=LOCAL.__class__(max_file_bytes=2_000_000))
    assert local.upload(b"x" * 2_000_000).bytes == 2_000_000
    with pytest.raises(BadRequestError) as caught:
        local.upload(b"y" * 2_000_001)
    assert caught.value.code == "file_too_large"
    assert local.room.count("files") == local.room.count("blobs") == 1
    assert len(list((tmp_path / "blobs").iterdir())) == 1


def test_files_survive_reopening(open_local: Any, tmp_path: Path) -> None:
    first = open_local(tmp_path)
    made = first.upload(b"z" * 3_000_000)
    first.backend.close()
    again = open_local(tmp_path)
    assert again.backend.files.retrieve(r.FileRetrieve(file_id=made.id)) == made
    with again.backend.files.content(r.FileContent(file_id=made.id)) as stream:
        assert stream.read() == b"z" * 3_000_000


def test_a_file_deleted_while_it_is_being_opened_is_404(
    open_local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = open_local(tmp_path)
    made = local.upload(b"z" * 3_000_000)
    really = blobs.open

    def late(*given: Any) -> Any:
        thread = threading.Thread(target=local.backend.files.delete, args=[r.FileDelete(file_id=made.id)])
        thread.start()
        thread.join()
        return really(*given)

    monkeypatch.setattr(blobs, "open", late)
    with pytest.raises(NotFoundError):
        local.backend.files.content(r.FileContent(file_id=made.id))


def test_lost_content_is_a_failure_of_the_storage(open_local: Any, tmp_path: Path) -> None:
    local = open_local(tmp_path)
    made = local.upload(b"z" * 3_000_000)
    for path in (tmp_path / "blobs").iterdir():
        path.unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        local.backend.files.content(r.FileContent(file_id=made.id))


def test_an_unknown_file_is_404_everywhere(local: Any) -> None:
    for call, request in (
        (local.backend.files.retrieve, r.FileRetrieve(file_id="file-x")),
        (local.backend.files.content, r.FileContent(file_id="file-x")),
        (local.backend.files.delete, r.FileDelete(file_id="file-x")),
    ):
        with pytest.raises(NotFoundError, match="No such File object: file-x"):
            call(request)


def test_a_list_can_be_of_one_purpose(local: Any) -> None:
    kinds = ["assistants", "user_data", "assistants", "vision"]
    made = [local.upload(purpose=kind) for kind in kinds]
    found = local.backend.files.list(r.FileList(purpose="assistants"))
    assert [each.id for each in found.data] == [made[2].id, made[0].id]
    assert not found.has_more
    assert list(local.backend.files.list(r.FileList(purpose="nothing")).data) == []


def test_namespaces_never_see_each_other(local: Any) -> None:
    made = local.upload(b"mine")
    other = local.backend.scoped("other")
    assert list(other.files.list(r.FileList()).data) == []
    for call, request in (
        (other.files.retrieve, r.FileRetrieve(file_id=made.id)),
        (other.files.content, r.FileContent(file_id=made.id)),
        (other.files.delete, r.FileDelete(file_id=made.id)),
    ):
        with pytest.raises(NotFoundError):
            call(request)
    theirs = other.files.create(r.FileCreate(content=io.BytesIO(b"mine"), purpose="assistants"))
    other.files.delete(r.FileDelete(file_id=theirs.id))
    with local.backend.files.content(r.FileContent(file_id=made.id)) as stream:
        assert stream.read() == b"mine"


def test_the_first_missing_file_of_many_is_named(room: Any) -> None:
    rows = room.add_files(3)
    asked = [rows[2].public_id, "file-b", rows[0].public_id, "file-a"]
    with room.catalog.read() as connection:
        with pytest.raises(NotFoundError, match=r"No file found with id 'file-b'\."):
            files.require_many(connection, NAMESPACE, asked, room.now)
        found = files.require_many(connection, NAMESPACE, [asked[0], asked[2]], room.now)
        with pytest.raises(NotFoundError):
            files.require_many(connection, "other", [asked[0]], room.now)
    assert [row.public_id for row in found] == [rows[2].public_id, rows[0].public_id]


@pytest.mark.parametrize("count", [1, 2, 500])
def test_finding_many_files_is_one_statement(room: Any, count: int) -> None:
    asked = [row.public_id for row in room.add_files(count)]
    with room.catalog.read() as connection, room.statements() as seen:
        files.require_many(connection, NAMESPACE, asked, room.now)
    assert len(seen) == 1


# -- expiry ------------------------------------------------------------------------------------------------------------


def test_an_expired_file_is_gone_with_its_memberships(local: Any) -> None:
    kept = local.upload(b"words that stay")
    made = local.upload(b"words that go", expires_after={"anchor": "created_at", "seconds": 3600})
    assert made.expires_at == made.created_at + 3600
    stores = local.backend.vector_stores
    store = stores.create(r.VectorStoreCreate(file_ids=[kept.id, made.id]))
    local.time.now += 3599
    assert local.backend.files.retrieve(r.FileRetrieve(file_id=made.id)) == made
    assert len(stores.search(r.VectorStoreSearch(vector_store_id=store.id, query="words")).data) == 2
    local.time.now += 1
    found = stores.search(r.VectorStoreSearch(vector_store_id=store.id, query="words")).data
    assert [hit.file_id for hit in found] == [kept.id]
    with pytest.raises(NotFoundError):
        local.backend.files.retrieve(r.FileRetrieve(file_id=made.id))
    assert [each.id for each in local.backend.files.list(r.FileList()).data] == [kept.id]
    after = stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store.id))
    assert after.file_ids == [kept.id]
    assert after.file_counts.total == 1
    assert local.room.count("blobs") == 1


def test_an_expired_file_can_neither_be_attached_nor_read_before_it_is_removed(room: Any) -> None:
    with room.catalog.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO files (namespace, public_id, filename, purpose, bytes, created_at, expires_at, blob_id)"
            " VALUES ('tests', 'file-old', 'a', 'assistants', 1, 0, ?, 1)",
            (room.now,),
        )
        for call in (files.require, lambda *given: files.require_many(given[0], given[1], [given[2]], given[3])):
            with pytest.raises(NotFoundError):
                call(connection, NAMESPACE, "file-old", room.now)
            call(connection, NAMESPACE, "file-old", room.now - 1)


def test_files_of_the_purpose_batch_live_for_thirty_days(local: Any) -> None:
    assert local.upload(purpose="batch").expires_at == 1_000_000 + 30 * DAY
    given = local.upload(purpose="batch", expires_after={"anchor": "created_at", "seconds": 7200})
    assert given.expires_at == 1_000_000 + 7200


def test_many_files_expire_and_looking_for_them_costs_nothing_in_between(local: Any) -> None:
    for number in range(450):
        local.upload(b"%d" % number, expires_after={"anchor": "created_at", "seconds": 3600 + number % 2})
    local.time.now += 3601
    assert list(local.backend.files.list(r.FileList()).data) == []
    assert local.room.count("files") == local.room.count("blobs") == 0
    with local.room.statements() as seen:
        local.backend.files.list(r.FileList())
    assert len(seen) == 1


# -- deletion ----------------------------------------------------------------------------------------------------------


def test_deleting_a_file_takes_it_out_of_every_store(local: Any) -> None:
    stores = local.backend.vector_stores
    one, two = local.upload(b"alpha words"), local.upload(b"beta words")
    made = [stores.create(r.VectorStoreCreate(file_ids=[one.id, two.id])) for _ in range(3)]
    assert local.backend.files.delete(r.FileDelete(file_id=one.id)).model_dump() == {
        "id": one.id,
        "object": "file",
        "deleted": True,
    }
    for store in made:
        after = stores.retrieve(r.VectorStoreRetrieve(vector_store_id=store.id))
        assert (after.file_ids, after.file_counts.completed, after.usage_bytes) == ([two.id], 1, 10)
        assert [
            hit.file_id for hit in stores.search(r.VectorStoreSearch(vector_store_id=store.id, query="words")).data
        ] == [two.id]
    with pytest.raises(NotFoundError):
        local.backend.files.delete(r.FileDelete(file_id=one.id))
