"""Options of the driver, and how it is opened."""

from __future__ import annotations

from oauth_codex.errors import ConfigurationError
from oauth_codex.local import Catalog, LocalBackend
from oauth_codex.spi import Backend, DriverContext
from pydantic import BaseModel, ConfigDict, Field

from . import driver
from .index import UsearchProvider


class Options(BaseModel):
    """What a user may set.

    Attributes:
        exact_below: Stores of at most so many chunks are compared chunk by chunk.
        effort: Candidates that a search in a larger store looks at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exact_below: int = Field(default=2000, ge=0)
    effort: int = Field(default=256, ge=1, le=10_000)


def open_backend(options: Options, context: DriverContext) -> Backend:
    """Open, or make, the storage in `context.directory`."""
    if context.directory is None:
        raise ConfigurationError("The usearch driver needs a storage directory: give storage_dir=.", key="storage_dir")
    indexes = UsearchProvider(
        context.directory / "cache", exact_below=options.exact_below, effort=options.effort, logger=context.logger
    )
    catalog = Catalog.open_file(context.directory)
    return LocalBackend(catalog, indexes, context, name=driver.name, capabilities=driver.capabilities)
