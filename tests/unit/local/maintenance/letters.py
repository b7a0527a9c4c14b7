"""An embedder of a few dimensions that counts letters, and how often it is asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Letters:
    """Vectors of letter counts. `before` is called with the texts of each call."""

    name = "letters"
    semantic = True
    max_batch = 4

    def __init__(self, dimension: int = 26, before: Callable[[Sequence[str]], object] | None = None) -> None:
        self.dimension = dimension
        self.fingerprint = f"letters-{dimension}"
        self.documents = 0
        self._before = before

    def embed(self, texts: Sequence[str], *, kind: str) -> Any:
        if self._before is not None and kind == "document":
            self._before(texts)
        if kind == "document":
            self.documents += len(texts)
        found = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    found[row, (ord(letter) - 97) % self.dimension] += 1
        return found


def dying(after: int) -> Callable[[Sequence[str]], object]:
    """Kills this process at the call that follows so many."""
    calls = 0

    def before(_: Sequence[str]) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            os.kill(os.getpid(), signal.SIGKILL)

    return before
