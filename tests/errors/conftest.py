"""A filled store on each driver, and the one question that all wrong arguments are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient, OAuthCodexError


@dataclass(frozen=True)
class World:
    """A store with two searchable files, a batch, and a third file that is not attached."""

    client: OAuthCodexClient
    store: str
    file: str
    other: str
    loose: str
    batch: str

    @property
    def stores(self) -> Any:
        return self.client.vector_stores


def _filled(client: OAuthCodexClient) -> World:
    one, two, three = (
        client.files.create(file=(f"{word}.txt", f"about {word}".encode()), purpose="assistants").id
        for word in ("apples", "pears", "plums")
    )
    store = client.vector_stores.create(name="fruit", metadata={"a": "b"}).id
    batch = client.vector_stores.file_batches.create(store, file_ids=[one, two], attributes={"year": 2020}).id
    return World(client, store, one, two, three, batch)


@pytest.fixture
def world(client: OAuthCodexClient) -> World:
    """A world of this test alone."""
    return _filled(client)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for tests that change nothing."""
    directory = tmp_path_factory.mktemp("storage")
    nothing = directory / "none.toml"
    nothing.touch()
    with OAuthCodexClient(backend=request.param, storage_dir=directory, config_path=nothing) as client:
        yield _filled(client)


@pytest.fixture
def refused(dump: Callable[[OAuthCodexClient], dict[str, Any]]) -> Callable[..., None]:
    """Fails unless a call is refused with that error, code and words, and leaves everything as it was."""

    def check(
        world: World, call: Callable[[World], Any], kind: type[Exception], code: str | None, words: tuple[str, ...]
    ) -> None:
        before = dump(world.client)
        with pytest.raises(kind) as caught:
            call(world)
        message = str(caught.value)
        assert [word for word in words if word not in message] == []
        assert len(message) < 600
        if code is not None:
            assert getattr(caught.value, "code", None) == code
        if isinstance(caught.value, OAuthCodexError):
            assert (getattr(caught.value, "request_id", None) or "req_").startswith("req_")
        assert dump(world.client) == before

    return check
