"""The vector leg of one store: the driver's index nominates, exact cosines come from the vectors themselves.

The index follows the catalog as the view does: what was published and removed since its watermark is given to it in the transaction
of the search. What it answers is checked, because an index is another's work and may be behind, ahead, damaged or approximate.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from ..catalog.tables import generations
from ..exact import DIGITS, nearest_keys, saturated
from ..text.terms import concatenated_ranges
from .snapshot import Ahead, OutOfStep, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...spi.index import IndexSpec, ScoringIndex, VectorIndex, VectorIndexProvider
    from ..matrix import MatrixIndex, MatrixProvider

    Ints = NDArray[np.int64]
    Vector = NDArray[np.float32]
    Cosines = NDArray[np.float64]

#: Generations whose vectors are read at a time.
_GENERATIONS = 512
#: From so many vectors on, filling an index is told.
_TELL_FROM = 5000
#: Up to so many chunks, of a store or of what a filter leaves, are searched exactly where the engine has the vectors and the index is
#: not exact: that takes about a millisecond, and a graph misses rows behind a cluster of equal vectors, such as those of blank pages.
EXACT_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose vectors these are.

    Attributes:
        namespace: Namespace of the store.
        store_id: Its row.
        public_id: Its id, for messages.
        driver: Name of the driver, for messages.
    """

    namespace: str
    store_id: int
    public_id: str
    driver: str


class StoreVectors:
    """Vectors of one store. Following needs the caller to keep searches out; searches may run at the same time.

    Args:
        owner: Whose they are.
        spec: Which index.
        provider: Opens the driver's index, at first use: that may take long, and then holds up this store only.
        matrices: Opens the engine's own copy, for an index that cannot tell cosines; else None.
        logger: Where repairs and long work are told.
    """

    def __init__(
        self,
        owner: Owner,
        spec: IndexSpec,
        provider: VectorIndexProvider,
        matrices: MatrixProvider | None,
        logger: logging.Logger,
    ) -> None:
        self._where = {"namespace": owner.namespace, "store_id": owner.store_id}
        self._name = f"The {owner.driver} index of {owner.public_id}"
        self._spec = spec
        self._provider = provider
        self._matrices = matrices
        self._traits = provider.traits
        self._matrix: MatrixIndex | None = None
        self._indexes: list[VectorIndex] = []
        self._logger = logger
        #: Revision that everything here was brought to; it is no watermark, because nothing was looked at before.
        self.revision = -1
        self._compared = False
        self._short_told = False

    def follow(self, connection: Connection, revision: int, snapshot: Snapshot, forgotten: int) -> None:
        """Bring everything to the revision that the transaction sees.

        Args:
            connection: The transaction.
            revision: The revision of the store in it.
            snapshot: The store at this revision.
            forgotten: The revision up to which nothing tells any more what was removed.

        Raises:
            Ahead: An index is complete to a later revision.
            OutOfStep: The index does not hold what it was given.
        """
        self._open()
        for index in self._indexes:
            if index.watermark > revision:
                raise Ahead(index.watermark)
            late = 0 < index.watermark < forgotten
            self._replay(connection, index, revision)
            if late or not self._compared:
                self._compare(connection, index, snapshot, expected=late)
        self._compared = True
        self.revision = revision

    def audit(self, connection: Connection, revision: int, forgotten: int) -> list[str]:
        """What is wrong with the indexes, as they are, changing nothing; the arguments are those of `follow`.

        Raises:
            Ahead: An index is complete to a later revision.
        """
        self._open()
        wrong = []
        for index in self._indexes:
            watermark = index.watermark
            if watermark > revision:
                raise Ahead(watermark)
            held = np.sort(np.fromiter(index.keys(), np.int64))
            if len(held) != index.count() or np.any(held[1:] == held[:-1]):
                wrong.append(f"{self._name} counts {index.count()} vectors and names {len(held)}.")
            missing, stray = compared(connection, self._where, held, watermark)
            if watermark < forgotten:  # nobody knows what should have gone since
                stray = 0
            if missing or stray:
                wrong.append(f"{self._name} lacks {missing} vectors and has {stray} too many.")
        return wrong

    def nearest(self, snapshot: Snapshot, vector: Vector, limit: int, among: Ints | None) -> Ints:
        """Rows of the nearest living chunks, at least as many as there are up to `limit`; the order may be approximate.

        Args:
            snapshot: The store as the search sees it.
            vector: One vector, of unit length.
            limit: Most rows.
            among: Row ranges that count, shape (n, 2), ascending; None for all.

        Raises:
            OutOfStep: The index returned too few, and nothing else can answer.
        """
        rows = None if among is None else concatenated_ranges(among[:, 0], among[:, 1] - among[:, 0])
        keys = None if rows is None else snapshot.keys[rows]
        candidates = snapshot.living if keys is None else len(keys)
        if keys is not None and not self._traits.among:
            return snapshot.living_rows(self._exactly(vector, limit, keys))
        if self._matrix is not None and candidates <= EXACT_ROWS:
            return snapshot.living_rows(self._exactly(vector, limit, keys))
        found = snapshot.living_rows(np.asarray(self._index.query(vector, limit=limit, among=keys), dtype=np.int64))
        if rows is not None:
            found = found[np.isin(found, rows, assume_unique=True)]
        wanted = min(limit, candidates)
        if len(found) >= wanted:
            found = found[:wanted]
            if self._matrix is None or self._traits.exact or not saturated(self.cosines(snapshot, found, vector)):
                return found
        else:
            shortage = f"{self._name} returned {len(found)} of {wanted} chunks that were asked for."
            if self._matrix is None:
                raise OutOfStep(shortage)
            if not self._short_told:
                self._logger.warning("%s The engine searches exactly instead, which is slower.", shortage)
                self._short_told = True
        return snapshot.living_rows(self._exactly(vector, limit, keys))

    def _exactly(self, vector: Vector, limit: int, keys: Ints | None) -> Ints:
        """The nearest of these keys, or of all that the engine has the vectors of, by comparing with each."""
        if self._matrix is not None:
            return self._matrix.query(vector, limit=limit, among=keys)
        assert keys is not None, "an index without candidate sets is asked for all of its vectors"
        return nearest_keys(keys, self._told(keys, vector), limit)

    def _told(self, keys: Ints, vector: Vector) -> Cosines:
        found = np.round(self._scores.cosines(keys, vector), DIGITS)
        if np.isnan(found).any():
            raise OutOfStep(f"{self._name} lacks {np.count_nonzero(np.isnan(found))} of {len(keys)} vectors.")
        return found

    def cosines(self, snapshot: Snapshot, rows: Ints, vector: Vector) -> Cosines:
        """Exact cosines of living rows, in their order, the same on every driver.

        Raises:
            OutOfStep: A vector is missing.
        """
        if not len(rows):
            return np.zeros(0)
        return self._told(snapshot.keys[rows], vector)

    def flush(self, revision: int) -> None:
        """Let the indexes note what they are complete to.

        Raises:
            StorageError: The disk is full or refuses; nothing is lost by that.
        """
        for index in self._indexes:
            index.flush(revision)

    def close(self) -> None:
        """Let go of memory and files."""
        for index in self._indexes:
            index.close()

    def _open(self) -> None:
        if not self._indexes:
            self._index = self._provider.open(self._spec)
            self._indexes.append(self._index)
            self._scores = cast("ScoringIndex", self._index)
        if self._matrices is not None and self._matrix is None:
            self._scores = self._matrix = self._matrices.open(self._spec)
            self._indexes.append(self._matrix)

    # -- following the catalog -----------------------------------------------------------------------------------------

    def _replay(self, connection: Connection, index: VectorIndex, revision: int) -> None:
        watermark = index.watermark
        if watermark == revision:
            return
        since = {**self._where, "since": watermark}
        if watermark or index.count():
            removed = connection.execute(_REMOVED, since).all()
            if removed:
                index.delete(concatenated_ranges(_column(removed, 0), _column(removed, 1)))
        total = 0 if watermark else int(connection.execute(_TOTAL, since).scalar_one())
        done = 0
        for rows in connection.execute(_VECTORS, since).partitions(_GENERATIONS):
            keys = concatenated_ranges(_column(rows, 0), _column(rows, 1))
            index.upsert(keys, _vectors(rows, len(keys)))
            done += len(keys)
            if total >= _TELL_FROM:
                self._logger.info(
                    "%s is filled from the catalog: %d of %d chunks.",
                    self._name,
                    done,
                    total,
                    extra={"progress": (done, total)},
                )

    def _compare(self, connection: Connection, index: VectorIndex, snapshot: Snapshot, *, expected: bool) -> None:
        """Mend an index that has more or fewer vectors than the catalog: once after it was opened, where that is told, and when it
        could not learn what was removed."""
        if index.count() == snapshot.living:
            return
        living = snapshot.living_keys()
        held = np.sort(np.fromiter(index.keys(), np.int64))
        missing = np.setdiff1d(living, held, assume_unique=True)
        # A key above all that this transaction sees belongs to a later one: another process is ahead with a shared index.
        known = held[held <= (snapshot.keys[-1] if len(snapshot.keys) else 0)]
        stray = np.setdiff1d(known, living)
        if len(stray):
            index.delete(stray)
        if len(missing):
            for rows in connection.execute(_VECTORS, {**self._where, "since": 0}).partitions(_GENERATIONS):
                keys = concatenated_ranges(_column(rows, 0), _column(rows, 1))
                absent = np.isin(keys, missing, assume_unique=True)
                if absent.any():
                    index.upsert(keys[absent], _vectors(rows, len(keys))[absent])
        if (len(stray) or len(missing)) and not expected:
            self._logger.warning(
                "%s did not fit the catalog, and was mended from it: %d vectors were missing, %d too many.",
                self._name,
                len(missing),
                len(stray),
            )
        if index.count() < snapshot.living:
            raise OutOfStep(f"{self._name} holds {index.count()} of {snapshot.living} vectors that it was given.")


def compared(connection: Connection, where: dict[str, Any], held: Ints, revision: int) -> tuple[int, int]:
    """How many chunks are missing among those that were held at a revision or later, and how many are too many.

    Keys above all that the transaction sees belong to a later one.
    """
    rows = connection.execute(_EVER, where).all()
    firsts, counts, published, removed = (_column(rows, number) for number in range(4))
    due = (published <= revision) & (removed == 0)
    allowed = (removed == 0) | (removed > revision)
    known = held[: np.searchsorted(held, (firsts + counts).max(initial=0))]
    missing = np.setdiff1d(concatenated_ranges(firsts[due], counts[due]), held)
    stray = np.setdiff1d(known, concatenated_ranges(firsts[allowed], counts[allowed]))
    return len(missing), len(stray)


def unit(vectors: NDArray[np.float16]) -> Vector:
    """Stored vectors as float32 of unit length; zero ones stay zero."""
    found = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", found, found))
    lengths[lengths == 0] = 1
    found /= lengths[:, None]
    return found


def _vectors(rows: Sequence[Any], count: int) -> Vector:
    stored = np.frombuffer(b"".join(row.vectors for row in rows), dtype=np.float16)
    return unit(stored.reshape(count, -1))


def _column(rows: Sequence[Any], number: int) -> Ints:
    return np.array([row[number] for row in rows], dtype=np.int64)


_IN_STORE = (generations.c.namespace == bindparam("namespace"), generations.c.store_id == bindparam("store_id"))
_NEW = (*_IN_STORE, generations.c.published > bindparam("since"), generations.c.removed.is_(None))
_TOTAL = select(func.coalesce(func.sum(generations.c.chunk_count), 0)).where(*_NEW)
_VECTORS = (
    select(generations.c.first_chunk, generations.c.chunk_count, generations.c.vectors)
    .where(*_NEW)
    .order_by(generations.c.first_chunk)
)
_EVER = (
    select(
        generations.c.first_chunk,
        generations.c.chunk_count,
        generations.c.published,
        func.coalesce(generations.c.removed, 0),
    )
    .where(*_IN_STORE)
    .order_by(generations.c.first_chunk)
)
# Also what was published after the watermark: an index that was interrupted may hold it.
_REMOVED = select(generations.c.first_chunk, generations.c.chunk_count).where(
    *_IN_STORE, generations.c.removed > bindparam("since")
)
