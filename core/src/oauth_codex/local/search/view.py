"""What one process keeps in memory of a store in order to search it, and how that follows the catalog.

A view is a cache of one revision of its store. Each search brings it to the revision that its own transaction sees, by reading what
was published and removed since; so a search sees exactly what the catalog says, whichever process wrote it. A large view is also
saved beside the catalog as memory-mapped arrays, so that the next process starts from there.

Rows are the chunks in the order of publication, removed ones included until the view is made anew; `keys[row]` is the chunk id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from ...errors import StorageError
from ...types.filters import Compound
from .. import caches
from ..catalog.tables import generations, segments
from ..text.terms import concatenated_ranges
from .postings import Postings, decode_segment
from .snapshot import NOTHING, Ahead, OutOfStep, Snapshot
from .vectors import compared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...types.filters import Filter
    from ..catalog.filters import Matches
    from .vectors import Owner, StoreVectors

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

_FORMAT = 1
_SAVE_FROM = 4096
_TAIL_SHARE = 0.25
_DEAD_SHARE = 0.3
#: Filters whose rows are remembered.
_FILTERS = 32


class StoreView:
    """The view of one store. Threads search at the same time; bringing it up to date waits for them."""

    def __init__(
        self, owner: Owner, stamp: str, vectors: StoreVectors, folder: Path | None, logger: logging.Logger
    ) -> None:
        self.vectors = vectors
        self._where = {"namespace": owner.namespace, "store_id": owner.store_id}
        self._stamp = stamp
        self._folder = folder
        self._logger = logger
        self._condition = threading.Condition()
        self._readers = 0
        self._closed = False
        self._compared = False
        self._saved_rows = 0
        self._selected: tuple[Snapshot, dict[Hashable, Ints | None]] = (NOTHING, {})
        self._snapshot = NOTHING if folder is None else self._load(folder)

    @property
    def revision(self) -> int:
        """The revision that this view has reached."""
        return self._snapshot.revision

    @contextmanager
    def at(self, connection: Connection, revision: int, forgotten: int) -> Iterator[Snapshot | None]:
        """The store as the transaction sees it; None when this view is closed or has gone past it: begin again then.

        Args:
            connection: The transaction.
            revision: The revision of the store in it.
            forgotten: The revision up to which nothing tells any more what was removed.
        """
        with self._condition:
            while not self._closed and self._behind(revision):
                if self._readers == 0:
                    self._sync(connection, revision, forgotten)
                else:
                    self._condition.wait()
            snapshot = self._snapshot
            usable = not self._closed and snapshot.revision == self.vectors.revision == revision
            self._readers += usable
        try:
            yield snapshot if usable else None
        finally:
            if usable:
                with self._condition:
                    self._readers -= 1
                    self._condition.notify_all()

    def selected(self, snapshot: Snapshot, wanted: Filter, find: Callable[[Filter], Matches]) -> Ints | None:
        """Row ranges that a filter leaves; None when it leaves everything.

        They are remembered for as long as the store stays at its revision, which changes with every attribute.
        """
        of, known = self._selected
        if of is not snapshot:
            known = {}
            self._selected = snapshot, known
        key = _identity(wanted)
        if key not in known:
            found = find(wanted)
            ids = np.fromiter(found.ids, np.int64, len(found.ids))
            everything = found.complement and not len(ids)
            ranges = None if everything else snapshot.rows_of(ids, complement=found.complement)
            if len(known) >= _FILTERS:
                return ranges
            known[key] = ranges
        return known[key]

    def audit(self, connection: Connection, revision: int, forgotten: int) -> list[str]:
        """What is wrong with what is kept of the store, as it is, changing nothing; the arguments are those of `at`.

        Raises:
            Ahead: It has gone past the transaction.
        """
        with self._condition:
            while self._readers:
                self._condition.wait()
            if self._closed:
                return []
            wrong = self.vectors.audit(connection, revision, forgotten)
            snapshot = self._snapshot
            if snapshot.revision > revision:
                raise Ahead(snapshot.revision)
            if snapshot.revision >= max(1, forgotten):
                missing, stray = compared(connection, self._where, snapshot.living_keys(), snapshot.revision)
                if missing or stray:
                    store = f"store row {self._where['store_id']}"
                    wrong.append(f"The terms kept of {store} lack {missing} chunks and have {stray} too many.")
            return wrong

    def close(self) -> None:
        """Let go of memory and files, once nobody searches any more."""
        with self._condition:
            while self._readers:
                self._condition.wait()
            if not self._closed:
                self._closed = True
                self.vectors.close()
                self._snapshot = NOTHING
                self._selected = NOTHING, {}

    # -- following the catalog -----------------------------------------------------------------------------------------

    def _behind(self, revision: int) -> bool:
        return self._snapshot.revision <= revision and min(self._snapshot.revision, self.vectors.revision) < revision

    def _sync(self, connection: Connection, revision: int, forgotten: int) -> None:
        snapshot = self._snapshot
        if snapshot.revision < forgotten:
            snapshot = NOTHING
            self._saved_rows = 0
        if snapshot.revision < revision:
            snapshot = self._followed(connection, snapshot, revision)
        if snapshot.alive is not None and np.count_nonzero(snapshot.alive) < (1 - _DEAD_SHARE) * len(snapshot.alive):
            snapshot = self._followed(connection, NOTHING, revision)  # segments that died are gone from the catalog
            self._saved_rows = 0
        if not self._compared:
            self._compare(connection, snapshot)
        self.vectors.follow(connection, revision, snapshot, forgotten)
        self._snapshot = snapshot
        try:
            self.vectors.flush(revision)
            rows = len(snapshot.keys)
            if self._folder is not None and rows >= _SAVE_FROM and rows - self._saved_rows > _TAIL_SHARE * rows:
                self._save(self._folder, snapshot)
        except StorageError as error:  # a full disk must not stop a search: the catalog has everything
            self._logger.warning("%s Searches go on without it; opening this store takes longer.", error.user_message)

    def _compare(self, connection: Connection, snapshot: Snapshot) -> None:
        """See, once after loading, that what was saved and followed is what the catalog has: it may have been put back meanwhile.

        Raises:
            OutOfStep: It is not.
        """
        held = (len(snapshot.attachments), snapshot.living, int(snapshot.attachments.sum()))
        if tuple(connection.execute(_LIVING, self._where).one()) != held:
            raise OutOfStep(f"The terms kept in {str(self._folder)!r} are not those of the catalog.")
        self._compared = True

    def _followed(self, connection: Connection, old: Snapshot, revision: int) -> Snapshot:
        since = {**self._where, "since": old.revision}
        added = connection.execute(_SEGMENTS, since).all()
        published = np.array(connection.execute(_PUBLISHED, since).all() or np.zeros((0, 3)), dtype=np.int64)
        removed = [] if old.revision == 0 else connection.execute(_REMOVED, since).all()

        fresh = concatenated_ranges(_column(added, 0), _column(added, 1))
        keys = np.concatenate((old.keys, fresh)) if len(fresh) else old.keys
        begins = np.searchsorted(keys, published[:, 1])
        ends = begins + published[:, 2]
        attachments, begins, ends = (
            np.concatenate((old.attachments, published[:, 0])),
            np.concatenate((old.begins, begins)),
            np.concatenate((old.ends, ends)),
        )
        alive = old.alive
        if alive is not None or len(fresh) != published[:, 2].sum():
            alive = np.concatenate(
                (_all_alive(len(old.keys)) if alive is None else alive, np.zeros(len(fresh), dtype=np.bool_))
            )
            alive[concatenated_ranges(begins[len(old.begins) :], published[:, 2])] = True
        if removed:
            gone = np.searchsorted(keys, _column(removed, 0))
            alive = _all_alive(len(keys)) if alive is None else alive.copy()
            alive[concatenated_ranges(gone, _column(removed, 1))] = False
            kept = ~np.isin(begins, gone)
            attachments, begins, ends = attachments[kept], begins[kept], ends[kept]
        if alive is not None:
            alive.flags.writeable = False  # so that what is counted over it can be kept
        moved = [] if old.revision == 0 else connection.execute(_MOVED, since).all()
        if moved:
            # Of generations that begin at one row, the last is the one that has any.
            at = np.searchsorted(begins, np.searchsorted(keys, _column(moved, 1)), side="right") - 1
            attachments = np.array(attachments)
            attachments[at] = _column(moved, 0)
        postings = old.postings.append([decode_segment(row.data) for row in added])
        if postings.rows != len(keys) or (len(keys) and np.any(np.diff(keys) <= 0)):
            raise OutOfStep(f"The postings of store row {self._where['store_id']} do not fit its chunks.")
        return Snapshot(revision, keys, alive, postings, attachments, begins, ends)

    # -- beside the catalog --------------------------------------------------------------------------------------------

    def _save(self, cache: Path, snapshot: Snapshot) -> None:
        arrays = {
            "keys": snapshot.keys,
            "attachments": snapshot.attachments,
            "begins": snapshot.begins,
            "ends": snapshot.ends,
            "alive": _all_alive(len(snapshot.keys)) if snapshot.alive is None else snapshot.alive,
        }

        def fill(fresh: Path) -> None:
            for name, array in arrays.items():
                np.save(fresh / f"{name}.npy", array, allow_pickle=False)
            snapshot.postings.save(fresh)

        facts = {"format": _FORMAT, "stamp": self._stamp, "revision": snapshot.revision}
        caches.write(cache, fill, facts)
        self._saved_rows = len(snapshot.keys)

    def _load(self, cache: Path) -> Snapshot:
        for _ in range(2):  # another process may replace the files while they are opened
            try:
                found = caches.read(cache)
            except caches.Torn as error:
                self._logger.warning(
                    "The terms kept in %r are worthless: %s. The catalog has them all.", str(cache), error
                )
                return NOTHING
            snapshot = NOTHING if found is None else self._map(*found)
            if snapshot is not None:
                return snapshot
        return NOTHING

    def _map(self, facts: dict[str, Any], folder: Path) -> Snapshot | None:
        """What was saved, None if it has vanished, and nothing if it is worthless: then the catalog fills this view."""
        if (facts.get("format"), facts.get("stamp")) != (_FORMAT, self._stamp):
            return NOTHING
        names = ("keys", "alive", "attachments", "begins", "ends")
        try:
            keys, alive, attachments, begins, ends = (
                np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)) for name in names
            )
            postings = Postings.open(folder)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            return NOTHING
        if not len(keys) == len(alive) == postings.rows or not len(attachments) == len(begins) == len(ends):
            return NOTHING
        self._saved_rows = len(keys)
        every = None if bool(alive.all()) else alive
        return Snapshot(int(facts["revision"]), keys, every, postings, attachments, begins, ends)

    def forget(self) -> None:
        """Remove what was saved."""
        if self._folder is not None:
            caches.remove(self._folder)


def _identity(wanted: Filter) -> Hashable:
    """A key for a filter that, unlike its equality, tells 1, 1.0 and True apart."""
    if isinstance(wanted, Compound):
        return wanted.type, tuple(_identity(part) for part in wanted.filters)
    values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
    return wanted.type, wanted.key, tuple((type(value), value) for value in values)


def _column(rows: object, number: int) -> Ints:
    return np.array([row[number] for row in rows], dtype=np.int64)  # type: ignore[attr-defined]


def _all_alive(rows: int) -> Mask:
    return np.ones(rows, dtype=np.bool_)


_SEGMENTS = (
    select(segments.c.first_chunk, segments.c.chunk_count, segments.c.data)
    .where(
        segments.c.namespace == bindparam("namespace"),
        segments.c.store_id == bindparam("store_id"),
        segments.c.published > bindparam("since"),
    )
    .order_by(segments.c.first_chunk)
)
_IN_STORE = (generations.c.namespace == bindparam("namespace"), generations.c.store_id == bindparam("store_id"))
_PUBLISHED = (
    select(generations.c.attachment_id, generations.c.first_chunk, generations.c.chunk_count)
    .where(*_IN_STORE, generations.c.published > bindparam("since"), generations.c.removed.is_(None))
    .order_by(generations.c.first_chunk)
)
_LIVING = select(
    func.count(),
    func.coalesce(func.sum(generations.c.chunk_count), 0),
    func.coalesce(func.sum(generations.c.attachment_id), 0),
).where(*_IN_STORE, generations.c.removed.is_(None))
_MOVED = select(generations.c.attachment_id, generations.c.first_chunk).where(
    *_IN_STORE, generations.c.moved > bindparam("since"), generations.c.removed.is_(None), generations.c.chunk_count > 0
)
_REMOVED = select(generations.c.first_chunk, generations.c.chunk_count).where(
    *_IN_STORE, generations.c.removed > bindparam("since"), generations.c.published <= bindparam("since")
)
