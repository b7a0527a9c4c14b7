"""Vector stores of one namespace, and the files in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from ..spi import requests as r
from ..spi.backends import Listing, ParsedContent, SearchResults
from ..types.vector_stores import (
    FileContentResponse,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreFile,
    VectorStoreFileDeleted,
)
from .catalog import attachments, blobs, files, stores
from .catalog.jobs import Scope

if TYPE_CHECKING:
    from .catalog.jobs import Claims
    from .engine import Engine


class LocalVectorStores:
    """See `spi.backends.VectorStoreBackend`."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._engine = engine
        self._namespace = namespace

    # -- stores --------------------------------------------------------------------------------------------------------

    def create(self, request: r.VectorStoreCreate) -> VectorStore:
        """Create a store; with `file_ids` all of it or, if one file is missing, nothing."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            store = stores.insert(
                connection,
                self._namespace,
                self._engine.context.new_id("vs_"),
                name=request.name,
                description=request.description,
                metadata=request.metadata,
                extra=request.model_extra or {},
                expires_days=request.expires_after,
                chunking=request.chunking_strategy,
                embedder=self._engine.embedder,
                now=now,
            )
            if not request.file_ids:
                return stores.to_model(store, now, [])
            announced = self._attach(connection, store, request.file_ids, now)
        self._engine.ingest.begin(self._namespace, store.id, announced)
        return self._read(store.public_id)

    def retrieve(self, request: r.VectorStoreRetrieve) -> VectorStore:
        """One store."""
        store = self._read(request.vector_store_id, brief=request.brief)
        scope = Scope(self._namespace, request.vector_store_id)
        if store.file_counts.in_progress and self._engine.ingest.help(scope):
            store = self._read(request.vector_store_id, brief=request.brief)
        return store

    def update(self, request: r.VectorStoreUpdate) -> VectorStore:
        """Change a store. `file_ids` replaces its files: those that stay keep what they have."""
        now = self._engine.now(self._namespace)
        given = request.model_fields_set
        changes: dict[str, Any] = {
            name: getattr(request, name) for name in ("name", "description", "metadata") if name in given
        }
        if "expires_after" in given:
            changes["expires_days"] = request.expires_after
        if request.model_extra:
            changes["extra"] = request.model_extra
        announced: Claims = {}
        with self._engine.catalog.write() as connection:
            store = stores.require_active(connection, self._namespace, request.vector_store_id, now)
            if request.file_ids is not None:
                stores.require_embedder(store, self._engine.embedder)
                present = attachments.by_file(connection, self._namespace, store.id)
                wanted = set(request.file_ids)
                leaving = [attachment for file, attachment in present.items() if file not in wanted]
                attachments.detach(connection, self._namespace, store.id, leaving, now)
                coming = [file for file in request.file_ids if file not in present]
                announced = self._attach(connection, store, coming, now)
            stores.update(connection, store, changes, now)
        if request.file_ids is not None:
            self._engine.ingest.begin(self._namespace, store.id, announced)
        return self._read(store.public_id)

    def list(self, request: r.VectorStoreList) -> Listing[VectorStore]:
        """A page of stores."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            found = stores.page(connection, self._namespace, request)
            ids = stores.file_ids(connection, self._namespace, found.rows)
        return found.listing(lambda row: stores.to_model(row, now, ids.get(row.id)))

    def delete(self, request: r.VectorStoreDelete) -> VectorStoreDeleted:
        """Delete a store; its files stay."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            stores.delete(connection, self._namespace, store, now)
        self._engine.search.drop_store(store.id)
        return VectorStoreDeleted(id=request.vector_store_id)

    def search(self, request: r.VectorStoreSearch) -> SearchResults:
        """Search a store."""
        self._engine.now(self._namespace)
        return self._engine.search.search(self._namespace, request)

    # -- their files ---------------------------------------------------------------------------------------------------

    def create_file(self, request: r.VectorStoreFileCreate) -> VectorStoreFile:
        """Attach a file."""
        self._engine.now(self._namespace)
        row = self._engine.ingest.attach(
            self._namespace, request.vector_store_id, request.file_id, request.chunking_strategy, request.attributes
        )
        return attachments.to_model(row, request.vector_store_id)

    def upload_file(self, request: r.VectorStoreFileUpload) -> VectorStoreFile:
        """Upload a file and attach it; one of ordinary size in one transaction."""
        engine, namespace = self._engine, self._namespace
        engine.now(namespace)
        public_id = engine.context.new_id("file-")
        with blobs.spool(engine.catalog.directory, request.stream, engine.capabilities.max_file_bytes) as content:
            now = content.data is not None and engine.ingest.workers is None
            upload = engine.ingest.upload if now else engine.ingest.upload_announced
            row = upload(namespace, request, content, public_id)
        return attachments.to_model(row, request.vector_store_id)

    def retrieve_file(self, request: r.VectorStoreFileRetrieve) -> VectorStoreFile:
        """One file of a store."""
        self._engine.now(self._namespace)
        file = self._read_file(request)
        scope = Scope(self._namespace, request.vector_store_id, file=request.file_id)
        if file.status == "in_progress" and self._engine.ingest.help(scope):
            file = self._read_file(request)
        return file

    def update_file(self, request: r.VectorStoreFileUpdate) -> VectorStoreFile:
        """Replace the attributes of a file of a store."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            store = stores.require_active(connection, self._namespace, request.vector_store_id, now)
            row = attachments.require(connection, self._namespace, store, request.file_id)
            attachments.set_attributes(connection, self._namespace, store.id, row.id, request.attributes)
            row = attachments.require(connection, self._namespace, store, request.file_id)
        return attachments.to_model(row, request.vector_store_id)

    def list_files(self, request: r.VectorStoreFileList) -> Listing[VectorStoreFile]:
        """A page of the files of a store."""
        self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            found = attachments.page(connection, self._namespace, store.id, request)
        return found.listing(lambda row: attachments.to_model(row, store.public_id))

    def delete_file(self, request: r.VectorStoreFileDelete) -> VectorStoreFileDeleted:
        """Take a file out of a store."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            row = attachments.require(connection, self._namespace, store, request.file_id)
            attachments.detach(connection, self._namespace, store.id, [row.id], now)
            stores.touch(connection, store, now)
        return VectorStoreFileDeleted(request.file_id)

    def file_content(self, request: r.VectorStoreFileContent) -> ParsedContent:
        """The parsed text of a file of a store, chunk by chunk: what can be found of it, so nothing before it is completed."""
        self._engine.now(self._namespace)

        def read() -> tuple[Row[Any], Sequence[str]]:
            with self._engine.catalog.read() as connection:
                store = stores.require(connection, self._namespace, request.vector_store_id)
                row = attachments.require(connection, self._namespace, store, request.file_id)
                if row.text_blob_id is None:
                    return row, ()
                text = blobs.read(connection, row.text_blob_id)
                spans = attachments.spans(connection, row.id)
                return row, [text[span.byte_start : span.byte_end].decode() for span in spans]

        row, pieces = blobs.settled(read)
        attributes = attachments.attributes_of(row)
        return ParsedContent(
            file_id=request.file_id,
            filename=row.filename,
            attributes=attributes,
            data=[FileContentResponse(text=piece, metadata=attributes) for piece in pieces],
        )

    # -- pieces --------------------------------------------------------------------------------------------------------

    def _attach(self, connection: Connection, store: Row[Any], file_ids: Sequence[str], now: int) -> Claims:
        """Attach files that the store does not have, and announce the work, which `Ingest.begin` begins."""
        if not file_ids:
            return {}
        rows = files.require_many(connection, self._namespace, file_ids, now)
        pending = attachments.insert(connection, self._namespace, store.id, [(row, None, None) for row in rows], now)
        return self._engine.ingest.announce(connection, self._namespace, store.id, pending)

    def _read(self, public_id: str, *, brief: bool = False) -> VectorStore:
        now = self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            store = stores.require(connection, self._namespace, public_id)
            ids = {} if brief else stores.file_ids(connection, self._namespace, [store])
        return stores.to_model(store, now, ids.get(store.id))

    def _read_file(self, request: r.VectorStoreFileCreate | r.VectorStoreFileRetrieve) -> VectorStoreFile:
        with self._engine.catalog.read() as connection:
            store = stores.require(connection, self._namespace, request.vector_store_id)
            row = attachments.require(connection, self._namespace, store, request.file_id)
        return attachments.to_model(row, store.public_id)
