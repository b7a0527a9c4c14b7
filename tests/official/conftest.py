"""The official client, against a real server on 127.0.0.1 over each local driver.

Its clients are strict: an answer that does not match the types of the openai package is an error.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from oauth_codex import OAuthCodexClient
from oauth_codex.server import Listener, create_app
from oauth_codex.server.running import configured
from openai import AsyncOpenAI, OpenAI

#: Each of them must be installed; `requirements-dev.txt` does that.
DRIVERS = ("memory", "sqlite", "faiss", "chroma")


@contextlib.contextmanager
def serving(served: OAuthCodexClient, **options: Any) -> Iterator[str]:
    """Serve a client of ours; gives the address that clients of the service take as `base_url`."""
    listener = Listener.bind("127.0.0.1", 0)
    server = uvicorn.Server(configured(create_app(served, **options), 5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener.socket]})
    thread.start()
    try:
        end = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server ended"
            assert time.monotonic() < end, "the server did not start"
            threading.Event().wait(0.005)
        yield f"{listener.url}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.socket.close()


def official(url: str, key: str = "sk-anything") -> OpenAI:
    """The official client: strict, and without retries that could hide an error."""
    return OpenAI(base_url=url, api_key=key, max_retries=0, _strict_response_validation=True)


@pytest.fixture(scope="session", params=DRIVERS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over each driver."""
    directory = None if request.param == "memory" else tmp_path_factory.mktemp(request.param)
    with OAuthCodexClient(request.param, storage_dir=directory) as served, serving(served) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    """The official client on each driver."""
    with official(url) as made:
        yield made


@pytest.fixture
def async_client(url: str) -> Callable[[], AsyncOpenAI]:
    """Makes the official async client, in the event loop that uses it."""
    return lambda: AsyncOpenAI(base_url=url, api_key="sk-anything", max_retries=0, _strict_response_validation=True)


@pytest.fixture(scope="session")
def memory() -> Iterator[OpenAI]:
    """The official client on one driver, for what is the same on every one."""
    with OAuthCodexClient("memory") as served, serving(served) as url, official(url) as made:
        yield made


@pytest.fixture
def support() -> SimpleNamespace:
    """The parts above, for tests that serve something of their own."""
    return SimpleNamespace(serving=serving, official=official)
