"""Renewing leases while work goes on."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class Heartbeat:
    """Calls a method at an interval, from a thread that ends when there is no work, or when the method's object is gone."""

    def __init__(self, beat: Callable[[], bool], seconds: float) -> None:
        """Arrange it; nothing runs before `begin`.

        Args:
            beat: A bound method that returns whether there still is work.
            seconds: The interval, in real time.
        """
        self._beat = weakref.WeakMethod(beat)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._running = False
        self._begun = 0

    def begin(self) -> None:
        """There is work."""
        with self._lock:
            self._begun += 1
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="oauth-codex-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            begun = self._begun
            beat = self._beat()
            if beat is not None and beat():
                continue
            del beat
            with self._lock:
                if begun == self._begun:  # nothing was begun since the method looked
                    self._running = False
                    return
