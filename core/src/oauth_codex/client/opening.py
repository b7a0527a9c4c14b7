"""From the arguments of a client to an opened backend, and the guard that every call passes."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ClientClosedError, ConfigurationError
from ..spi.backends import Backend
from ..spi.driver import Clock, Driver, DriverContext
from ..types.sentinels import NotGiven

if TYPE_CHECKING:
    import httpx

    from ..config import Selection, Setting
    from ..spi.embedder import Embedder
    from ..spi.parts import Chunker, Parser, QueryRewriter, Reranker

log = logging.getLogger("oauth_codex")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of a client, as given; None or `NOT_GIVEN` for those that were not."""

    backend: str | Backend | None
    profile: str | None
    config_path: str | os.PathLike[str] | None
    storage_dir: str | os.PathLike[str] | None
    embedder: str | Embedder | None
    ingest: Literal["inline", "background"] | None
    parsers: Mapping[str, Parser] | None
    chunkers: Chunker | None
    reranker: Reranker | None
    rewrite_query: QueryRewriter | None
    base_url: str | None = field(repr=False)  # this and those that follow may hold secrets
    api_key: Any = field(repr=False)
    auth: Any = field(repr=False)
    timeout: float | httpx.Timeout | NotGiven | None
    max_retries: int | NotGiven
    default_headers: Mapping[str, str] | None = field(repr=False)
    http_client: Any = field(repr=False)
    clock: Clock | None
    driver_options: Mapping[str, Any] = field(repr=False)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named arguments that were given."""
        values = {name: getattr(self, name) for name in names}
        return {k: v for k, v in values.items() if v is not None and not isinstance(v, NotGiven)}


#: Arguments that only choose or configure a driver, so they mean nothing beside a backend that is open
#: already.
_CONFIGURING = (
    *("profile", "config_path", "storage_dir", "embedder", "ingest", "parsers", "chunkers", "reranker"),
    *(
        "rewrite_query",
        "base_url",
        "api_key",
        "auth",
        "max_retries",
        "default_headers",
        "http_client",
        "clock",
    ),
)
#: Arguments that become options of a remote driver; `base_url` is one of the selection.
_REMOTE = ("api_key", "auth", "timeout", "max_retries", "default_headers", "http_client")
#: Those of them that a local driver cannot honour and that are no mere limits.
_REMOTE_ONLY = ("api_key", "auth", "http_client")
#: Arguments that say how files are kept and searched in this process, which a remote service does by itself.
_LOCAL_ONLY = ("storage_dir", "embedder", "ingest", "parsers", "chunkers", "reranker", "rewrite_query")


class Opened:
    """An open backend, shared by a client and its copies."""

    def __init__(self, backend: Backend, *, local: bool, directory: Path | None, owned: bool) -> None:
        """Guard a backend.

        Args:
            backend: The backend.
            local: Whether it answers in this process.
            directory: Where it keeps its data, if the client chose that.
            owned: Whether closing the client closes it; one that the caller opened stays the caller's.
        """
        self.backend = backend
        self.local = local
        self.directory = directory
        self.closed = False
        self._owned = owned
        self._pid = os.getpid()

    def live(self) -> Backend:
        """The backend, if it may still be used.

        Raises:
            ClientClosedError: The client was closed, or this process was forked from the one that made it.
        """
        if self.closed:
            raise ClientClosedError("This client is closed. Make a new one to go on; what was stored is still there.")
        if os.getpid() != self._pid:
            raise ClientClosedError(
                f"This client was made in process {self._pid} and cannot be used after a fork"
                f" (this is process {os.getpid()}): they would share connections and locks."
                " Make a new client in the child."
            )
        return self.backend

    @property
    def native(self) -> bool:
        """Whether the backend can be awaited, so that an async client needs no threads."""
        return getattr(self.backend, "asynchronous", None) is not None

    async def close_native(self) -> None:
        """Close what belongs to the running event loop, and the backend."""
        if not self.closed and self._owned and os.getpid() == self._pid:
            await self.backend.asynchronous.close()  # type: ignore[attr-defined]
        self.close()

    def close(self) -> None:
        """Close the backend, once. In a forked child nothing is closed, because it is the parent's."""
        if self.closed:
            return
        self.closed = True
        if self._owned and os.getpid() == self._pid:
            self.backend.close()

    def __repr__(self) -> str:
        where = f", storage_dir={str(self.directory)!r}" if self.directory is not None else ""
        return f"backend={self.backend.name!r}{where}{', closed' if self.closed else ''}"


def open_backend(given: Arguments) -> Opened:
    """Open the backend that the arguments choose.

    Raises:
        ConfigurationError: The arguments, the environment or the profile are wrong or contradict each other.
        DriverError: The driver is not installed or broken.
    """
    _log_as_asked(os.environ.get("OAUTH_CODEX_LOG"))
    if given.backend is not None and not isinstance(given.backend, str):
        return _wrap(given.backend, given)
    from .. import config, registry
    from ..spi.embedder import is_embedder

    embedder = given.embedder
    selection = config.resolve(
        backend=given.backend,
        profile=given.profile,
        config_path=given.config_path,
        storage_dir=given.storage_dir,
        embedder=embedder if isinstance(embedder, str) else None,
        ingest=given.ingest,
        base_url=given.base_url,
        driver_options=given.driver_options,
    )
    driver = registry.load_driver(selection.driver.value, origin=selection.driver.origin)
    if driver.options is None:
        _refuse_misspelt(driver, given)
    if not driver.local:
        return _open_remote(driver, selection, given)
    _refuse_remote_arguments(driver, selection.driver.origin, given)
    if embedder is None or isinstance(embedder, str):
        chosen = selection.embedder
        embedder = registry.open_embedder(chosen.value, selection.embedder_options, origin=chosen.origin)
    elif not is_embedder(embedder):
        raise ConfigurationError(
            f"embedder takes the name of an embedder or an object with name, dimension, fingerprint, semantic, max_batch and"
            f" embed(), not {type(embedder).__name__}.",
            key="embedder",
            origin="argument",
        )
    directory = Path(selection.storage_dir.value) if driver.capabilities.persistent else None
    context = _context(given, directory, embedder, selection.ingest.value)
    backend = registry.open_driver(driver, selection.options, context)
    return Opened(backend, local=True, directory=directory, owned=True)


def _open_remote(driver: Driver, selection: Selection, given: Arguments) -> Opened:
    from .. import registry
    from ..config import Setting

    if idle := [*given.given(*_LOCAL_ONLY), *(name for name in given.driver_options if name == "compat_storage_dir")]:
        raise ConfigurationError(
            f"{', '.join(idle)} would have no effect: the driver '{driver.name}' (from {selection.driver.origin}) is a remote"
            " service, which keeps and searches files by itself. Leave it out, or choose a local driver with backend=.",
            key=idle[0],
            origin="argument",
        )
    options: dict[str, Setting] = dict(selection.options)
    for name, value in given.given(*_REMOTE).items():
        options[name] = Setting(value, "argument", name)
    context = _context(given, None, None, "inline")
    return Opened(registry.open_driver(driver, options, context), local=False, directory=None, owned=True)


def _context(
    given: Arguments,
    directory: Path | None,
    embedder: Embedder | None,
    ingest: Literal["inline", "background"],
) -> DriverContext:
    if given.clock is not None and not callable(given.clock):
        raise ConfigurationError(
            f"clock takes a callable that returns Unix seconds, not {type(given.clock).__name__}.",
            key="clock",
            origin="argument",
        )
    parsers = {_extension(key): _callable("parsers", part, "parse") for key, part in (given.parsers or {}).items()}
    return DriverContext(
        directory=directory,
        embedder=embedder,
        clock=given.clock or time.time,
        ingest=ingest,
        parsers=parsers,
        chunker=_callable("chunkers", given.chunkers, "chunk"),
        reranker=_callable("reranker", given.reranker, "rerank"),
        rewrite_query=_callable("rewrite_query", given.rewrite_query, "rewrite"),
    )


def _extension(key: str) -> str:
    """The key of a parser: a file extension with its dot, in lower case."""
    if not isinstance(key, str) or not re.fullmatch(r"\.[^./\\\s]+", key):
        raise ConfigurationError(
            f"parsers has the key {key!r}. A key is a file extension with its dot, as in parsers={{'.pdf': read_pdf}}.",
            key="parsers",
            value=key,
            origin="argument",
        )
    return key.lower()


def _callable(argument: str, part: Any, method: str) -> Any:
    """A part that is a callable, or an object with the one method."""
    if part is None or callable(part):
        return part
    found: Callable[..., Any] | None = getattr(part, method, None)
    if found is None:
        raise ConfigurationError(
            f"{argument} takes a callable or an object with a method '{method}', not {type(part).__name__}.",
            key=argument,
            origin="argument",
        )
    return found


def _wrap(backend: Any, given: Arguments) -> Opened:
    # By name, because since Python 3.12 a protocol does not see what a wrapper answers for.
    if not all(hasattr(backend, name) for name in ("files", "vector_stores", "batches", "capabilities", "close")):
        raise ConfigurationError(
            f"backend takes the name of a driver or an opened Backend, not {type(backend).__name__}.",
            key="backend",
            origin="argument",
        )
    idle = sorted({*given.given(*_CONFIGURING), *given.driver_options})
    if idle:
        raise ConfigurationError(
            f"backend is an opened Backend ('{backend.name}'), so these arguments would have no effect:"
            f" {', '.join(idle)}. Leave them out, or give the name of a driver instead.",
            key=idle[0],
            origin="argument",
        )
    # A backend that waits for a network can be awaited; see `spi.AsyncBackend`.
    local = getattr(backend, "asynchronous", None) is None
    return Opened(backend, local=local, directory=None, owned=False)


def _refuse_misspelt(driver: Driver, given: Arguments) -> None:
    """Name the argument that was probably meant, where the driver has no options that it could be instead."""
    from difflib import get_close_matches

    for name in given.driver_options:
        near = get_close_matches(name, ("backend", *_CONFIGURING, "timeout"), n=1, cutoff=0.75)
        if near and name != "compat_storage_dir":
            raise ConfigurationError(
                f"{name!r} is no argument of the client, and the driver {driver.name!r} has no options. Did you mean {near[0]!r}?",
                key=name,
                origin="argument",
            )


def _refuse_remote_arguments(driver: Driver, origin: str, given: Arguments) -> None:
    idle = list(given.given(*_REMOTE_ONLY))
    if given.base_url is not None and isinstance(given.backend, str) and "/backend-api/codex" not in given.base_url:
        idle.append("base_url")
    if idle:
        raise ConfigurationError(
            f"{', '.join(idle)} would have no effect: the driver '{driver.name}' (from {origin}) is local."
            " Leave it out, or choose a remote driver with backend=; `oauth-codex drivers` lists what is installed.",
            key=idle[0],
            origin="argument",
        )


def _log_as_asked(level: str | None) -> None:
    """Set the level that `OAUTH_CODEX_LOG` names, with a handler for programs that configure none."""
    if not level:
        return
    if level.lower() not in ("debug", "info"):
        raise ConfigurationError(
            f"OAUTH_CODEX_LOG is {level[:80]!r}. Accepted: 'debug' or 'info'.",
            key="OAUTH_CODEX_LOG",
            value=level[:80],
            origin="OAUTH_CODEX_LOG",
        )
    log.setLevel(level.upper())
    if not log.hasHandlers():
        log.addHandler(logging.StreamHandler())
