"""The server of this project over any local driver, as the service of a conformance case."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import uvicorn
from oauth_codex import OAuthCodexClient
from oauth_codex.server import create_app
from oauth_codex.spi import DriverContext
from oauth_codex.testing import DriverCase
from starlette.types import ASGIApp, Receive, Scope, Send

Service = Callable[[DriverContext], AbstractContextManager[dict[str, Any]]]


class Applications:
    """Applications below numbered paths of one address."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._served: dict[str, ASGIApp] = {}

    @contextmanager
    def serving(self, app: ASGIApp) -> Iterator[str]:
        """The path below which an application is served within the block."""
        number = str(next(self._numbers))
        self._served[number] = app
        try:
            yield f"/{number}"
        finally:
            del self._served[number]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number, _, path = scope["path"][1:].partition("/")
        raw_path = scope["raw_path"].removeprefix(f"/{number}".encode())
        await self._served[number]({**scope, "path": f"/{path}", "raw_path": raw_path}, receive, send)


@contextmanager
def running() -> Iterator[Callable[[DriverCase], Service]]:
    """A server in a thread; makes services of local drivers, each opening of which is an application of its own."""
    applications = Applications()
    config = uvicorn.Config(
        applications, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def service_of(case: DriverCase) -> Service:
            @contextmanager
            def service(context: DriverContext) -> Iterator[dict[str, Any]]:
                backend = case.open_backend(context)
                try:
                    with OAuthCodexClient(backend) as client, applications.serving(create_app(client)) as path:
                        yield {"base_url": f"{address}{path}/v1"}
                finally:
                    backend.close()

            return service

        try:
            yield service_of
        finally:
            server.should_exit = True
            thread.join()
