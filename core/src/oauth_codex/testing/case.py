"""Which driver is tested, and the storages of it that a test opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import registry
from ..client import AsyncOAuthCodexClient, OAuthCodexClient
from ..config import Setting
from ..errors import ConflictError, EmbedderMismatchError, InternalServerError, OAuthCodexError, StorageError
from ..spi import Backend, Capabilities, Clock, Driver, DriverContext, Embedder, IdSource
from .clock import FakeClock, Ids
from .faces import blocking
from .semantic import SemanticEmbedder

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Face = Literal["sync", "async"]

#: What the client of a service learns of an error: the status, and not what happened behind it.
_FROM_AFAR: Mapping[type[OAuthCodexError], type[OAuthCodexError]] = {
    StorageError: InternalServerError,
    EmbedderMismatchError: ConflictError,
}


@dataclass(frozen=True)
class DriverCase:
    """The driver that a suite tests.

    Attributes:
        driver: Name of an installed driver, its record, or a function `(options, context)` that returns a `Backend`.
        options: Its options. The kit opens the same ones again to see what was kept, and gives each test a directory of its
            own; a driver that keeps data elsewhere must be given a place of its own for each test here.
        service: For a driver that is not local: starts the service that it talks to, and gives further options, by which the
            driver reaches it. It is called for each opening with the directory, clock, ids, embedder and parts of the test, which
            the service must use, and ended when the storage is closed. Options that are JSON values let other processes of a test
            reach it too. Without it only what depends on none of these can pass.
    """

    driver: str | Driver | Callable[[Any, DriverContext], Backend]
    options: Mapping[str, Any] = field(default_factory=dict)
    service: Callable[[DriverContext], AbstractContextManager[Mapping[str, Any]]] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.driver, str | Driver) or callable(self.driver)):
            raise TypeError(
                "DriverCase takes the name of a driver, a Driver record or a function (options, context) that returns a Backend,"
                f" not {type(self.driver).__name__}."
            )

    @property
    def record(self) -> Driver | None:
        """The record of the driver; None for a function.

        Raises:
            DriverError: No driver of this name is installed, or it is broken.
        """
        if isinstance(self.driver, Driver):
            return self.driver
        return _installed(self.driver) if isinstance(self.driver, str) else None

    @property
    def local(self) -> bool:
        """Whether the driver keeps its data itself, so that tests may look at its files and break them."""
        record = self.record
        return record is None or record.local

    @property
    def takes_parts(self) -> bool:
        """Whether directory, clock, ids, embedder and parts of a test reach what keeps the data."""
        return self.local or self.service is not None

    def error(self, local: type[OAuthCodexError]) -> type[OAuthCodexError]:
        """What the driver raises where a local one raises `StorageError` or `EmbedderMismatchError`."""
        return local if self.local else _FROM_AFAR[local]

    def open_backend(self, context: DriverContext, further: Mapping[str, Any] | None = None) -> Backend:
        """Open the driver as a client does.

        Args:
            context: What it receives.
            further: Options beside those of the case.

        Raises:
            ConfigurationError: An option is wrong.
            OAuthCodexError: Whatever the driver raised.
        """
        record = self.record
        options = {**self.options, **(further or {})}
        if record is None:
            assert callable(self.driver)
            return self.driver(options, context)
        settings = {name: Setting(value, "argument", name) for name, value in options.items()}
        return registry.open_driver(record, settings, context)

    def facts(self) -> dict[str, Any]:
        """What a report says about the driver: `driver`, `distribution` and `version`, the last two None if unknown."""
        name = self.driver if isinstance(self.driver, str) else getattr(self.driver, "name", None)
        for installed in registry.installed_drivers():
            if isinstance(self.driver, str) and installed.name == name:
                return {"driver": name, "distribution": installed.distribution, "version": installed.version}
        return {"driver": name or getattr(self.driver, "__qualname__", "?"), "distribution": None, "version": None}


@lru_cache
def _installed(name: str) -> Driver:
    """The record of an installed driver; looking through the installed distributions takes long."""
    return registry.load_driver(name)


class Storage:
    """One storage of a driver, and the clients that are open on it.

    Attributes:
        case: The driver.
        directory: Where it keeps everything; the driver sees it only if it is persistent.
        clock: Time of all clients.
        ids: Source of ids of all clients.
        embedder: Embedder of new stores.
        backends: The backends that are open, in the order in which they were opened.
        options: All options with which the last of them was opened.
    """

    def __init__(
        self,
        case: DriverCase,
        directory: Path,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        embedder: Embedder | None = None,
        portal: BlockingPortal | None = None,
    ) -> None:
        if case.service is not None and case.local:
            raise TypeError(
                "DriverCase(service=) is for drivers that are not local; this one receives all parts of a test itself."
            )
        self.case = case
        self.directory = directory
        self.clock: Clock = clock or FakeClock()
        self.ids: IdSource = ids or Ids()
        self.embedder: Embedder = embedder or SemanticEmbedder()
        self.backends: list[Backend] = []
        self.options: Mapping[str, Any] = case.options
        self._portal = portal
        self._services = ExitStack()

    def context(self, **parts: Any) -> DriverContext:
        """What a local driver receives, or the service of another one; `parts` replace fields of it."""
        record = self.case.record
        keeps = record is None or record.capabilities.persistent
        given: dict[str, Any] = {
            "directory": self.directory if keeps and self.case.takes_parts else None,
            "embedder": self.embedder if self.case.takes_parts else None,
            "clock": self.clock,
            "new_id": self.ids,
        }
        return DriverContext(**{**given, **parts})

    def open(self, face: Face = "sync", **parts: Any) -> OAuthCodexClient:
        """Open a client; it is closed together with the storage.

        Args:
            face: `async` for the async client behind the methods of the sync one.
            **parts: Fields of `DriverContext`, such as `ingest` or `parsers`.
        """
        self.backends.append(self._open_backend(self._services, parts))
        return self.client(self.backends[-1], face)

    def _open_backend(self, services: ExitStack, parts: Mapping[str, Any]) -> Backend:
        context = self.context(**parts)
        if self.case.service is None:
            return self.case.open_backend(context)
        found = services.enter_context(self.case.service(context))
        self.options = {**self.case.options, **found}
        return self.case.open_backend(DriverContext(directory=None, embedder=None, clock=self.clock), found)

    def client(self, backend: Backend, face: Face = "sync") -> OAuthCodexClient:
        """A client on a backend that is open.

        Raises:
            ValueError: It is to be async, and this storage has no event loop.
        """
        if face == "sync":
            return OAuthCodexClient(backend)
        if self._portal is None:
            raise ValueError("face='async' needs an event loop: make the Storage with portal=.")
        return blocking(AsyncOAuthCodexClient(backend), self._portal)

    def reopen(self, face: Face = "sync", **parts: Any) -> OAuthCodexClient:
        """Close everything and open it again."""
        self.close()
        return self.open(face, **parts)

    def shut(self, backend: Backend) -> None:
        """Close one of the backends that are open."""
        self.backends.remove(backend)
        asynchronous = getattr(backend, "asynchronous", None)
        if asynchronous is not None and self._portal is not None:
            self._portal.call(asynchronous.close)
        backend.close()

    def close(self) -> None:
        """Close every backend that is open, the last one first, and then their services."""
        try:
            while self.backends:
                self.shut(self.backends[-1])
        finally:
            self._services.close()

    def capabilities(self) -> Capabilities:
        """What an opened backend declares; one is opened for the question if none is open."""
        if self.backends:
            return self.backends[0].capabilities
        with ExitStack() as closing:
            backend = self._open_backend(closing, {})
            closing.callback(backend.close)
            return backend.capabilities

    def facts(self) -> dict[str, Any]:
        """What a report says about the driver, its capabilities included."""
        return {**self.case.facts(), "capabilities": asdict(self.capabilities())}
