"""What `with_raw_response` and `with_streaming_response` tell about a call, as if it had gone over HTTP.

Drivers answer with objects and not with HTTP messages, so status, headers and address are made from the
operation. httpx is imported only when one of its objects is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from ..spi.operations import Answer, Operation
from ..types.files import FileBytes
from ..types.pages import AsyncCursorPage, AsyncPage, SyncCursorPage, SyncPage
from .base import Core
from .dispatch import new_request_id, reading

if TYPE_CHECKING:
    import httpx

_BASE = "http://localhost"


@dataclass(frozen=True)
class Exchange:
    """One call that reached the driver."""

    operation: Operation
    fields: Mapping[str, object]
    options: Mapping[str, Any]
    request_id: str

    @property
    def url(self) -> str:
        """Its address."""
        parts = self.operation.path.split("/")
        return _BASE + "/".join(
            quote(str(self.fields[part[1:-1]]), safe="") if part.startswith("{") else part for part in parts
        )


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
    ) -> Any:
        """Perform and remember an operation."""
        chosen = request_id or new_request_id()
        self.exchanges.append(Exchange(operation, fields, options, chosen))
        return super().call(operation, fields, options, chosen)

    def read(self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]) -> Any:
        """The content of a file: a stream while streaming, else all of it."""
        if self.streaming:
            return self.call(operation, fields, options)
        return super().read(operation, fields, options)

    def piece(self, stream: BinaryIO, size: int) -> bytes:
        """The next bytes of a stream of the last call."""
        last = self.exchanges[-1]
        return reading(self.opened.live(), last.operation, lambda: stream.read(size), last.request_id)


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
        url: Its address; the host is a stand-in.
        headers: `content-type` and `x-request-id`.
        request_id: Id of the call in logs.
        elapsed: Time that the whole call took.
        retries_taken: 0; a remote driver repeats requests by itself.
    """

    status_code = 200
    retries_taken = 0

    def __init__(self, recording: Recording, seconds: float) -> None:
        last = recording.exchanges[-1]
        self._last = last
        self.method: str = last.operation.method
        self.url = last.url
        self.request_id = last.request_id
        self.elapsed = timedelta(seconds=seconds)
        binary = last.operation.answer is Answer.BYTES
        kind = "application/octet-stream" if binary else "application/json"
        self.headers = Headers({"content-type": kind, "x-request-id": last.request_id})

    @property
    def http_request(self) -> httpx.Request:
        """The request that a remote driver would send, with the extra headers and query of the call."""
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
        return encoded(self._answer)

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
        import httpx

        headers = dict(self.headers)
        return httpx.Response(200, content=self.content, headers=headers, request=self.http_request)
