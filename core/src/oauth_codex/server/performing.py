"""Operations performed for requests: never more than a set number at once, and none of them on the event loop.

A backend that can be awaited is; any other works in threads. There are as many threads as places, so a slow operation keeps nobody
else waiting. Receiving a body and sending a file take no place: a slow client holds up no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar
from pydantic_core import to_json

from ..client.dispatch import dispatch, dispatching
from ..client.steps import drive_async
from ..spi.backends import AsyncStream, Backend
from ..spi.operations import FILES_RETRIEVE, Answer, Operation
from ..types.pages import SyncCursorPage
from ..types.vector_stores import VectorStore
from . import messages as say
from .metrics import Metrics

R = TypeVar("R")

#: Threads that read and write temporary files and downloads, so that these never wait for an operation.
_FILE_THREADS = 16


@dataclass(frozen=True, slots=True)
class Download:
    """The content of a file, to be sent and closed.

    Attributes:
        stream: The content; one with `async def read` where the backend is awaited.
        size: Its length in bytes, if that is known without another request.
        filename: Its name, likewise.
    """

    stream: BinaryIO | AsyncStream
    size: int | None = None
    filename: str | None = None


class Performer:
    """Performs operations."""

    def __init__(self, most: int, options: Mapping[str, Any], metrics: Metrics) -> None:
        """Begin with nothing to do.

        Args:
            most: Most operations at the same time.
            options: Options of every call, as `client.dispatch` takes them.
            metrics: Where operations in progress and bytes received are counted.
        """
        self._most = most
        self._options = dict(options)
        self._metrics = metrics
        self._busy = 0
        self._running = 0
        self._lock = threading.Lock()
        # A limiter belongs to one event loop.
        self._threads: RunVar[anyio.CapacityLimiter] = RunVar("oauth_codex_operations")
        self._file_threads: RunVar[anyio.CapacityLimiter] = RunVar("oauth_codex_files")

    @property
    def running(self) -> int:
        """Threads at work for the backend, also those that nobody waits for any more."""
        return self._running

    async def perform(
        self, backend: Backend, operation: Operation, fields: Mapping[str, object], request_id: str
    ) -> bytes | Download:
        """Perform an operation.

        Returns:
            The JSON body of the answer, or the content of a file.

        Raises:
            Refused: As many operations as are allowed are in progress (429).
            OAuthCodexError: Whatever the operation raises.
        """
        if self._busy >= self._most:
            raise say.busy(self._most)
        self._busy += 1
        self._metrics.performing.inc()
        try:
            options = {**self._options, "request_id": request_id}
            if getattr(backend, "asynchronous", None) is None:
                limiter = _limiter(self._threads, self._most)
                return await self.abandonable(_performed, backend, operation, fields, options, limiter=limiter)
            steps = dispatching(backend, operation, fields, options)
            answer = await drive_async(steps, self.in_thread)
            return Download(answer) if operation.answer is Answer.BYTES else encoded(answer)
        finally:
            self._busy -= 1
            self._metrics.performing.dec()

    async def abandonable(
        self, function: Callable[..., R], *args: Any, limiter: anyio.CapacityLimiter | None = None
    ) -> R:
        """Call a function in a worker thread, where it goes on by itself if the caller is cancelled."""

        def counted() -> R:
            with self._lock:
                self._running += 1
            try:
                return function(*args)
            finally:
                with self._lock:
                    self._running -= 1

        return await anyio.to_thread.run_sync(counted, limiter=limiter, abandon_on_cancel=True)

    async def in_thread(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function that reads or writes files, or looks after the backend, in a worker thread."""
        limiter = _limiter(self._file_threads, _FILE_THREADS)
        return await anyio.to_thread.run_sync(function, *args, limiter=limiter)


def _limiter(variable: RunVar[anyio.CapacityLimiter], tokens: int) -> anyio.CapacityLimiter:
    try:
        return variable.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(tokens)
        variable.set(limiter)
        return limiter


def _performed(
    backend: Backend, operation: Operation, fields: Mapping[str, object], options: Mapping[str, Any]
) -> bytes | Download:
    if operation.answer is not Answer.BYTES:
        return encoded(dispatch(backend, operation, fields, options))
    about = dispatch(backend, FILES_RETRIEVE, fields, options)
    return Download(dispatch(backend, operation, fields, options), about.bytes, about.filename)


def encoded(answer: Any) -> bytes:
    """An answer as JSON."""
    if isinstance(answer, SyncCursorPage) and answer.data and isinstance(answer.data[0], VectorStore):
        return to_json({**dict(answer.items()), "data": [_named(entry) for entry in answer["data"]]})
    if isinstance(answer, dict):
        return to_json(dict(answer.items()))
    if isinstance(answer, VectorStore):
        return to_json(_named(answer.model_dump()))
    found_json: bytes = answer.__pydantic_serializer__.to_json(answer)
    return found_json


def _named(store: dict[str, Any]) -> dict[str, Any]:
    """A store as clients of the service expect it: its name is always a text."""
    return store if store.get("name") is not None else {**store, "name": ""}
