"""The embedded Chroma of a storage directory: one client for a whole process, replaced after each failure.

Once a write has failed, such as on a full disk, chromadb's embedded client may wait forever at its next call, and with it the whole
process. So what has failed is closed at once, before anything else is asked of it, and opened anew at the next call.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oauth_codex.errors import OAuthCodexError, StorageError
from oauth_codex.spi import IndexLost

from . import lock

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

#: Size of the header of a graph. chromadb reads one that is cut off past its end, which may be the end of the process.
_HEADER = 100
_WORTHLESS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# Re-entrant, because the collector may close a forgotten client while another one is opened.
_guard = threading.RLock()
#: Those of this process by path, because chromadb shares what is opened under one path too.
_held: dict[str, Embedded] = {}
#: The process in which chromadb was opened. Its threads do not survive a fork: the child would wait for them forever.
_started_in: int | None = None


def acquire(directory: Path) -> Embedded:
    """The Chroma of a storage directory, locked; `release` it once.

    Raises:
        StorageBusyError: Another process has it.
        StorageError: It cannot be locked, or Chroma was in use when this process was forked.
    """
    if _started_in not in (None, os.getpid()):
        raise StorageError(
            "Chroma was in use when this process was forked, and cannot be used here, because its threads are gone. Start processes"
            " with subprocess or the spawn method, open the first client after the fork, or use a server: host=.",
            driver="chroma",
        )
    path = os.path.join(os.path.realpath(directory), "chroma")
    with _guard:
        if path not in _held:
            _held[path] = Embedded(Path(path), lock.take(directory))
        _held[path].users += 1
        return _held[path]


def release(embedded: Embedded) -> None:
    """Close it and give the lock back, when the last client of this process does."""
    with _guard:
        embedded.users -= 1
        if not embedded.users:
            del _held[str(embedded.path)]
            embedded.close()


class Embedded:
    """A Chroma in a directory of its own. Thread-safe.

    Attributes:
        path: The directory.
        descriptor: The lock.
        users: How many connections there are.
        replaced: How often a damaged directory was moved aside.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.users = 0
        self.replaced = 0
        self._client: Any = None
        self._sound = False
        self._condition = threading.Condition()
        self._readers = 0
        self._writing = False

    @contextmanager
    def use(self, logger: logging.Logger, *, reading: bool) -> Iterator[ClientAPI]:
        """The client, for one call: alone for writing, so that nobody meets a client whose write has just failed.

        Args:
            logger: Where it is told that a damaged directory is moved aside.
            reading: Others may read meanwhile.
        """
        while True:
            together = reading and self._sound
            with self._turn(together):
                if not self._sound and together:
                    continue
                if not self._sound:
                    self._let_go(logger)
                    self._open(logger)
                try:
                    yield self._client
                except BaseException as error:
                    if not _harmless(error):
                        self._sound = False
                    raise
                return

    def mend(self, logger: logging.Logger) -> int:
        """After a failure: close what has failed, and move its directory aside if that is damaged. How often that was so."""
        with self._turn(together=False):
            if not self._sound:
                self._let_go(logger)
            return self.replaced

    def close(self) -> None:
        """Close the client, and give the lock back."""
        client, self._client, self._sound = self._client, None, False
        if client is not None:
            client.close()
        os.close(self.descriptor)

    @contextmanager
    def _turn(self, together: bool) -> Iterator[None]:
        with self._condition:
            while self._writing or (self._readers and not together):
                self._condition.wait()
            self._readers += together
            self._writing = not together
        try:
            yield
        finally:
            with self._condition:
                self._readers -= together
                self._writing = False
                self._condition.notify_all()

    def _let_go(self, logger: logging.Logger) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
            self._replace_damaged(logger)

    def _open(self, logger: logging.Logger) -> None:
        self.path.mkdir(mode=0o700, exist_ok=True)
        if _cut_off(self.path):
            self._replace_damaged(logger)
        try:
            self._client = _persistent(self.path)
        except Exception:
            if not self._replace_damaged(logger):
                raise
            self._client = _persistent(self.path)
        self._sound = True

    def _replace_damaged(self, logger: logging.Logger) -> bool:
        """Move the directory aside if it is damaged: it holds nothing but copies of vectors, which the catalog has."""
        damage = _damage(self.path)
        if damage is None:
            return False
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
        self.path.mkdir(mode=0o700)
        self.replaced += 1
        logger.warning(
            "The embedded Chroma in %r is damaged: %s. It was moved to %r, which may be deleted; vectors are copied from the catalog"
            " again.",
            str(self.path),
            damage,
            str(aside),
        )
        return True


def settings(host: str | None = None, port: int | None = None) -> Any:
    """Settings of a client: no telemetry, no .env file of the current directory, no variable that happens to have such a name."""
    from chromadb.config import Settings

    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        anonymized_telemetry=False,
        chroma_server_host=host,
        chroma_server_http_port=port,
    )


def _persistent(path: Path) -> Any:
    global _started_in
    import chromadb  # takes most of a second
    from chromadb.api.shared_system_client import SharedSystemClient

    _started_in = os.getpid()
    try:
        return chromadb.PersistentClient(path, settings=settings())
    except Exception:
        # chromadb would keep what has failed to start, and hand it out to whoever opens this path again.
        SharedSystemClient._identifier_to_system.pop(str(path), None)
        raise


def _harmless(error: BaseException) -> bool:
    from chromadb.errors import NotFoundError

    return isinstance(error, NotFoundError | IndexLost | OAuthCodexError)


def _damage(path: Path) -> str | None:
    """What is damaged; None for a sound directory, and for one that cannot be read: that may pass."""
    torn = _cut_off(path)
    database = path / "chroma.sqlite3"
    if torn is not None or not database.exists():
        return torn
    try:
        with closing(sqlite3.connect(database)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        # The lowest byte of a code of SQLite says what kind of error it is.
        return str(error) if getattr(error, "sqlite_errorcode", 0) & 0xFF in _WORTHLESS else None
    return None if found == "ok" else " ".join(found.split())


def _cut_off(path: Path) -> str | None:
    for header in path.glob("*/header.bin"):
        if header.stat().st_size < _HEADER:
            return f"{header.parent.name}/{header.name} is cut off"
    return None


def _after_fork() -> None:
    global _guard
    _guard = threading.RLock()
    for embedded in _held.values():
        os.close(embedded.descriptor)  # else the lock would outlast the process that holds it
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
