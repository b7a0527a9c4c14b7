"""A service, and a client of each face for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio.from_thread
import pytest
import stamina
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.testing.faces import blocking

from .service import Service

#: The key of all tests. It must not appear anywhere but in the header that carries it.
KEY = "sk-5ecret-4711"

Open = Callable[..., OAuthCodexClient]


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def other_service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def open_client(face: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens clients of the face, for the service and with the key unless told otherwise; all are closed at the end."""
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(variable, raising=False)
    opened: list[OAuthCodexClient] = []
    with anyio.from_thread.start_blocking_portal() as portal:

        def open_one(**options: Any) -> OAuthCodexClient:
            options.setdefault("base_url", service.url)
            if not {"auth", "api_key", "http_client", "api_key_env"} & options.keys():
                options["api_key"] = KEY
            options = {name: value for name, value in options.items() if value is not ...}
            if face == "sync":
                client = OAuthCodexClient(**options)
            else:
                client = blocking(AsyncOAuthCodexClient(**options), portal)
            opened.append(client)
            return client

        yield open_one
        for client in opened:
            client.close()


@pytest.fixture
def client(open_client: Open) -> OAuthCodexClient:
    return open_client()


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Repeat at once: how long a retry waits is asked of the rule itself."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
