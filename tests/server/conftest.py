"""A real server on a free port of 127.0.0.1, in a thread of the test, and ways to make its storage slow or broken."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from oauth_codex import OAuthCodexClient
from oauth_codex.server import Listener, create_app
from oauth_codex.server.running import configured


@dataclass
class Served:
    """A server that runs.

    Attributes:
        http: Calls it.
        port: Its port.
        client: What it serves.
        app: Its application.
    """

    http: httpx.Client
    port: int
    client: Any
    app: Any

    def store(self, *texts: str) -> str:
        """A store with a file for each text."""
        found: str = self.client.vector_stores.create(name="made").id
        for number, text in enumerate(texts):
            self.client.vector_stores.files.upload(found, file=(f"{number}.txt", text.encode()))
        return found

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, message: bytes, *, hang_up: bool = False) -> bytes:
        """The answer to bytes sent as they are, until the server ends the connection, or after this side has."""
        with self.connect() as connection:
            connection.sendall(message)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            return received(connection)

    def metric(self, line: str) -> float:
        """The value of a line of the metrics; 0 when it is not there."""
        for each in self.http.get("/metrics").text.splitlines():
            if each.startswith(f"{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that happens in another thread."""
        until(true)


def received(connection: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            found += piece
    return found


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        threading.Event().wait(0.005)


@contextlib.contextmanager
def serving(client: Any, **options: Any) -> Iterator[Served]:
    """Serve a client until the block ends."""
    app = create_app(client, **options)
    with Listener.bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(configured(app, 5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener.socket]})
        thread.start()
        try:
            until(lambda: server.started)
            with httpx.Client(base_url=listener.url, timeout=30) as http:
                yield Served(http, listener.port, client, app)
        finally:
            server.should_exit = True
            thread.join()


class Overlaid:
    """An object of which some attributes are others."""

    def __init__(self, under: Any, **over: Any) -> None:
        self._under = under
        self.__dict__.update(over)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The memory driver without keys."""
    with OAuthCodexClient("memory") as client, serving(client) as found:
        yield found


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serves a client, or the memory driver, with options of `create_app`."""
    with contextlib.ExitStack() as stack:

        def start(client: Any = None, **options: Any) -> Served:
            if client is None:
                client = stack.enter_context(OAuthCodexClient("memory"))
            return stack.enter_context(serving(client, **options))

        yield start


@pytest.fixture
def memory() -> Iterator[Any]:
    """An open backend of the memory driver, to be overlaid."""
    with OAuthCodexClient("memory") as client:
        yield client.backend


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """What tests use besides."""
    return SimpleNamespace(Overlaid=Overlaid, serving=serving, until=until, received=received)
