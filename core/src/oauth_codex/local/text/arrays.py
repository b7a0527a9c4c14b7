"""A few idioms over numpy arrays, shared by the text and search kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_Number = TypeVar("_Number", bound=np.generic)


def concatenated_ranges(starts: Ints, sizes: Ints) -> Ints:
    """`starts[0] .. starts[0] + sizes[0] - 1`, then the same for the next, as one int64 array."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + sizes, sizes) + np.arange(total, dtype=np.int64)


def run_starts(ordered: NDArray[Any]) -> Ints:
    """Where runs of equal numbers begin."""
    differs = np.empty(len(ordered), dtype=np.bool_)
    differs[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=differs[1:])
    return np.flatnonzero(differs)


def run_sizes(starts: Ints, total: int) -> Ints:
    """How long the runs are that begin at `starts`, the last one ending at `total`."""
    sizes = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1])
    sizes[-1:] = total - starts[-1:]
    return sizes


def with_room(array: NDArray[_Number], size: int) -> NDArray[_Number]:
    """The array itself, or a copy of at least twice its length."""
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
