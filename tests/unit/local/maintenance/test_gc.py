"""What has expired and what nothing refers to goes, and nothing else; a dry run tells the same and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex.local import matrix
from oauth_codex.local.catalog import blobs, files
from oauth_codex.local.maintenance import collecting
from oauth_codex.local.search import view


def _size(directory: Path) -> int:
    return sum(
        path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.name.endswith("-wal")
    )


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of small stores too, and nothing removed is remembered for anybody."""
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
    monkeypatch.setattr(collecting, "KEPT_SECONDS", -1)


@pytest.fixture
def littered(open_world: Callable[..., Any], clock: Any, early: None) -> Any:
    """A storage with one of everything that may go."""
    world = open_world()
    world.fill()
    client = world.client
    large = b"large and short-lived " * 100_000
    hour: Any = {"anchor": "created_at", "seconds": 3600}
    client.files.create(file=("short.txt", large), purpose="user_data", expires_after=hour)
    store = client.vector_stores.create(name="session", expires_after={"anchor": "last_active_at", "days": 1}).id
    client.vector_stores.files.upload(store, file=("a.txt", b"The session is short."))
    dropped = client.vector_stores.create(name="dropped").id
    client.vector_stores.files.upload(dropped, file=("b.txt", b"The dropped is gone."))
    for each in (store, dropped):
        client.vector_stores.search(each, query="short gone")
    world.answers()
    (world.directory / "cache" / "4.matrix").rename(world.directory / "kept")
    client.vector_stores.delete(dropped)
    (world.directory / "kept").rename(world.directory / "cache" / "4.matrix")
    (world.directory / "cache" / "1.other").mkdir()
    (world.directory / "blobs" / ("0" * 64)).write_bytes(b"x" * 1000)
    world.sql("INSERT INTO blobs VALUES (999, 'default', 'd', 1, x'78')")
    world.sql("UPDATE tombstones SET deleted_at = 0")
    world.sql("INSERT INTO reembedded VALUES (999, 'default', 1, 'f', x'00')")
    clock.advance(40 * 86400)
    return world


def test_what_may_go_goes_and_nothing_else(
    littered: Any, dump: Callable[[Any], Any], audit: Callable[[Any], None]
) -> None:
    client, maintenance = littered.client, littered.client.maintenance
    sessions = next(store.id for store in client.vector_stores.list() if store.name == "session")
    kept = {store: client.vector_stores.search(store, query="round plum").data for store in
            (each.id for each in client.vector_stores.list() if each.name in ("one", "two"))}  # fmt: skip
    littered.sql("UPDATE files SET expires_at = 1 WHERE filename = 'pear.txt'")  # not seen by the sweep of a call
    before, size = dump(client), _size(littered.directory)

    told = maintenance.gc(dry_run=True)

    assert dump(client) == before
    assert _size(littered.directory) == size
    assert told.removed == {
        "expired_files": 1, "files_of_expired_stores": 1, "contents": 1, "generations": 1,
        "tombstones": told.removed["tombstones"], "caches": 2, "stray_files": 1, "unused_vectors": 1,
    }  # fmt: skip
    assert told.removed["tombstones"] > 0
    done = maintenance.gc()
    # What the first steps take out of stores leaves rows for the later ones.
    assert done.removed == {**told.removed, "generations": 3}
    assert done.bytes_freed >= 1000
    assert done.bytes_reusable > 0
    audit(client)
    assert maintenance.verify().ok
    session = client.vector_stores.retrieve(sessions)
    assert (session.status, session.file_counts.total) == ("expired", 0)
    assert sorted(path.name for path in (littered.directory / "cache").iterdir()) == sorted(
        f"{store}.{kind}" for store in (1, 2) for kind in ("matrix", "terms")
    )
    for store, hits in kept.items():
        left = [hit for hit in hits if hit.filename != "pear.txt"]
        found = client.vector_stores.search(store, query="round plum").data
        assert [hit.text for hit in found] == [hit.text for hit in left]
    again = maintenance.gc()
    assert not any(again.removed.values())
    assert again.bytes_freed == 0


def test_compacting_gives_space_back(world: Any) -> None:
    client = world.client
    file = client.files.create(file=("noise.txt", bytes(range(256)) * 3900), purpose="assistants").id
    client.files.delete(file)
    first = client.maintenance.gc()
    assert first.bytes_reusable > 900_000
    size = sum(path.stat().st_size for path in world.directory.glob("catalog.sqlite3*"))
    done = client.maintenance.gc(compact=True)
    assert done.bytes_reusable == 0
    left = sum(path.stat().st_size for path in world.directory.glob("catalog.sqlite3*"))
    assert done.bytes_freed == size - left > 900_000
    assert client.maintenance.verify().ok


@pytest.mark.parametrize("driver", ["sqlite", "faiss"])
@pytest.mark.parametrize("cached", [True, False])
def test_who_comes_late_learns_of_what_was_removed(
    open_world: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    driver: str,
    cached: bool,
    early: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another process, with the store in memory or in a cache, has not seen a removal when its row goes."""
    late = open_world(driver)
    late.fill()
    store = next(each.id for each in late.client.vector_stores.list() if each.name == "one")

    def found(world: Any) -> set[str]:
        return {hit.filename for hit in world.client.vector_stores.search(store, query="round").data}

    assert "apple.txt" in found(late)
    if cached:
        late.client.backend.close()
    other = open_world(driver)
    other.client.files.delete(next(each.id for each in other.client.files.list() if each.filename == "apple.txt"))
    assert other.client.maintenance.gc().removed["generations"] > 0
    late = open_world(driver) if cached else late
    assert late.client.maintenance.verify().ok
    assert "apple.txt" not in found(late)
    assert "pear.txt" in found(late)
    assert caplog.messages == [], "it is nothing to worry about"
    assert late.client.maintenance.verify().ok


def test_what_was_just_removed_is_remembered(world: Any) -> None:
    """So that those who have a store in memory need not read all of it again."""
    client = world.client
    client.files.delete(client.files.list().data[0].id)
    assert client.maintenance.gc().removed["generations"] == 0
    moment = time.time_ns() // 1_000_000 - collecting.KEPT_SECONDS * 1000
    world.sql("UPDATE generations SET removed = ? WHERE removed IS NOT NULL", moment - 1)
    assert client.maintenance.gc().removed["generations"] > 0


def test_an_upload_that_goes_on_is_never_collected(world: Any, open_world: Callable[..., Any]) -> None:
    other = open_world()
    content = b"arriving " * 200_000
    seen: list[Any] = []
    with blobs.spool(world.directory, content) as spooled:
        seen += [other.client.maintenance.verify().findings, other.client.maintenance.gc().removed["stray_files"]]
        with world.client.backend._engine.catalog.write() as connection:
            blob = blobs.store(connection, "default", spooled)
            assert (world.directory / "blobs" / spooled.digest).exists()
            seen += [
                other.client.maintenance.verify().findings,
                0,
            ]  # its file has its name, and its row is not committed
            new = files.New("file-arriving", "a", "assistants", len(content), blob, {}, None, created_at=0)
            files.insert(connection, "default", new)
        seen += [other.client.maintenance.verify().findings, other.client.maintenance.gc().removed["stray_files"]]
    assert seen == [[], 0] * 3
    with world.client.backend._engine.catalog.read() as connection:
        assert blobs.read(connection, blob) == content


def test_equal_content_is_counted_by_those_who_have_it(world: Any, open_world: Callable[..., Any]) -> None:
    """One content, four files of two namespaces, of which one is in a store: it goes with the last one."""
    from oauth_codex import OAuthCodexClient

    content = b"the same " * 200_000
    tenant = OAuthCodexClient(world.client.backend.scoped("tenant"))
    mine = [world.client.files.create(file=(f"{n}.txt", content), purpose="assistants").id for n in range(2)]
    theirs = [tenant.files.create(file=(f"{n}.txt", content), purpose="assistants").id for n in range(2)]
    store = next(each.id for each in world.client.vector_stores.list() if each.name == "two")
    world.client.vector_stores.files.create(store, file_id=mine[0])
    files = len(list((world.directory / "blobs").iterdir()))
    for client, file in ((world.client, mine[1]), (tenant, theirs[0]), (world.client, mine[0])):
        client.files.delete(file)
        assert world.client.maintenance.gc().removed["contents"] == 0
        assert world.client.maintenance.verify().ok
        assert len(list((world.directory / "blobs").iterdir())) == files
    assert tenant.files.content(theirs[1]).read() == content
    tenant.files.delete(theirs[1])
    assert len(list((world.directory / "blobs").iterdir())) == files - 1
    assert world.client.maintenance.verify().ok


def test_remnants_go_when_the_storage_is_opened(world: Any, open_world: Callable[..., Any]) -> None:
    folder = world.directory / "blobs"
    before = {path.name for path in folder.iterdir()}
    for name in ("0" * 64, "incoming-dead.part"):
        (folder / name).write_bytes(b"left by a crash")
    again = open_world()
    assert {path.name for path in folder.iterdir()} == before
    assert again.client.maintenance.verify().ok


def test_remnants_that_cannot_be_removed_keep_nobody_out(
    world: Any, open_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (world.directory / "blobs" / ("0" * 64)).write_bytes(b"left by a crash")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert len(open_world().client.files.list().data) == 5
    assert "Permission denied" in caplog.text
