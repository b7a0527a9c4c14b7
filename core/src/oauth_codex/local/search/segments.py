"""Segments: the postings of one commit as one BLOB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ..text.arrays import concatenated_ranges, run_starts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ..text.arrays import Ints
    from ..text.terms import TermCounts, Terms

_MAGIC: Final = b"oacxseg\x01"
# magic, bytes of a row number, bytes of a term frequency, rows, terms, postings
_HEADER: Final = struct.Struct("<8sBB6xQQQ")


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings of consecutive rows 0 .. n - 1.

    Attributes:
        terms: uint64[t], distinct, ascending.
        offsets: int64[t + 1]; the postings of term i are `offsets[i] : offsets[i + 1]`.
        rows: unsigned or signed integers[p], ascending within a term.
        tfs: unsigned integers[p], occurrences of the term in the row.
        lengths: uint32[n], occurrences of all terms in the row.
    """

    terms: Terms
    offsets: Ints
    rows: NDArray[Any]
    tfs: NDArray[Any]
    lengths: NDArray[np.uint32]


def joined(parts: Sequence[tuple[Segment | TermCounts, int]], rows: int) -> Segment:
    """Merge parts with their first rows, given in row order, into one segment of `rows` rows."""
    terms = np.concatenate([part.terms for part, _ in parts])
    sizes = np.concatenate([np.diff(part.offsets) for part, _ in parts])
    # Stable: the postings of a term stay in the order of the parts, hence of the rows.
    order = np.argsort(terms, kind="stable")
    terms, sizes_in_order = terms[order], sizes[order]
    gather = concatenated_ranges((np.cumsum(sizes) - sizes)[order], sizes_in_order)
    first = run_starts(terms)
    ends = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes_in_order)))
    all_rows = np.concatenate([part.rows + np.int32(base) for part, base in parts])
    tfs = np.concatenate([part.tfs for part, _ in parts])
    return Segment(
        terms=terms[first],
        offsets=np.append(ends[first], ends[-1]),
        rows=all_rows[gather].astype(_narrowest(rows), copy=False),
        tfs=tfs[gather].astype(_narrowest(int(tfs.max(initial=0)) + 1), copy=False),
        lengths=np.concatenate([part.lengths for part, _ in parts]).astype(np.uint32),
    )


def _narrowest(values: int) -> np.dtype[Any]:
    """The narrowest type that holds 0 .. values - 1: exact, and a third of the size of fixed 32 bits."""
    return np.dtype("<u1" if values <= 1 << 8 else "<u2" if values <= 1 << 16 else "<i4")


def encode_segment(parts: Sequence[TermCounts]) -> bytes:
    """Make the BLOB of one commit from the term counts of its documents, in row order.

    Rows are numbered through: the chunks of the first document, then those of the second, and so on.
    """
    bases, rows = [], 0
    for part in parts:
        bases.append(rows)
        rows += len(part.lengths)
    segment = joined(list(zip(parts, bases, strict=True)), rows) if parts else EMPTY
    return b"".join(
        (
            _HEADER.pack(
                _MAGIC,
                segment.rows.itemsize,
                segment.tfs.itemsize,
                rows,
                len(segment.terms),
                len(segment.rows),
            ),
            segment.terms.astype("<u8", copy=False).tobytes(),
            np.diff(segment.offsets).astype("<u4").tobytes(),
            segment.lengths.astype("<u4", copy=False).tobytes(),
            segment.rows.tobytes(),
            segment.tfs.tobytes(),
        )
    )


def decode_segment(blob: bytes | bytearray | memoryview) -> Segment:
    """Read a BLOB that `encode_segment` made.

    Raises:
        ValueError: The BLOB is truncated, damaged in its structure, of another version, or something else.
    """
    if len(blob) < _HEADER.size:
        raise ValueError(f"postings segment: {len(blob)} bytes, less than a header")
    magic, row_bytes, tf_bytes, rows, terms, postings = _HEADER.unpack_from(blob)
    if magic != _MAGIC:
        raise ValueError(f"postings segment: begins with {magic!r}, not with {_MAGIC!r}")
    types = {1: "<u1", 2: "<u2", 4: "<i4"}
    if row_bytes not in types or tf_bytes not in types:
        raise ValueError(f"postings segment: {row_bytes} bytes a row and {tf_bytes} bytes a frequency are unknown")
    size = _HEADER.size + 12 * terms + 4 * rows + (row_bytes + tf_bytes) * postings
    if len(blob) != size:
        raise ValueError(f"postings segment: {len(blob)} bytes where its header announces {size}")

    at = _HEADER.size

    def take(dtype: str, count: int) -> NDArray[Any]:
        nonlocal at
        array = np.frombuffer(blob, dtype=dtype, count=count, offset=at)
        at += array.nbytes
        return array

    term = take("<u8", terms)
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(take("<u4", terms), dtype=np.int64)))
    lengths = take("<u4", rows)
    row, tf = take(types[row_bytes], postings), take(types[tf_bytes], postings)
    if (
        offsets[-1] != postings
        or (postings and not 0 <= row.min() <= row.max() < rows)
        or np.any(term[1:] <= term[:-1])
    ):
        raise ValueError("postings segment: its parts contradict each other")
    return Segment(term, offsets, row, tf, lengths)


EMPTY: Final = Segment(
    terms=np.empty(0, dtype=np.uint64),
    offsets=np.zeros(1, dtype=np.int64),
    rows=np.empty(0, dtype="<u1"),
    tfs=np.empty(0, dtype="<u1"),
    lengths=np.empty(0, dtype=np.uint32),
)
