"""Steps are taken in their order, in a thread or on an event loop, and what has begun is cleaned up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from oauth_codex.client.steps import Step, Steps, drive, drive_async


async def _in_thread(function: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(function)


def _sum(notes: list[str]) -> Steps[int]:
    async def native() -> int:
        notes.append("native")
        await anyio.lowlevel.checkpoint()
        return 2

    def blocking() -> int:
        notes.append("main" if threading.current_thread() is threading.main_thread() else "thread")
        return 1

    try:
        first = yield Step(blocking)
        second = yield Step(blocking, native)
        return first + second
    finally:
        notes.append("end")


def test_a_thread_takes_every_step_itself() -> None:
    notes: list[str] = []
    assert drive(_sum(notes)) == 2
    assert notes == ["main", "main", "end"]


def test_an_event_loop_awaits_what_can_be_awaited_and_gives_the_rest_to_threads() -> None:
    notes: list[str] = []
    assert anyio.run(drive_async, _sum(notes), _in_thread) == 3
    assert notes == ["thread", "native", "end"]


def _careful(undone: list[str], fail: Step) -> Steps[str]:
    async def undo() -> None:
        await anyio.sleep(0)
        undone.append("native")

    try:
        yield fail
    except BaseException:
        yield Step(lambda: undone.append("blocking"), undo)
        raise
    return "done"


def _raise() -> None:
    raise OSError("broken")


async def _araise() -> None:
    raise OSError("broken")


def test_a_failure_reaches_the_steps_which_may_undo() -> None:
    undone: list[str] = []
    with pytest.raises(OSError, match="broken"):
        drive(_careful(undone, Step(_raise)))
    with pytest.raises(OSError, match="broken"):
        anyio.run(drive_async, _careful(undone, Step(_raise, _araise)), _in_thread)
    assert undone == ["blocking", "native"]


def test_undoing_after_a_cancellation_is_not_cancelled() -> None:
    undone: list[str] = []
    reached: list[str] = []

    async def main() -> None:
        with anyio.CancelScope() as scope:

            async def wait() -> None:
                scope.cancel()
                await anyio.sleep_forever()

            await drive_async(_careful(undone, Step(_raise, wait)), _in_thread)
            reached.append("after")
        assert scope.cancelled_caught

    anyio.run(main)
    assert undone == ["native"]
    assert reached == []
