"""The async client: the same answers, and the loop stays free."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import anyio
import pytest
from oauth_codex import AsyncOAuthCodexClient, ClientClosedError, NotFoundError, OAuthCodexClient
from oauth_codex.client._async.files import AsyncFiles
from oauth_codex.client._async.vector_stores import AsyncVectorStores
from oauth_codex.client._sync.files import Files
from oauth_codex.client._sync.vector_stores import VectorStores
from oauth_codex.spi import requests as r
from oauth_codex.types import AsyncCursorPage, AsyncPage, FileBytes

pytestmark = pytest.mark.anyio


async def test_both_seed_documents(aclient: AsyncOAuthCodexClient) -> None:
    file = await aclient.files.create(file=b"alpha gamma", purpose="assistants")
    store = await aclient.beta.vector_stores.create(name="docs", file_ids=[])
    attached = await aclient.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    assert attached.status == "completed"
    found = await aclient.vector_stores.search(store.id, query="oauth")
    assert type(found) is AsyncPage
    assert found.get("object") == "vector_store.search_results.page"
    assert [hit.file_id async for hit in aclient.vector_stores.search(store.id, query="x")] == [file.id]
    raw = await aclient.vector_stores.files.content(store.id, file.id)
    assert type(raw) is FileBytes
    assert raw == b"alpha gamma"
    page = await aclient.vector_stores.files.content(file.id, vector_store_id=store.id)
    assert [chunk.text async for chunk in page] == ["alpha gamma"]
    batch = await aclient.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    listed = [f.id async for f in aclient.vector_stores.file_batches.list_files(store.id, batch.id)]
    assert listed == [file.id]
    assert (await aclient.files.delete(file.id)).deleted


async def test_iteration_without_await_goes_through_all_pages(aclient: AsyncOAuthCodexClient) -> None:
    made = [(await aclient.vector_stores.create()).id for _ in range(5)]
    assert [store.id async for store in aclient.vector_stores.list(limit=2)] == made[::-1]
    page = await aclient.vector_stores.list(limit=2)
    following = await page.get_next_page()
    assert [store.id for store in following.data] == made[2:0:-1]
    assert following._request_id not in (None, page._request_id)
    by_path = await aclient.request("GET", "/vector_stores?limit=2")
    assert type(by_path) is AsyncCursorPage
    assert [store.id async for store in by_path] == made[::-1]


async def test_the_loop_runs_on_while_a_driver_works(aclient: AsyncOAuthCodexClient, backend: Any) -> None:
    go = threading.Event()
    threads = []

    def wait(request: object) -> None:
        threads.append(threading.current_thread())
        assert go.wait(timeout=30)

    backend.before = wait
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(aclient.vector_stores.create)
        while len(threads) < 3:  # only a loop that is free gets here
            await anyio.sleep(0)
        go.set()
    assert threading.main_thread() not in threads


async def test_errors_are_those_of_the_sync_client(aclient: AsyncOAuthCodexClient) -> None:
    with pytest.raises(NotFoundError):
        await aclient.vector_stores.retrieve("vs_unknown")
    with pytest.raises(ValueError, match="limit"):
        await aclient.vector_stores.list(limit=0)


async def test_close_and_context(backend: Any) -> None:
    async with AsyncOAuthCodexClient(backend) as client:
        await client.vector_stores.create()
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.vector_stores.list()


async def test_a_cancelled_batch_upload_leaves_no_files(aclient: AsyncOAuthCodexClient, backend: Any) -> None:
    store = await aclient.vector_stores.create()
    begun, go = threading.Event(), threading.Event()

    def wait(request: object) -> None:
        if isinstance(request, r.FileCreate):
            begun.set()
            assert go.wait(timeout=30)

    backend.before = wait
    done = []
    async with anyio.create_task_group() as group:

        async def upload() -> None:
            await aclient.vector_stores.file_batches.upload_and_poll(store.id, files=[b"x"] * 4, max_concurrency=2)
            done.append(True)

        group.start_soon(upload)
        while not begun.is_set():
            await anyio.sleep(0)
        group.cancel_scope.cancel()
        go.set()
    assert done == []
    assert backend._files == {}


def public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [(AsyncFiles, Files), (AsyncVectorStores, VectorStores), (AsyncOAuthCodexClient, OAuthCodexClient)],
)
async def test_both_clients_have_the_same_methods(asynchronous: type, synchronous: type) -> None:
    assert public(asynchronous).keys() == public(synchronous).keys()
    for name, member in public(synchronous).items():
        if inspect.isfunction(member):
            theirs = inspect.signature(public(asynchronous)[name])
            assert inspect.signature(member).parameters == theirs.parameters
            assert not inspect.iscoroutinefunction(member)
