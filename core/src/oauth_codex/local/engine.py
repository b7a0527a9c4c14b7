"""What all namespaces of one storage share."""

from __future__ import annotations

from dataclasses import dataclass

from ..spi.capabilities import Capabilities
from ..spi.driver import DriverContext
from ..spi.embedder import Embedder
from .catalog.catalog import Catalog
from .catalog.expiry import Expiry
from .ingest.engine import Ingest
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
        """The time, in whole seconds, after what had expired by then was removed from the namespace."""
        now = int(self.context.clock())
        self.expiry.sweep(namespace, now)
        return now
