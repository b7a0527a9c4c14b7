"""Opens a backend on a directory: the engine over a catalog file, and Chroma collections as its vector index."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.errors import ConfigurationError
from oauth_codex.local import Catalog, LocalBackend
from oauth_codex.spi import Backend, DriverContext

from . import driver
from .connection import Connection
from .index import ChromaProvider
from .options import Options


def open_backend(options: Options, context: DriverContext) -> Backend:
    """Open, or make, the storage in `context.directory`, and connect it with Chroma.

    Raises:
        ConfigurationError: There is no directory, or no key for Chroma Cloud.
        SchemaVersionError: The storage was written by a newer version.
        StorageBusyError: Another process has the embedded Chroma.
        StorageError: The directory cannot be used, or the server does not answer.
    """
    if context.directory is None:
        raise ConfigurationError("The chroma driver needs a storage directory: give storage_dir=.", key="storage_dir")
    catalog = Catalog.open_file(context.directory)
    try:
        connection = Connection(options, context.directory, context.logger)
    except BaseException:
        catalog.close()
        raise
    try:
        return LocalBackend(
            catalog,
            ChromaProvider(connection, catalog.id, context.logger),
            context,
            name=driver.name,
            capabilities=replace(driver.capabilities, multi_process=options.mode != "embedded"),
        )
    except BaseException:
        connection.close()
        catalog.close()
        raise
