"""Slow requests, slow clients and too many of either: nobody waits for somebody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.server import protocol

from_form = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello'


class Slow:
    """A client whose searches wait for `go`."""

    def __init__(self, memory: Any, tools: Any) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.ended = 0

        def search(request: Any) -> Any:
            self.begun.release()
            assert self.go.wait(60)
            self.ended += 1
            return memory.vector_stores.search(request)

        stores = tools.Overlaid(memory.vector_stores, search=search)
        self.client = OAuthCodexClient(tools.Overlaid(memory, vector_stores=stores))

    def wait(self, count: int) -> None:
        """Wait until so many searches have begun."""
        for _ in range(count):
            assert self.begun.acquire(timeout=60)


@pytest.fixture
def slow(memory: Any, tools: Any) -> Any:
    made = Slow(memory, tools)
    yield made
    made.go.set()


def search(served: Any, store: str) -> Any:
    return served.http.post(f"/v1/vector_stores/{store}/search", json={"query": "boat"})


def test_slow_requests_stall_nobody_and_the_next_one_too_many_is_told_when_to_come_back(
    serve: Callable[..., Any], slow: Any
) -> None:
    served = serve(slow.client, max_concurrency=60)
    store = served.store("a boat")
    with ThreadPoolExecutor(60) as pool:
        pending = [pool.submit(search, served, store) for _ in range(59)]
        slow.wait(59)
        assert served.http.get(f"/v1/vector_stores/{store}").status_code == 200
        pending.append(pool.submit(search, served, store))
        slow.wait(1)
        refused = served.http.get(f"/v1/vector_stores/{store}")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert refused.headers["x-request-id"]
        assert served.http.get("/readyz").status_code == 200
        assert served.metric("oauth_codex_requests_performing") == 60
        slow.go.set()
        assert [each.result().status_code for each in pending] == [200] * 60
    assert served.http.get(f"/v1/vector_stores/{store}").status_code == 200
    assert served.metric("oauth_codex_requests_performing") == 0


def test_clients_that_send_slowly_take_no_place(serve: Callable[..., Any]) -> None:
    served = serve(max_concurrency=1)
    store = served.store("a boat")
    head = b"POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=X\r\n"
    slow = [served.connect() for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head + b"content-length: 1000000\r\n\r\n" + from_form)
        served.until(lambda: served.metric("oauth_codex_requests_in_flight") == 21)
        assert search(served, store).status_code == 200
    finally:
        for connection in slow:
            connection.close()
    served.until(lambda: served.metric("oauth_codex_requests_in_flight") == 1)
    assert list(served.client.files.list(limit=10))[1:] == []


def test_clients_that_read_slowly_take_no_place(serve: Callable[..., Any], tools: Any) -> None:
    served = serve(max_concurrency=1)
    upload = served.client.files.create(file=("big", b"x" * 30_000_000), purpose="assistants").id
    slow = [served.connect() for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(f"GET /v1/files/{upload}/content HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert search(served, served.store("a boat")).status_code == 200
    finally:
        for connection in slow:
            connection.close()
    served.until(lambda: served.metric("oauth_codex_requests_in_flight") == 1)


def test_a_download_stops_when_the_client_goes_away(serve: Callable[..., Any], memory: Any, tools: Any) -> None:
    read, closed = [], threading.Event()

    class Endless:
        def read(self, size: int) -> bytes:
            read.append(size)
            return b"x" * size

        def close(self) -> None:
            closed.set()

    def retrieve(request: Any) -> Any:
        return memory.files.retrieve(request).model_copy(update={"bytes": 1 << 40})

    files = tools.Overlaid(memory.files, content=lambda request: Endless(), retrieve=retrieve)
    served = serve(OAuthCodexClient(tools.Overlaid(memory, files=files)))
    made = served.client.files.create(file=b"x", purpose="assistants").id
    with served.http.stream("GET", f"/v1/files/{made}/content") as answer:
        assert answer.status_code == 200
    served.http.close()
    assert closed.wait(30)
    assert set(read) == {65536}, "a piece at a time"


def test_a_download_that_breaks_never_looks_whole(
    serve: Callable[..., Any], memory: Any, tools: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self) -> None:
            self.pieces = [b"x" * 65536]

        def read(self, size: int) -> bytes:
            if not self.pieces:
                raise OSError("the disk at /private/path is gone")
            return self.pieces.pop()

        def close(self) -> None:
            pass

    files = tools.Overlaid(memory.files, content=lambda request: Broken())
    served = serve(OAuthCodexClient(tools.Overlaid(memory, files=files)))
    made = served.client.files.create(file=b"x" * 100_000, purpose="assistants").id
    answer = served.raw(f"GET /v1/files/{made}/content HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 100000" in head
    assert body == b"x" * 65536
    assert "failed after its answer began: the disk at /private/path is gone" in caplog.text
    assert "Exception in ASGI" not in caplog.text


def test_a_client_that_stops_sending_is_told_so(serve: Callable[..., Any], tools: Any) -> None:
    served = serve(idle_seconds=0.05)
    for kind, body in (("application/json", b'{"na'), ("multipart/form-data; boundary=X", from_form)):
        path = "vector_stores" if "json" in kind else "files"
        head = f"POST /v1/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 9999\r\n\r\n"
        with served.connect() as connection:
            connection.sendall(head.encode() + body)
            answer = tools.received(connection)  # until the server ends the connection
        start, _, found = answer.partition(b"\r\n\r\n")
        assert start.startswith(b"HTTP/1.1 408 ")
        assert json.loads(found)["error"]["code"] == "request_timeout"
    assert list(served.client.files.list()) == list(served.client.vector_stores.list()) == []


def test_a_client_that_sends_no_request_is_let_go(
    serve: Callable[..., Any], slow: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = threading.Semaphore(0)
    give_up = protocol.Protocol._give_up

    def told(self: protocol.Protocol) -> None:
        late.release()
        give_up(self)

    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.02)
    monkeypatch.setattr(protocol.Protocol, "_give_up", told)
    served = serve(slow.client)
    health = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    for sent in (b"", health[:-5], health + health[:-5]):
        with served.connect() as connection:
            connection.sendall(sent)
            assert tools.received(connection).count(b'{"status":"ok"}') == sent.count(health)
    body = b'{"query": "boat"}'
    head = f"POST /v1/vector_stores/{served.store('boat')}/search HTTP/1.1\r\nhost: localhost\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with served.connect() as connection:  # while an answer is made, nobody is late
        connection.sendall(head.encode() + body + health[:-5])
        slow.wait(1)
        assert all(late.acquire(timeout=60) for _ in range(6))
        slow.go.set()
        assert tools.received(connection).startswith(b"HTTP/1.1 200 ")


def test_an_operation_goes_on_when_its_client_goes_away(serve: Callable[..., Any], slow: Any) -> None:
    served = serve(slow.client, max_concurrency=1)
    store = served.store("a boat")
    body = b'{"query": "boat"}'
    with served.connect() as connection:
        head = (
            f"POST /v1/vector_stores/{store}/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        )
        connection.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        slow.wait(1)
    assert search(served, store).status_code == 429, "its place is not free before it ends"
    slow.go.set()
    served.until(lambda: slow.ended == 1)
    served.until(lambda: search(served, store).status_code == 200)


def test_many_clients_at_once_get_their_own_answers(serve: Callable[..., Any]) -> None:
    served = serve()
    stores = {f"store {number}": served.client.vector_stores.create(name=f"store {number}").id for number in range(64)}

    def ask(name: str) -> bool:
        answer = served.http.get(f"/v1/vector_stores/{stores[name]}")
        ids.append(answer.headers["x-request-id"])
        return bool(answer.json()["name"] == name)

    ids: list[str] = []
    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, list(stores) * 4))
    assert len(set(ids)) == 256
