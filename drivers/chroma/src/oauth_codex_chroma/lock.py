"""One process at a time in the directory of an embedded Chroma: two would lose each other's vectors without any error.

The clients of one process share its Chroma, as chromadb itself does. A forked process does not inherit the lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from oauth_codex.errors import StorageBusyError, StorageError

# Re-entrant, because the collector may close a forgotten client while another one is opened.
_guard = threading.RLock()
#: By lock file: its descriptor, and how many clients of this process use it.
_held: dict[str, tuple[int, int]] = {}


def acquire(directory: Path) -> str:
    """Take the lock of a storage directory, without waiting; what is returned is for `release`.

    Raises:
        StorageBusyError: Another process holds it.
        StorageError: It cannot be taken here.
    """
    path = os.path.join(os.path.realpath(directory), "chroma.lock")
    with _guard:
        descriptor, users = _held[path] if path in _held else (_locked(path, directory), 0)
        _held[path] = descriptor, users + 1
    return path


def release(path: str) -> None:
    """Give the lock back, when the last client of this process does."""
    with _guard:
        descriptor, users = _held.pop(path)
        if users > 1:
            _held[path] = descriptor, users - 1
        else:
            os.close(descriptor)


def _locked(path: str, directory: Path) -> int:
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except BlockingIOError as error:
        owner = os.read(descriptor, 20).decode("ascii", "replace")
        os.close(descriptor)
        raise StorageBusyError(
            f"The Chroma index in {str(directory)!r} is in use by process {owner or '(unknown)'}; embedded, it is for one process at"
            " a time. Close the client there, or share a server among processes:"
            ' `chroma run --host 127.0.0.1 --port 8000 --path <another directory>`, and host="127.0.0.1" in each of them.'
        ) from error
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise StorageError(f"The lock {path!r} cannot be taken: {error.strerror or error}.", driver="chroma") from error
    return descriptor


def _after_fork() -> None:
    global _guard
    _guard = threading.RLock()
    for descriptor, _ in _held.values():
        os.close(descriptor)  # else the lock would outlast the process that holds it
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
