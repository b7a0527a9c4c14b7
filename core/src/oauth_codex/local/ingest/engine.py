"""The state machine of ingestion: `in_progress`, then `completed` or `failed`, exactly once, in one transaction with the content.

Preparing a file (parsing, tokens, words, vectors) happens outside of transactions; publishing it is one transaction, for one file or a
group of them. Work that others must be able to take over is announced first as a job: files of a batch, and large files. Whoever
publishes must still hold the job, so a process that lost its lease, or a file that was cancelled or removed meanwhile, changes nothing.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, text

from ...errors import StorageBusyError, StorageError
from ...types.vector_stores import StaticChunking
from ..catalog import attachments, blobs, files, jobs, stores
from ..catalog.attachments import Outcome
from ..catalog.catalog import Catalog, as_json
from ..catalog.generations import Publication, publish
from ..catalog.tables import jobs as jobs_table

if TYPE_CHECKING:
    from ...spi.driver import DriverContext
    from ...spi.embedder import Embedder
    from ...spi.requests import VectorStoreFileUpload
    from ...types.vector_stores import AttributeValue
    from ..catalog.blobs import Content
    from .prepare import Cut, Prepared, Preparer, Refused

#: Files, and bytes of content, that one transaction publishes.
_GROUP_FILES = 50
_GROUP_BYTES = 4 * 1024 * 1024
#: A single file above this many bytes is announced before it is prepared, so that others see it in progress.
_ANNOUNCED_FROM = 1024 * 1024


class Work(NamedTuple):
    """An attachment that is in progress: its last generation, and the blob of its file's content."""

    attachment_id: int
    generation: int
    blob_id: int


class Ingest:
    """Makes attached files searchable. Thread-safe."""

    def __init__(self, catalog: Catalog, context: DriverContext, embedder: Embedder) -> None:
        self._catalog = catalog
        self._context = context
        self._embedder = embedder
        #: Name under which this process holds jobs.
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    @cached_property
    def _preparer(self) -> Preparer:
        # Imported when the first file comes: a process that only searches need not wait for it.
        from .prepare import Preparer

        return Preparer(self._embedder, self._context.parsers, self._context.chunker)

    def attach(
        self,
        namespace: str,
        vector_store_id: str,
        file_id: str,
        chunking: StaticChunking | None,
        attributes: Mapping[str, AttributeValue] | None,
    ) -> Row[Any]:
        """Attach one file, process it, and return its attachment.

        A file that is attached already is left alone unless other settings are asked for: other attributes are set, another
        chunking (or an attempt that failed) processes it anew, and the new content replaces the old one in one step.

        Raises:
            NotFoundError: There is no such store or file.
            BadRequestError: The store has expired.
            EmbedderMismatchError: The store was made with another embedder.
        """
        vanished = False
        while True:
            with self._catalog.read() as connection:
                store, file, existing = self._look_up(connection, namespace, vector_store_id, file_id)
                window = _window(chunking, existing, store)
                done = existing is not None and existing.status in ("completed", "in_progress")
                fresh = not (done and _window(None, existing, store) == window)
                large = existing is None and file.bytes > _ANNOUNCED_FROM
                try:
                    content = blobs.read(connection, file.blob_id) if fresh and not large else b""
                except blobs.Vanished:
                    if vanished:
                        raise
                    vanished = True
                    continue
            now = int(self._context.clock())
            if large:
                with self._catalog.write() as connection:
                    if not self._unchanged(connection, store, file, existing, now):
                        continue
                    stores.touch(connection, store, now)
                    ids = attachments.insert(connection, namespace, store.id, [(file, window, attributes)], now)
                    jobs.announce(connection, namespace, store.id, ids, now, self.owner)
                self.begin(namespace, store.id, ids)
                with self._catalog.read() as connection:
                    return attachments.require(connection, namespace, store, file_id)
            prepared = self._preparer.prepare(content, file.filename, window) if fresh else None
            with self._catalog.write() as connection:
                if self._unchanged(connection, store, file, existing, now):
                    stores.touch(connection, store, now)
                    if prepared is not None:
                        self._replace(connection, store, file, existing, window, attributes, prepared, now)
                    elif attributes is not None and existing is not None:
                        attachments.set_attributes(connection, namespace, store.id, existing.id, attributes)
                    return attachments.require(connection, namespace, store, file_id)

    def upload(self, namespace: str, request: VectorStoreFileUpload, content: Content, public_id: str) -> Row[Any]:
        """Keep a file of ordinary size and attach it, in one transaction, and return its attachment.

        Raises:
            NotFoundError: There is no such store.
            BadRequestError: The store has expired.
            EmbedderMismatchError: The store was made with another embedder.
        """
        assert content.data is not None
        with self._catalog.read() as connection:
            store = self._open_store(connection, namespace, request.vector_store_id)
        window = _window(request.chunking_strategy, None, store)
        prepared = self._preparer.prepare(content.data, request.filename, window)
        now = int(self._context.clock())
        with self._catalog.write() as connection:
            store = self._open_store(connection, namespace, request.vector_store_id)
            file = self._keep(connection, namespace, request, content, public_id, now)
            entry = (file, window, request.attributes)
            (made,) = attachments.insert(connection, namespace, store.id, [entry], now, uploaded_now=True)
            work = [(Work(made, 0, file.blob_id), prepared)]
            self._publish(connection, namespace, store.id, work, attached_now=True)
            stores.touch(connection, store, now)
            return attachments.require(connection, namespace, store, public_id)

    def upload_large(
        self, namespace: str, request: VectorStoreFileUpload, content: Content, public_id: str
    ) -> Row[Any]:
        """Keep a large file and attach it in one transaction, then process it while others see it in progress; see `upload`."""
        now = int(self._context.clock())
        with self._catalog.write() as connection:
            store = self._open_store(connection, namespace, request.vector_store_id)
            file = self._keep(connection, namespace, request, content, public_id, now)
            entry = (file, _window(request.chunking_strategy, None, store), request.attributes)
            ids = attachments.insert(connection, namespace, store.id, [entry], now, uploaded_now=True)
            jobs.announce(connection, namespace, store.id, ids, now, self.owner)
            stores.touch(connection, store, now)
        self.begin(namespace, store.id, ids)
        with self._catalog.read() as connection:
            return attachments.require(connection, namespace, store, public_id)

    def _keep(
        self,
        connection: Connection,
        namespace: str,
        request: VectorStoreFileUpload,
        content: Content,
        public_id: str,
        now: int,
    ) -> Row[Any]:
        return files.insert(
            connection,
            namespace,
            public_id,
            filename=request.filename,
            purpose=request.purpose,
            size=content.size,
            blob_id=blobs.store(connection, namespace, content),
            extra={},
            expires_at=files.expiry(request.purpose, None, now),
            now=now,
        )

    def begin(self, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> None:
        """Process attachments that were just announced.

        They are accepted, durably, whatever happens here: if the storage fails, they stay in progress, and are taken up again
        when somebody looks at them or opens the storage (`drain`).
        """
        try:
            self.attach_many(namespace, store_id, attachment_ids)
        except (StorageError, StorageBusyError) as error:
            self._context.logger.warning("%d files stay in progress for now: %s", len(attachment_ids), _said(error))

    def attach_many(self, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> None:
        """Process attachments that are in progress and whose jobs this process holds, some dozens in one transaction.

        Raises:
            StorageError: The storage failed; what was published before stays, the rest may be taken up by anybody.
        """
        try:
            self._work_off(namespace, store_id, attachment_ids)
        except BaseException:
            try:
                with self._catalog.write() as connection:
                    jobs.release(connection, self.owner, attachment_ids, int(self._context.clock()))
            except (StorageError, StorageBusyError) as error:  # then the lease runs out by itself
                self._context.logger.warning("Work that was given up is not free at once: %s", _said(error))
            raise

    def _work_off(self, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> None:
        with self._catalog.read() as connection:
            rows = connection.execute(_WORK, {"namespace": namespace, "ids": as_json(list(attachment_ids))}).all()
        for group, prepared in self._prepared(namespace, rows):
            with self._catalog.write() as connection:
                held = jobs.held(connection, self.owner, [row.id for row in group])
                work = [
                    (Work(row.id, row.generation, row.blob_id), found)
                    for row, found in zip(group, prepared, strict=True)
                    if row.id in held
                ]
                if work:
                    self._publish(connection, namespace, store_id, work)
                jobs.renew(connection, self.owner, attachment_ids, int(self._context.clock()))

    def drain(self) -> int:
        """Take over work that was left, by processes that are gone or for a storage that failed; return how many files.

        Raises:
            StorageError: The storage fails.
        """
        now = int(self._context.clock())
        with self._catalog.read() as connection:
            if connection.execute(_ANY_LAPSED, {"now": now}).first() is None:
                return 0
        message = f"Processing was begun {jobs.MAX_ATTEMPTS} times and never finished."
        with self._catalog.write() as connection:
            claimed = jobs.claim_lapsed(connection, now, self.owner)
            for job in claimed:
                if job.attempts >= jobs.MAX_ATTEMPTS:
                    failed = Outcome(job.attachment_id, "failed", error_code="server_error", error_message=message)
                    attachments.settle(connection, job.namespace, job.store_id, [failed])
        again = [job for job in claimed if job.attempts < jobs.MAX_ATTEMPTS]
        for (namespace, store_id), group in groupby(again, key=lambda job: (job.namespace, job.store_id)):
            self.attach_many(namespace, store_id, [job.attachment_id for job in group])
        return len(claimed)

    def _prepared(
        self, namespace: str, rows: Sequence[Row[Any]]
    ) -> Iterator[tuple[Sequence[Row[Any]], list[Prepared | Refused]]]:
        """Groups of files with what was prepared of them; while one is indexed, a thread cuts the next."""
        cut = self._preparer.cut
        with ThreadPoolExecutor(1, thread_name_prefix="oauth-codex-cut") as ahead:
            waiting: list[tuple[Sequence[Row[Any]], list[Future[Cut | Refused]]]] = []
            for planned in _groups(rows):
                group, contents = blobs.settled(partial(self._contents, namespace, planned))
                futures = [
                    ahead.submit(cut, content, row.filename, attachments.chunking_of(row))
                    for row, content in zip(group, contents, strict=True)
                ]
                waiting.append((group, futures))
                if len(waiting) > 1:
                    done, halves = waiting.pop(0)
                    yield done, [self._preparer.index(half.result()) for half in halves]
            for done, halves in waiting:
                yield done, [self._preparer.index(half.result()) for half in halves]

    def _contents(self, namespace: str, group: Sequence[Row[Any]]) -> tuple[Sequence[Row[Any]], list[bytes]]:
        """Those of a group that are still there, and their contents."""
        with self._catalog.read() as connection:
            ids = as_json([row.id for row in group])
            rows = connection.execute(_WORK, {"namespace": namespace, "ids": ids}).all()
            return rows, blobs.read_many(connection, [row.blob_id for row in rows])

    # -- one file ------------------------------------------------------------------------------------------------------

    def _look_up(
        self, connection: Connection, namespace: str, vector_store_id: str, file_id: str
    ) -> tuple[Row[Any], Row[Any], Row[Any] | None]:
        now = int(self._context.clock())
        store = self._open_store(connection, namespace, vector_store_id)
        (file,) = files.require_many(connection, namespace, [file_id], now)
        return store, file, attachments.find(connection, namespace, store.id, file_id)

    def _open_store(self, connection: Connection, namespace: str, vector_store_id: str) -> Row[Any]:
        store = stores.require_active(connection, namespace, vector_store_id, int(self._context.clock()))
        stores.require_embedder(store, self._embedder)
        return store

    def _unchanged(
        self, connection: Connection, store: Row[Any], file: Row[Any], existing: Row[Any] | None, now: int
    ) -> bool:
        """Whether store, file and attachment are still as they were when preparing began; the write lock is held now."""
        found = connection.execute(_AS_THEY_ARE, {"store": store.id, "file": file.id, "now": now}).first()
        expected = (None, None, None) if existing is None else (existing.id, existing.status, existing.generation)
        return found is not None and tuple(found) == expected

    def _replace(
        self,
        connection: Connection,
        store: Row[Any],
        file: Row[Any],
        existing: Row[Any] | None,
        window: StaticChunking,
        attributes: Mapping[str, AttributeValue] | None,
        prepared: Prepared | Refused,
        now: int,
    ) -> None:
        """Attach a prepared file, in place of what there is of it."""
        namespace = store.namespace
        if existing is not None:
            attributes = attachments.attributes_of(existing) if attributes is None else attributes
            attachments.detach(connection, namespace, store.id, [existing.id], now)
        (made,) = attachments.insert(connection, namespace, store.id, [(file, window, attributes)], now)
        self._publish(connection, namespace, store.id, [(Work(made, 0, file.blob_id), prepared)], attached_now=True)

    # -- publishing ----------------------------------------------------------------------------------------------------

    def _publish(
        self,
        connection: Connection,
        namespace: str,
        store_id: int,
        work: Sequence[tuple[Work, Prepared | Refused]],
        *,
        attached_now: bool = False,
    ) -> None:
        """Publish what was prepared and settle the state of all files, in the transaction of the caller."""
        from .prepare import Prepared

        publications, outcomes = [], []
        for at, found in work:
            if not isinstance(found, Prepared):
                outcomes.append(Outcome(at.attachment_id, "failed", error_code=found.code, error_message=found.message))
                continue
            generation, text_blob_id = at.generation + 1, at.blob_id
            if found.derived:
                text_blob_id = blobs.store(connection, namespace, found.text)
            publications.append(Publication(at.attachment_id, generation, found))
            outcomes.append(
                Outcome(
                    at.attachment_id,
                    "completed",
                    usage_bytes=len(found.text),
                    generation=generation,
                    text_blob_id=text_blob_id,
                )
            )
        if publications:
            publish(connection, namespace, store_id, publications)
        attachments.settle(connection, namespace, store_id, outcomes, attached_now=attached_now)


def _said(error: StorageError | StorageBusyError) -> str:
    """The sentence of an error, without the status code that stands before it in its text."""
    return error.user_message if isinstance(error, StorageError) else str(error)


def _window(chunking: StaticChunking | None, existing: Row[Any] | None, store: Row[Any]) -> StaticChunking:
    """The chunks that are asked for, else those that the file has, else those of the store."""
    if chunking is not None:
        return chunking
    if existing is not None:
        return attachments.chunking_of(existing)
    size, overlap = stores.default_chunking(store)
    return StaticChunking(max_chunk_size_tokens=size, chunk_overlap_tokens=overlap)


def _groups(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    group: list[Row[Any]] = []
    size = 0
    for row in rows:
        if group and (len(group) >= _GROUP_FILES or size + row.bytes > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += row.bytes
    if group:
        yield group


_WORK = text(
    """
    SELECT a.id, a.generation, a.chunk_tokens, a.overlap_tokens, f.blob_id, f.bytes, f.filename
    FROM json_each(:ids) AS k
    CROSS JOIN attachments AS a ON a.id = k.value AND a.namespace = :namespace AND a.status = 'in_progress'
    CROSS JOIN files AS f ON f.id = a.file_id
    ORDER BY a.id
    """
)
_AS_THEY_ARE = text(
    """
    SELECT a.id, a.status, a.generation
    FROM stores AS s
    JOIN files AS f ON f.id = :file AND f.namespace = s.namespace AND (f.expires_at IS NULL OR f.expires_at > :now)
    LEFT JOIN attachments AS a ON a.namespace = s.namespace AND a.store_id = s.id AND a.file_id = f.id
    WHERE s.id = :store AND (s.expires_at IS NULL OR s.expires_at > :now)
    """
)
_ANY_LAPSED = (
    select(jobs_table.c.id)
    .where(jobs_table.c.lease_until <= bindparam("now"), jobs_table.c.not_before <= bindparam("now"))
    .limit(1)
)
