"""Time and ids that a test decides, so that nothing sleeps and the same program gets the same ids on every driver."""

from __future__ import annotations

from itertools import count


class FakeClock:
    """Unix seconds that move when a test says so."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Ids:
    """Ids that count."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):08d}"
