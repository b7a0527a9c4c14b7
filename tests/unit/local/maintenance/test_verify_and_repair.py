"""Each kind of damage is found and named, mended or told as lost; what can be mended answers as before."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex import NotSupportedError, ParameterValidationError, StorageError
from oauth_codex.local import caches, matrix
from oauth_codex.local.search import view

_APPLE = "(SELECT a.id FROM attachments a JOIN files f ON f.id = a.file_id WHERE f.filename = 'apple.txt')"
_SMALL: Any = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}
_ONE = "(SELECT id FROM stores WHERE name = 'one')"


def _flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


#: Name, statement, and the codes of all that follows from it. What can be mended.
MENDED: dict[str, tuple[str, set[str]]] = {
    "a counter of a store": ("UPDATE stores SET completed = completed + 1", {"store_counters"}),
    "bytes of a store": ("UPDATE stores SET usage_bytes = 0", {"store_counters"}),
    "a counter of a batch": ("UPDATE batches SET failed = 1", {"batch_counters"}),
    "a batch that waits": ("UPDATE batch_files SET status = 'in_progress'", {"batch_file_stuck", "batch_counters"}),
    "a batch of no store": (
        "INSERT INTO batches (namespace, public_id, store_id, created_at) VALUES ('default', 'vsfb_x', 99, 0)",
        {"batch_of_no_store"},
    ),
    "a file of no batch": (
        f"INSERT INTO batch_files VALUES ('default', 99, {_APPLE}, 'completed')", {"batch_file_of_nothing"}
    ),
    "an attribute of nothing": (
        "INSERT INTO attributes VALUES ('default', 1, 99, 'a', 'n', NULL, 1)", {"attribute_of_nothing"}
    ),
    "lost attributes": ("DELETE FROM attributes WHERE key = 'ripe'", {"attributes"}),
    "changed attributes": ("UPDATE attributes SET kind = 'n' WHERE key = 'ripe'", {"attributes"}),
    "unreadable attributes": (f"UPDATE attachments SET attributes = '{{' WHERE id = {_APPLE}", {"attributes"}),
    "work that nobody does": (
        f"UPDATE attachments SET status = 'in_progress', usage_bytes = 0, text_blob_id = NULL WHERE id = {_APPLE}",
        {"work_without_job", "store_counters", "searchable_without_membership"},
    ),
    "work that nobody does on what can be found": (
        f"UPDATE attachments SET status = 'in_progress' WHERE id = {_APPLE}", {"work_without_job", "store_counters"}
    ),
    "a job of nothing": (
        "INSERT INTO jobs (namespace, store_id, attachment_id, generation, not_before, lease_until)"
        " VALUES ('default', 1, 99, 1, 0, 0)",
        {"job_of_nothing"},
    ),
    "a lost chunk": (f"DELETE FROM chunks WHERE attachment_id = {_APPLE}", {"chunks"}),
    "a chunk beyond the text": (f"UPDATE chunks SET byte_end = 9999 WHERE attachment_id = {_APPLE}", {"chunks"}),
    "a chunk of another file": (f"UPDATE chunks SET attachment_id = 99 WHERE attachment_id = {_APPLE}", {"chunks", "chunk_of_nothing"}),
    "lost vectors": (f"UPDATE generations SET vectors = NULL WHERE attachment_id = {_APPLE}", {"vectors"}),
    "half of the vectors": (
        f"UPDATE generations SET vectors = substr(vectors, 1, 99) WHERE attachment_id = {_APPLE}", {"vectors"}
    ),
    "vectors that are no numbers": (
        f"UPDATE generations SET vectors = CAST(x'ff7f' || substr(vectors, 3) AS BLOB) WHERE attachment_id = {_APPLE}",
        {"vectors"},
    ),
    "a lost generation": (
        f"DELETE FROM generations WHERE attachment_id = {_APPLE}", {"not_searchable", "chunk_of_nothing", "segments", "index"}
    ),
    "a generation too many": (
        "INSERT INTO generations (namespace, store_id, attachment_id, generation, first_chunk, chunk_count, vectors, published)"
        " SELECT namespace, store_id, attachment_id, generation, first_chunk, chunk_count, vectors, published"
        f" FROM generations WHERE attachment_id = {_APPLE}",
        {"not_searchable", "segments"},
    ),
    "another generation": (f"UPDATE attachments SET generation = 7 WHERE id = {_APPLE}", {"not_searchable"}),
    "lost postings": (f"DELETE FROM segments WHERE store_id = {_ONE}", {"segments"}),
    "torn postings": ("UPDATE segments SET data = substr(data, 1, length(data) - 1)", {"segments"}),
    "postings that count wrong": ("UPDATE segments SET live_count = live_count + 1", {"segments"}),
    "postings that overlap": (
        "UPDATE segments SET chunk_count = chunk_count + 1 WHERE id = (SELECT min(id) FROM segments)", {"segments"}
    ),
    "a lost text": (
        "DELETE FROM blobs WHERE id IN (SELECT text_blob_id FROM attachments) AND id NOT IN (SELECT blob_id FROM files)",
        {"lost_text"},
    ),
    "a damaged text": (
        "UPDATE blobs SET data = CAST(replace(data, 'plum', 'plug') AS BLOB)"
        " WHERE id IN (SELECT text_blob_id FROM attachments) AND id NOT IN (SELECT blob_id FROM files)",
        {"damaged_content"},
    ),
    "a shorter text": (f"UPDATE attachments SET usage_bytes = 500 WHERE id = {_APPLE}", {"text_size", "store_counters"}),
    "the size of a file": ("UPDATE files SET bytes = 1 WHERE filename = 'apple.txt'", {"file_size"}),
    "a revision": (f"UPDATE stores SET revision = 1 WHERE id = {_ONE}", {"store_revision", "index"}),
    "the next chunk": ("UPDATE meta SET value = '1' WHERE key = 'next_chunk'", {"next_chunk"}),
    "a tombstone of a file": (
        "INSERT INTO tombstones SELECT 'default', 'files', public_id, 0, 1, 0 FROM files LIMIT 1", {"tombstone_of_a_member"}
    ),
    "a tombstone of a member": (
        "INSERT INTO tombstones SELECT a.namespace, 'store:' || a.store_id, f.public_id, 0, 1, 0"
        " FROM attachments a JOIN files f ON f.id = a.file_id LIMIT 1",
        {"tombstone_of_a_member"},
    ),
    "a tombstone of nothing": (
        "INSERT INTO tombstones VALUES ('default', 'store:99', 'file-x', 0, 1, 0)", {"tombstone_of_nothing"}
    ),
    "a segment of no store": ("INSERT INTO segments VALUES (999, 'default', 99, 900, 1, 1, 1, x'')", {"segment_of_no_store"}),
    "a generation of no store": (
        "INSERT INTO generations VALUES (999, 'default', 99, 99, 1, 900, 1, NULL, 1, 2, NULL)",
        {"generation_of_no_store", "next_chunk"},
    ),
    "content of nothing": (
        f"INSERT INTO blobs VALUES (99, 'default', '{hashlib.sha256(b'x').hexdigest()}', 1, x'78')", {"unreferenced_content"}
    ),
    "a lost index of the catalog": ("DROP INDEX files_by_blob", {"missing_index"}),
}  # fmt: skip


@pytest.mark.parametrize("status", ["in_progress", "failed", "cancelled"])
def test_damage_of_the_old_version_of_a_file_that_was_attached_anew(world: Any, status: str) -> None:
    maintenance, stores = world.client.maintenance, world.client.vector_stores
    world.sql(f"UPDATE attachments SET status = '{status}' WHERE id = {_APPLE}")
    world.sql(f"UPDATE stores SET completed = completed - 1, {status} = {status} + 1 WHERE id = {_ONE}")
    if status == "in_progress":
        world.sql(
            "INSERT INTO jobs (namespace, store_id, attachment_id, generation, not_before, lease_until)"
            f" VALUES ('default', {_ONE}, {_APPLE}, 2, 0, 9999999999)"
        )
    assert maintenance.verify().findings == []
    world.sql(f"DELETE FROM chunks WHERE attachment_id = {_APPLE}")
    assert set(maintenance.verify().found) == {"chunks"}
    assert maintenance.repair().ok
    assert maintenance.verify().findings == []
    (store,) = [each for each in stores.list() if each.name == "one"]
    (apple,) = [each for each in stores.files.list(store.id, filter=status) if each.usage_bytes == 0]
    hits = stores.search(store.id, query="apple", max_num_results=50).data
    assert apple.id not in {hit.file_id for hit in hits}
    stores.files.create(store.id, file_id=apple.id, chunking_strategy={"type": "static", "static": _SMALL})
    assert stores.search(store.id, query="apple").data[0].file_id == apple.id
    assert maintenance.verify().findings == []


@pytest.mark.parametrize("name", MENDED)
def test_damage_is_found_and_mended(
    world: Any, dump: Callable[[Any], Any], audit: Callable[[Any], None], name: str
) -> None:
    statement, codes = MENDED[name]
    answers, maintenance = world.answers(), world.client.maintenance
    assert maintenance.verify().findings == []
    world.sql(statement)
    before = dump(world.client)

    report = maintenance.verify()

    assert not report.ok
    assert set(report.found) == codes
    assert all(each.where and each.message and each.remedy and not each.lost for each in report.findings)
    assert dump(world.client) == before, "looking has changed something"
    repaired = maintenance.repair()
    assert (repaired.ok, repaired.lost) == (True, [])
    assert {each.code for each in repaired.mended} <= codes | {"segments", "store_counters", "chunk_of_nothing"}
    assert maintenance.verify().findings == []
    audit(world.client)
    assert world.answers() == answers
    again = maintenance.repair()
    assert (again.mended, again.lost, again.resumed) == ([], [], 0)


#: Name, statement, codes that tell of a loss, and what becomes of the files: their statuses in the store `one`.
LOST: dict[str, tuple[str, set[str], list[str]]] = {
    "content in a row is gone": (
        "DELETE FROM blobs WHERE id = (SELECT blob_id FROM files WHERE filename = 'apple.txt')",
        {"lost_content", "lost_text"},
        ["failed", "completed", "completed", "completed"],
    ),
    "content in a row is another one": (
        "UPDATE blobs SET data = CAST(replace(data, 'round', 'rOund') AS BLOB)"
        " WHERE id = (SELECT blob_id FROM files WHERE filename = 'apple.txt')",
        {"damaged_content"},
        ["failed", "completed", "completed", "completed"],
    ),
    "content in a row is shorter": (
        "UPDATE blobs SET data = substr(data, 2) WHERE id = (SELECT blob_id FROM files WHERE filename = 'apple.txt')",
        {"damaged_content"},
        ["failed", "completed", "completed", "completed"],
    ),
    "an upload is gone": (
        "DELETE FROM files WHERE filename = 'apple.txt'",
        {"membership_of_no_file"},
        ["completed", "completed", "completed"],
    ),
    "a store is gone": (f"DELETE FROM stores WHERE id = {_ONE}", {"membership_of_no_store"}, []),
}


@pytest.mark.parametrize("name", LOST)
def test_what_is_lost_is_told_and_nothing_else_goes(world: Any, name: str) -> None:
    statement, codes, statuses = LOST[name]
    one = world.client.vector_stores.list(order="asc").data[0].id
    world.sql(statement)
    maintenance = world.client.maintenance
    assert codes <= set(maintenance.verify().found)

    repaired = maintenance.repair()

    assert not repaired.ok
    assert codes == {each.code for each in repaired.lost}
    left = maintenance.verify()
    assert set(left.found) <= {"lost_content"}
    again = maintenance.repair()
    assert again.mended == []
    assert {each.code for each in again.lost} == set(left.found)
    if statuses:
        members = world.client.vector_stores.files.list(one, order="asc").data
        assert [each.status for each in members] == statuses
        failed = [each for each in members if each.status == "failed"]
        assert all("lost" in each.last_error.message for each in failed)
    for store in world.client.vector_stores.list():
        found = world.client.vector_stores.search(store.id, query="quince round")
        assert found.data[0].filename == "quince.txt"


def test_damaged_content_is_never_read_for_the_right_one_and_kept(world: Any) -> None:
    file = next(each.id for each in world.client.files.list() if each.filename == "apple.txt")
    world.sql(LOST["content in a row is another one"][0])
    digest = hashlib.sha256(b"The apple is round.").hexdigest()
    world.client.maintenance.repair()
    with pytest.raises(StorageError, match=digest):
        world.client.files.content(file)
    assert (world.directory / "blobs" / f"damaged-{digest}").read_bytes() == b"The apple is rOund."
    assert set(world.client.maintenance.verify().found) == {"lost_content"}


@pytest.mark.parametrize("how", ["gone", "torn", "flipped"])
def test_content_in_a_file(world: Any, how: str) -> None:
    answers, blob = world.answers(), world.blob()
    file = next(each.id for each in world.client.files.list() if each.filename == "large.html")
    if how == "gone":
        blob.unlink()
    elif how == "torn":
        blob.write_bytes(blob.read_bytes()[:-1])
    else:
        _flip(blob)
    maintenance = world.client.maintenance
    assert maintenance.verify(deep=False).ok == (how == "flipped")
    (finding,) = maintenance.verify().findings
    assert finding.where == f"blobs/{blob.name}"
    assert finding.lost
    assert file in finding.message
    assert maintenance.repair().lost == [finding]
    assert world.answers() == answers, "its text is a content of its own, and can still be found"
    with pytest.raises(StorageError, match=blob.name):
        world.client.files.content(file)
    assert blob.with_name(f"damaged-{blob.name}").exists() == (how != "gone")


def test_files_that_nothing_refers_to(world: Any) -> None:
    digest = hashlib.sha256(b"stray").hexdigest()
    for name in (digest, "incoming-dead.part", "README"):
        (world.directory / "blobs" / name).write_bytes(b"stray")
    report = world.client.maintenance.verify()
    assert {each.where for each in report.findings} == {f"blobs/{digest}", "blobs/incoming-dead.part"}
    assert world.client.maintenance.repair().ok
    assert world.client.maintenance.verify().ok
    assert (world.directory / "blobs" / "README").exists(), "what is not ours was removed"


@pytest.mark.parametrize("driver", ["sqlite", "faiss"])
def test_torn_caches_are_found_and_made_anew(
    open_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
    if driver == "faiss":
        from oauth_codex_faiss import index

        monkeypatch.setattr(index, "_SAVE_FROM", 1)
    world = open_world(driver)
    world.fill()
    answers = world.answers()
    world.client.backend.close()
    folders = sorted((world.directory / "cache").iterdir())
    assert len(folders) == 4
    for folder in folders:
        facts, inner = caches.read(folder)  # type: ignore[misc]
        path = inner / next(name for name in ("vectors.npy", "tfs.npy", "part0.faiss") if name in facts["files"])
        moment = path.stat().st_mtime_ns
        _flip(path)
        os.utime(path, ns=(moment, moment))
    again = open_world(driver)
    assert again.client.maintenance.verify(deep=False).ok, "only contents tell"
    report = again.client.maintenance.verify()
    assert {each.where for each in report.findings if each.code == "cache"} == {
        f"cache/{each.name}" for each in folders
    }
    assert again.client.maintenance.repair().ok
    assert again.client.maintenance.verify().ok
    assert again.answers() == answers


@pytest.mark.parametrize("driver", ["memory", "sqlite", "faiss"])
def test_an_index_that_does_not_fit_the_catalog(open_world: Callable[..., Any], driver: str) -> None:
    world = open_world(driver)
    world.fill()
    answers = world.answers()
    search = world.client.backend._engine.search
    lacking, having = (each.vectors._index for each in list(search._views.values())[:2])
    lacking.delete(np.array([next(iter(lacking.keys()))]))
    vector = np.zeros((1, lacking._spec.dimension), dtype=np.float32)
    having.upsert(np.array([1]), vector) if 1 not in set(having.keys()) else having.delete(np.array([1]))
    report = world.client.maintenance.verify()
    assert [each.code for each in report.findings] == ["index", "index"]
    assert "lacks 1 vectors and has 0 too many" in report.findings[0].message
    assert len(world.client.maintenance.repair().mended) == 2
    assert world.client.maintenance.verify().ok
    assert world.answers() == answers


def test_a_damaged_catalog_is_lost_and_left_alone(world: Any, dump: Callable[[Any], Any]) -> None:
    world.sql("DROP TABLE tombstones")
    before = world.sql("SELECT count(*) FROM attachments")
    (finding,) = world.client.maintenance.verify().findings
    assert (finding.code, finding.where, finding.lost) == ("missing_table", "tombstones", True)
    assert world.client.maintenance.repair().lost == [finding]
    assert world.sql("SELECT count(*) FROM attachments") == before


def test_an_index_of_the_catalog_that_lacks_rows_is_made_anew(world: Any) -> None:
    path = world.directory / "catalog.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    row = connection.execute("SELECT * FROM sqlite_master WHERE name = 'files_by_blob'").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = 'files_by_blob'")
    connection.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE files SET blob_id = blob_id + 1000 WHERE filename = 'apple.txt'")
    connection.execute("UPDATE files SET blob_id = blob_id - 1000 WHERE filename = 'apple.txt'")
    connection.execute("DELETE FROM files WHERE filename = 'medlar.txt'")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    assert "damaged_catalog" in world.client.maintenance.verify().found
    repaired = world.client.maintenance.repair()
    assert "damaged_catalog" in {each.code for each in repaired.mended}
    assert world.client.maintenance.verify().ok


# -- what it costs, and what it is told --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["verify", "repair", "gc", "snapshot", "restore"])
@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_progress_ends_with_the_total_and_may_call_the_client(
    open_world: Callable[..., Any], tmp_path: Path, driver: str, name: str
) -> None:
    world = open_world(driver)
    world.fill()
    maintenance = world.client.maintenance
    if name == "restore":
        maintenance.snapshot(tmp_path / "snapshot")
    given = {
        "snapshot": {"directory": tmp_path / "snapshot"},
        "restore": {"snapshot": tmp_path / "snapshot", "storage_dir": tmp_path / "restored"},
    }
    told: list[tuple[int, int, str]] = []

    def tell(done: int, total: int, item: str) -> None:
        told.append((done, total, item))
        world.client.files.list(limit=1)

    getattr(maintenance, name)(**given.get(name, {}), on_progress=tell)
    assert len({total for _, total, _ in told}) == 1
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert [done == total for done, total, _ in told[-2:]] == [False, True]
    assert all(item for _, _, item in told)


def test_wrong_arguments(world: Any, tmp_path: Path) -> None:
    maintenance = world.client.maintenance
    for call in (
        lambda: maintenance.verify(deep="no"),
        lambda: maintenance.verify(on_progress=1),
        lambda: maintenance.gc(dry_run=1),
        lambda: maintenance.snapshot(3),
        lambda: maintenance.snapshot(""),
        lambda: maintenance.snapshot("a\0b"),
        lambda: maintenance.restore(tmp_path, storage_dir="a\0b"),
        lambda: maintenance.restore(tmp_path, storage_dir=None),
    ):
        with pytest.raises(ParameterValidationError):
            call()


def test_a_view_of_one_namespace_cannot_see_the_others(world: Any) -> None:
    from oauth_codex import OAuthCodexClient

    with OAuthCodexClient(world.client.backend.scoped("tenant")) as tenant, pytest.raises(NotSupportedError) as caught:
        tenant.maintenance.verify()
    assert caught.value.code == "not_supported"
