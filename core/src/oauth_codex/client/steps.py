"""What a call does, written once for both clients: a generator that yields what must be waited for.

The generator holds the order of things, checks and clean-up; it waits for nothing itself. `drive` takes each step
in the calling thread, `drive_async` on the event loop of the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Step:
    """Something to wait for.

    Attributes:
        blocking: Does it in the calling thread.
        native: Does it on the running event loop; None if it can only block, so that an event loop gives it to a thread.
    """

    blocking: Callable[[], Any]
    native: Callable[[], Awaitable[Any]] | None = None


Steps = Generator[Step, Any, R]


def drive(steps: Steps[R]) -> R:
    """Take the steps one after the other in this thread."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.blocking()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        answer: R = end.value
        return answer


async def drive_async(steps: Steps[R], in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> R:
    """Take the steps one after the other on the running event loop.

    What follows a cancellation is clean-up, and is done although the task is cancelled.

    Args:
        steps: The steps.
        in_thread: Calls a blocking function in a worker thread.
    """
    import anyio

    cancelled = anyio.get_cancelled_exc_class()
    try:
        step = next(steps)
        while True:
            try:
                result = await (in_thread(step.blocking) if step.native is None else step.native())
            except cancelled as error:
                with anyio.CancelScope(shield=True):
                    return await _after(steps, error, in_thread)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        answer: R = end.value
        return answer


async def _after(steps: Steps[R], error: BaseException, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> R:
    """Let steps end after a cancellation, which then goes on."""

    def rest() -> Steps[R]:
        step = steps.throw(error)
        while True:
            try:
                result = yield step
            except BaseException as other:
                step = steps.throw(other)
            else:
                step = steps.send(result)

    return await drive_async(rest(), in_thread)
