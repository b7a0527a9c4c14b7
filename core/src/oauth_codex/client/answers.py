"""What `with_raw_response` and `with_streaming_response` tell about a call.

A driver that speaks HTTP shows the answer that it took. The others answer with objects, so status, headers and
address are made from the operation; httpx is imported only when one of its objects is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..spi import wire
from ..spi.operations import STORE_FILES_CREATE, Answer, Operation
from ..types.files import FileBytes
from ..types.pages import AsyncCursorPage, AsyncPage, SyncCursorPage, SyncPage
from .base import Core
from .dispatch import new_request_id, reading
from .steps import Step, Steps

if TYPE_CHECKING:
    import httpx

_BASE = "http://localhost"


@dataclass
class Exchange:
    """One call that reached the driver; `response` is what came over HTTP, if something did."""

    operation: Operation
    fields: Mapping[str, object]
    options: Mapping[str, Any]
    request_id: str
    response: httpx.Response | None = None
    retries: int = 0

    def take(self, response: httpx.Response, retries: int) -> None:
        """Note an answer of the service."""
        self.response, self.retries = response, retries


class Recording(Core):
    """A core that remembers its calls, and can leave the content of files a stream."""

    exchanges: list[Exchange]
    streaming: bool

    @classmethod
    def of(cls, core: Core, *, streaming: bool) -> Recording:
        """A recording core on the same backend."""
        made = cls.__new__(cls)
        made.__dict__.update(core.__dict__)
        made.exchanges = []
        made.streaming = streaming
        return made

    def call(
        self,
        operation: Operation,
        fields: dict[str, object],
        options: Mapping[str, Any],
        request_id: str | None = None,
        on_answer: Callable[[Any, int], None] | None = None,
    ) -> Steps[Any]:
        """Perform and remember an operation."""
        chosen = request_id or new_request_id()
        exchange = Exchange(operation, fields, options, chosen)
        self.exchanges.append(exchange)

        def take(response: httpx.Response, retries: int) -> None:
            exchange.take(response, retries)
            if on_answer is not None:
                on_answer(response, retries)

        return (yield from super().call(operation, fields, options, chosen, take))

    def read(self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]) -> Steps[Any]:
        """The content of a file: a stream while streaming, else all of it."""
        if self.streaming:
            return (yield from self.call(operation, fields, options))
        return (yield from super().read(operation, fields, options))

    def piece(self, stream: Any, size: int) -> Steps[bytes]:
        """The next bytes of a stream of the last call; one that was made here and not by the driver only blocks."""
        last = self.exchanges[-1]
        native = (lambda: stream.read(size)) if self.opened.native and not isinstance(stream, BytesIO) else None
        return (
            yield from reading(
                self.opened.live(), last.operation, Step(lambda: stream.read(size), native), last.request_id
            )
        )

    def let_go(self, stream: Any) -> Steps[None]:
        """Close a stream."""
        yield Step(stream.close, stream.close if self.opened.native and not isinstance(stream, BytesIO) else None)


class Headers(Mapping[str, str]):
    """Headers, found in any case."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"


class Message:
    """What is known of an answer besides its content.

    Attributes:
        status_code: 200; an error is raised.
        method: HTTP method of the operation.
        url: Its address; on a local driver the host is a stand-in.
        headers: Those of the answer; on a local driver `content-type` and `x-request-id`.
        request_id: Id of the call in logs; that of the service, if it told one.
        elapsed: Time that the whole call took.
        retries_taken: How often the last request was repeated.
    """

    def __init__(self, recording: Recording, seconds: float) -> None:
        last = recording.exchanges[-1]
        self._last = last
        self.method: str = last.operation.method
        self.elapsed = timedelta(seconds=seconds)
        self.retries_taken = last.retries
        self.headers: Mapping[str, str]
        if last.response is not None:
            self.status_code = last.response.status_code
            self.url = str(last.response.request.url)
            self.headers = last.response.headers
            self.request_id = last.response.headers.get("x-request-id", last.request_id)
            return
        binary = last.operation.answer is Answer.BYTES
        kind = "application/octet-stream" if binary else "application/json"
        self.status_code = 200
        # Uploading and attaching in one step has no address of its own.
        self.url = _BASE + wire.path(last.operation if last.operation.path else STORE_FILES_CREATE, last.fields)
        self.request_id = last.request_id
        self.headers = Headers({"content-type": kind, "x-request-id": last.request_id})

    @property
    def http_request(self) -> httpx.Request:
        """The request; on a local driver what a remote one would send, with the extra headers and query of the call."""
        if self._last.response is not None:
            return self._last.response.request
        import httpx

        query: Any = self._last.options.get("extra_query")
        return httpx.Request(self.method, self.url, headers=self._last.options.get("extra_headers"), params=query)


def encoded(answer: Any) -> bytes:
    """An answer as the bytes of an HTTP body."""
    if isinstance(answer, FileBytes):
        return bytes(answer)
    if isinstance(answer, SyncCursorPage | SyncPage | AsyncCursorPage | AsyncPage):
        return answer.model_dump_json().encode()
    if isinstance(answer, dict):
        return json.dumps(answer, ensure_ascii=False).encode()
    text: str = answer.model_dump_json()
    return text.encode()


class RawResponse(Message):
    """A call's answer with what surrounds it."""

    is_closed = True

    def __init__(self, recording: Recording, seconds: float, answer: Any) -> None:
        super().__init__(recording, seconds)
        self._answer = answer

    def parse(self) -> Any:
        """What the method itself would have returned."""
        return self._answer

    @property
    def content(self) -> bytes:
        """The body."""
        response = self._last.response
        streamed = self._last.operation.answer is Answer.BYTES  # read by whoever took the answer, and not kept by httpx
        return encoded(self._answer) if response is None or streamed else response.content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", errors="replace")

    def read(self) -> bytes:
        """The body."""
        return self.content

    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.content)

    @property
    def http_response(self) -> httpx.Response:
        """The answer as an object of httpx."""
        if self._last.response is not None:
            return self._last.response
        import httpx

        headers = dict(self.headers)
        return httpx.Response(200, content=self.content, headers=headers, request=self.http_request)
