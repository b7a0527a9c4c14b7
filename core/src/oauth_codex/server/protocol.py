"""HTTP as uvicorn parses it, with the limits that it does not have itself."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..client.dispatch import new_request_id
from . import messages as say
from .replies import Exchange, described

#: Most bytes of the address, the headers and the trailers of a request.
MAX_HEAD_BYTES = 64 * 1024
#: Seconds that a client may take to send them, once it has connected or begun.
HEAD_SECONDS = 30.0


class Protocol(HttpToolsProtocol):
    """Uvicorn's parser, with limits for what is not the body of a request, and with errors like all others."""

    #: Bytes of address, headers and trailers, and of what has come since the parser last had something to tell.
    _around = _waiting = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._around = self._waiting = 0
        self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._limit(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._limit(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._waiting = 0
        self._expect_nothing()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._waiting = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._waiting = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._waiting += len(data)
        super().data_received(data)
        if self._waiting > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Too large.")

    def send_400_response(self, msg: str) -> None:
        request_id = new_request_id()
        _, body, _ = described(say.no_http(MAX_HEAD_BYTES), Exchange(request_id))
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\n"
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n" + head.encode() + b"\r\n" + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to tell: a client that offers HTTP/2 or a web socket is answered without it."""

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _give_up(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:  # nothing is read until that is answered
            self._expect_head()
        else:
            self.transport.close()

    def _limit(self, *parts: bytes) -> None:
        self._around += sum(map(len, parts))
        if self._around > MAX_HEAD_BYTES:
            raise ValueError("The head of the request is too large.")  # ends the parsing, as of what is no HTTP
