"""`verify`, `repair`, `gc`, `snapshot` and `restore` on the command line."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OAUTH_CODEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    directory = tmp_path / "storage"
    with OAuthCodexClient("sqlite", storage_dir=directory) as client:
        store = client.vector_stores.create(name="engine")
        for number, text in enumerate((b"The red valve.", b"The blue valve.")):
            client.vector_stores.files.upload(store.id, file=(f"{number}.txt", text))
    return directory


def run(storage: Path, *arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments), "--storage-dir", str(storage)])
    assert result.exit_code == code, result.output
    return result.output


def document(storage: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(storage, *arguments, "--json", code=code))
    return found


def damage(storage: Path, statement: str) -> None:
    with closing(sqlite3.connect(storage / "catalog.sqlite3", isolation_level=None)) as connection:
        connection.execute(statement)


def test_verify_repair_verify(storage: Path) -> None:
    assert "Everything is as it must be." in run(storage, "verify")
    damage(storage, "UPDATE stores SET completed = 7")
    said = run(storage, "verify", "--quick", code=1)
    assert "store_counters" in said
    assert "oauth-codex repair" in said
    assert "Mended: 1" in run(storage, "repair")
    assert "nothing to mend" in run(storage, "repair")
    assert "2 files" in run(storage, "verify")


def test_verify_and_repair_as_json(storage: Path) -> None:
    assert document(storage, "verify")["ok"] is True
    damage(storage, "DELETE FROM blobs WHERE id = 1")
    report = document(storage, "verify", code=1)
    assert report["object"] == "maintenance.verify"
    assert report["found"] == {"lost_content": 1, "lost_text": 1}
    assert {finding["code"] for finding in report["findings"]} == set(report["found"])
    repaired = document(storage, "repair", code=1)
    assert (repaired["ok"], repaired["mended"], len(repaired["lost"])) == (False, [], 2)
    assert "only a snapshot" in run(storage, "verify", code=1)


def test_gc(storage: Path) -> None:
    damage(storage, "INSERT INTO tombstones VALUES ('default', 'files', 'file-x', 0, 1, 0)")
    assert "Would remove 1 places" in run(storage, "gc", "--dry-run")
    assert document(storage, "gc")["removed"]["tombstones"] == 1
    assert "nothing to remove" in run(storage, "gc", "--compact")


def test_snapshot_and_restore_over_a_broken_storage(storage: Path, tmp_path: Path) -> None:
    assert "Copied 1 file" in run(storage, "snapshot", tmp_path / "kept")
    assert "not an empty directory" in run(storage, "snapshot", tmp_path / "kept", code=1)
    (storage / "catalog.sqlite3").write_bytes(b"no database")
    run(storage, "verify", code=1)
    assert "not an empty directory" in run(storage, "restore", tmp_path / "kept", code=1)
    report = document(storage, "restore", tmp_path / "kept", "--replace")
    assert report["verify"]["ok"] is True
    assert (Path(report["replaced"]) / "catalog.sqlite3").read_bytes() == b"no database"
    assert "0.txt" in run(storage, "search", "engine", "red valve")


def test_restore_refuses_by_name_and_where_there_is_no_directory(storage: Path, tmp_path: Path) -> None:
    run(storage, "snapshot", tmp_path / "kept")
    (tmp_path / "kept" / "manifest.json").write_bytes(b"{")
    assert "manifest.json" in run(tmp_path / "new", "restore", tmp_path / "kept", code=1)
    assert "no snapshot" in run(tmp_path / "new", "restore", tmp_path / "nowhere", code=1)
    assert "keeps nothing" in run(tmp_path / "new", "restore", tmp_path / "kept", "--backend", "memory", code=1)
    assert not (tmp_path / "new").exists()


def test_a_restored_storage_that_lacks_contents_is_a_failure(storage: Path, tmp_path: Path) -> None:
    damage(storage, "DELETE FROM blobs WHERE id = 1")
    run(storage, "snapshot", tmp_path / "kept")
    assert "lost_content" in run(tmp_path / "new", "restore", tmp_path / "kept", code=1)


@pytest.mark.parametrize("there", [False, True], ids=["absent", "empty"])
@pytest.mark.parametrize(
    "command",
    [("verify",), ("repair",), ("gc", "-n"), ("snapshot", "copy"), ("migrate", "--to-backend", "memory")],
    ids=" ".join,
)
def test_a_storage_that_is_not_there_is_not_made(command: tuple[str, ...], there: bool, tmp_path: Path) -> None:
    """Or a copy of nothing would be a success, after a misspelling or where a disk is not mounted."""
    place = tmp_path / "misspelt"
    if there:
        place.mkdir()
    said = run(place, *command, code=1)
    assert "There is no storage in" in said
    assert "--storage-dir" in said
    assert place.exists() == there
    assert not there or list(place.iterdir()) == []
