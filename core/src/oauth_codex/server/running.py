"""A process that serves an application until it is told to stop, and then ends what is in flight."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import uvicorn
from starlette.applications import Starlette

from ..errors import ConfigurationError
from .access import is_loopback
from .protocol import Protocol

log = logging.getLogger("oauth_codex")

#: Seconds that requests in flight get to end when the server is told to stop.
GRACE_SECONDS = 30


@dataclass(frozen=True)
class Listener:
    """A socket that listens already, so that the address is known before anything is served. Leaving it closes it."""

    socket: socket.socket
    host: str
    port: int

    @classmethod
    def bind(cls, host: str, port: int) -> Listener:
        """Listen.

        Args:
            host: A name or an address of this machine.
            port: A port, or 0 for any that is free.

        Raises:
            ConfigurationError: The address is none of this machine's, or is in use.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, address = found[0]
            made = socket.socket(family, kind, protocol)
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(address)
                made.listen(2048)
            except BaseException:
                made.close()
                raise
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port, or --port 0 for any that is free.",
                key="port",
                value=port,
            ) from None
        return cls(made, host, made.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.socket.getsockname()[0])

    @property
    def url(self) -> str:
        """The address as a client on this machine writes it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class _Server(uvicorn.Server):
    """Uvicorn, which tells when it listens and when it begins to stop, and ends with 0 when a signal has stopped it."""

    def __init__(self, config: uvicorn.Config, app: Starlette, started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._state = app.state
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._told is not None:
            self._told()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.probes.draining = True
        await super().shutdown(sockets)
        asynchronous = getattr(self._state.live(), "asynchronous", None)
        if asynchronous is not None:  # what it holds belongs to this event loop
            await asynchronous.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGINT and SIGTERM. Uvicorn would raise the signal once more at the end."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def configured(app: Starlette, grace_seconds: int = GRACE_SECONDS) -> uvicorn.Config:
    """How uvicorn serves an application of ours."""
    return uvicorn.Config(
        app,
        http=Protocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        timeout_keep_alive=60,
    )


def run(
    app: Starlette, listener: Listener, *, started: Callable[[], None] | None = None, grace_seconds: int = GRACE_SECONDS
) -> int:
    """Serve until SIGINT or SIGTERM, then finish what is in flight.

    Args:
        app: Made by `create_app`.
        listener: Where.
        started: Called once requests are answered.
        grace_seconds: How long requests in flight may take to end.

    Returns:
        Operations that had not ended by then, and that still run in their threads.
    """
    with _logged():
        _Server(configured(app, grace_seconds), app, started).run(sockets=[listener.socket])
    return int(app.state.performer.running)


class _Forward(logging.Handler):
    """Hands what uvicorn has to say to the log of this package."""

    def emit(self, record: logging.LogRecord) -> None:
        log.handle(record)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Take uvicorn's warnings and errors into the log of this package; what is wrong with a form is told to its sender only."""
    logger, handler, forms = logging.getLogger("uvicorn"), _Forward(), logging.getLogger("python_multipart")
    before = logger.level, logger.propagate, forms.level
    forms.setLevel(logging.ERROR)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        forms.setLevel(before[2])
