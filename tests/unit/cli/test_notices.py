"""What the package logs reaches the user of a command, harmless and on stderr."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli import notices
from oauth_codex.cli.app import app
from oauth_codex.local.catalog.catalog import Catalog
from typer.testing import CliRunner


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    with OAuthCodexClient(storage_dir=tmp_path) as client:
        store = client.vector_stores.create(name="notes").id
        client.vector_stores.files.upload(store, file=b"The key is in the shed.")
    catalog = Catalog.open_file(tmp_path)
    catalog.adopt("another\x1b[31m")
    catalog.close()
    return tmp_path


def test_a_warning_is_a_note_on_stderr_and_the_answer_stays_alone_on_stdout(storage: Path) -> None:
    found = CliRunner().invoke(app, ["search", "notes", "key", "--json", "--storage-dir", str(storage)])
    assert json.loads(found.stdout)["data"][0]["content"][0]["text"] == "The key is in the shed."
    assert found.stderr.startswith("Note: This storage was last used with the driver 'another\\x1b[31m'.")
    assert len(found.stderr.splitlines()) == 1


def test_nothing_of_it_stays_when_the_command_has_ended(storage: Path) -> None:
    logger = logging.getLogger("oauth_codex")
    before = logger.level, list(logger.handlers)
    CliRunner().invoke(app, ["stores", "--storage-dir", str(storage)])
    assert (logger.level, list(logger.handlers)) == before


def test_long_work_is_a_bar_on_a_terminal_and_silent_elsewhere(monkeypatch: Any, capsys: Any) -> None:
    with notices.shown():
        _log()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with notices.shown():
        _log()
    out, err = capsys.readouterr()
    assert out == ""
    assert "Filling the index" in err
    assert "60/60" in err


def _log() -> None:
    for done in (20, 40, 60):
        logging.getLogger("oauth_codex").info("filled", extra={"progress": (done, 60)})
