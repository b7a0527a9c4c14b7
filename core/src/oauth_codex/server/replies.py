"""Answers on the wire: JSON bodies, and the one shape of every error."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    EmbedderMismatchError,
    PermissionDeniedError,
    StorageBusyError,
    StorageError,
)

log = logging.getLogger("oauth_codex")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: Seconds after which a client that was refused for load should come back.
RETRY_AFTER = b"1"
#: Key of a scope under which the `Exchange` of the request lies.
EXCHANGE = "oauth_codex.exchange"


class Exchange:
    """What is known of one request: its id, the operation that it turned out to be, the status of its answer."""

    __slots__ = ("operation", "request_id", "status")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.operation = "none"
        #: 0 until an answer begins.
        self.status = 0


class ClientGone(Exception):
    """The client went away before its request was whole; there is nobody to answer."""


class Refused(Exception):
    """An error of this server's own, or one of the backend's on behalf of the caller, as it goes over the wire."""

    def __init__(self, error: APIStatusError, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(str(error))
        self.error = error
        self.headers = list(headers)


async def reply(
    send: Send, status: int, body: bytes, kind: bytes = b"application/json", headers: Headers | None = None
) -> None:
    """Send a whole answer."""
    start: Headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def reply_error(send: Send, error: Exception, exchange: Exchange) -> None:
    """Send an error; one that is the server's own fault is logged, and its details stay in the log."""
    status, body, headers = described(error, exchange)
    await reply(send, status, body, headers=headers)


def described(error: Exception, exchange: Exchange) -> tuple[int, bytes, Headers]:
    """Status, body and further headers of the answer that an error makes."""
    headers: Headers = []
    if isinstance(error, Refused):
        headers, error = error.headers, error.error
        return _own(error, headers)
    if isinstance(error, StorageBusyError):
        log.warning("%s: storage busy: %s", exchange.request_id, error)
        text = "The storage is busy with other requests. Repeat the request."
        return _body(503, text, "server_error", "storage_busy", [(b"retry-after", RETRY_AFTER)])
    if isinstance(error, ClientClosedError):
        return _body(
            503, "The server is shutting down.", "server_error", "shutting_down", [(b"retry-after", RETRY_AFTER)]
        )
    if isinstance(error, EmbedderMismatchError):
        return _body(409, str(error), "invalid_request_error", "embedder_mismatch", headers)
    if isinstance(error, APITimeoutError):
        return _failure(504, "The storage did not answer in time", "timeout", error, exchange)
    if isinstance(error, APIConnectionError | APIResponseValidationError):
        return _failure(502, "The service behind this server cannot be used", "upstream_error", error, exchange)
    if isinstance(error, AuthenticationError | PermissionDeniedError):  # of the service behind: ours come as `Refused`
        return _failure(
            502, "The service behind this server refused its credentials", "upstream_error", error, exchange
        )
    if isinstance(error, APIStatusError) and not isinstance(error, StorageError):
        status = error.status_code or 502
        if 400 <= status < 500:
            return _own(error, _retry_after(error))
        if not 500 <= status < 600:  # a redirect that is not followed, or what is no status
            status = 502
        return _failure(status, "The service behind this server failed", "upstream_error", error, exchange)
    return _failure(500, "The server failed", None, error, exchange)


def _own(error: APIStatusError, headers: Headers) -> tuple[int, bytes, Headers]:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    return _body(error.status_code or 500, text, error.type or error.default_type, error.code, headers, error.param)


def _retry_after(error: APIStatusError) -> Headers:
    if error.status_code != 429:
        return []
    found = error.response.headers.get("retry-after", "")
    return [(b"retry-after", found.encode() if found.isascii() and found.isdecimal() else RETRY_AFTER)]


def _failure(
    status: int, text: str, code: str | None, error: Exception, exchange: Exchange
) -> tuple[int, bytes, Headers]:
    what = type(error).__name__
    log.error("%s: %s answers %d: %s: %s", exchange.request_id, exchange.operation, status, what, error, exc_info=error)
    sentence = (
        f"{text}. Nothing is known to the client beyond this; the log of the server has it under {exchange.request_id}."
    )
    return _body(status, sentence, "server_error", code, [])


def _body(
    status: int, message: str, kind: str, code: str | None, headers: Headers, param: str | None = None
) -> tuple[int, bytes, Headers]:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return status, json.dumps({"error": error}).encode(), headers  # ASCII, so that a lone surrogate can be shown


class Answering:
    """An application whose exceptions become answers, or the end of the connection once an answer has begun."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        exchange: Exchange = scope[EXCHANGE]
        try:
            await self._app(scope, receive, send)
        except ClientGone:
            exchange.status = exchange.status or 499
        except asyncio.CancelledError:  # the time that requests in flight get at the end of the server is over
            if exchange.status == 0:
                await reply_error(send, ClientClosedError("The server is shutting down."), exchange)
        except Exception as error:
            if exchange.status == 0:
                await reply_error(send, error, exchange)
            else:  # a truncated answer ends with the connection, never like a whole one
                log.error(
                    "%s: %s failed after its answer began: %s",
                    exchange.request_id,
                    exchange.operation,
                    error,
                    exc_info=error,
                )
