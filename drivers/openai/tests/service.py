"""A real HTTP service on the loopback interface: it answers as a test says, and remembers what came over the wire."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """What the service answers.

    Attributes:
        body: JSON document, or bytes as they are.
        status: HTTP status.
        headers: More headers.
        cut: Bytes that are promised and not sent, because the connection ends; None for a whole answer.
        drop: End the connection without an answer.
        hold: Wait for this first.
        pieces: Sent after `body`, one by one.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drop: bool = False
    hold: threading.Event | None = None
    pieces: Iterator[bytes] | None = None
    length: int = 0


@dataclass
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    size: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Service:
    """Answers requests with `replies`, in their order, and then with what `always` says."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.always: Callable[[Received], Reply] | None = None
        self.keep = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                outer._handle(self)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                pass  # a client that goes away is part of a test

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reply(self, body: Any = b"", status: int = 200, **details: Any) -> None:
        """Plan one more answer."""
        self.replies.append(Reply(body, status, **details))

    @property
    def last(self) -> Received:
        return self.received[-1]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body, size = self._body(handler)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Received(handler.command, handler.path, headers, body, size)
        self.received.append(request)
        if self.replies:
            reply = self.replies.popleft()
        elif self.always is not None:
            reply = self.always(request)
        else:
            reply = Reply({"error": {"message": "The test planned no answer."}}, 418)
        if reply.hold is not None:
            reply.hold.wait(30)
        if reply.drop:
            handler.close_connection = True
            return
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content) + reply.length + (reply.cut or 0)))
        handler.end_headers()
        handler.wfile.write(content)
        for piece in reply.pieces or ():
            handler.wfile.write(piece)
        if reply.cut is not None:
            handler.close_connection = True

    def _body(self, handler: BaseHTTPRequestHandler) -> tuple[bytes, int]:
        kept: list[bytes] = []
        size = 0
        for piece in _pieces(handler):
            size += len(piece)
            if self.keep:
                kept.append(piece)
        return b"".join(kept), size


def _pieces(handler: BaseHTTPRequestHandler) -> Iterator[bytes]:
    if handler.headers.get("transfer-encoding") == "chunked":
        while count := int(handler.rfile.readline(), 16):
            yield handler.rfile.read(count)
            handler.rfile.readline()
        handler.rfile.readline()
        return
    left = int(handler.headers.get("content-length") or 0)
    while left and (piece := handler.rfile.read(min(left, 65536))):
        left -= len(piece)
        yield piece


STORE = {
    "id": "vs_1",
    "object": "vector_store",
    "created_at": 1,
    "name": "",
    "usage_bytes": 0,
    "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0},
    "status": "completed",
    "something_new": {"kept": True},
}
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 3,
    "created_at": 1,
    "filename": "a.txt",
    "purpose": "assistants",
    "status": "processed",
}
STORE_FILE = {
    "id": "file-1",
    "object": "vector_store.file",
    "created_at": 1,
    "vector_store_id": "vs_1",
    "usage_bytes": 0,
    "status": "completed",
    "last_error": None,
}
BATCH = {
    "id": "vsfb_1",
    "object": "vector_store.file_batch",
    "created_at": 1,
    "vector_store_id": "vs_1",
    "status": "in_progress",
    "file_counts": {"in_progress": 1, "completed": 0, "failed": 0, "cancelled": 0, "total": 1},
}


def page(*items: Any, more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": more}
