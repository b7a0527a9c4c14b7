"""Opens a backend that keeps nothing: the engine over a catalog in memory and an exact matrix."""

from __future__ import annotations

from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.spi import Backend, DriverContext

from . import driver


def open_backend(options: None, context: DriverContext) -> Backend:
    """A new, empty backend."""
    return LocalBackend(
        Catalog.open_memory(), MatrixProvider(), context, name=driver.name, capabilities=driver.capabilities
    )
