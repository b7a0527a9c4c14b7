"""Caches beside the catalog that change while another process reads them: the answer is that of the catalog, every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.local import matrix
from oauth_codex.local.search import view


@pytest.fixture(autouse=True)
def small_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches are written from the first rows on."""
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
        monkeypatch.setattr(module, "_TAIL_SHARE", 0.0)


def _fill(client: OAuthCodexClient, numbers: range) -> list[str]:
    return [client.files.create(file=b"zanzibar %d and rivers" % i, purpose="assistants").id for i in numbers]


def _found(client: OAuthCodexClient, store: str) -> list[tuple[str, float]]:
    hits = client.vector_stores.search(store, query="zanzibar rivers", max_num_results=50).data
    return [(hit.file_id, hit.score) for hit in hits]


@pytest.mark.parametrize("call", range(1, 12))
@pytest.mark.parametrize("change", ["add", "remove", "remove most", "both"])
def test_a_cache_that_is_replaced_while_it_is_read(
    call: int, change: str, tmp_path: Path, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_client("sqlite", tmp_path).client
    files = _fill(writer, range(12))
    store = writer.vector_stores.create(file_ids=files).id
    before = _found(writer, store)

    coming = _fill(writer, range(100, 104)) if change in ("add", "both") else []
    leaving = {"remove": files[:2], "remove most": files[:9], "both": files[3:8]}.get(change, [])

    def rewrite() -> None:
        writer.vector_stores.update(store, file_ids=[*(file for file in files if file not in leaving), *coming])
        _found(writer, store)

    reader = open_client("sqlite", tmp_path).client
    real = np.load
    monkeypatch.setattr(np, "load", _then(real, call, rewrite))
    during = _found(reader, store)
    monkeypatch.setattr(np, "load", real)
    now = _found(writer, store)
    assert during in (before, now)
    assert _found(reader, store) == now
    assert _found(open_client("sqlite", tmp_path).client, store) == _found(writer, store)


def _then(real: Callable[..., Any], number: int, action: Callable[[], None]) -> Callable[..., Any]:
    """`real`, before whose call of that number something happens."""
    calls = 0

    def call(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            action()
        return real(*given, **named)

    return call


def test_a_view_behind_and_a_matrix_ahead(tmp_path: Path, open_client: Callable[..., Any]) -> None:
    """A process that died after writing one of the two caches."""
    writer = open_client("sqlite", tmp_path).client
    files = _fill(writer, range(12))
    store = writer.vector_stores.create(file_ids=files).id
    expected = _found(writer, store)
    (terms,) = (tmp_path / "cache").glob("*.terms")
    terms.rename(tmp_path / "kept")
    writer.vector_stores.update(store, file_ids=[*files[6:], *_fill(writer, range(50, 53))])
    after = _found(writer, store)
    assert after != expected
    if terms.exists():
        terms.rename(tmp_path / "newer")
    (tmp_path / "kept").rename(terms)
    assert _found(open_client("sqlite", tmp_path).client, store) == after
