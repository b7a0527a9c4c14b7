"""`oauth_codex.files` and `oauth_codex.vector_stores`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import oauth_codex
import pytest
from oauth_codex.client import module_level
from oauth_codex.client._sync import client as sync


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, fake: Any) -> Iterator[list[Any]]:
    """The clients made so far; each one opens a fake backend in place of the user's storage."""
    clients: list[Any] = []

    class Recorded(sync.OAuthCodexClient):
        def __init__(self) -> None:
            super().__init__(fake.FakeBackend())
            clients.append(self)

    monkeypatch.setattr(sync, "OAuthCodexClient", Recorded)
    module_level._reset_client()
    yield clients
    module_level._reset_client()


def test_the_client_is_made_at_first_use_and_once(made: list[Any]) -> None:
    files, stores = oauth_codex.files, oauth_codex.vector_stores
    repr(files)
    assert made == []
    file = files.create(file=b"x", purpose="assistants")
    store = stores.create()
    stores.files.create(store.id, file_id=file.id)
    assert stores.file_batches.create(store.id, file_ids=[file.id]).file_counts.total == 1
    assert len(made) == 1
    assert stores.files is made[0].vector_stores.files


def test_threads_share_one_client(made: list[Any]) -> None:
    barrier = threading.Barrier(8)

    def use() -> None:
        barrier.wait(timeout=30)
        oauth_codex.vector_stores.list()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_reset_closes_it_and_the_next_use_makes_another(made: list[Any]) -> None:
    oauth_codex.vector_stores.list()
    module_level._reset_client()
    with pytest.raises(oauth_codex.ClientClosedError):
        made[0].vector_stores.list()
    oauth_codex.vector_stores.list()
    assert len(made) == 2


def test_inspecting_the_module_opens_nothing(made: list[Any]) -> None:
    assert not hasattr(oauth_codex.vector_stores, "__wrapped__")
    assert not hasattr(oauth_codex, "beta")
    assert made == []
