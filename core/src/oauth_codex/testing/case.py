"""Which driver is tested, and the storages of it that a test opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import registry
from ..client import AsyncOAuthCodexClient, OAuthCodexClient
from ..config import Setting
from ..spi import Backend, Capabilities, Clock, Driver, DriverContext, Embedder, IdSource
from .clock import FakeClock, Ids
from .faces import blocking
from .semantic import SemanticEmbedder

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Face = Literal["sync", "async"]


@dataclass(frozen=True)
class DriverCase:
    """The driver that a suite tests.

    Attributes:
        driver: Name of an installed driver, its record, or a function `(options, context)` that returns a `Backend`.
        options: Its options. The kit opens the same ones again to see what was kept, and gives each test a directory of its
            own; a driver that keeps data elsewhere must be given a place of its own for each test here.
    """

    driver: str | Driver | Callable[[Any, DriverContext], Backend]
    options: Mapping[str, Any] = field(default_factory=dict)

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

    def open_backend(self, context: DriverContext) -> Backend:
        """Open the driver as a client does.

        Raises:
            ConfigurationError: An option is wrong.
            OAuthCodexError: Whatever the driver raised.
        """
        record = self.record
        if record is None:
            assert callable(self.driver)
            return self.driver(dict(self.options), context)
        settings = {name: Setting(value, "argument", name) for name, value in self.options.items()}
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
        self.case = case
        self.directory = directory
        self.clock: Clock = clock or FakeClock()
        self.ids: IdSource = ids or Ids()
        self.embedder: Embedder = embedder or SemanticEmbedder()
        self.backends: list[Backend] = []
        self._portal = portal

    def context(self, **parts: Any) -> DriverContext:
        """What the driver receives; `parts` replace fields of it."""
        record = self.case.record
        keeps = record is None or (record.local and record.capabilities.persistent)
        local = record is None or record.local
        given: dict[str, Any] = {
            "directory": self.directory if keeps else None,
            "embedder": self.embedder if local else None,
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
        self.backends.append(self.case.open_backend(self.context(**parts)))
        return self.client(self.backends[-1], face)

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

    def close(self) -> None:
        """Close every backend that is open, the last one first."""
        while self.backends:
            self.backends.pop().close()

    def capabilities(self) -> Capabilities:
        """What an opened backend declares; one is opened for the question if none is open."""
        if self.backends:
            return self.backends[0].capabilities
        backend = self.case.open_backend(self.context())
        try:
            return backend.capabilities
        finally:
            backend.close()

    def facts(self) -> dict[str, Any]:
        """What a report says about the driver, its capabilities included."""
        return {**self.case.facts(), "capabilities": asdict(self.capabilities())}
