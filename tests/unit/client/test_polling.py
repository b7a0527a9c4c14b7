"""Waiting, with a clock that only sleeping moves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient, PollTimeoutError
from oauth_codex.client.polling import Patience


class Clock:
    """Time that passes when something sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(client: OAuthCodexClient) -> Clock:
    made = Clock()
    resources: list[Any] = [client.vector_stores.files, client.vector_stores.file_batches, client.files]
    for resource in resources:
        resource._sleep = made.sleep
        resource._now = lambda: made.now
    return made


def test_a_file_is_looked_at_ever_less_often(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    backend.pending = 12
    store = client.vector_stores.create()
    found = client.vector_stores.files.upload_and_poll(store.id, file=b"x")
    assert found.status == "completed"
    assert len(clock.slept) == 12
    assert clock.slept[0] == 0.05
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 1.0


def test_a_fixed_interval(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    backend.pending = 3
    store = client.vector_stores.create()
    file = client.files.create(file=b"x", purpose="assistants")
    client.vector_stores.files.create_and_poll(store.id, file_id=file.id, poll_interval_ms=200)
    assert clock.slept == [0.2, 0.2, 0.2]


def test_something_finished_is_returned_without_a_look(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    store = client.vector_stores.create()
    file = client.files.create(file=b"x", purpose="assistants")
    backend.calls.clear()
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, max_wait_seconds=0)
    client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id], max_wait_seconds=0)
    assert [type(call).__name__ for call in backend.calls] == ["VectorStoreFileCreate", "FileBatchCreate"]
    assert clock.slept == []


def test_giving_up(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    backend.pending = 10_000
    store = client.vector_stores.create()
    file = client.files.create(file=b"x", purpose="assistants")
    with pytest.raises(TimeoutError) as caught:
        client.vector_stores.files.create_and_poll(store.id, file_id=file.id, max_wait_seconds=3)
    assert str(caught.value) == f"Timed out waiting for vector store file '{file.id}' to finish processing"
    assert isinstance(caught.value, PollTimeoutError)
    assert caught.value.last.id == file.id
    assert sum(clock.slept) == pytest.approx(3)
    assert client.vector_stores.files.retrieve(store.id, file.id).status == "in_progress"  # it stays attached
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    with pytest.raises(PollTimeoutError, match=f"file batch '{batch.id}'") as caught:
        client.vector_stores.file_batches.poll(store.id, batch.id, max_wait_seconds=1)
    assert caught.value.last.file_counts.in_progress == 1


def test_no_time_means_no_look(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    backend.calls.clear()
    with pytest.raises(TimeoutError):
        client.vector_stores.files.poll("vs_1", "file-1", max_wait_seconds=0)
    with pytest.raises(TimeoutError):
        client.vector_stores.file_batches.poll("vs_1", "vsfb_1", max_wait_seconds=0)
    assert backend.calls == []


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**400, "5", True], ids=lambda value: str(value)[:9])
@pytest.mark.parametrize("name", ["max_wait_seconds", "poll_interval_ms"])
def test_wrong_terms_are_refused_before_anything_happens(
    client: OAuthCodexClient, backend: Any, name: str, value: Any
) -> None:
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    for call in (
        lambda: files.create_and_poll("vs_1", "file-1", **{name: value}),
        lambda: files.poll("vs_1", "file-1", **{name: value}),
        lambda: files.upload_and_poll("vs_1", file=b"x", **{name: value}),
        lambda: batches.create_and_poll("vs_1", file_ids=["file-1"], **{name: value}),
        lambda: batches.poll("vs_1", "vsfb_1", **{name: value}),
        lambda: batches.upload_and_poll("vs_1", files=[b"x"], **{name: value}),
    ):
        with pytest.raises(ValueError, match=name):
            call()
    assert backend.calls == []


async def _told(done: int, total: int, item: object) -> None: ...


@pytest.mark.parametrize("listener", [5, "print", _told], ids=["number", "text", "async"])
def test_whom_to_tell_is_a_plain_function(client: OAuthCodexClient, backend: Any, listener: Any) -> None:
    """One that would have to be awaited would never run."""
    with pytest.raises(ValueError, match=r"on_progress.*not async"):
        client.vector_stores.file_batches.poll("vs_1", "vsfb_1", on_progress=listener)
    assert backend.calls == []


def test_a_batch_is_waited_for_until_no_file_is_in_progress(
    client: OAuthCodexClient, backend: Any, clock: Clock
) -> None:
    backend.pending = 3
    store = client.vector_stores.create()
    done = client.vector_stores.file_batches.upload_and_poll(store.id, files=[b"1", b"2"])
    assert (done.file_counts.in_progress, done.file_counts.completed) == (0, 2)
    assert len(clock.slept) == 3


def test_waiting_for_a_file_of_the_files_api(client: OAuthCodexClient, backend: Any, clock: Clock) -> None:
    file = client.files.create(file=b"x", purpose="assistants")
    file.status = "uploaded"
    with pytest.raises(PollTimeoutError, match=f"file '{file.id}'"):
        client.files.wait_for_processing(file.id, poll_interval=2, max_wait_seconds=5)
    assert clock.slept == [2, 2, 1]
    file.status = "error"
    assert client.files.wait_for_processing(file.id).status == "error"


def test_a_remote_service_is_told_that_it_is_polled() -> None:
    remote = Patience("x", now=lambda: 0.0, local=False, poll_interval_ms=1500)
    assert remote.headers() == {
        "X-Stainless-Poll-Helper": "true",
        "X-Stainless-Custom-Poll-Interval": "1500",
    }
    assert Patience("x", now=lambda: 0.0, local=False).delay() == 1.0
