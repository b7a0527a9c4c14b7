"""Uploads and downloads in pieces: how much is held, what is repeated, and what a broken one is."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.errors import APIConnectionError, InternalServerError
from oauth_codex.spi.requests import FileCreate

from .conftest import KEY, Open
from .service import FILE, Reply, Service

MIB = 1 << 20
SIZE = 48 * MIB


class Zeros(io.RawIOBase):
    """Many bytes that are nowhere; it counts how far it is read."""

    def __init__(self, size: int, *, seekable: bool) -> None:
        self.at = 0
        self.largest = 0
        self._size = size
        self._seekable = seekable

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        self.at = offset + {0: 0, 1: self.at, 2: self._size}[whence]
        return self.at

    def tell(self) -> int:
        return self.seek(0, 1)

    def readinto(self, target: Any) -> int:
        count = min(len(target), self._size - self.at)
        target[:count] = bytes(count)
        self.at += count
        self.largest = max(self.largest, count)
        return count


@pytest.fixture
def peak() -> Iterator[Any]:
    """The most memory that was held since, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_an_upload_is_never_held(open_client: Open, service: Service, peak: Any) -> None:
    service.keep = False
    service.reply(FILE)
    source = Zeros(SIZE, seekable=False)
    open_client().files.create(file=("zeros.bin", cast("Any", source)), purpose="assistants")
    assert service.last.size > SIZE
    assert source.largest <= MIB
    assert peak() < 8 * MIB


def test_a_download_is_never_held(open_client: Open, service: Service, peak: Any, face: str) -> None:
    """Read piece by piece, on the face's own stream; `Accept` says that bytes are wanted."""
    service.reply(pieces=(bytes(65536) for _ in range(SIZE // 65536)), length=SIZE)
    assert _drained(open_client(), face) == SIZE
    assert service.last.headers["accept"] == "application/binary"
    assert peak() < 8 * MIB


def _drained(client: OAuthCodexClient, face: str) -> int:
    """Bytes of a streamed download, piece by piece."""
    opening: Any = client.files.with_streaming_response.content("file-1")
    if face == "sync":
        with opening as response:
            return sum(map(len, response.iter_bytes()))

    async def run() -> int:
        async with opening as response:
            return sum([len(piece) async for piece in response.iter_bytes()])

    portal: Any = cast("Any", client)._portal
    drained: int = portal.call(run)
    return drained


def test_a_download_that_breaks_off(client: OAuthCodexClient, service: Service) -> None:
    service.reply(b"half of i", cut=10)
    with pytest.raises(APIConnectionError, match="no complete answer") as caught:
        client.files.content("file-1")
    assert KEY not in str(caught.value.request.headers.multi_items())
    assert len(service.received) == 1


def test_a_download_that_is_refused(client: OAuthCodexClient, service: Service) -> None:
    service.reply({"error": {"message": "No such File object: file-1", "param": "id"}}, 404)
    with pytest.raises(KeyError, match="No such File object"):
        client.files.content("file-1")


def test_a_small_download(client: OAuthCodexClient, service: Service) -> None:
    service.reply(b"fox\x00", headers={"content-type": "text/plain"})
    assert client.files.content("file-1") == b"fox\x00"


def test_leaving_a_download_early_frees_the_connection(client: OAuthCodexClient, service: Service, face: str) -> None:
    """The rest of a long body is not read, and the client goes on."""
    service.reply(pieces=iter([b"x" * 65536]), length=65536 + SIZE)
    opening: Any = client.files.with_streaming_response.content("file-1")
    if face == "sync":
        with opening as response:
            assert next(iter(response.iter_bytes(10))) == b"x" * 10
    else:

        async def run() -> bytes:
            async with opening as response:
                async for piece in response.iter_bytes(10):
                    return bytes(piece)
            return b""

        assert cast("Any", client)._portal.call(run) == b"x" * 10
    service.reply(b"next")
    assert client.files.content("file-2") == b"next"


def test_a_repeated_upload_begins_where_it_began(client: OAuthCodexClient, service: Service) -> None:
    service.reply(status=500)
    service.reply(FILE)
    client.files.create(file=("a.txt", b"the whole fox"), purpose="assistants")
    bodies = [request.body for request in service.received]
    assert [b"the whole fox" in body for body in bodies] == [True, True]


def test_an_upload_begins_where_the_stream_stands(client: OAuthCodexClient, service: Service) -> None:
    """Also when it is repeated; its length, known beforehand, is announced."""
    service.reply(status=500)
    service.reply(FILE)
    source = io.BytesIO(b"skipped fox")
    source.seek(8)
    client.backend.files.create(FileCreate(content=source, filename="a.txt", purpose="assistants"))
    for request in service.received:
        assert b"\r\n\r\nfox\r\n" in request.body
        assert request.headers["content-length"] == str(request.size)


def test_an_open_file_is_sent_again_from_where_it_stood(
    client: OAuthCodexClient, service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "fox.txt"
    path.write_bytes(b"skipped fox")
    service.reply(status=500)
    service.reply(FILE)
    with path.open("rb") as handle:
        handle.seek(8)
        client.files.create(file=handle, purpose="assistants")
    assert len(service.received) == 2
    for request in service.received:
        assert b"\r\n\r\nfox\r\n" in request.body
        assert request.headers["content-length"] == str(request.size)


def test_what_cannot_be_read_again_is_not_sent_again(client: OAuthCodexClient, service: Service) -> None:
    service.always = lambda _: Reply(status=500)
    source = Zeros(100, seekable=False)
    with pytest.raises(InternalServerError):
        client.files.create(file=("zeros.bin", cast("Any", source)), purpose="assistants")
    assert len(service.received) == 1


def test_a_file_that_fails_is_the_callers_error(client: OAuthCodexClient, service: Service) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, target: Any) -> int:
            raise OSError("the disk is gone")

    service.always = lambda _: Reply(FILE)
    with pytest.raises(OSError, match="the disk is gone"):
        client.files.create(file=("a.bin", cast("Any", Broken())), purpose="assistants")


def test_an_upload_does_not_block_the_event_loop(service: Service) -> None:
    """A file that waits to be read lets other calls on the same loop pass."""
    service.always = lambda request: Reply(FILE)
    go = threading.Event()

    class Slow(io.RawIOBase):
        given = False

        def readable(self) -> bool:
            return True

        def readinto(self, target: Any) -> int:
            assert go.wait(30)
            count = 0 if self.given else 1
            self.given = True
            target[:count] = b"x"[:count]
            return count

    async def run() -> list[str]:
        ended: list[str] = []
        async with AsyncOAuthCodexClient(base_url=service.url, api_key=KEY) as client:

            async def upload() -> None:
                await client.files.create(file=("slow.bin", cast("Any", Slow())), purpose="assistants")
                ended.append("upload")

            async def other() -> None:
                await client.files.retrieve("file-1")
                ended.append("other")
                go.set()

            await asyncio.gather(upload(), other())
        return ended

    assert asyncio.run(run()) == ["other", "upload"]


def test_one_client_serves_several_event_loops(service: Service) -> None:
    service.always = lambda request: Reply(FILE)
    client = AsyncOAuthCodexClient(base_url=service.url, api_key=KEY)

    async def once(last: bool) -> str:
        found = await client.files.retrieve("file-1")
        await (client if last else client.backend.asynchronous).close()  # type: ignore[attr-defined]
        return found.id

    assert [asyncio.run(once(False)), asyncio.run(once(True))] == ["file-1", "file-1"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of asyncio, about connections that nobody closed
def test_ended_event_loops_leave_nothing_behind(service: Service) -> None:
    service.always = lambda request: Reply(FILE)
    gc.collect()
    before = sum(isinstance(each, httpx.AsyncClient) for each in gc.get_objects())
    client = AsyncOAuthCodexClient(base_url=service.url, api_key=KEY)
    for _ in range(4):
        asyncio.run(client.files.retrieve("file-1"))
    gc.collect()
    assert sum(isinstance(each, httpx.AsyncClient) for each in gc.get_objects()) <= before + 1
    asyncio.run(client.close())
    del client
    gc.collect()


def test_cancelling_ends_a_call(service: Service) -> None:
    """A cancelled call is not repeated, and ends although the service says nothing."""
    came = threading.Event()
    done = threading.Event()

    def answer(_: Any) -> Reply:
        came.set()
        return Reply(FILE, hold=done)

    service.always = answer

    async def run() -> None:
        async with AsyncOAuthCodexClient(base_url=service.url, api_key=KEY) as client:
            task = asyncio.create_task(client.files.retrieve("file-1"))
            await asyncio.to_thread(came.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    try:
        asyncio.run(run())
    finally:
        done.set()
    assert len(service.received) == 1
