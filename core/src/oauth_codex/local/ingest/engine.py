"""The state machine of ingestion: `in_progress`, then `completed` or `failed`, exactly once, in one transaction with the content.

Preparing a file (parsing, tokens, words, vectors) happens outside of transactions; publishing it is one transaction, for one file or a
group of them. Work that others must be able to take over is announced first as a job: everything that is left to workers, and of what
is done at once the files of a batch and large files. Whoever publishes must still hold the job, so a process that lost its lease,
or a file that was cancelled or removed meanwhile, changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from ...errors import StorageBusyError, StorageError
from ...types.vector_stores import StaticChunking
from ..catalog import attachments, blobs, files, jobs, replacing, stores
from ..catalog.catalog import Catalog
from ..catalog.jobs import Scope
from .publishing import Work, publish
from .queue import Queue, said
from .workers import Workers

if TYPE_CHECKING:
    from ...spi.driver import DriverContext
    from ...spi.embedder import Embedder
    from ...spi.requests import VectorStoreFileUpload
    from ...types.vector_stores import AttributeValue
    from ..catalog.blobs import Content
    from ..catalog.expiry import Expiry
    from ..catalog.jobs import Claims, Task
    from .prepare import Cut, Prepared, Preparer, Refused

#: A single file above this many bytes is announced before it is prepared, so that others see it in progress.
_ANNOUNCED_FROM = 1024 * 1024
#: Seconds after which who looks at something that is in progress begins no further file of it, or waits for other writers no more.
_HELPING = 1.0


class Ingest:
    """Makes attached files searchable. Thread-safe."""

    def __init__(self, catalog: Catalog, context: DriverContext, embedder: Embedder, expiry: Expiry) -> None:
        self._catalog = catalog
        self._context = context
        self._embedder = embedder
        self.queue = Queue(catalog, context.clock, embedder, context.logger)
        #: Those who do the work; None when it is done before a call returns.
        self.workers: Workers | None = None
        if context.ingest == "background":
            self.workers = Workers(self.queue, context, embedder, expiry)

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
        """Attach one file, process it unless that is left to workers, and return its attachment.

        A file that is attached already is left alone unless other settings are asked for: other attributes are set, another
        chunking (or an attempt that failed) processes it anew, and the new content replaces the old one in one step. If it
        cannot be processed, what could be found of it until now stays.

        Raises:
            NotFoundError: There is no such store or file.
            BadRequestError: The store has expired.
            EmbedderMismatchError: The store was made with another embedder.
        """
        if self.workers is not None:
            return self._attach_later(namespace, vector_store_id, file_id, chunking, attributes)
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
                    announced = self.announce(connection, namespace, store.id, ids)
                self.begin(namespace, store.id, announced)
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

    def _attach_later(
        self,
        namespace: str,
        vector_store_id: str,
        file_id: str,
        chunking: StaticChunking | None,
        attributes: Mapping[str, AttributeValue] | None,
    ) -> Row[Any]:
        """`attach`, leaving the work to workers."""
        with self._catalog.write() as connection:
            now = self.queue.now()
            store = self._open_store(connection, namespace, vector_store_id)
            entries = [
                (file, chunking, attributes) for file in files.require_many(connection, namespace, [file_id], now)
            ]
            pending = replacing.admit(connection, namespace, store, entries, now).pending
            announced = self.announce(connection, namespace, store.id, pending)
            stores.touch(connection, store, now)
            row = attachments.require(connection, namespace, store, file_id)
        self.begin(namespace, store.id, announced)
        return row

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
            publish(connection, namespace, store.id, work, attached_now=True)
            stores.touch(connection, store, now)
            return attachments.require(connection, namespace, store, public_id)

    def upload_announced(
        self, namespace: str, request: VectorStoreFileUpload, content: Content, public_id: str
    ) -> Row[Any]:
        """Keep a file and attach it in one transaction, to be processed while others see it in progress; see `upload`."""
        now = int(self._context.clock())
        with self._catalog.write() as connection:
            store = self._open_store(connection, namespace, request.vector_store_id)
            file = self._keep(connection, namespace, request, content, public_id, now)
            entry = (file, _window(request.chunking_strategy, None, store), request.attributes)
            ids = attachments.insert(connection, namespace, store.id, [entry], now, uploaded_now=True)
            announced = self.announce(connection, namespace, store.id, ids)
            stores.touch(connection, store, now)
        self.begin(namespace, store.id, announced)
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
        blob_id = blobs.store(connection, namespace, content)
        expires_at = files.expiry(request.purpose, None, now)
        new = files.New(
            public_id, request.filename, request.purpose, content.size, blob_id, {}, expires_at, created_at=now
        )
        return files.insert(connection, namespace, new)

    def announce(self, connection: Connection, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> Claims:
        """Write down work in the transaction that inserts the attachments; `begin` follows after it."""
        if not attachment_ids:
            return {}
        return self.queue.announce(connection, namespace, store_id, attachment_ids, mine=self.workers is None)

    def begin(self, namespace: str, store_id: int, announced: Claims) -> None:
        """Process attachments that were just announced, or wake the workers for them.

        They are accepted, durably, whatever happens here: if the storage fails, they stay in progress, and are taken up again
        when somebody looks at them (`help`) or opens the storage (`drain`).
        """
        if self.workers is not None:
            self.workers.wake()
        elif announced:
            try:
                task = self.queue.announced(namespace, store_id, announced)
            except (StorageError, StorageBusyError) as error:
                self._context.logger.warning("%d files stay in progress for now: %s", len(announced), said(error))
            else:
                self._attend(task)

    def drain(self) -> int:
        """Do all work that is due: what processes left that are gone, and what nobody has begun. Return how many files were taken.

        Where there are workers it is theirs, and this only wakes them. Where the storage takes nothing, it stays: what is there can
        be read all the same.
        """
        if self.workers is not None:
            self.workers.wake()
            return 0
        taken = 0
        while (task := self._take()) is not None:
            taken += len(task.rows) + len(task.given_up)
            self._attend(task)
        return taken

    def help(self, scope: Scope) -> bool:
        """Do some of the work that is due in what somebody looks at, so that looking again and again comes to an end.

        It is one file, or what a second suffices for, and nothing while others are at work on the store, or where the storage takes
        nothing.

        Returns:
            Whether anything was done.
        """
        if self.workers is not None:
            self.workers.wake()
            return False
        begun = time.monotonic()
        helped = False
        while (task := self._take(scope)) is not None:
            self._attend(task)
            helped = True
            if time.monotonic() - begun >= _HELPING:
                break
        return helped

    def close(self) -> None:
        """Stop the workers, and let go of what is not finished, for others to go on with."""
        if self.workers is not None:
            self.workers.close()
        self.queue.close()

    def _take(self, scope: Scope | None = None) -> Task | None:
        try:
            return self.queue.take(scope, None if scope is None else _HELPING)
        except (StorageError, StorageBusyError) as error:
            self._context.logger.warning("Files stay in progress for now: %s", said(error))
            return None

    def _attend(self, task: Task) -> None:
        """Process files that this process holds, some dozens in one transaction.

        If the storage fails, what was published before stays, and others are tried again after a pause.
        """
        with self.queue.holding(task.claims):
            try:
                for group, prepared in self._prepared(task.namespace, task.rows):
                    work = [Work(row.id, row.generation, row.blob_id) for row in group]
                    self.queue.publish(task, list(zip(work, prepared, strict=True)))
            except (StorageError, StorageBusyError) as error:
                self._context.logger.warning("%d files stay in progress for now: %s", len(task.claims), said(error))
                with suppress(StorageError, StorageBusyError):  # then their leases run out
                    self.queue.put_off(task, sorted(task.claims), said(error))
            except BaseException as error:
                self.queue.release(task.claims, attempted=isinstance(error, Exception))
                raise

    def _prepared(
        self, namespace: str, rows: Sequence[Row[Any]]
    ) -> Iterator[tuple[Sequence[Row[Any]], list[Prepared | Refused]]]:
        """Groups of files with what was prepared of them; while one is indexed, a thread cuts the next."""
        cut = self._preparer.cut
        with ThreadPoolExecutor(1, thread_name_prefix="oauth-codex-cut") as ahead:
            waiting: list[tuple[Sequence[Row[Any]], list[Future[Cut | Refused]]]] = []
            for planned in _groups(rows):
                group, contents = self.queue.contents(namespace, planned)
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
        found = connection.execute(
            _AS_THEY_ARE,
            {"store": store.id, "file": file.id, "now": now, "embedder": store.embedder_fingerprint},
        ).first()
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
        replaced, generation = [], 0
        if existing is not None:
            replaced = [existing]
            attributes = attachments.attributes_of(existing) if attributes is None else attributes
            generation = 0 if existing.text_blob_id is None else int(existing.generation)
        entry = (file, window, attributes)
        (made,) = replacing.insert_anew(connection, namespace, store.id, [entry], replaced, now)
        work = [(Work(made, generation, file.blob_id), prepared)]
        publish(connection, namespace, store.id, work, attached_now=not generation)


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
        if group and (len(group) >= jobs.MOST_FILES or size + row.bytes > jobs.MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += row.bytes
    if group:
        yield group


_AS_THEY_ARE = text(
    """
    SELECT a.id, a.status, a.generation
    FROM stores AS s
    JOIN files AS f ON f.id = :file AND f.namespace = s.namespace AND (f.expires_at IS NULL OR f.expires_at > :now)
    LEFT JOIN attachments AS a ON a.namespace = s.namespace AND a.store_id = s.id AND a.file_id = f.id
    WHERE s.id = :store AND s.embedder_fingerprint = :embedder AND (s.expires_at IS NULL OR s.expires_at > :now)
    """
)
