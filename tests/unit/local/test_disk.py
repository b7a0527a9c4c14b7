"""Names of new folders reach the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local import disk


def test_a_new_storage_directory_is_durable_with_the_first_thing_that_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync = disk.sync

    def noted(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr(disk, "sync", noted)
    for _ in range(2):
        OAuthCodexClient("sqlite", storage_dir=tmp_path / "a" / "b").close()
    assert synced == [tmp_path / "a", tmp_path], "once, and each folder that got a new name"
