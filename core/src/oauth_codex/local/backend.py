"""The composition root: a catalog, an index provider and an embedder make a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError, StorageBusyError, StorageError
from ..spi.capabilities import Capabilities
from ..spi.driver import DriverContext
from ..spi.index import VectorIndexProvider
from .batches import LocalBatches
from .catalog import remnants
from .catalog.catalog import Catalog
from .catalog.expiry import Expiry
from .engine import Engine
from .files import LocalFiles
from .ingest.engine import Ingest
from .ingest.workers import Workers
from .search.engine import Search
from .vector_stores import LocalVectorStores

if TYPE_CHECKING:
    from ..spi.copying import Copying
    from ..spi.maintenance import Maintenance


class LocalBackend:
    """A backend over a catalog; the vector index beside it is a cache. Thread-safe.

    Opening takes up work that was left: at once, or in workers where `ingest` is `background`. `scoped` views share everything, and
    only the backend itself closes it.
    """

    def __init__(
        self,
        catalog: Catalog,
        index_provider: VectorIndexProvider,
        context: DriverContext,
        *,
        name: str,
        capabilities: Capabilities,
    ) -> None:
        embedder = context.embedder
        if embedder is None:
            raise ConfigurationError(
                f'The driver {name!r} needs an embedder, and none was given: give embedder=, for instance "hashing".',
                key="embedder",
            )
        limit = index_provider.traits.max_dimension
        if limit is not None and embedder.dimension > limit:
            raise ConfigurationError(
                f"The driver {name!r} takes vectors of at most {limit} dimensions; those of the embedder {embedder.name!r} have"
                f" {embedder.dimension}. Give an embedder= of fewer dimensions, or another backend=.",
                key="embedder",
                value=embedder.name,
            )
        expiry = Expiry(catalog)
        engine = Engine(
            catalog,
            context,
            capabilities,
            embedder,
            Ingest(catalog, context, embedder, expiry),
            Search(catalog, index_provider, context, embedder, name),
            expiry,
        )
        self._bind(engine, name, context.namespace, owner=True)
        try:
            before = catalog.adopt(name)
            if before is not None:
                context.logger.warning(
                    "This storage was last used with the driver %r. Everything is here; %r fills its index of a store from the"
                    " catalog at the first search there.",
                    before,
                    name,
                )
            try:
                remnants.sweep(catalog)
            except (StorageError, StorageBusyError) as error:  # waste, which harms nobody
                context.logger.warning("What a crash has left in blobs/ stays there for now: %s", error)
            if engine.ingest.workers is None:
                engine.ingest.drain()
            else:
                engine.ingest.workers.begin()
        except BaseException:
            self.close()
            raise

    def _bind(self, engine: Engine, name: str, namespace: str, *, owner: bool) -> None:
        self._engine = engine
        self._name = name
        self._must_close = owner
        self._namespace = namespace
        self._files = LocalFiles(engine, namespace)
        self._vector_stores = LocalVectorStores(engine, namespace)
        self._batches = LocalBatches(engine, namespace)

    @property
    def name(self) -> str:
        """Name of the driver."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""
        return self._engine.capabilities

    @property
    def files(self) -> LocalFiles:
        """The uploaded files."""
        return self._files

    @property
    def vector_stores(self) -> LocalVectorStores:
        """The vector stores."""
        return self._vector_stores

    @property
    def batches(self) -> LocalBatches:
        """The file batches."""
        return self._batches

    @property
    def background(self) -> Workers | None:
        """Those who process files; None where that is done before a call returns."""
        return self._engine.ingest.workers

    @property
    def maintenance(self) -> Maintenance | None:
        """Looks after the storage; None for a view of one namespace."""
        if not self._must_close:
            return None
        from .maintenance.service import LocalMaintenance

        return LocalMaintenance(self._engine, self._name)

    @property
    def copying(self) -> Copying:
        """Gives and takes objects as they are."""
        from .copying.service import LocalCopying

        return LocalCopying(self._engine, self._namespace)

    def scoped(self, namespace: str) -> LocalBackend:
        """The same storage seen from another namespace."""
        view = LocalBackend.__new__(LocalBackend)
        view._bind(self._engine, self._name, namespace, owner=False)
        return view

    def ping(self) -> None:
        """Raise `StorageError` if the catalog cannot be read."""
        with self._engine.catalog.read() as connection:
            connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema_version'").scalar_one()

    def close(self) -> None:
        """Let go of everything; what was acknowledged stays. A second call, and a view's, does nothing."""
        if self._must_close:
            self._must_close = False
            self._engine.ingest.close()
            self._engine.search.close()
            self._engine.catalog.close()
