"""File batches of one namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..spi import requests as r
from ..spi.backends import Listing
from ..types.file_batches import VectorStoreFileBatch
from ..types.vector_stores import VectorStoreFile
from .catalog import attachments, batches, files, replacing, stores
from .catalog.jobs import Scope

if TYPE_CHECKING:
    from .engine import Engine


class LocalBatches:
    """See `spi.backends.BatchBackend`."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._engine = engine
        self._namespace = namespace

    def create(self, request: r.FileBatchCreate) -> VectorStoreFileBatch:
        """Attach files as a batch: all of them or, if one is missing, none."""
        engine, namespace = self._engine, self._namespace
        now = engine.now(namespace)
        batch_id = engine.context.new_id("vsfb_")
        entries = request.entries
        with engine.catalog.write() as connection:
            store = stores.require_active(connection, namespace, request.vector_store_id, now)
            stores.require_embedder(store, engine.embedder)
            rows = files.require_many(connection, namespace, [entry.file_id for entry in entries], now)
            admitted = replacing.admit(
                connection,
                namespace,
                store,
                [(row, entry.chunking_strategy, entry.attributes) for row, entry in zip(rows, entries, strict=True)],
                now,
            )
            batches.insert(connection, namespace, batch_id, store.id, admitted.ids, now)
            announced = engine.ingest.announce(connection, namespace, store.id, admitted.pending)
            stores.touch(connection, store, now)
        engine.ingest.begin(namespace, store.id, announced)
        return self._read(request.vector_store_id, batch_id)

    def retrieve(self, request: r.FileBatchRetrieve) -> VectorStoreFileBatch:
        """One batch."""
        self._engine.now(self._namespace)
        batch = self._read(request.vector_store_id, request.batch_id)
        scope = Scope(self._namespace, request.vector_store_id, batch=request.batch_id)
        if batch.file_counts.in_progress and self._engine.ingest.help(scope):
            batch = self._read(request.vector_store_id, request.batch_id)
        return batch

    def cancel(self, request: r.FileBatchCancel) -> VectorStoreFileBatch:
        """Cancel the files of a batch that are not done; those that are stay attached."""
        self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            batch = batches.require(connection, self._namespace, store, request.batch_id)
            batches.cancel(connection, self._namespace, batch)
            batch = batches.require(connection, self._namespace, store, request.batch_id)
        self._engine.ingest.queue.changes.tell([store.public_id])
        return batches.to_model(batch, store.public_id)

    def list_files(self, request: r.FileBatchListFiles) -> Listing[VectorStoreFile]:
        """A page of the files of a batch."""
        self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            batch = batches.require(connection, self._namespace, store, request.batch_id)
            found = batches.page(connection, self._namespace, batch, request)
        return found.listing(lambda row: attachments.to_model(row, store.public_id))

    def _read(self, vector_store_id: str, batch_id: str) -> VectorStoreFileBatch:
        with self._engine.catalog.read() as connection:
            store = stores.require(connection, self._namespace, vector_store_id)
            batch = batches.require(connection, self._namespace, store, batch_id)
        return batches.to_model(batch, store.public_id)
