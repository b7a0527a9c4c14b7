"""Bodies that are never in memory as a whole: the form of an upload, and the content of a file."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, BinaryIO

import anyio.to_thread
import httpx

#: Turns an error of httpx, met while a body is read, into one of ours.
Translate = Callable[[httpx.RequestError], Exception]


class Content:
    """The file of an upload: it begins where the caller's stream stood, and can go back there if that one can."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = _position(stream)
        self._begun = False

    @property
    def repeatable(self) -> bool:
        """Whether the content can be read from its beginning, now or again."""
        return self._start is not None or not self._begun

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        self._begun = True
        return self._stream.read(size)

    def tell(self) -> int:
        """The position in the content.

        Raises:
            io.UnsupportedOperation: It cannot go back, so that positions mean nothing.
        """
        if self._start is None:
            raise io.UnsupportedOperation("tell")
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in the content, or to its end; see `tell`."""
        if self._start is None:
            raise io.UnsupportedOperation("seek")
        self._stream.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence)
        return self.tell()


def _position(stream: BinaryIO) -> int | None:
    try:
        return stream.tell() if stream.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


class Upload(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A multipart body in pieces; on an event loop the file is read in a worker thread."""

    def __init__(self, body: Any, content: Content) -> None:
        """Wrap a body.

        Args:
            body: The form as httpx encodes it, an iterable that can be iterated again.
            content: The file in it.
        """
        self._body = body
        self._content = content

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent, now or again."""
        return self._content.repeatable

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._body)
        while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
            yield piece


class Download(io.RawIOBase):
    """The body of an answer as a stream. Closing it closes the answer."""

    def __init__(self, response: httpx.Response, translate: Translate) -> None:
        self._response = response
        self._translate = translate
        self._pieces = response.iter_bytes()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill the buffer, as far as the next piece goes."""
        if not self._rest:
            self._rest = memoryview(self._next())
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Let go of the connection, read or not."""
        if not self.closed:
            self._response.close()
        super().close()

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except httpx.RequestError as error:
            failure = self._translate(error)
        raise failure


class AsyncDownload:
    """The same, on an event loop."""

    def __init__(self, response: httpx.Response, translate: Translate) -> None:
        self._response = response
        self._translate = translate
        self._pieces = response.aiter_bytes()
        self._rest = b""

    async def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` of them; all that are left when it is negative; none at the end."""
        if size < 0:
            pieces = [self._rest]
            self._rest = b""
            while piece := await self._next():
                pieces.append(piece)
            return b"".join(pieces)
        if not self._rest and size:
            self._rest = await self._next()
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    async def close(self) -> None:
        """Let go of the connection, read or not."""
        await self._response.aclose()

    async def _next(self) -> bytes:
        try:
            return await anext(self._pieces, b"")
        except httpx.RequestError as error:
            failure = self._translate(error)
        raise failure
