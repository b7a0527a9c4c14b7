"""One process at a time in the directory of an embedded Chroma: two would lose each other's vectors without any error."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from oauth_codex.errors import StorageBusyError, StorageError


def take(directory: Path) -> int:
    """Take the lock of a storage directory, without waiting; closing the descriptor that is returned gives it back.

    Raises:
        StorageBusyError: Another process holds it.
        StorageError: It cannot be taken here.
    """
    path = directory / "chroma.lock"
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        raise StorageError(
            f"The lock {str(path)!r} cannot be taken: {error.strerror or error}.", driver="chroma"
        ) from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except OSError:  # a full disk: the number is for messages only
        pass
    return descriptor
