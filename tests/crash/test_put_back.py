"""An older catalog is put back beside newer caches, and work goes on from there: the answers are those of the catalog."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local import matrix
from oauth_codex.local.search import view

SHARED = [f"plum number {number}" for number in range(6)]


def _answers(client: OAuthCodexClient, store: str) -> list[tuple[str, float]]:
    found = client.vector_stores.search(store, query="plum number 3 pear cherry", max_num_results=50).data
    return [(hit.text, hit.score) for hit in found]


def _fill(client: OAuthCodexClient, store: str, texts: list[str]) -> list[str]:
    return [client.vector_stores.files.upload(store, file=text.encode()).id for text in texts]


@pytest.mark.parametrize("backend", ["sqlite", "faiss"])
@pytest.mark.parametrize("lost", ["added", "removed", "both"])
@pytest.mark.parametrize("later", [1, 3, 5])
def test_work_after_an_older_catalog_was_put_back(
    backend: str, lost: str, later: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
        monkeypatch.setattr(module, "_TAIL_SHARE", 0.0)
    options: dict[str, Any] = {"flush_seconds": 0} if backend == "faiss" else {}
    directory, backup, pears = tmp_path / "storage", tmp_path / "backup", [f"pear {number}" for number in range(later)]
    with OAuthCodexClient(backend=backend, storage_dir=directory, **options) as client:
        store = client.vector_stores.create().id
        files = _fill(client, store, SHARED)
    shutil.copytree(directory, backup)
    with OAuthCodexClient(backend=backend, storage_dir=directory, **options) as client:
        if lost in ("added", "both"):
            _fill(client, store, [f"cherry {number}" for number in range(3)])
        if lost in ("removed", "both"):
            for file in files[:3]:
                client.vector_stores.files.delete(file, vector_store_id=store)
        _answers(client, store)
    shutil.copyfile(backup / "catalog.sqlite3", directory / "catalog.sqlite3")
    for left in directory.glob("catalog.sqlite3-*"):
        left.unlink()

    with OAuthCodexClient(backend=backend, storage_dir=directory, **options) as client:
        _fill(client, store, pears)
    with OAuthCodexClient(backend="memory") as reference:
        expected = reference.vector_stores.create().id
        _fill(reference, expected, [*SHARED, *pears])
        with OAuthCodexClient(backend=backend, storage_dir=directory, **options) as client:
            assert _answers(client, store) == _answers(reference, expected)
