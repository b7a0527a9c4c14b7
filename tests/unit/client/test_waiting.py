"""Waiting for work that is done in the background: by news, without looking at an interval and without a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from oauth_codex import (
    AsyncOAuthCodexClient,
    BadRequestError,
    NotFoundError,
    OAuthCodexClient,
    ParameterValidationError,
    PollTimeoutError,
)
from oauth_codex.embedders.hashing import HashingEmbedder

pytestmark = pytest.mark.usefixtures("clean_environment")


class Gate(HashingEmbedder):
    """Lets nothing through before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.failing = False

    def embed_words(self, counts: Any) -> Any:
        self.open.wait()
        return super().embed_words(counts)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def client(gate: Gate) -> Iterator[OAuthCodexClient]:
    with OAuthCodexClient("memory", embedder=gate, ingest="background") as made:
        yield made
        gate.open.set()


def _no_sleep(*resources: Any) -> list[float]:
    """Nobody may sleep: what waits is told."""
    slept: list[float] = []
    for resource in resources:
        resource._sleep = slept.append
    return slept


def test_polling_is_ended_by_news(client: OAuthCodexClient, gate: Gate) -> None:
    store = client.vector_stores.create().id
    file = client.vector_stores.files.upload(store, file=b"a garden")
    assert file.status == "in_progress"
    slept = _no_sleep(client.vector_stores.files, client.vector_stores.file_batches)
    looks: list[Any] = []
    waiting = threading.Event()

    def note(done: int, total: int, item: Any) -> None:
        looks.append((done, total, item.status))
        waiting.set()

    threading.Thread(target=lambda: (waiting.wait(), gate.open.set())).start()
    found = client.vector_stores.files.poll(store, file.id, on_progress=note)
    assert found.status == "completed"
    assert looks == [(0, 1, "in_progress"), (1, 1, "completed")]
    assert slept == []


def test_a_pace_that_the_caller_chooses_is_kept(client: OAuthCodexClient, gate: Gate) -> None:
    store = client.vector_stores.create().id
    file = client.vector_stores.files.upload(store, file=b"a garden")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            gate.open.set()
        threading.Event().wait(0.001)

    client.vector_stores.files._sleep = sleep  # type: ignore[method-assign]
    client.vector_stores.files.poll(store, file.id, poll_interval_ms=70)
    assert set(slept) == {0.07}


def test_progress_of_a_batch(client: OAuthCodexClient, gate: Gate) -> None:
    store = client.vector_stores.create().id
    told: list[tuple[int, int, str]] = []

    def note(done: int, total: int, item: Any) -> None:
        told.append((done, total, type(item).__name__))
        if (done, total) == (0, 8):
            gate.open.set()

    batch = client.vector_stores.file_batches.upload_and_poll(
        store, files=[b"garden %d" % i for i in range(7)], file_ids=[client.files.create(file=b"x", purpose="assistants").id],
        on_progress=note,
    )  # fmt: skip
    assert batch.file_counts.completed == 8
    assert told[:7] == [(i + 1, 7, "str") for i in range(7)], "the uploads come first"
    rest = told[7:]
    assert rest[0] == (0, 8, "VectorStoreFileBatch")
    assert rest[-1] == (8, 8, "VectorStoreFileBatch")
    assert [done for done, _, _ in rest] == sorted({done for done, _, _ in rest})


def test_progress_of_what_is_done_at_once() -> None:
    with OAuthCodexClient("memory") as client:
        store = client.vector_stores.create().id
        file = client.files.create(file=b"a garden", purpose="assistants").id
        told: list[tuple[int, int]] = []
        note: Callable[..., object] = lambda done, total, _: told.append((done, total))  # noqa: E731
        client.vector_stores.files.create_and_poll(store, file, on_progress=note)
        client.vector_stores.files.upload_and_poll(store, file=b"tree", on_progress=note)
        client.vector_stores.file_batches.create_and_poll(store, file_ids=[file], on_progress=note)
        assert told == [(1, 1)] * 3


def test_whoever_is_told_may_refuse_and_nothing_is_left(client: OAuthCodexClient) -> None:
    store = client.vector_stores.create().id

    def refuse(*_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.vector_stores.file_batches.upload_and_poll(store, files=[b"1", b"2", b"3"], on_progress=refuse)
    assert client.files.list().data == []


def test_a_listener_that_is_none_is_refused_before_anything_happens(client: OAuthCodexClient) -> None:
    store = client.vector_stores.create().id
    wrong: Any = "tell me"
    for call in (
        lambda: client.vector_stores.files.upload_and_poll(store, file=b"1", on_progress=wrong),
        lambda: client.vector_stores.file_batches.upload_and_poll(store, files=[b"1"], on_progress=wrong),
    ):
        with pytest.raises(ParameterValidationError, match="on_progress"):
            call()
    assert client.files.list().data == []


def test_giving_up_says_what_was_last_seen(client: OAuthCodexClient) -> None:
    store = client.vector_stores.create().id
    batch = client.vector_stores.file_batches.create(
        store, file_ids=[client.files.create(file=b"%d" % i, purpose="assistants").id for i in range(3)]
    )
    with pytest.raises(PollTimeoutError) as caught:
        client.vector_stores.file_batches.poll(store, batch.id, max_wait_seconds=0.05)
    assert caught.value.last.file_counts.in_progress == 3


def test_many_tasks_wait_without_threads_of_their_own(gate: Gate) -> None:
    async def main() -> None:
        async with AsyncOAuthCodexClient("memory", embedder=gate, ingest="background") as client:
            store = (await client.vector_stores.create()).id
            files = [(await client.vector_stores.files.upload(store, file=b"garden %d" % i)).id for i in range(60)]
            statuses: list[str] = []
            waiting = 0

            async def wait(file: str) -> None:
                def note(done: int, *_: object) -> None:
                    nonlocal waiting
                    waiting += 1 - 2 * done

                found = await client.vector_stores.files.poll(store, file, on_progress=note)
                statuses.append(found.status)

            async with anyio.create_task_group() as group:
                for file in files:
                    group.start_soon(wait, file)
                while waiting < len(files):
                    await anyio.sleep(0.01)
                # All 40 threads would be taken if each of the 60 waited in one.
                with anyio.fail_after(30):
                    assert (await client.vector_stores.retrieve(store)).file_counts.in_progress == 60
                gate.open.set()
            assert statuses == ["completed"] * 60

    anyio.run(main)


def test_a_task_that_is_cancelled_while_it_waits(gate: Gate) -> None:
    async def main() -> None:
        async with AsyncOAuthCodexClient("memory", embedder=gate, ingest="background") as client:
            store = (await client.vector_stores.create()).id
            file = (await client.vector_stores.files.upload(store, file=b"garden")).id
            with anyio.move_on_after(0.1) as scope:
                await client.vector_stores.files.poll(store, file)
            assert scope.cancelled_caught
            gate.open.set()
            assert (await client.vector_stores.files.poll(store, file)).status == "completed"

    anyio.run(main)


# -- trying again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["store first", "batch first", "async"])
def test_failed_files_are_tried_again_with_their_settings(style: str, tmp_path: Path) -> None:
    strategy: Any = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 10}}
    broken = True

    def read(content: bytes, filename: str | None) -> str:
        if broken and b"bad" in content:
            raise ValueError("not today")
        return content.decode()

    with OAuthCodexClient("sqlite", storage_dir=tmp_path, parsers={".pdf": read}) as client:
        store = client.vector_stores.create().id
        ids = [
            client.files.create(
                file=(f"{i}.pdf", b"%s %d" % (b"bad" if i % 2 else b"good", i)), purpose="assistants"
            ).id
            for i in range(240)
        ]
        batches = client.vector_stores.file_batches
        old = batches.create(
            store,
            files=[
                {"file_id": each, "attributes": {"n": n}, "chunking_strategy": strategy} for n, each in enumerate(ids)
            ],
        )
        assert (old.file_counts.failed, old.file_counts.completed) == (120, 120)
        broken = False
        if style == "store first":
            new = batches.retry_failed(store, old.id)
        elif style == "batch first":
            new = batches.retry_failed(old.id, vector_store_id=store)
        else:
            new = anyio.run(
                lambda: AsyncOAuthCodexClient(client.backend).vector_stores.file_batches.retry_failed(store, old.id)
            )
        assert new.id != old.id
        assert (new.file_counts.completed, new.file_counts.total) == (120, 120)
        seen = client.vector_stores.files.retrieve(store, ids[3])
        assert (seen.status, seen.attributes) == ("completed", {"n": 3})
        assert seen.chunking_strategy is not None
        assert seen.chunking_strategy.to_dict() == strategy
        assert batches.retrieve(store, old.id).file_counts.to_dict() == {
            "in_progress": 0, "completed": 120, "failed": 0, "cancelled": 0, "total": 120,
        }  # fmt: skip
        with pytest.raises(BadRequestError, match="has failed") as caught:
            batches.retry_failed(store, new.id)
        assert caught.value.code == "nothing_failed"
        with pytest.raises(NotFoundError):
            batches.retry_failed(store, "vsfb_none")


def test_trying_again_asks_nothing_but_public_routes(backend: Any) -> None:
    client = OAuthCodexClient(backend)
    store = client.vector_stores.create().id
    ids = [client.files.create(file=b"x", purpose="assistants").id for _ in range(3)]
    batch = client.vector_stores.file_batches.create(store, file_ids=ids, attributes={"k": "v"}).id
    for each in ids[1:]:
        backend._members[store][each].status = "failed"
    backend.calls.clear()
    client.vector_stores.file_batches.retry_failed(store, batch)
    assert [type(call).__name__ for call in backend.calls] == ["FileBatchListFiles", "FileBatchCreate"]
    assert [each.file_id for each in backend.calls[-1].entries] == ids[1:]
