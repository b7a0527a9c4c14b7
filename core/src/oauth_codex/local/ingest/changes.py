"""Telling those who wait in this process that something was settled, so that they need not look again and again."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import TracebackType


class Watch:
    """Waits for news of one id, as a context; see `spi.backends.Watch`."""

    def __init__(self, changes: Changes, key: str) -> None:
        self._changes = changes
        self._key = key
        self._news = threading.Event()
        #: Called, from any thread, when there is news.
        self.wake: Callable[[], object] | None = None

    def __enter__(self) -> Watch:
        self._changes.add(self._key, self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._changes.remove(self._key, self)

    def clear(self) -> None:
        """Forget older news; to be called before looking."""
        self._news.clear()

    @property
    def has_news(self) -> bool:
        """Whether something was told since `clear`."""
        return self._news.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for news at most so long, and return whether there is some."""
        return self._news.wait(seconds)

    def tell(self) -> None:
        """There is news."""
        self._news.set()
        if (wake := self.wake) is not None:
            wake()


class Changes:
    """Who watches what. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)

    def watch(self, key: str) -> Watch:
        """Something to wait with for news of an id."""
        return Watch(self, key)

    def tell(self, keys: Iterable[str]) -> None:
        """There is news of these ids."""
        with self._lock:
            told = [watch for key in keys if key in self._watches for watch in self._watches[key]]
        for watch in told:
            watch.tell()

    def add(self, key: str, watch: Watch) -> None:
        """Let a watch have news."""
        with self._lock:
            self._watches[key].add(watch)

    def remove(self, key: str, watch: Watch) -> None:
        """Let a watch have no more news."""
        with self._lock:
            self._watches[key].discard(watch)
            if not self._watches[key]:
                del self._watches[key]
