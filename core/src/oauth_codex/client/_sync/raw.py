# Generated from client/_async/raw.py by core/tools/unasync.py: do not edit.
"""`with_raw_response` and `with_streaming_response`."""

from __future__ import annotations

import copy
import io
import json
import os
import time
from collections.abc import Iterator, Callable
from typing import TYPE_CHECKING, Any

from ..answers import Message, RawResponse, Recording, encoded
from ..running import SyncRunner

if TYPE_CHECKING:
    from types import TracebackType

PIECE = 65536


def _recorded(resource: Any, *, streaming: bool) -> tuple[Any, Recording]:
    """A copy of a resource whose calls are remembered."""
    clone = copy.copy(resource)
    clone._core = recording = Recording.of(resource._core, streaming=streaming)
    return clone, recording


class Raw:
    """The methods of a resource, each returning a `RawResponse`."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., RawResponse]:
        _check_method(self._resource, name)

        def call(*ids: Any, **named: Any) -> RawResponse:
            clone, recording = _recorded(self._resource, streaming=False)
            started = time.perf_counter()
            answer = getattr(clone, name)(*ids, **named)
            return RawResponse(recording, time.perf_counter() - started, answer)

        return call


class Streaming:
    """The methods of a resource, each returning a context manager of a `StreamedResponse`."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., Opening]:
        _check_method(self._resource, name)

        def call(*ids: Any, **named: Any) -> Opening:
            return Opening(self._resource, name, ids, named)

        return call


def _check_method(resource: Any, name: str) -> None:
    if name.startswith("_") or not callable(getattr(type(resource), name, None)):
        raise AttributeError(f"{type(resource).__name__} has no method {name!r}")


class Opening:
    """A call that is made when its context is entered, and whose stream is closed when it is left."""

    def __init__(self, resource: Any, name: str, ids: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._resource = resource
        self._name = name
        self._ids = ids
        self._named = named
        self._response: StreamedResponse | None = None

    def __enter__(self) -> StreamedResponse:
        clone, recording = _recorded(self._resource, streaming=True)
        started = time.perf_counter()
        answer = getattr(clone, self._name)(*self._ids, **self._named)
        seconds = time.perf_counter() - started
        self._response = StreamedResponse(recording, seconds, answer, self._resource._runner)
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()


class StreamedResponse(Message):
    """An answer that is read piece by piece; the content of a file is never in memory as a whole."""

    def __init__(self, recording: Recording, seconds: float, answer: Any, runner: SyncRunner) -> None:
        super().__init__(recording, seconds)
        self._answer = answer
        self._recording = recording
        self._runner = runner
        self._stream: Any = answer if hasattr(answer, "read") else io.BytesIO(encoded(answer))
        self.is_closed = False

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body in pieces of at most `chunk_size` bytes (64 KiB when None)."""
        while piece := self._piece(chunk_size or PIECE):
            yield piece

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """The body as text, in pieces; a character is never torn."""
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for piece in self.iter_bytes(chunk_size):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """The lines of the text, without their ends."""
        rest = ""
        for text in self.iter_text():
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield line.removesuffix("\r")
        if rest:
            yield rest

    def read(self) -> bytes:
        """The rest of the body."""
        return b"".join([piece for piece in self.iter_bytes()])

    def text(self) -> str:
        """The rest of the body as text."""
        return (self.read()).decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.read())

    def parse(self) -> Any:
        """What the method itself would have returned."""
        if self._answer is not self._stream:
            return self._answer
        from ...types.files import FileBytes

        content = FileBytes(self.read())
        content._request_id = self.request_id
        return content

    def stream_to_file(self, file: str | os.PathLike[str]) -> None:
        """Write the body to a path, replacing what is there."""
        with open(file, "wb") as target:
            for piece in self.iter_bytes():
                self._runner.blocking(target.write, piece)

    def close(self) -> None:
        """Close the stream."""
        self.is_closed = True
        self._runner.shielded(self._recording.let_go, self._stream)

    def _piece(self, size: int) -> bytes:
        return self._runner.run(self._recording.piece, self._stream, size)
