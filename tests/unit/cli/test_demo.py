"""`oauth-codex demo` is the first thing that a newcomer runs: all of what it prints must be true."""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from pathlib import Path

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from oauth_codex.cli.demo import _NEXT, _remove
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OAUTH_CODEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_reads_real_documents_and_finds_the_right_ones(tmp_path: Path) -> None:
    report = json.loads(run("demo", "--json"))
    assert report["files"] > 70
    assert report["chunks"] > report["files"]
    assert report["failed"] == []
    best = {answer["query"]: answer["data"][0]["filename"] for answer in report["answers"]}
    assert best["step through a program line by line"] == "python/debugger.txt"
    assert best["which values are false?"] in ("python/booleans.txt", "python/truth.txt")
    assert best["global varables"] == "python/global.txt"
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_it_prints_passages_with_scores_and_lines() -> None:
    printed = run("demo")
    assert "> global varables  (misspelt on purpose)" in printed
    assert re.search(r"^1\. 0\.\d\d  python/global\.txt  lines \d+-\d+$", printed, re.MULTILINE)
    assert all(len(line) <= 80 for line in _NEXT.splitlines())


def test_a_storage_directory_keeps_the_store(tmp_path: Path) -> None:
    assert "The store demo stays in" in run("demo", "--storage-dir", tmp_path / "kept")
    assert "debugger.txt" in run("search", "demo", "step line by line", "--storage-dir", tmp_path / "kept")


def test_another_driver_can_be_chosen() -> None:
    assert json.loads(run("demo", "--backend", "memory", "--json"))["files"] > 70


def test_a_server_is_left_as_it_was(tmp_path: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / "s") as client:
        kept = client.files.create(file=("kept.txt", b"text"), purpose="assistants").id
        store = client.vector_stores.create(name="demo")
        client.vector_stores.files.upload(store.id, file=("a.txt", b"text"))
        _remove(client, store.id)
        assert [file.id for file in client.files.list()] == [kept]
        assert client.vector_stores.list().data == []


def test_what_it_advises_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "note.txt").write_text("Install it with a red valve.")
    monkeypatch.chdir(tmp_path / "work")
    commands = re.findall(r"^  oauth-codex (.*)$", _NEXT, re.MULTILINE)
    assert len(commands) == 4
    assert "1 added" in run(*shlex.split(commands[0]))
    assert "note.txt" in run(*shlex.split(commands[1]))
    # The standard library takes half a minute, so a small part of it stands in for the whole.
    assert commands[2] == "ingest --stdlib --store python"
    library = Path(os.__file__).parent / "argparse.py"
    run("ingest", library, "--store", "python")
    assert "argparse.py" in run(*shlex.split(commands[3]))


def test_the_python_that_it_shows_runs(tmp_path: Path) -> None:
    lines = re.findall(r"^  (?!oauth-codex)(.*)$", _NEXT, re.MULTILINE)
    assert lines[0] == "from oauth_codex import vector_stores"
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / "s") as client:
        shown: list[object] = []
        exec("\n".join(lines[1:]), {"vector_stores": client.vector_stores, "print": shown.append})
    assert shown == ["The key is upstairs."]
