"""The content of a file, sent as it is read: a piece at a time, and no further than the client reads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from .performing import Download, Performer
from .replies import Headers, Receive, Send

#: Bytes read at a time.
_PIECE = 64 * 1024


async def send_download(download: Download, performer: Performer, receive: Receive, send: Send) -> None:
    """Send the content of a file and close it.

    An error while it is read leaves by itself, and the connection must end with it: what was sent is not the whole.
    """
    stream: Any = download.stream
    native = inspect.iscoroutinefunction(stream.read)

    async def call(method: Callable[..., Any], *args: Any) -> Any:
        return await (method(*args) if native else performer.in_thread(method, *args))

    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        piece = await call(stream.read, _PIECE)
        await send({"type": "http.response.start", "status": 200, "headers": _head(download)})
        while piece and not gone.done():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await call(stream.read, _PIECE)
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await call(stream.close)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head(download: Download) -> Headers:
    headers: Headers = [(b"content-type", b"application/octet-stream")]
    if download.size is not None:
        headers.append((b"content-length", str(download.size).encode()))
    name = b"attachment"
    if download.filename:
        # RFC 5987: everything but letters, digits and a few marks is percent-encoded, line ends and quotes among it.
        name += f"; filename*=UTF-8''{quote(download.filename, safe='!#$&+-.^_`|~')}".encode()
    headers.append((b"content-disposition", name))
    return headers
