"""Locks of folders, by which processes tell each other what they are about to do with the files in them.

They end with the process that holds them. Two of them are used: that of `blobs/` is shared by whoever has changed a file there and
has not committed the row yet, or the other way round, or has made one and not marked it; that of the storage directory by whoever
needs the files to stay.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def share(folder: Path) -> Callable[[], None]:
    """Take part in the lock of a folder, and return what lets go of it; an absent folder has none."""
    return _taken(folder, fcntl.LOCK_SH) or _nothing


def alone(folder: Path) -> Callable[[], None] | None:
    """Have the lock of a folder for oneself, and return what lets go of it; None if somebody else holds or shares it."""
    return _taken(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


def mark(descriptor: int) -> None:
    """Lock an opened file of one's own; somebody may just be looking whether it is."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_marked(descriptor: int) -> bool:
    """Whether a process that lives has marked the file; if not, it is marked now, until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _taken(folder: Path, kind: int) -> Callable[[], None] | None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _nothing
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return lambda: os.close(descriptor)


def _nothing() -> None:
    """There was nothing to let go of."""
