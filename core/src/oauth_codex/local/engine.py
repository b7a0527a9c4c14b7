"""What all namespaces of one storage share."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import StorageBusyError, StorageError
from ..spi.capabilities import Capabilities
from ..spi.driver import DriverContext
from ..spi.embedder import Embedder
from .catalog.catalog import Catalog
from .catalog.expiry import Expiry
from .ingest.engine import Ingest
from .ingest.queue import said
from .search.engine import Search


@dataclass(frozen=True)
class Engine:
    """What all namespaces of one storage share."""

    catalog: Catalog
    context: DriverContext
    capabilities: Capabilities
    embedder: Embedder
    ingest: Ingest
    search: Search
    expiry: Expiry

    def now(self, namespace: str) -> int:
        """The time, in whole seconds, after what had expired by then was removed from the namespace.

        Where the storage takes nothing, as on a full disk, that is left for later: reading goes on.
        """
        now = int(self.context.clock())
        try:
            self.expiry.sweep(namespace, now)
        except (StorageError, StorageBusyError) as error:
            self.context.logger.warning("What has expired cannot be removed, and may still be found: %s", said(error))
        return now
