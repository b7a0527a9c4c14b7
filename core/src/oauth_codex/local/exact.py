"""Exact arithmetic over rows of vectors, for every index: what may be added, cosines, the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float64]


#: Cosines are rounded to so many digits before they are compared: sums of float64 differ in later ones.
DIGITS = 9
#: Cosines in float32 that are further apart are in the right order.
_CLOSE = 1e-5
#: Cosines in float32 that are closer are those of equal vectors.
_EQUAL = 1e-6
#: So many equal ones at the end tell of a cluster.
_FEW = 4


def check_rows(keys: Keys, vectors: Vectors, dimension: int) -> None:
    """Refuse what cannot be added to an index.

    Raises:
        StorageError: The keys do not ascend, or there is not one finite vector of `dimension` for each.
    """
    if vectors.shape != (len(keys), dimension):
        raise StorageError(
            f"{len(keys)} keys came with vectors of shape {vectors.shape}; expected {(len(keys), dimension)}."
        )
    if not np.isfinite(vectors).all():
        raise StorageError("A vector for an index has a value that is not finite.")
    if not (keys[1:] > keys[:-1]).all():
        raise StorageError("The keys for an index do not ascend, or one of them is there twice.")


def check_query(vector: Vectors, dimension: int) -> None:
    """Refuse what an index cannot be asked.

    Raises:
        StorageError: It is not one finite vector of `dimension`.
    """
    if vector.shape != (dimension,):
        raise StorageError(f"An index was asked with a vector of shape {vector.shape}; expected {(dimension,)}.")
    if not np.isfinite(vector).all():
        raise StorageError("An index was asked with a vector that has a value that is not finite.")


def exact_cosines(rows: Vectors, vector: Vectors) -> Cosines:
    """Cosines of unit vectors, one a row, with a unit vector: products of float32 summed in float64."""
    return rows.astype(np.float64) @ vector.astype(np.float64)


def nearest_keys(
    keys: Keys, cosines: Vectors | Cosines, limit: int, exactly: Callable[[Keys], Cosines] | None = None
) -> Keys:
    """The keys of the `limit` largest cosines, best first, equal ones by key.

    Args:
        keys: Any number of them.
        cosines: One for each.
        limit: Most keys, at least 1.
        exactly: Cosines of given keys in float64. What float32 cannot tell apart is compared by them: sums of float32 differ
            in the last digits even between equal vectors, depending on where in the matrix they stand.
    """
    if len(keys) > limit:
        # Negated, and from the front: on many equal low scores the other way round is twenty times slower.
        edge = -np.partition(-cosines, limit - 1)[limit - 1]
        near = np.flatnonzero(cosines >= (edge if exactly is None else edge - _CLOSE))
        keys, cosines = keys[near], cosines[near]
    if exactly is None:
        return keys[np.lexsort((keys, -cosines))[:limit]]
    return keys[np.lexsort((keys, -np.round(exactly(keys), DIGITS)))[:limit]]


def saturated(cosines: Vectors | Cosines) -> bool:
    """Whether the last nominees of a graph are equal to each other.

    Then its walk may have ended in a cluster of equal vectors (blank pages, repeated licences), which takes up its steps, and
    have missed what is nearer and lies behind: compare all vectors instead.

    Args:
        cosines: Of the nominees, in any order.
    """
    return len(cosines) >= _FEW and bool(np.partition(cosines, _FEW - 1)[_FEW - 1] - cosines.min() < _EQUAL)
