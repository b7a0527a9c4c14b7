"""A snapshot is whole, of one moment, and proves itself; a restored storage answers as the one that it is of."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import ConflictError, OAuthCodexClient, OAuthCodexError, SchemaVersionError, StorageError
from oauth_codex.local.maintenance import manifests, restoring, snapshots


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


@pytest.fixture
def snapshot(world: Any, tmp_path: Path) -> Path:
    world.client.maintenance.snapshot(tmp_path / "snapshot")
    return tmp_path / "snapshot"


@pytest.mark.parametrize("driver", ["sqlite", "faiss", "memory"])
def test_a_restored_storage_answers_the_same(
    open_world: Callable[..., Any], tmp_path: Path, audit: Callable[[Any], None], driver: str
) -> None:
    world = open_world(driver)
    world.fill()
    made = world.client.maintenance.snapshot(tmp_path / "deep" / "snapshot")
    assert made.lost == []
    assert made.files == (1 if driver == "memory" else 2)
    assert made.bytes == sum(map(len, _files(tmp_path / "deep" / "snapshot").values())) - len(
        (tmp_path / "deep" / "snapshot" / "manifest.json").read_bytes()
    )
    world.client.vector_stores.create(name="later")
    world.client.files.delete(world.client.files.list().data[0].id)
    world.client.maintenance.restore(tmp_path / "deep" / "snapshot", storage_dir=tmp_path / "restored")
    restored = open_world("sqlite" if driver == "memory" else driver, "restored")
    other = open_world(driver, "other")
    other.fill()
    names = {store.name for store in restored.client.vector_stores.list()}
    assert names == {"one", "two"}
    assert len(restored.client.files.list().data) == 5
    assert sorted(map(str, restored.answers().values())) == [
        text.replace("other", "storage") for text in sorted(map(str, other.answers().values()))
    ]
    audit(restored.client)
    assert restored.client.maintenance.verify().ok


def test_a_snapshot_is_private_and_nothing_else_is_left(world: Any, snapshot: Path) -> None:
    assert sorted(_files(snapshot)) == [f"blobs/{world.blob().name}", "catalog.sqlite3", "manifest.json"]
    for path in (snapshot, *snapshot.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert sorted(path.name for path in snapshot.parent.iterdir()) == ["snapshot", "storage"]
    manifest = json.loads((snapshot / "manifest.json").read_text())
    assert manifest["files"].keys() == _files(snapshot).keys() - {"manifest.json"}
    assert (manifest["format"], manifest["schema_version"]) == (1, 2)


def test_a_snapshot_does_not_share_its_files_with_the_storage(world: Any, snapshot: Path) -> None:
    world.blob().write_bytes(b"damaged in place")
    assert restoring.restore(snapshot, snapshot.parent / "restored").verify.ok


def test_a_place_where_something_is_is_refused(world: Any, snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = _files(snapshot)
    for place in (snapshot, tmp_path / "file", world.directory):
        with pytest.raises(ConflictError, match=place.name) as caught:
            world.client.maintenance.snapshot(place)
        assert caught.value.code == "not_empty"
        with pytest.raises(ConflictError, match=place.name):
            world.client.maintenance.restore(snapshot, storage_dir=place)
    assert _files(snapshot) == before
    assert world.client.maintenance.snapshot(tmp_path / "empty").files == 2


def test_content_that_was_lost_before_is_told_and_left_out(world: Any, tmp_path: Path) -> None:
    blob = world.blob()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    made = world.client.maintenance.snapshot(tmp_path / "snapshot")
    assert (made.lost, made.files) == ([f"blobs/{blob.name}"], 1)
    report = world.client.maintenance.restore(tmp_path / "snapshot", storage_dir=tmp_path / "restored")
    assert report.verify.found == {"lost_content": 1}


def test_files_stay_while_they_are_copied(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content is deleted after the catalog was copied, and before the content is."""
    blob, copy = world.blob(), snapshots._copy_content

    def late(*given: Any) -> Any:
        world.client.files.delete(next(file.id for file in world.client.files.list() if file.filename == "large.html"))
        return copy(*given)

    monkeypatch.setattr(snapshots, "_copy_content", late)
    assert world.client.maintenance.snapshot(tmp_path / "snapshot").lost == []
    assert not blob.exists(), "what was deleted meanwhile must go in the end"
    assert world.client.maintenance.verify().ok
    assert restoring.restore(tmp_path / "snapshot", tmp_path / "restored").verify.ok


# -- damaged snapshots -------------------------------------------------------------------------------------------------


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


_DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": _flip,
    "gone": Path.unlink,
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" x"),
}


@pytest.mark.parametrize("how", _DAMAGE)
@pytest.mark.parametrize("which", ["catalog.sqlite3", "manifest.json", "blobs"])
def test_a_damaged_snapshot_is_refused_by_name(snapshot: Path, tmp_path: Path, which: str, how: str) -> None:
    path = snapshot / which
    path = next(path.iterdir()) if path.is_dir() else path
    _DAMAGE[how](path)
    with pytest.raises(StorageError, match=path.name):
        restoring.restore(snapshot, tmp_path / "restored")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["snapshot", "storage"]


def _rewritten(snapshot: Path, **changes: Any) -> None:
    """A manifest with a right checksum that says something else."""
    path = snapshot / manifests.NAME
    found = json.loads(path.read_text())
    path.write_text(json.dumps(manifests._sealed({**found, **changes})))


def test_a_manifest_that_somebody_changed_is_refused(snapshot: Path, tmp_path: Path) -> None:
    path = snapshot / manifests.NAME
    found = json.loads(path.read_text())
    for changes in ({"created_at": 1}, {"files": {}}, {"checksum": "0"}):
        path.write_text(json.dumps({**found, **changes}))
        with pytest.raises(StorageError, match="as it was written"):
            restoring.restore(snapshot, tmp_path / "restored")


@pytest.mark.parametrize("changes", [{"format": 2}, {"schema_version": 99}])
def test_a_newer_snapshot_is_refused(snapshot: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    _rewritten(snapshot, **changes)
    with pytest.raises(SchemaVersionError, match="Upgrade"):
        restoring.restore(snapshot, tmp_path / "restored")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "blobs/../../outside", "blobs/x", "catalog.sqlite3-wal"])
def test_a_name_in_a_manifest_never_leads_elsewhere(snapshot: Path, tmp_path: Path, name: str) -> None:
    files = json.loads((snapshot / manifests.NAME).read_text())["files"]
    _rewritten(snapshot, files={**files, name: [0, "0"]})
    with pytest.raises(StorageError, match="no snapshot has"):
        restoring.restore(snapshot, tmp_path / "restored")


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty directory"])
def test_what_is_no_snapshot(tmp_path: Path, what: str) -> None:
    place = tmp_path / "place"
    if what == "a file":
        place.write_text("{}")
    elif what != "nothing":
        place.mkdir()
    with pytest.raises(StorageError, match="no snapshot"):
        restoring.restore(place, tmp_path / "restored")


# -- replacing ---------------------------------------------------------------------------------------------------------


def test_replacing_moves_the_old_storage_aside(world: Any, snapshot: Path) -> None:
    with pytest.raises(ConflictError, match="has open"):
        world.client.maintenance.restore(snapshot, storage_dir=world.directory, replace=True)
    world.client.backend.close()
    (world.directory / "catalog.sqlite3").write_bytes(b"not a database")
    with pytest.raises(OAuthCodexError):
        OAuthCodexClient("sqlite", storage_dir=world.directory)
    report = restoring.restore(snapshot, world.directory, replace=True)
    assert report.verify.ok
    assert report.replaced is not None
    assert (Path(report.replaced) / "catalog.sqlite3").read_bytes() == b"not a database"
    with OAuthCodexClient("sqlite", storage_dir=world.directory) as client:
        assert len(client.files.list().data) == 5


def test_a_storage_is_not_replaced_by_a_damaged_snapshot(world: Any, snapshot: Path) -> None:
    world.client.backend.close()
    before = _files(world.directory)
    _flip(snapshot / "catalog.sqlite3")
    with pytest.raises(StorageError):
        restoring.restore(snapshot, world.directory, replace=True)
    assert _files(world.directory) == before


def test_two_storages_of_one_snapshot_do_not_take_each_others_caches(
    open_world: Callable[..., Any], snapshot: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        restoring.restore(snapshot, tmp_path / name)
    first, second = open_world("sqlite", "first"), open_world("sqlite", "second")
    assert first.client.backend._engine.catalog.id != second.client.backend._engine.catalog.id
    assert first.answers() == second.answers()


# -- full disks and places that cannot be written ----------------------------------------------------------------------


@pytest.mark.parametrize("at", ["open", "fsync", "replace"])
def test_a_disk_that_refuses_leaves_nothing(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "open":
            patch.setattr(manifests, "private", full)
        else:
            patch.setattr(f"oauth_codex.local.maintenance.snapshots.os.{at}", full)
        with pytest.raises(StorageError, match="No space left"):
            world.client.maintenance.snapshot(tmp_path / "snapshot")
    assert [path.name for path in tmp_path.iterdir()] == ["storage"]
    assert world.client.maintenance.verify().ok
    world.client.maintenance.snapshot(tmp_path / "snapshot")
    shutil.rmtree(tmp_path / "storage")
    with monkeypatch.context() as patch:
        if at == "open":
            patch.setattr(manifests, "private", full)
        else:
            patch.setattr(f"oauth_codex.local.maintenance.restoring.os.{at}", full)
        with pytest.raises(StorageError, match="No space left"):
            restoring.restore(tmp_path / "snapshot", tmp_path / "storage")
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
