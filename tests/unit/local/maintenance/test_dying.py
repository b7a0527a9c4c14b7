"""The process dies at any commit and any operation on a file of maintenance: what is left can be opened, and mended in the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oauth_codex.local.catalog import jobs
from oauth_codex.local.maintenance import collecting, restoring
from oauth_codex.testing.faults import CopyingPoint, Faults

_DAMAGE = (
    "UPDATE stores SET completed = 0",
    "DELETE FROM chunks WHERE id = 1",
    "UPDATE segments SET data = x'00' WHERE id = 2",
    "UPDATE blobs SET data = CAST(replace(data, 'plum', 'plug') AS BLOB) WHERE data LIKE '%plum is blue%'",
)


@pytest.fixture
def faults() -> Iterator[Faults]:
    with Faults() as watching:
        yield watching


def _points(faults: Faults, world: Any, tmp_path: Path, act: Callable[[], object]) -> list[tuple[str, Path]]:
    copying = CopyingPoint(world.directory, tmp_path / "copies")
    with faults.watch(copying):
        act()
    copying.acknowledged()
    return copying.copies


def test_a_repair_may_die_anywhere_and_the_next_one_ends_it(
    faults: Faults,
    world: Any,
    open_world: Callable[..., Any],
    tmp_path: Path,
    audit: Callable[[Any], None],
    clock: Any,
) -> None:
    answers = world.answers()
    for statement in _DAMAGE:
        world.sql(statement)
    (world.directory / "blobs" / ("0" * 64)).write_bytes(b"stray")
    points = _points(faults, world, tmp_path, world.client.maintenance.repair)
    assert len(points) > 8
    clock.advance(jobs.LEASE_SECONDS)  # of the process that died
    for number, (point, left) in enumerate(points):
        name = f"after{number}"
        left.rename(tmp_path / name)
        again = open_world("sqlite", name)
        assert again.client.maintenance.repair().ok, point
        assert again.client.maintenance.verify().findings == [], point
        audit(again.client)
        assert again.answers() == answers, point
        again.client.backend.close()


def test_a_collection_may_die_anywhere(
    faults: Faults,
    world: Any,
    open_world: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: Any,
) -> None:
    monkeypatch.setattr(collecting, "KEPT_SECONDS", -1)
    world.sql("UPDATE files SET expires_at = ? WHERE filename = 'large.html'", int(clock.now) - 5)
    world.sql("UPDATE stores SET expires_at = 1 WHERE name = 'two'")
    points = _points(faults, world, tmp_path, world.client.maintenance.gc)
    assert len(points) > 5
    for number, (point, left) in enumerate(points):
        name = f"after{number}"
        left.rename(tmp_path / name)
        again = open_world("sqlite", name)
        assert again.client.maintenance.verify().findings == [], point
        one = next(store.id for store in again.client.vector_stores.list() if store.name == "one")
        hits = again.client.vector_stores.search(one, query="round").data
        assert {hit.filename for hit in hits} >= {"apple.txt", "pear.txt", "quince.txt"}, point
        again.client.maintenance.gc()
        assert [file.name for file in (tmp_path / name / "blobs").iterdir()] == [], point
        assert not any(again.client.maintenance.gc(dry_run=True).removed.values()), point
        again.client.backend.close()


def test_a_snapshot_and_a_storage_are_whole_or_not_there(faults: Faults, world: Any, tmp_path: Path) -> None:
    made, seen = tmp_path / "made", []

    def look(kind: str, check: Callable[[Path], object]) -> Callable[[Any], None]:
        def at(_: Any) -> None:
            if made.exists():
                check(made)
            seen.append((kind, made.exists()))

        return at

    def restorable(snapshot: Path) -> None:
        assert restoring.restore(snapshot, tmp_path / "restored").verify.ok
        shutil.rmtree(tmp_path / "restored")

    with faults.watch(look("snapshot", restorable)):
        world.client.maintenance.snapshot(made)
    snapshot = made.rename(tmp_path / "snapshot")

    def sound(storage: Path) -> None:
        assert {path.name for path in storage.iterdir()} >= {"catalog.sqlite3", "blobs"}
        assert len(list((storage / "blobs").iterdir())) == 1

    with faults.watch(look("storage", sound)):
        restoring.restore(snapshot, made)
    assert {each: seen.count(each) > 0 for each in seen} == dict.fromkeys(seen, True)
    assert {(kind, there) for kind, there in seen} == {(k, t) for k in ("snapshot", "storage") for t in (True, False)}
