"""A store as one revision of it can be searched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...errors import StorageError
from .postings import Postings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class OutOfStep(StorageError):
    """Catalog, view and index do not fit together: what is kept of the store in memory and in caches must be made anew."""


class Ahead(Exception):
    """An index is complete to a later revision than a transaction sees; one that begins now sees that revision."""

    def __init__(self, revision: int) -> None:
        super().__init__(revision)
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store at one revision. Immutable.

    Attributes:
        revision: The revision.
        keys: Chunk id of each row, ascending.
        alive: Which rows can be found; None when all can.
        postings: The keyword index over the rows.
        attachments: Attachment of each living generation, in the order of their rows.
        begins: First row of each living generation.
        ends: Row after the last one of each living generation.
        sorter: What sorts `attachments`.
        living: How many rows can be found.
    """

    revision: int
    keys: Ints
    alive: Mask | None
    postings: Postings
    attachments: Ints
    begins: Ints
    ends: Ints
    sorter: Ints = field(init=False)
    living: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sorter", np.argsort(self.attachments))
        object.__setattr__(self, "living", int((self.ends - self.begins).sum()))

    def rows_of(self, attachment_ids: Ints, *, complement: bool = False) -> Ints:
        """Row ranges `(begin, end)`, ascending, shape (n, 2), of the living chunks of these attachments, or of all others."""
        known = self.attachments
        if not len(known):
            return np.zeros((0, 2), dtype=np.int64)
        at = self.sorter[np.minimum(np.searchsorted(known, attachment_ids, sorter=self.sorter), len(known) - 1)]
        picked = at[known[at] == attachment_ids]
        if complement:
            picked = np.delete(np.arange(len(known)), picked)
        else:
            picked.sort()
        return np.stack((self.begins[picked], self.ends[picked]), axis=1)

    def attachment_of(self, rows: Ints) -> Ints:
        """Attachment that each living row belongs to."""
        return self.attachments[np.searchsorted(self.begins, rows, side="right") - 1]

    def living_keys(self) -> Ints:
        """Chunk ids that can be found, ascending."""
        return self.keys if self.alive is None else self.keys[self.alive]

    def living_rows(self, keys: Ints) -> Ints:
        """Rows of those of these chunk ids that can be found, without repetition, in the order of `keys`."""
        if not len(self.keys):
            return _EMPTY
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[at] == keys
        if self.alive is not None:
            known &= self.alive[at]
        rows: Ints = at[known]
        _, first = np.unique(rows, return_index=True)
        if len(first) < len(rows):
            rows = rows[np.sort(first)]
        return rows


_EMPTY = np.zeros(0, dtype=np.int64)
NOTHING = Snapshot(0, _EMPTY, None, Postings(), _EMPTY, _EMPTY, _EMPTY)
