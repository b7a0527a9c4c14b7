"""Keyword search over postings: segments, their merged view, and exact BM25.

A *segment* holds the postings of one commit and is one BLOB in the catalog. `Postings` is the view over all segments
of one store, in row order: row r of the store is row r - base of the segment that starts at base. It is immutable;
adding segments gives a new view that shares the arrays of the old one.

**Tiers.** A view keeps a short list of merged runs. Whenever the newest run has at least a quarter of the postings of
the one before it, the two are merged. So sizes fall by more than four from one run to the next, their number stays
below log4(postings) + 1, and a posting is merged again only after its run grew by a quarter or more.

**Scores.** BM25 (Robertson et al. 1994) with idf = ln(1 + (N - df + 0.5) / (df + 0.5)), which is never negative,
divided by what a document could attain at most: the sum over the query's terms of weight * idf * (k1 + 1). N, df and
the average length are those of the living rows of the whole store, whatever part of it is searched; so a score depends
on the query, the row and the store only. A term that the store does not know counts in the divisor (with df = 0): a
hit that covers half of what was asked is given about half of the score.

All arithmetic is elementwise in float32, one term after another in a fixed order, so equal documents get scores that
are equal to the last bit however the rows are spread over segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ..text.arrays import concatenated_ranges
from .segments import EMPTY, Segment, decode_segment, encode_segment, joined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any

    from numpy.typing import NDArray

    from ..text.arrays import Ints
    from ..text.terms import Terms

    Scores = NDArray[np.float32]

__all__ = ["Postings", "Query", "Segment", "decode_segment", "encode_segment"]

K1: Final = 1.2
B: Final = 0.75
MAX_QUERY_TERMS: Final = 64

_TIER: Final = 4
_FILES: Final = ("terms", "offsets", "rows", "tfs", "lengths")


@dataclass(frozen=True, slots=True)
class Query:
    """A query looked up in one store: make it with `Postings.prepare`, use it for several searches.

    Attributes:
        rarity: In [0, 1], how much of the query the keyword index cannot answer: the mean of 1 / (1 + df)**2 over its
            terms, each weighted by its share of the attainable maximum. 1 if the store knows none of them.
        places: For each known term, rarest first: (run, begin, end) of its postings.
        impacts: For each known term: weight * idf over the sum of those of all terms; (k1 + 1) cancels out.
        norms: float32[rows], k1 * (1 - b + b * length / average).
        removed: int64[r], the removed rows, ascending.
    """

    rarity: float
    places: list[list[tuple[int, int, int]]]
    impacts: list[np.float32]
    norms: Scores
    removed: Ints


@dataclass(frozen=True, slots=True)
class _Living:
    """What follows from the array of living rows."""

    alive: NDArray[np.bool_] | None
    count: int
    total: int
    """Sum of the lengths."""
    removed: Ints


class Postings:
    """All postings of one store. Immutable, so threads may share it."""

    def __init__(self, runs: Sequence[tuple[Segment, int]] = ()) -> None:
        """Use `merge`, `append` or `open` instead."""
        self._runs = list(runs)
        self._lengths = _concatenated([run.lengths for run, _ in runs])
        self._total = int(self._lengths.sum(dtype=np.int64))
        # Both are replaced as a whole, never changed, so threads may race for them.
        self._norms: tuple[float, Scores] | None = None
        self._last_living: _Living | None = None

    @property
    def rows(self) -> int:
        """Number of rows, removed ones included."""
        return len(self._lengths)

    @property
    def postings(self) -> int:
        """Number of (term, row) pairs."""
        return sum(len(run.rows) for run, _ in self._runs)

    @property
    def runs(self) -> int:
        """Number of runs that a search visits."""
        return len(self._runs)

    # ------------------------------------------------------------------------------------------------ building

    @classmethod
    def merge(cls, parts: Sequence[tuple[Segment | Postings, int]]) -> Postings:
        """One run out of parts with the number of their first row.

        Raises:
            ValueError: The parts overlap, or leave rows out.
        """
        runs: list[tuple[Segment, int]] = []
        for part, base in parts:
            inner = part._runs if isinstance(part, Postings) else [(part, 0)]
            runs += [(run, base + offset) for run, offset in inner]
        runs.sort(key=lambda run: run[1])
        rows = 0
        for run, base in runs:
            if base != rows:
                raise ValueError(f"postings: a part starts at row {base} where row {rows} is next")
            rows += len(run.lengths)
        return cls([(joined(runs, rows), 0)] if runs else [])

    def append(self, segments: Sequence[Segment]) -> Postings:
        """A view with these segments behind the rows that are here already (see "Tiers" above)."""
        if not segments:
            return self
        fresh, rows = [], 0
        for segment in segments:
            fresh.append((segment, rows))
            rows += len(segment.lengths)
        runs = [*self._runs, (fresh[0][0] if len(fresh) == 1 else joined(fresh, rows), self.rows)]
        while len(runs) > 1 and len(runs[-1][0].rows) * _TIER >= len(runs[-2][0].rows):
            base = runs[-2][1]
            rows = len(runs[-2][0].lengths) + len(runs[-1][0].lengths)
            runs[-2:] = [(joined([(run, first - base) for run, first in runs[-2:]], rows), base)]
        return Postings(runs)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the merged arrays as .npy files into an existing folder.

        Not atomic: write into a fresh folder and rename that.
        """
        segment = joined(self._runs, self.rows) if self._runs else EMPTY
        for name in _FILES:
            np.save(Path(folder, f"{name}.npy"), getattr(segment, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Postings:
        """Map what `save` wrote into memory, read-only.

        Raises:
            OSError: A file is missing or unreadable.
            ValueError: The files are damaged or do not belong together.
        """
        arrays = {}
        for name in _FILES:
            path = Path(folder, f"{name}.npy")
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except EOFError as error:
                raise ValueError(f"{path}: {error}") from error
            # A plain view: slicing np.memmap objects costs a microsecond each time.
            arrays[name] = np.asarray(array)
        segment = Segment(**arrays)
        consistent = (
            all(array.ndim == 1 and array.dtype.kind in "ui" for array in arrays.values())
            and segment.terms.dtype == np.uint64
            and len(segment.offsets) == len(segment.terms) + 1
            and segment.offsets[-1] == len(segment.rows) == len(segment.tfs)
        )
        if not consistent:
            raise ValueError(f"{folder}: the files of this postings cache do not belong together")
        return cls([(segment, 0)] if len(segment.lengths) else [])

    # ------------------------------------------------------------------------------------------------ searching

    def prepare(self, query_terms: tuple[Terms, Ints], *, alive: NDArray[np.bool_] | None = None) -> Query:
        """Look a query up.

        Args:
            query_terms: What `terms.query_terms` gives: distinct terms and their weights. The 64 rarest count.
            alive: bool[rows], False for removed rows; None when nothing was removed, which is the quicker. What
                follows from a read-only array (`flags.writeable = False`) is kept for the next call.

        Raises:
            ValueError: `alive` has another number of rows.
        """
        terms, weights = query_terms
        if alive is not None and len(alive) != self.rows:
            raise ValueError(f"alive has {len(alive)} rows, the postings have {self.rows}")
        living = self._living(alive)
        count = living.count
        places = self._find(terms)
        frequencies = self._frequencies(places, alive)
        # Rarest first, equal ones by hash; unknown ones last, so that they push out no term that can be found.
        order = sorted(range(len(terms)), key=lambda i: (frequencies[i] or math.inf, int(terms[i])))
        order = order[:MAX_QUERY_TERMS]
        gains = [float(weights[i]) * math.log1p((count - frequencies[i] + 0.5) / (frequencies[i] + 0.5)) for i in order]
        attainable = math.fsum(gains) or 1.0
        rare = math.fsum(gain / (1 + frequencies[i]) ** 2 for gain, i in zip(gains, order, strict=True))
        known = [k for k, i in enumerate(order) if frequencies[i]]
        return Query(
            rarity=rare / attainable if order else 1.0,
            places=[places[order[k]] for k in known],
            impacts=[np.float32(gains[k] / attainable) for k in known],
            norms=self._row_norms(living),
            removed=living.removed,
        )

    def top(
        self,
        query: Query | tuple[Terms, Ints],
        *,
        alive: NDArray[np.bool_] | None = None,
        among: Ints | None = None,
        limit: int,
    ) -> tuple[Ints, Scores]:
        """The best rows for a query.

        Args:
            query: A prepared query, or what `terms.query_terms` gives.
            alive: As for `prepare`; ignored with a prepared query, which has it already.
            among: Only these rows: either int64[n], ascending row numbers, or int64[n, 2], ascending ranges
                `begin, end` (exclusive) that do not overlap. It changes no score.
            limit: At most so many rows.

        Returns:
            `(rows int64[k], scores float32[k])`, scores descending in (0, 1), equal ones by row.
        """
        query = query if isinstance(query, Query) else self.prepare(query, alive=alive)
        if among is None:
            return _best(self._all_scores(query), limit)
        ranges = _as_ranges(among)
        if not len(ranges):
            return _best(np.empty(0, dtype=np.float32), limit)
        touched = sum(end - begin for places in query.places for _, begin, end in places)
        # Looking ranges up in the posting lists pays while they are few; the factors are measured.
        if 16 * len(ranges) * len(query.places) < touched + self.rows // 8:
            best, found = _best(self._scores_within(query, ranges), limit)
            return _rows_of(ranges)[best], found
        gaps = np.diff(ranges.reshape(-1), prepend=0, append=self.rows)
        scores = self._all_scores(query)
        scores *= np.repeat(np.arange(len(gaps)) % 2 == 1, gaps)
        return _best(scores, limit)

    def _all_scores(self, query: Query) -> Scores:
        scores = np.zeros(self.rows, dtype=np.float32)
        for places, impact in zip(query.places, query.impacts, strict=True):
            for number, begin, end in places:
                run, base = self._runs[number]
                row = run.rows[begin:end].astype(np.int64)
                row += base
                # Each row occurs once; `at` is still quicker than `scores[row] += ...`, which gathers first.
                np.add.at(scores, row, _gain(run.tfs[begin:end], query.norms[row], impact))
        scores[query.removed] = 0
        return scores

    def _scores_within(self, query: Query, ranges: Ints) -> Scores:
        """Scores of the rows of the ranges only, one after another."""
        sizes = ranges[:, 1] - ranges[:, 0]
        scores = np.zeros(int(sizes.sum()), dtype=np.float32)
        # Where a row stands in `scores`: its number plus this shift of its range.
        shifts = np.cumsum(sizes) - sizes - ranges[:, 0]
        for places, impact in zip(query.places, query.impacts, strict=True):
            for number, begin, end in places:
                run, base = self._runs[number]
                rows = run.rows[begin:end]
                bounds = np.clip(ranges - base, 0, len(run.lengths))
                lows, highs = _positions(rows, bounds[:, 0]), _positions(rows, bounds[:, 1])
                counts = highs - lows
                at = concatenated_ranges(lows, counts)
                row = rows[at].astype(np.int64)
                row += base
                gain = _gain(run.tfs[begin:end][at], query.norms[row], impact)
                np.add.at(scores, row + np.repeat(shifts, counts), gain)
        if len(query.removed):
            scores[np.isin(_rows_of(ranges), query.removed, assume_unique=True)] = 0
        return scores

    def score(
        self,
        query: Query | tuple[Terms, Ints],
        rows: Ints,
        *,
        alive: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """The scores of given rows, in their order; bit for bit those of `top`. Rows may repeat."""
        query = query if isinstance(query, Query) else self.prepare(query, alive=alive)
        wanted = np.asarray(rows, dtype=np.int64)
        scores = np.zeros(len(wanted), dtype=np.float32)
        for places, impact in zip(query.places, query.impacts, strict=True):
            for number, begin, end in places:
                run, base = self._runs[number]
                here = np.flatnonzero((wanted >= base) & (wanted < base + len(run.lengths)))
                local = wanted[here] - base
                at = np.minimum(begin + _positions(run.rows[begin:end], local), end - 1)
                hit = run.rows[at] == local
                at, here = at[hit], here[hit]
                scores[here] += _gain(run.tfs[at], query.norms[wanted[here]], impact)
        if len(query.removed):
            scores[np.isin(wanted, query.removed)] = 0
        return scores

    def _find(self, terms: Terms) -> list[list[tuple[int, int, int]]]:
        places: list[list[tuple[int, int, int]]] = [[] for _ in range(len(terms))]
        for number, (run, _) in enumerate(self._runs):
            if not len(run.terms):
                continue
            at = np.minimum(np.searchsorted(run.terms, terms), len(run.terms) - 1)
            for i in np.flatnonzero(run.terms[at] == terms).tolist():
                places[i].append((number, int(run.offsets[at[i]]), int(run.offsets[at[i] + 1])))
        return places

    def _frequencies(self, places: list[list[tuple[int, int, int]]], alive: NDArray[np.bool_] | None) -> list[int]:
        if alive is None:
            return [sum(end - begin for _, begin, end in found) for found in places]
        frequencies = []
        for found in places:
            count = 0
            for number, begin, end in found:
                run, base = self._runs[number]
                count += int(np.count_nonzero(alive[base : base + len(run.lengths)][run.rows[begin:end]]))
            frequencies.append(count)
        return frequencies

    def _living(self, alive: NDArray[np.bool_] | None) -> _Living:
        if alive is None:
            return _Living(None, self.rows, self._total, np.empty(0, dtype=np.int64))
        known = self._last_living
        if known is not None and known.alive is alive and not alive.flags.writeable:
            return known
        removed = np.flatnonzero(~alive)
        total = self._total - int(self._lengths[removed].sum(dtype=np.int64))
        self._last_living = known = _Living(alive, self.rows - len(removed), total, removed)
        return known

    def _row_norms(self, living: _Living) -> Scores:
        average = living.total / living.count if living.total else 1.0
        cached = self._norms
        if cached is None or cached[0] != average:
            norms = self._lengths.astype(np.float32)
            norms *= np.float32(K1 * B / average)
            norms += np.float32(K1 * (1 - B))
            self._norms = cached = (average, norms)
        return cached[1]


def _gain(tfs: NDArray[Any], norms: Scores, impact: np.float32) -> Scores:
    """impact * tf / (tf + norm); `norms` is used up."""
    frequency = tfs.astype(np.float32)
    norms += frequency
    frequency /= norms
    frequency *= impact
    return frequency


def _concatenated(arrays: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.uint32)


def _as_ranges(among: Ints) -> Ints:
    """Ranges out of row numbers: neighbouring rows become one range."""
    array = np.asarray(among, dtype=np.int64)
    if array.ndim == 2:
        return array
    breaks = np.flatnonzero(np.diff(array) != 1)
    starts = array[np.concatenate(([0], breaks + 1))] if len(array) else array
    ends = array[np.concatenate((breaks, [len(array) - 1]))] + 1 if len(array) else array
    return np.stack((starts, ends), axis=1)


def _rows_of(ranges: Ints) -> Ints:
    return concatenated_ranges(ranges[:, 0], ranges[:, 1] - ranges[:, 0])


def _positions(rows: NDArray[Any], wanted: Ints) -> Ints:
    """`searchsorted`, in the type of the rows if it holds the wanted values: otherwise numpy converts all rows."""
    if len(wanted) and wanted.max() <= np.iinfo(rows.dtype).max:
        wanted = wanted.astype(rows.dtype)
    return np.searchsorted(rows, wanted)


def _best(scores: Scores, limit: int) -> tuple[Ints, Scores]:
    """Positions of the `limit` best positive scores, best first, equal ones by position."""
    if limit <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    # Fold the scores into columns: `limit` columns reach the limit-th best column maximum, so at least `limit` scores
    # do, and few others. Partitioning all scores instead takes ten times as long.
    floor = np.float32(0)
    height = min(64, len(scores) // (4 * limit))
    if height > 1:
        width = len(scores) // height
        highest = scores[: height * width].reshape(height, width).max(axis=0)
        # On the negated values: looking for the largest degenerates where most of them are equal and low.
        floor = -np.partition(-highest, limit - 1)[limit - 1]
    picked = np.flatnonzero(scores >= floor if floor > 0 else scores > 0)
    found = scores[picked]
    if len(picked) > limit:
        least = -np.partition(-found, limit - 1)[limit - 1]
        above, equal = np.flatnonzero(found > least), np.flatnonzero(found == least)
        chosen = np.concatenate((above, equal[: limit - len(above)]))
        picked, found = picked[chosen], found[chosen]
    order = np.lexsort((picked, -found))
    return picked[order], found[order]
