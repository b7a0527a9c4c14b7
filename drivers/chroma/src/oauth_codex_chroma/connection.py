"""The one Chroma client of a backend: opened when it is needed, closed for certain, its failures told in our words."""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from oauth_codex.errors import ConfigurationError, OAuthCodexError, StorageError
from oauth_codex.spi import IndexLost
from oauth_codex.spi.waiting import time_limit

from . import embedded
from .options import Options, sendable

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

#: Seconds without any sign of a server after which a call gives up; chromadb itself would wait forever.
_PATIENCE = 60.0
#: Most ids in one call: Chroma passes them to SQLite as variables, which are limited; Chroma Cloud has a quota.
_IDS = 1000
_CLOUD_ROWS = 300
#: How SQLite and the system tell of a disk that is full, or of files that may not be read: that may pass.
_PASSING = re.compile(r"\(code: \d+\)|\(os error \d+\)")


class Connection:
    """A Chroma: embedded below a storage directory, on a server, or in Chroma Cloud. Thread-safe.

    An embedded one is locked at once, and opened at the first call; one that is reached over the network is opened at once.

    Args:
        options: Which one.
        directory: The storage directory.
        logger: Where it is told that a damaged one is moved aside.

    Raises:
        ConfigurationError: The variable with the key is not set.
        StorageBusyError: Another process has the embedded Chroma.
        StorageError: The server does not answer, or refuses.
    """

    def __init__(self, options: Options, directory: Path, logger: logging.Logger) -> None:
        self.options = options
        self._path = directory / "chroma"
        self._logger = logger
        self._key = _api_key(options.api_key_env) if options.mode == "cloud" else ""
        self._guard = threading.Lock()
        self._opened: list[Any] = []
        self._embedded = embedded.acquire(directory) if options.mode == "embedded" else None
        # A client that is left open must not keep chromadb's own cache of open directories alive without the lock.
        self._closing = weakref.finalize(self, _close, self._opened, self._embedded, os.getpid())
        if self._embedded is None:
            with self.call("opening it"):
                pass

    @property
    def name(self) -> str:
        """Which Chroma it is, for messages."""
        if self.options.mode == "embedded":
            return f"the embedded Chroma in {str(self._path)!r}"
        if self.options.mode == "cloud":
            return f"Chroma Cloud (tenant {self.options.tenant!r}, database {self.options.database!r})"
        return f"the Chroma server at {self._address}"

    @property
    def _sentence(self) -> str:
        return f"{self.name[0].upper()}{self.name[1:]}"

    @property
    def _address(self) -> str:
        return f"http{'s' if self.options.ssl else ''}://{self.options.host}:{self.options.port}"

    @property
    def ids(self) -> int:
        """Most ids that one call may name."""
        return _CLOUD_ROWS if self.options.mode == "cloud" else _IDS

    @property
    def rows(self) -> int:
        """Most vectors that one call may write or list."""
        with self.call("asking for its limits", reading=True) as client:
            most: int = client.get_max_batch_size()
        return min(most, _CLOUD_ROWS) if self.options.mode == "cloud" else most

    def close(self) -> None:
        """Close the client and give the lock back. A second call does nothing."""
        self._closing()

    @contextmanager
    def call(self, doing: str, *, reading: bool = False) -> Iterator[ClientAPI]:
        """The client, for one call; whatever chromadb raises is told in our words.

        Args:
            doing: What is done, for messages.
            reading: Nothing is written: others may read meanwhile.

        Raises:
            IndexLost: What is there is damaged.
            StorageError: Anything else, with what failed where, and what to do.
        """
        replaced = self._embedded.replaced if self._embedded else 0
        try:
            with self._client(reading) as client:
                yield client
        except (OAuthCodexError, IndexLost):
            raise
        except Exception as error:
            self._raise_if_lost(error, reading, replaced)
            raise self._failure(doing, error) from error

    @contextmanager
    def _client(self, reading: bool) -> Iterator[ClientAPI]:
        if self._embedded is not None:
            with self._embedded.use(self._logger, reading=reading) as client:
                yield client
            return
        with self._guard:
            if not self._opened:
                self._opened.append(self._open())
        yield self._opened[0]

    def _raise_if_lost(self, error: Exception, reading: bool, replaced: int) -> None:
        from chromadb.errors import InternalError

        if self._embedded is not None and self._embedded.mend(self._logger) != replaced:
            raise IndexLost(f"{self._sentence} was damaged.") from error
        if reading and isinstance(error, InternalError) and not _PASSING.search(str(error)):
            raise IndexLost(f"{self._sentence} cannot read vectors that it should have: {error}.") from error

    def _open(self) -> ClientAPI:
        import chromadb  # takes most of a second

        options = self.options
        settings = embedded.settings(options.host, options.port if options.host else None)
        client: Any
        if options.mode == "cloud":
            client = chromadb.CloudClient(options.tenant, options.database, self._key, settings=settings)
        else:
            tenant, database = self._greet()
            client = chromadb.HttpClient(
                str(options.host),
                options.port,
                ssl=options.ssl,
                headers=dict(options.headers),
                settings=settings,
                tenant=tenant,
                database=database,
            )
        for session in _sessions(client):
            session.event_hooks["request"].append(_limit_time)
        opened: ClientAPI = client
        return opened

    def _greet(self) -> tuple[str, str]:
        """Ask a server for tenant and database, which are returned.

        chromadb asks too when its client is made, but waits forever for an answer, and leaves sockets open if it is a bad one.
        """
        import httpx
        from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT

        tenant, database = self.options.tenant or DEFAULT_TENANT, self.options.database or DEFAULT_DATABASE
        url = f"{self._address}/api/v2/tenants/{quote(tenant, safe='')}/databases/{quote(database, safe='')}"
        answer = httpx.get(url, headers=self.options.headers, timeout=_seconds())
        answer.raise_for_status()
        if answer.json().get("name") != database:
            raise ValueError(f"the answer of {url} is not that of Chroma")
        return tenant, database

    def _failure(self, doing: str, error: Exception) -> StorageError:
        from chromadb.errors import AuthorizationError, ChromaAuthError
        from httpx import HTTPStatusError, TransportError

        options = self.options
        causes = list(_causes(error))
        refused = any(isinstance(cause, AuthorizationError | ChromaAuthError) for cause in causes) or any(
            cause.response.status_code in (401, 403) for cause in causes if isinstance(cause, HTTPStatusError)
        )
        said = " ".join(str(error).split()) or type(error).__name__
        for secret in (self._key, *options.headers.values()):
            said = said.replace(secret, "***") if secret else said
        said = said.strip(".")[:300]
        if options.mode == "embedded":
            advice = "Nothing is lost, because it holds only copies of vectors: see to room and permissions there, and try again."
        elif any(isinstance(cause, TransportError) for cause in causes):
            advice = "It cannot be reached. Nothing is lost: the call may be repeated once it answers."
            if options.mode == "server":
                run = f"chroma run --host {options.host} --port {options.port} --path <directory>"
                advice += f" Start it with `{run}`, or correct host= and port=."
        elif refused:
            key = f"the key in {options.api_key_env}" if options.mode == "cloud" else "headers="
            advice = f"It refuses the credentials: check {key}, tenant= and database=."
        else:
            advice = (
                "Check that a Chroma server of version 1 answers there, and that the tenant and the database exist."
            )
        return StorageError(
            f"{self._sentence} failed at {doing}: {said}. {advice}",
            driver="chroma",
            raw_error=error,
        )


def _api_key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not sendable(key):
        problem = "holds characters that a key cannot have" if key else "is not set"
        raise ConfigurationError(
            f"Chroma Cloud needs a key in the variable {variable!r}, which {problem}. Set it, or name another with api_key_env=.",
            key="api_key_env",
            value=variable,
        )
    return key


def _sessions(client: Any) -> list[httpx.Client]:
    """The HTTP sessions of a client, if it has any. They are not public, but nothing else limits a call or closes the sockets."""
    servers = (client._server, client._admin_client._server)
    return [server._session for server in servers if hasattr(server, "_session")]


def _seconds() -> float:
    return min(_PATIENCE, time_limit.get() or _PATIENCE)


def _limit_time(request: httpx.Request) -> None:
    request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), _seconds())


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _close(opened: list[Any], held: embedded.Embedded | None, process: int) -> None:
    if os.getpid() != process:  # what a fork has inherited belongs to the other process
        return
    for client in opened:
        sessions = _sessions(client)
        client.close()
        for session in sessions:  # chromadb leaves them open
            session.close()
    opened.clear()
    if held is not None:
        embedded.release(held)
