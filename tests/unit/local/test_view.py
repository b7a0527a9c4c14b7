"""What a view remembers of filters follows every change of attributes, in this client and in another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient


@pytest.fixture
def clients(tmp_path: Path) -> Any:
    with (
        OAuthCodexClient(storage_dir=tmp_path) as one,
        OAuthCodexClient(storage_dir=tmp_path) as other,
    ):
        yield one, other


def test_a_changed_attribute_is_seen_by_the_next_search_of_every_client(clients: Any) -> None:
    one, other = clients
    store = one.vector_stores.create().id
    file = one.vector_stores.files.upload(store, file=b"plums", attributes={"n": 1}).id
    one.vector_stores.files.upload(store, file=b"plums and pears", attributes={"n": 2})

    def found(client: Any, value: object, kind: str = "eq") -> int:
        wanted = {"type": kind, "key": "n", "value": value}
        return len(client.vector_stores.search(store, query="plums", filters=wanted).data)

    for _ in range(2):
        assert [found(client, 1) for client in clients] == [1, 1]
    other.vector_stores.files.update(store, file, attributes={"n": 3})
    assert [found(client, 1) for client in clients] == [0, 0]
    assert [found(client, 3) for client in clients] == [1, 1]
    assert [found(client, 3, "ne") for client in clients] == [1, 1]


def test_filters_that_python_holds_equal_are_kept_apart(clients: Any) -> None:
    one, _ = clients
    store = one.vector_stores.create().id
    for value in (1, True, "1"):
        one.vector_stores.files.upload(store, file=f"plums {value!r}".encode(), attributes={"v": value})
    texts = [
        one.vector_stores.search(store, query="plums", filters={"type": "eq", "key": "v", "value": value}).data[0].text
        for value in (1, True, 1.0, "1", True, 1)
    ]
    assert texts == ["plums 1", "plums True", "plums 1", "plums '1'", "plums True", "plums 1"]
