"""The one difference between the two clients that is no matter of spelling: how the steps of a call are taken.

`_async/` is written against `AsyncRunner`; `_sync/`, generated from it, against `SyncRunner`. anyio is
imported by the async one only, when it is first used.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..types.pages import AsyncCursorPage, AsyncPage, AsyncPaginator, SyncCursorPage, SyncPage
from .steps import Steps, drive, drive_async

if TYPE_CHECKING:
    import anyio
    from anyio.lowlevel import RunVar

    from ..spi.backends import Watch

R = TypeVar("R")

#: Threads in which one async client makes calls at the same time.
THREADS = 40


class SyncRunner:
    """Takes the steps of a call in the calling thread."""

    def __init__(self, native: bool = False) -> None:
        """There is nothing to choose: whether the backend could be awaited does not matter here."""

    def run(self, function: Callable[..., Steps[R]], *args: Any) -> R:
        """Take the steps that the function makes."""
        return drive(function(*args))

    def blocking(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function that may block."""
        return function(*args)

    #: In the async runner a call that cancellation cannot interrupt.
    shielded = run

    def heard(self, listener: Callable[..., object] | None) -> Callable[..., object] | None:
        """What `blocking` may call in place of a function of the caller."""
        return listener

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def pause(self, watch: Watch | None, seconds: float, sleep: Callable[[float], object]) -> None:
        """Wait for news at most so long, or that long if there is nothing that brings news."""
        if watch is None:
            sleep(seconds)
        else:
            watch.wait(seconds)

    def cursor_page(self, function: Callable[..., Steps[Any]], *args: Any) -> SyncCursorPage[Any]:
        """A page of a list."""
        page: SyncCursorPage[Any] = self.run(function, *args)
        return page

    def plain_page(self, function: Callable[..., Steps[Any]], *args: Any) -> SyncPage[Any]:
        """A page of search results or content."""
        page: SyncPage[Any] = self.run(function, *args)
        return page

    def finished(self, answer: Any) -> Any:
        """An answer as this client gives it."""
        return answer

    def settle(
        self, tasks: Sequence[Callable[[], Steps[R]]], limit: int, on_done: Callable[[R], object]
    ) -> list[R | BaseException]:
        """Run tasks in at most `limit` threads, and tell of each result here; after a failure none is started,
        those that run are waited for.

        Returns:
            The outcome of each task in their order: its result, its exception, or `Unstarted`; and one more
            at the end if the waiting itself was interrupted.
        """
        from concurrent.futures import ThreadPoolExecutor, as_completed

        stopped = False

        def attempt(task: Callable[[], Steps[R]]) -> R | BaseException:
            nonlocal stopped
            if stopped:
                return Unstarted()
            try:
                return drive(task())
            except BaseException as error:
                stopped = True
                return error

        outcomes: list[R | BaseException] = []
        pool = ThreadPoolExecutor(max(1, min(limit, len(tasks))), thread_name_prefix="oauth-codex-upload")
        try:
            futures = [pool.submit(attempt, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    outcome = future.result()
                    if not isinstance(outcome, BaseException):
                        on_done(outcome)
                outcomes = [future.result() for future in futures]
            except (
                BaseException
            ) as error:  # the main thread was interrupted while it waited, or whoever was told failed
                stopped = True
                outcomes = [*(future.result() for future in futures), error]
        finally:
            pool.shutdown()
        return outcomes


class AsyncRunner:
    """Takes the steps of a call without ever blocking the event loop."""

    def __init__(self, native: bool) -> None:
        """Choose the way.

        Args:
            native: Whether the backend can be awaited; the steps of others are all taken in one worker thread.
        """
        self._native = native
        self._limiter: RunVar[anyio.CapacityLimiter | None] | None = None

    async def run(self, function: Callable[..., Steps[R]], *args: Any) -> R:
        """Take the steps that the function makes; in a thread they are finished even when the caller is cancelled."""
        if self._native:
            return await drive_async(function(*args), self.blocking)
        return await self.blocking(lambda: drive(function(*args)))

    async def blocking(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function that may block, in a worker thread."""
        import anyio
        import anyio.to_thread
        from anyio.lowlevel import RunVar

        if self._limiter is None:
            self._limiter = RunVar("oauth_codex_threads")  # a limiter belongs to one event loop
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(THREADS)
            self._limiter.set(limiter)
        return await anyio.to_thread.run_sync(function, *args, limiter=limiter, abandon_on_cancel=False)

    def heard(self, listener: Callable[..., object] | None) -> Callable[..., object] | None:
        """What `blocking` may call in place of a function of the caller, so that this one runs on the event loop."""
        import anyio.from_thread

        return None if listener is None else partial(anyio.from_thread.run_sync, listener)

    async def shielded(self, function: Callable[..., Steps[R]], *args: Any) -> R:
        """Take the steps even though the caller is being cancelled: for undoing what a failed call has done."""
        import anyio

        with anyio.CancelScope(shield=True):
            return await self.run(function, *args)
        raise AssertionError("a scope that nobody cancels swallows no exception")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        import anyio

        await anyio.sleep(seconds)

    async def pause(self, watch: Watch | None, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Wait for news at most so long, or that long if there is nothing that brings news. No thread waits meanwhile."""
        import anyio

        if watch is None:
            await sleep(seconds)
            return
        event = anyio.Event()
        call = _from_any_thread()

        def wake() -> None:
            with suppress(RuntimeError):  # the event loop is gone, and nobody waits any more
                call(event.set)

        watch.wake = wake
        if not watch.has_news:
            with anyio.move_on_after(seconds):
                await event.wait()

    def cursor_page(self, function: Callable[..., Steps[Any]], *args: Any) -> AsyncPaginator[Any, AsyncCursorPage[Any]]:
        """A page of a list, still to be awaited or iterated."""

        async def fetch() -> AsyncCursorPage[Any]:
            return AsyncCursorPage.over(await self.run(function, *args), self.run)

        return AsyncPaginator(fetch)

    def plain_page(self, function: Callable[..., Steps[Any]], *args: Any) -> AsyncPaginator[Any, AsyncPage[Any]]:
        """A page of search results or content, still to be awaited or iterated."""

        async def fetch() -> AsyncPage[Any]:
            return AsyncPage.over(await self.run(function, *args), self.run)

        return AsyncPaginator(fetch)

    def finished(self, answer: Any) -> Any:
        """An answer as this client gives it: pages become async ones."""
        if isinstance(answer, SyncCursorPage):
            return AsyncCursorPage.over(answer, self.run)
        if isinstance(answer, SyncPage):
            return AsyncPage.over(answer, self.run)
        return answer

    async def settle(
        self, tasks: Sequence[Callable[[], Steps[R]]], limit: int, on_done: Callable[[R], object]
    ) -> list[R | BaseException]:
        """Run tasks in at most `limit` worker threads, and tell of each result here; after a failure none is
        started, those that run are waited for.

        Returns:
            The outcome of each task in their order: its result, its exception, or `Unstarted`; and one more
            at the end if the waiting itself was interrupted.
        """
        import anyio

        outcomes: list[R | BaseException] = [Unstarted() for _ in tasks]
        turn = anyio.Semaphore(limit)
        stopped = False

        async def attempt(number: int) -> None:
            nonlocal stopped
            async with turn:
                if stopped:
                    return
                try:
                    outcomes[number] = outcome = await self.shielded(tasks[number])
                except BaseException as error:
                    stopped = True
                    outcomes[number] = error
                    return
                try:
                    on_done(outcome)
                except BaseException as error:  # what was done stays an outcome, so that it can be undone
                    stopped = True
                    interrupted.append(error)

        interrupted: list[BaseException] = []
        try:
            async with anyio.create_task_group() as group:
                for number in range(len(tasks)):
                    group.start_soon(attempt, number)
        except anyio.get_cancelled_exc_class() as error:
            interrupted.append(error)
        return [*outcomes, *interrupted[:1]]


def _from_any_thread() -> Callable[[Callable[[], object]], object]:
    """What lets the running event loop call something, without waiting for it."""
    import asyncio

    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:  # the other event loop that anyio knows
        trio: Any = importlib.import_module("trio")
        schedule: Callable[[Callable[[], object]], object] = trio.lowlevel.current_trio_token().run_sync_soon
        return schedule


class Unstarted(Exception):
    """A task that was not begun, because another one had failed."""
