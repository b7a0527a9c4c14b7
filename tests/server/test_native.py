"""A backend that can be awaited is, with no thread for its calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.errors import NotFoundError


class Awaited:
    """The methods of an object as coroutines, which note the thread that they run in."""

    def __init__(self, under: Any, threads: set[str]) -> None:
        self._under = under
        self._threads = threads

    def __getattr__(self, name: str) -> Any:
        async def call(request: Any) -> Any:
            self._threads.add(threading.current_thread().name)
            await asyncio.sleep(0)
            found = getattr(self._under, name)(request)
            return Streamed(found) if hasattr(found, "read") else found

        return call


class Streamed:
    """A stream read on the event loop."""

    def __init__(self, under: Any) -> None:
        self._under = under

    async def read(self, size: int = -1) -> bytes:
        found: bytes = self._under.read(size)
        return found

    async def close(self) -> None:
        self._under.close()


def awaitable(memory: Any, tools: Any, threads: set[str]) -> Any:
    parts = {name: Awaited(getattr(memory, name), threads) for name in ("files", "vector_stores", "batches")}
    return tools.Overlaid(memory, asynchronous=tools.Overlaid(None, **parts))


def test_calls_are_awaited_on_the_event_loop(serve: Callable[..., Any], memory: Any, tools: Any) -> None:
    threads: set[str] = set()
    for made in (OAuthCodexClient, AsyncOAuthCodexClient):
        served = serve(made(awaitable(memory, tools, threads)))
        upload = served.http.post("/v1/files", files={"file": ("a", b"boat " * 99_999)}, data={"purpose": "assistants"})
        identifier = upload.json()["id"]
        store = served.http.post("/v1/vector_stores", json={"file_ids": [identifier]}).json()["id"]
        assert served.http.post(f"/v1/vector_stores/{store}/search", json={"query": "boat"}).json()["data"]
        assert served.http.get(f"/v1/files/{identifier}/content").content == b"boat " * 99_999
        assert served.http.get("/v1/files/file-none").status_code == 404
    assert len(threads) == 2, "the event loop of each of the two servers, and no other thread"


def test_an_async_client_on_a_driver_that_blocks_works_in_threads(serve: Callable[..., Any], memory: Any) -> None:
    served = serve(AsyncOAuthCodexClient(memory))
    made = served.http.post("/v1/vector_stores", json={"name": "a"}).json()["id"]
    assert served.http.get(f"/v1/vector_stores/{made}").json()["name"] == "a"


def test_the_options_of_the_client_hold_for_every_call(serve: Callable[..., Any], memory: Any, tools: Any) -> None:
    seen = []

    def retrieve(request: Any) -> Any:
        seen.append((request.options.timeout, request.options.extra_headers, request.options.request_id))
        raise NotFoundError("No.")

    stores = tools.Overlaid(memory.vector_stores, retrieve=retrieve)
    client = OAuthCodexClient(tools.Overlaid(memory, vector_stores=stores))
    served = serve(client.with_options(timeout=7, default_headers={"x-team": "a"}))
    answer = served.http.get("/v1/vector_stores/vs_1")
    assert seen == [(7, {"x-team": "a"}, answer.headers["x-request-id"])]
