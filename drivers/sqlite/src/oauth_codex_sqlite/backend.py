"""Opens a backend on a directory: the engine over a catalog file, and exact matrices beside it as a cache."""

from __future__ import annotations

from oauth_codex.errors import ConfigurationError
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.spi import Backend, DriverContext

from . import driver


def open_backend(options: None, context: DriverContext) -> Backend:
    """Open, or make, the storage in `context.directory`.

    Raises:
        ConfigurationError: There is no directory.
        SchemaVersionError: The storage was written by a newer version.
        StorageError: The directory cannot be used.
    """
    if context.directory is None:
        raise ConfigurationError("The sqlite driver needs a storage directory: give storage_dir=.", key="storage_dir")
    catalog = Catalog.open_file(context.directory)
    indexes = MatrixProvider(context.directory / "cache")
    return LocalBackend(catalog, indexes, context, name=driver.name, capabilities=driver.capabilities)
