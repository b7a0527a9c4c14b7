"""What a local backend offers as `copying`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import Connection, Row, text

from ...errors import ConflictError
from ...types.vector_stores import StaticChunking
from ..catalog import attachments, blobs, files, replacing, stores, tombstones
from ..catalog.attachments import Outcome
from ..ingest.publishing import Work, publish
from . import indexed as made

if TYPE_CHECKING:
    from ...types.files import FileObject
    from ...types.vector_stores import VectorStore, VectorStoreFile
    from ..engine import Engine
    from ..ingest.prepare import Prepared, Refused


class LocalCopying:
    """See `spi.copying.Copying`."""

    #: The version counts what `indexed` gives.
    engine = "oauth_codex.local 1"

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._engine = engine
        self._catalog = engine.catalog
        self._namespace = namespace

    def sha256(self, file_id: str) -> str:
        """Checksum of the content of a file."""
        with self._catalog.read() as connection:
            row = files.require(connection, self._namespace, file_id, self._now())
            return str(connection.execute(_DIGEST, {"blob": row.blob_id}).scalar_one())

    def default_chunking(self, vector_store_id: str) -> StaticChunking | None:
        """How files are split that are attached to the store without saying how."""
        with self._catalog.read() as connection:
            row = stores.require(connection, self._namespace, vector_store_id)
        if row.chunk_tokens is None:
            return None
        return StaticChunking(max_chunk_size_tokens=row.chunk_tokens, chunk_overlap_tokens=row.overlap_tokens)

    def indexed(self, vector_store_id: str, file_ids: Sequence[str]) -> list[Any]:
        """What was made of these files of a store."""

        def read() -> list[Any]:
            with self._catalog.read() as connection:
                store = stores.require(connection, self._namespace, vector_store_id)
                return list(made.read(connection, store, file_ids))

        return blobs.settled(read)

    def take_file(self, file: FileObject, content: BinaryIO) -> bool:
        """Keep a file under its own id.

        Raises:
            ConflictError: Another file has its id.
        """
        with (
            blobs.spool(self._catalog.directory, content, self._engine.capabilities.max_file_bytes) as spooled,
            self._catalog.write() as connection,
        ):
            there = connection.execute(_FILE, {"namespace": self._namespace, "id": file.id}).first()
            if there is not None:
                if tuple(there) != (file.filename, file.purpose, file.created_at, spooled.digest):
                    raise _conflict("file", file.id, "file_id")
                return False
            new = files.New(
                file.id,
                file.filename,
                file.purpose,
                spooled.size,
                blobs.store(connection, self._namespace, spooled),
                file.metadata or {},
                file.expires_at,
                file.created_at,
            )
            files.insert(connection, self._namespace, new)
            tombstones.forget(connection, self._namespace, tombstones.FILES, [file.id])
        return True

    def take_store(self, store: VectorStore, chunking: StaticChunking | None) -> bool:
        """Keep a store under its own id.

        Raises:
            ConflictError: Another store has its id.
        """
        with self._catalog.write() as connection:
            there = stores.find(connection, self._namespace, store.id)
            if there is not None:
                if there.created_at != store.created_at:
                    raise _conflict("vector store", store.id, "vector_store_id")
                return False
            row = stores.insert(
                connection,
                self._namespace,
                store.id,
                name=store.name,
                description=store.description,
                metadata=store.metadata,
                extra=store.model_extra or {},
                expires_days=None if store.expires_after is None else store.expires_after.days,
                chunking=chunking,
                embedder=self._engine.embedder,
                now=store.created_at,
            )
            used = store.last_active_at or store.created_at
            connection.execute(_USED, {"store": row.id, "used": used, "expires": store.expires_at})
            tombstones.forget(connection, self._namespace, tombstones.STORES, [store.id])
        return True

    def take_members(
        self, vector_store_id: str, members: Sequence[VectorStoreFile], indexed: Sequence[Any]
    ) -> tuple[int, int]:
        """Attach files that are here, in their states; see `spi.copying.Copying.take_members`."""
        with self._catalog.read() as connection:
            store = stores.require(connection, self._namespace, vector_store_id)
            present = attachments.by_file(connection, self._namespace, store.id)
        ready: dict[str, Prepared | Refused] = {}
        kept: set[str] = set()
        for member, found in zip(members, indexed, strict=True):
            if member.id not in present and found is not None:
                ready[member.id], is_kept = made.prepared(found, self._engine.embedder)
                if is_kept:
                    kept.add(member.id)
        with self._catalog.write() as connection:
            store = stores.require_active(connection, self._namespace, vector_store_id, self._now())
            stores.require_embedder(store, self._engine.embedder)
            present = attachments.by_file(connection, self._namespace, store.id)
            fresh = [member for member in members if member.id not in present]
            left = self._attach(connection, store, fresh, ready)
            announced = self._engine.ingest.announce(connection, self._namespace, store.id, left)
        self._engine.ingest.begin(self._namespace, store.id, announced)
        return len(fresh), len(kept.intersection(member.id for member in fresh))

    def _attach(
        self,
        connection: Connection,
        store: Row[Any],
        members: Sequence[VectorStoreFile],
        ready: dict[str, Prepared | Refused],
    ) -> list[int]:
        """Attach files in their states, and return the attachments that must be processed."""
        from ..ingest.prepare import Refused

        left: list[int] = []
        for created_at, same in groupby(members, lambda member: member.created_at):
            group = list(same)
            rows = files.require_many(connection, self._namespace, [each.id for each in group], self._now())
            entries = [(row, _chunking(each), each.attributes) for row, each in zip(rows, group, strict=True)]
            ids = attachments.insert(connection, self._namespace, store.id, entries, created_at)
            done, again, outcomes = [], [], []
            for attachment_id, row, each in zip(ids, rows, group, strict=True):
                found = ready.get(each.id)
                # What can be found of a file that is not completed is a version that was, and stays one that can be found.
                if found is not None and (each.status == "completed" or not isinstance(found, Refused)):
                    done.append((Work(attachment_id, 0, row.blob_id), found))
                    if each.status == "completed":
                        continue
                    again.append(attachment_id)
                error = each.last_error
                if each.status == "failed" and error is not None:
                    outcome = Outcome(attachment_id, "failed", error_code=error.code, error_message=error.message)
                    outcomes.append(outcome)
                elif each.status == "cancelled":
                    outcomes.append(Outcome(attachment_id, "cancelled"))
                else:
                    left.append(attachment_id)
            if done:
                publish(connection, self._namespace, store.id, done, attached_now=True)
            replacing.begin_again(connection, store.id, again)
            attachments.settle(connection, self._namespace, store.id, outcomes)
        return left

    def _now(self) -> int:
        return int(self._engine.context.clock())


def _chunking(member: VectorStoreFile) -> StaticChunking | None:
    strategy = member.chunking_strategy
    return None if strategy is None or strategy.type != "static" else strategy.static


def _conflict(kind: str, object_id: str, param: str) -> ConflictError:
    return ConflictError(
        f"Another {kind} has the id '{object_id}' here. Nothing was overwritten; copy to an empty storage, or delete one of the two.",
        code="id_in_use",
        param=param,
    )


_DIGEST = text("SELECT digest FROM blobs WHERE id = :blob")
_FILE = text(
    """
    SELECT f.filename, f.purpose, f.created_at, b.digest FROM files AS f JOIN blobs AS b ON b.id = f.blob_id
    WHERE f.namespace = :namespace AND f.public_id = :id
    """
)
_USED = text("UPDATE stores SET last_active_at = :used, expires_at = :expires WHERE id = :store")
