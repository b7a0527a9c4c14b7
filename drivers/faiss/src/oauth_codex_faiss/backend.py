"""Opens a backend on a directory: the engine over a catalog file, and FAISS indexes beside it as a cache."""

from __future__ import annotations

from oauth_codex.errors import ConfigurationError
from oauth_codex.local import Catalog, LocalBackend
from oauth_codex.spi import Backend, DriverContext

from . import driver
from .index import FaissProvider
from .options import FaissOptions


def open_backend(options: FaissOptions, context: DriverContext) -> Backend:
    """Open, or make, the storage in `context.directory`.

    Raises:
        ConfigurationError: There is no directory.
        SchemaVersionError: The storage was written by a newer version.
        StorageError: The directory cannot be used.
    """
    if context.directory is None:
        raise ConfigurationError("The faiss driver needs a storage directory: give storage_dir=.", key="storage_dir")
    catalog = Catalog.open_file(context.directory)
    provider = FaissProvider(
        directory=context.directory / "cache", options=options, clock=context.clock, logger=context.logger
    )
    return LocalBackend(catalog, provider, context, name=driver.name, capabilities=driver.capabilities)
