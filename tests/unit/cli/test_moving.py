"""`oauth-codex sync`, `migrate` and `reembed`, on the real sqlite driver."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from typer.testing import CliRunner

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / "storage") as client:
        client.vector_stores.create(name="notes")
    return tmp_path / "storage"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("apples")
    (tmp_path / "folder" / "x.log").write_text("a log")
    return tmp_path / "folder"


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_sync(storage: Path, folder: Path) -> None:
    place = ("--storage-dir", storage)
    assert "+ a.txt" in run("sync", "notes", folder, "-x", "*.log", "-n", *place)
    assert "1 added." in run("sync", "notes", folder, "-x", "*.log", *place)
    (folder / "a.txt").write_text("pears")
    out = run("sync", "notes", folder, *place)
    assert ("~ a.txt" in out, "+ x.log" in out, "1 added, 1 changed." in out) == (True, True, True)
    (folder / "x.log").unlink()
    report: dict[str, Any] = json.loads(run("sync", "notes", folder, "--keep-removed", "--json", *place))
    assert (report["removed"], report["unchanged"]) == ([], ["a.txt"])
    assert "- x.log" in run("sync", "notes", folder, *place)
    (folder / "bad.txt").write_bytes(b"\x00\x01\x02\xff" * 100)
    assert "bad.txt" in run("sync", "notes", folder, *place, code=1)
    assert "without --dry-run it is made" in run("sync", "second", folder, "-n", *place, code=1)
    assert "added" in run("sync", "second", folder, "-x", "bad.txt", *place), "a store of a new name is made"
    assert "apples" not in run("search", "second", "pears", *place)
    assert "No vector store has the id" in run("sync", "vs_" + "0" * 32, folder, *place, code=1)
    assert run("sync", "notes", folder / "nowhere", *place, code=2)


def test_migrate(storage: Path, folder: Path, tmp_path: Path) -> None:
    place = ("--storage-dir", storage)
    run("sync", "notes", folder, *place)
    out = run("migrate", "--to-storage-dir", tmp_path / "other", *place)
    assert "Copied 2 files" in out
    assert "2 kept their vectors" in out
    assert "apples" in run("search", "notes", "apples", "--storage-dir", tmp_path / "other")
    report = json.loads(run("migrate", "--to-storage-dir", tmp_path / "other", "--json", *place))
    assert (report["ok"], report["already"]) == (True, 5)
    assert "--to-backend" in run("migrate", *place, code=2)
    assert "--to-backend memory" in run("migrate", "--to-option", "backend=memory", "--to-storage-dir", "x", code=2)


def test_reembed(storage: Path, folder: Path) -> None:
    place = ("--storage-dir", storage)
    run("sync", "notes", folder, *place)
    assert "Embedded 0 files" in run("reembed", "notes", "--embedder", "hashing", *place)
    assert json.loads(run("reembed", "notes", "--embedder", "hashing", "--json", *place))["files"] == 2
    assert "nonesuch" in run("reembed", "notes", "--embedder", "nonesuch", *place, code=1)
    assert os.listdir(storage)
