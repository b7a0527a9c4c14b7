"""Places in lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Place of an item in a list: the keyset that lists are ordered by."""

    created_at: int
    sequence: int
