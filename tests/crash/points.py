"""Points of a program at which its process dies, loses power, is stopped for a while, or meets a failing disk.

A point is a commit of the catalog, or an operation on a file that makes something durable or visible.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy
from sqlalchemy.exc import OperationalError

#: What happens at the point: SIGKILL; the same, and what no sync has made durable is gone; SIGSTOP; the disk fails, once.
How = Literal["kill", "power", "freeze", "raise"]
OPERATIONS = ("replace", "rename", "link", "fsync", "unlink", "rmdir")
#: A file that cannot be removed is no full disk, and harms nobody.
NEVER_FAIL = ("unlink", "rmdir")


def meets(how: How, point: str) -> bool:
    """Whether something can happen at a point: one that is stopped must not hold the lock that all writers need."""
    moment, _, name = point.partition(" ")
    if how == "raise":
        return moment == "before" and name not in NEVER_FAIL
    return how != "freeze" or point == "after commit"


def install(how: How, at: int) -> list[str]:
    """Let it happen at point number `at`, in whichever thread; 0 for none. Returns the points that were passed.

    Threads do not pass the same points each time: where it cannot happen at that point, it does at the next one where it can.
    """
    passed: list[str] = []
    turn = threading.Lock()
    happened = at == 0

    def point(name: str, failure: Callable[[], BaseException]) -> None:
        nonlocal happened
        with turn:
            passed.append(name)
            if happened or len(passed) < at or not meets(how, name):
                return
            happened = True
            if how in ("kill", "power"):
                os.kill(os.getpid(), signal.SIGKILL)
        if how == "freeze":
            # This thread first, which keeps the other ones from writing: sent to the process, any thread may take the signal, and until
            # it does another one begins a transaction and is stopped with the lock that all writers need.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        else:
            raise failure()

    def full() -> BaseException:
        return OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))

    def no_space() -> BaseException:
        return OSError(28, "No space left on device")

    def wrap(owner: Any, name: str, failure: Callable[[], BaseException]) -> None:
        real = getattr(owner, name)

        def call(*given: Any, **named: Any) -> Any:
            point(f"before {name}", failure)
            result = real(*given, **named)
            point(f"after {name}", failure)
            return result

        setattr(owner, name, call)

    wrap(sqlalchemy.Connection, "commit", full)
    for name in OPERATIONS:
        wrap(os, name, no_space)
    return passed
