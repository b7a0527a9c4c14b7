"""Lists that change while they are iterated."""

from __future__ import annotations

from typing import Any

import pytest
from oauth_codex import OAuthCodexClient


@pytest.fixture(params=[True, False], ids=["position", "cursor"])
def client(request: pytest.FixtureRequest, fake: Any) -> OAuthCodexClient:
    """A client on a backend with positions, and on one that like a remote service has cursors only."""
    return OAuthCodexClient(fake.FakeBackend(positions=request.param))


def test_items_deleted_while_iterating(client: OAuthCodexClient) -> None:
    made = [client.vector_stores.create().id for _ in range(7)]
    seen = []
    for store in client.vector_stores.list(limit=2):
        seen.append(store.id)
        client.vector_stores.delete(store.id)
    assert seen == made[::-1]
    assert client.vector_stores.list().data == []


def test_a_page_ends_where_before_says_and_nothing_follows(client: OAuthCodexClient) -> None:
    made = [client.vector_stores.create().id for _ in range(5)]
    page = client.vector_stores.list(before=made[3], limit=2, order="asc")
    assert [store.id for store in page] == made[1:3]
    assert page.has_more  # made[0] lies behind
    assert not page.has_next_page()


def test_a_window_between_two_cursors(client: OAuthCodexClient) -> None:
    made = [client.vector_stores.create().id for _ in range(7)]
    page = client.vector_stores.list(after=made[0], before=made[6], limit=2, order="asc")
    assert [store.id for store in page] == made[1:6]


def test_filters_and_limits_hold_on_every_page(client: OAuthCodexClient) -> None:
    backend: Any = client.backend
    store = client.vector_stores.create()
    for _ in range(5):
        client.vector_stores.files.upload(store.id, file=b"x")
    backend.calls.clear()
    assert len(list(client.vector_stores.files.list(store.id, filter="completed", limit=2, timeout=7))) == 5
    assert [(call.filter, call.limit, call.options.timeout) for call in backend.calls] == [("completed", 2, 7)] * 3
    assert len({call.options.request_id for call in backend.calls}) == 3


def test_an_item_attached_anew_while_iterating_neither_ends_nor_repeats_the_list(fake: Any) -> None:
    client = OAuthCodexClient(fake.FakeBackend())
    store = client.vector_stores.create()
    files = [client.vector_stores.files.upload(store.id, file=b"x").id for _ in range(6)]
    seen = []
    for found in client.vector_stores.files.list(store.id, limit=2):
        seen.append(found.id)
        client.vector_stores.files.create(store.id, file_id=found.id)  # moves it to the newest end
    assert seen == files[::-1]
