"""The queue as one process sees it: what it claims, what it holds, and what became of it."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from ...errors import StorageBusyError, StorageError
from ..catalog import attachments, blobs, jobs
from ..catalog.attachments import Outcome
from ..catalog.catalog import Catalog, as_json
from ..catalog.jobs import Claims, Scope, Task, Worker
from .changes import Changes
from .heartbeat import Heartbeat
from .publishing import Work, publish

if TYPE_CHECKING:
    import logging

    from ...spi.driver import Clock
    from ...spi.embedder import Embedder
    from .prepare import Prepared, Refused

#: Seconds of real time between two renewals of the leases that are held.
BEAT_SECONDS = jobs.LEASE_SECONDS / 4


class Queue:
    """Claims work for this process and settles it. Thread-safe.

    Attributes:
        who: The name under which this process holds work, and its embedder.
        changes: Told of whatever is settled here.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        embedder: Embedder,
        logger: logging.Logger,
        *,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._logger = logger
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.who = Worker(owner, embedder.name, embedder.dimension, embedder.fingerprint)
        self.changes = Changes()
        self._lock = threading.Lock()
        self._holding: dict[int, int] = {}
        self._heartbeat = Heartbeat(self.beat, beat_seconds)

    # -- getting work --------------------------------------------------------------------------------------------------

    def announce(
        self, connection: Connection, namespace: str, store_id: int, ids: Sequence[int], *, mine: bool
    ) -> Claims:
        """Write down work, in the transaction that inserts the attachments; with `mine` this process begins it at once."""
        return jobs.announce(connection, namespace, store_id, ids, self.now(), self.who if mine else None)

    def take(self, scope: Scope | None = None, wait: float | None = None) -> Task | None:
        """Claim some files of one store; None if nothing is due. What was begun too often fails instead.

        Args:
            scope: Claim one file of this, and none while anybody is at work on the store.
            wait: Seconds to wait for other writers, see `Catalog.write`.

        Raises:
            StorageError: The storage fails.
            StorageBusyError: Others were writing all that time.
        """
        now = self.now()
        with self._catalog.read() as connection:
            due = jobs.any_due(connection, now, self.who)
            if not due or (scope is not None and not jobs.any_due_of(connection, now, self.who, scope)):
                return None
        with self._catalog.write(wait) as connection:
            task = jobs.claim(connection, now, self.who, scope)
            if task is None:
                return None
            failed = [_given_up(row.id, row.error) for row in task.given_up]
            attachments.settle(connection, task.namespace, task.store_id, failed)
        self._tell(task.given_up)
        return task

    def announced(self, namespace: str, store_id: int, claims: Claims) -> Task:
        """What was announced for this process, with those of its files that are still there."""
        with self._catalog.read() as connection:
            rows = connection.execute(_ROWS, {"namespace": namespace, "ids": as_json(list(claims))}).all()
        return Task(namespace, store_id, rows, claims, (), False)

    def contents(self, namespace: str, rows: Sequence[Row[Any]]) -> tuple[Sequence[Row[Any]], list[bytes]]:
        """Those of some files that are still there and in progress, and their contents."""

        def read() -> tuple[Sequence[Row[Any]], list[bytes]]:
            with self._catalog.read() as connection:
                ids = as_json([row.id for row in rows])
                left = connection.execute(_ROWS, {"namespace": namespace, "ids": ids}).all()
                return left, blobs.read_many(connection, [row.blob_id for row in left])

        return blobs.settled(read)

    def left(self) -> tuple[int, int]:
        """Number of files that are not settled: those that this process can work on, and those of other embedders."""
        with self._catalog.read() as connection:
            return jobs.left(connection, self.who)

    # -- holding it ----------------------------------------------------------------------------------------------------

    @contextmanager
    def holding(self, claims: Claims) -> Iterator[None]:
        """Keep leases from running out while the block works."""
        with self._lock:
            self._holding.update(claims)
        self._heartbeat.begin()
        try:
            yield
        finally:
            with self._lock:
                for attachment_id, fence in claims.items():
                    if self._holding.get(attachment_id) == fence:
                        del self._holding[attachment_id]

    def beat(self) -> bool:
        """Renew all leases that are held here, and return whether there are any."""
        with self._lock:
            claims = dict(self._holding)
        if claims:
            try:
                with self._catalog.write() as connection:
                    jobs.renew(connection, self.who, claims, self.now())
            except (StorageError, StorageBusyError) as error:
                self._logger.warning("Leases could not be renewed: %s", said(error))
        return bool(claims)

    def close(self) -> None:
        """Let all go that is still held: who works on it can write nothing any more."""
        self._heartbeat.stop()
        with self._lock:
            claims = dict(self._holding)
        self.release(claims, attempted=False)

    # -- settling it ---------------------------------------------------------------------------------------------------

    def publish(self, task: Task, work: Sequence[tuple[Work, Prepared | Refused]]) -> set[int]:
        """Publish those of the files that this process still holds, and return those attachments."""
        with self._catalog.write() as connection:
            mine = jobs.held(connection, self.who, {at.attachment_id: task.claims[at.attachment_id] for at, _ in work})
            still = [(at, found) for at, found in work if at.attachment_id in mine]
            if still:
                publish(connection, task.namespace, task.store_id, still)
            if len(mine) < len(
                work
            ):  # what is ours no more, or of a store that has another embedder now: that one's workers do it
                lost = {
                    each.attachment_id: task.claims[each.attachment_id]
                    for each, _ in work
                    if each.attachment_id not in mine
                }
                jobs.release(connection, self.who, lost, attempted=False)
            jobs.renew(connection, self.who, task.claims, self.now())
        self._tell(row for row in task.rows if row.id in mine)
        return mine

    def put_off(self, task: Task, ids: Sequence[int], reason: str) -> int:
        """Note that an attempt failed. Others follow after a pause; the last one fails the file. Returns how many failed."""
        claims = {attachment_id: task.claims[attachment_id] for attachment_id in ids}
        with self._catalog.write() as connection:
            ended = jobs.put_off(connection, self.who, claims, self.now(), reason)
            failed = [Outcome(each, "failed", error_code="server_error", error_message=reason) for each in ended]
            attachments.settle(connection, task.namespace, task.store_id, failed)
        self._tell(row for row in task.rows if row.id in ended)
        return len(ended)

    def release(self, claims: Claims, *, attempted: bool) -> None:
        """Let work go that this process does not finish; if even that fails, the leases run out by themselves."""
        if not claims:
            return
        try:
            with self._catalog.write() as connection:
                jobs.release(connection, self.who, claims, attempted=attempted)
        except (StorageError, StorageBusyError) as error:
            self._logger.warning("Work that was given up is not free at once: %s", said(error))

    def now(self) -> int:
        """The time, in whole seconds."""
        return int(self._clock())

    def _tell(self, rows: Iterable[Row[Any]]) -> None:
        keys = {key for row in rows for key in (row.file, row.store)}
        if keys:
            self.changes.tell(keys)


def said(error: StorageError | StorageBusyError) -> str:
    """The sentence of an error, without the status code that stands before it in its text."""
    return error.user_message if isinstance(error, StorageError) else str(error)


def _given_up(attachment_id: int, error: str | None) -> Outcome:
    message = f"Processing was begun {jobs.MAX_ATTEMPTS} times and never finished."
    if error:
        message += f" An attempt ended with: {error}"
    return Outcome(attachment_id, "failed", error_code="server_error", error_message=message)


_ROWS = text(
    """
    SELECT a.id, a.generation, a.chunk_tokens, a.overlap_tokens, f.blob_id, f.bytes, f.filename, f.public_id AS file,
        s.public_id AS store
    FROM json_each(:ids) AS k
    CROSS JOIN attachments AS a ON a.id = k.value AND a.namespace = :namespace AND a.status = 'in_progress'
    CROSS JOIN files AS f ON f.id = a.file_id
    CROSS JOIN stores AS s ON s.id = a.store_id
    ORDER BY a.id
    """
)
