"""Threads that do what was announced, in this process or in another one.

Each claims some files of one store, prepares them and publishes them in one transaction. Files are prepared in a process of the
thread's own, so that one that crashes its reader, or takes too long, costs nothing but its attempt. Some small ones are prepared in
the thread itself, which is done before a process is started; so is whatever needs parts of the caller, which are objects of this one.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from ...errors import StorageBusyError, StorageError
from ..catalog.attachments import chunking_of
from .publishing import Work
from .queue import Queue, said

if TYPE_CHECKING:
    from ...spi.driver import DriverContext
    from ...spi.embedder import Embedder
    from ..catalog.expiry import Expiry
    from ..catalog.jobs import Task
    from .changes import Watch
    from .child import Child, Failed
    from .prepare import Prepared, Preparer, Refused

#: Threads of one backend.
THREADS = 2
#: Files of together so few bytes are prepared without a process.
_SMALL = 64 * 1024
#: Seconds between two looks for what other processes announce: at first, and at most.
_SOON, _LATE = 0.05, 1.0
#: Seconds after which files are published though others of their group are not ready.
_AT_LATEST = 1.0
#: Seconds without work after which a process is let go.
_IDLE = 60.0
#: Seconds between two removals of what has expired.
_SWEEP = 60.0
#: Seconds that closing waits for a thread that is in the middle of something that cannot be interrupted.
_PATIENCE = 5.0


class Workers:
    """The workers of one backend; see `spi.backends.BackgroundWork`."""

    def __init__(self, queue: Queue, context: DriverContext, embedder: Embedder, expiry: Expiry) -> None:
        self._crew = _Crew(queue, context, embedder, expiry)
        # A client that is left open stops when it is gone, and at the end of the program: what is left waits for another one.
        self._closing = weakref.finalize(self, self._crew.stop)

    @property
    def completed(self) -> int:
        """Files that were completed here."""
        return self._crew.completed

    @property
    def failed(self) -> int:
        """Files that failed here."""
        return self._crew.failed

    def left(self) -> tuple[int, int]:
        """Files that wait or are worked on anywhere: those that can be done here, and those of stores with another embedder."""
        return self._crew.queue.left()

    def begin(self) -> None:
        """Work with the usual number of threads."""
        self.start(THREADS)

    def start(self, threads: int) -> None:
        """Work with so many threads from now on."""
        self._crew.start(threads)

    def wake(self) -> None:
        """There is something to do."""
        self._crew.wake()

    def expect(self, size: int) -> None:
        """So many bytes were uploaded, and will soon be attached: processes are started meanwhile."""
        self._crew.expect(size)

    def watch(self, key: str) -> Watch:
        """Something to wait with for news of a store or a file."""
        return self._crew.queue.changes.watch(key)

    def close(self) -> None:
        """Stop, and let go of what is not finished."""
        self._closing()


class _Crew:
    """What the threads share. It knows nothing of the backend, so that one that is forgotten can go."""

    def __init__(self, queue: Queue, context: DriverContext, embedder: Embedder, expiry: Expiry) -> None:
        self.queue = queue
        self.completed = 0
        self.failed = 0
        self._context = context
        self._embedder = embedder
        self._expiry = expiry
        self._condition = threading.Condition()
        self._news = 0
        self._expected = 0
        self._stopping = False
        self._wanted = 0
        self._threads: dict[int, threading.Thread] = {}
        self._pid = os.getpid()
        self._children: list[Child] = []
        self._swept = time.monotonic()

    @cached_property
    def preparer(self) -> Preparer:
        """The parts that prepare files in a thread."""
        from .prepare import Preparer

        return Preparer(self._embedder, self._context.parsers, self._context.chunker)

    def start(self, threads: int) -> None:
        """Start threads that are missing, and let the others end when they are done with what they do."""
        with self._condition:
            self._wanted = 0 if self._stopping else threads
            for number in range(self._wanted):
                if number not in self._threads:
                    name = f"oauth-codex-worker-{number + 1}"
                    thread = threading.Thread(target=self._work, args=(number,), name=name, daemon=True)
                    self._threads[number] = thread
                    thread.start()
            self._condition.notify_all()

    def wake(self) -> None:
        """Let one thread look."""
        with self._condition:
            self._news += 1
            self._condition.notify()

    def expect(self, size: int) -> None:
        """Let all threads have their processes ready, once that pays."""
        with self._condition:
            before, self._expected = self._expected, self._expected + size
            if before <= _SMALL < self._expected:
                self._news += 1
                self._condition.notify_all()

    def stop(self) -> None:
        """Stop all threads, and let go of what they hold."""
        if os.getpid() != self._pid:
            return  # a fork has neither the threads nor what they hold
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            children, threads = list(self._children), list(self._threads.values())
        for child in children:
            child.stop()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_PATIENCE)
        self.queue.close()

    # -- one thread ----------------------------------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        from .child import Child

        child = Child(self._embedder)
        with self._condition:
            self._children.append(child)
        try:
            while (task := self._next(number, child)) is not None:
                if task.full:
                    self.wake()  # there is more than this thread takes
                with self.queue.holding(task.claims):
                    self._attend(task, child)
        finally:
            child.stop()
            child.rest()

    def _next(self, number: int, child: Child) -> Task | None:
        """The next files to work on, however long it takes until there are some; None when it is time to stop."""
        pause, idle = _SOON, time.monotonic()
        while self._is_wanted(number):
            news = self._news
            try:
                self._sweep()
                task = self.queue.take()
            except (StorageError, StorageBusyError) as error:
                self._context.logger.warning("Nothing can be taken from the queue: %s", said(error))
                task, pause, news = None, _LATE, self._news
            except Exception:  # the thread must not end: nobody would take its place
                self._context.logger.exception("Nothing can be taken from the queue")
                task, pause, news = None, _LATE, self._news
            if task is not None:
                return task
            if time.monotonic() - idle > _IDLE:
                child.rest()
                self._expected, idle = 0, time.monotonic()
            elif self._expected > _SMALL:
                child.make_ready()
            with self._condition:
                if self._condition.wait_for(partial(self._has_news, news), pause):
                    pause = _SOON
                else:
                    pause = min(2 * pause, _LATE)
        return None

    def _has_news(self, seen: int) -> bool:
        return self._news != seen or self._stopping

    def _is_wanted(self, number: int) -> bool:
        """Whether a thread shall go on; one that hears that it shall not has left already."""
        with self._condition:
            if number < self._wanted and not self._stopping:
                return True
            self._threads.pop(number, None)
            return False

    def _sweep(self) -> None:
        """Remove what has expired, now and then."""
        with self._condition:
            if time.monotonic() - self._swept < _SWEEP:
                return
            self._swept = time.monotonic()
        self._expiry.sweep_all(self.queue.now())

    def _attend(self, task: Task, child: Child) -> None:
        """Prepare and publish the files of a task; whatever goes wrong is noted on those that it concerns."""
        from .child import Failed, Stopped

        unsettled = set(task.claims)
        try:
            rows, contents = self.queue.contents(task.namespace, task.rows)
            work: list[tuple[Work, Prepared | Refused]] = []
            begun = time.monotonic()
            for row, found in zip(rows, self._prepared(rows, contents, child), strict=True):
                if isinstance(found, Failed):
                    self._tally(failed=self.queue.put_off(task, [row.id], str(found)))
                    unsettled.discard(row.id)
                    continue
                work.append((Work(row.id, row.generation, row.blob_id), found))
                if time.monotonic() - begun > _AT_LATEST:
                    unsettled -= self._published(task, work)
                    work, begun = [], time.monotonic()
            if work:
                unsettled -= self._published(task, work)
        except Stopped:
            self.queue.release({each: task.claims[each] for each in unsettled}, attempted=False)
        except BaseException as error:
            self._put_off(task, unsettled, error)

    def _prepared(
        self, rows: Sequence[Row[Any]], contents: Sequence[bytes], child: Child
    ) -> Iterator[Prepared | Refused | Failed]:
        """What becomes of each file."""
        from .child import Failed, Stopped
        from .prepare import Refused

        preparer = self.preparer
        small = sum(map(len, contents)) <= _SMALL or not child.possible
        mine = [small or not preparer.built_in(row.filename) for row in rows]
        others = [i for i, here in enumerate(mine) if not here]
        answers = child.prepare([rows[i] for i in others], [contents[i] for i in others])
        for row, content, here in zip(rows, contents, mine, strict=True):
            if self._stopping:
                raise Stopped
            found: Prepared | Refused | Failed
            if here:
                found = _tried(partial(preparer.prepare, content, row.filename, chunking_of(row)))
            else:
                found = next(answers)
                if not child.embeds and not isinstance(found, Refused | Failed):
                    found = _tried(partial(preparer.embed, found))
            yield Failed(found.message) if isinstance(found, Refused) and found.passing else found

    def _published(self, task: Task, work: Sequence[tuple[Work, Prepared | Refused]]) -> set[int]:
        """Publish files, and return their attachments, those too that are not held any more."""
        from .prepare import Refused

        mine = self.queue.publish(task, work)
        refused = sum(isinstance(found, Refused) for at, found in work if at.attachment_id in mine)
        self._tally(completed=len(mine) - refused, failed=refused)
        return {at.attachment_id for at, _ in work}

    def _tally(self, *, completed: int = 0, failed: int = 0) -> None:
        with self._condition:
            self.completed += completed
            self.failed += failed

    def _put_off(self, task: Task, ids: Collection[int], error: BaseException) -> None:
        """Note what went wrong with a whole task; if even that fails, its lease runs out by itself."""
        reason = (
            said(error) if isinstance(error, StorageError | StorageBusyError) else f"{type(error).__name__}: {error}"
        )
        self._context.logger.warning("%d files are tried again later: %s", len(ids), reason)
        try:
            self._tally(failed=self.queue.put_off(task, sorted(ids), reason))
        except (StorageError, StorageBusyError) as again:
            self._context.logger.warning("That could not be noted: %s", said(again))


def _tried(prepare: Callable[[], Prepared | Refused]) -> Prepared | Refused | Failed:
    """What a part of the caller makes of a file; whatever it raises is the end of this attempt, and of nothing else."""
    from .child import Failed

    try:
        return prepare()
    except BaseException as error:  # a panic of a library in Rust is no Exception
        return Failed(f"The file could not be processed: {type(error).__name__}: {error}")
