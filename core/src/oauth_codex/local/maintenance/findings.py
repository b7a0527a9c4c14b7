"""What a look at a storage has found so far, and how far it has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ...types.maintenance import Finding
from ...types.params import OnProgress

#: Findings of one code that are kept; all are counted.
MOST = 100


class Findings:
    """Findings, of each code the first hundred, and how many there are."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Note one."""
        self.counts[finding.code] += 1
        if self.counts[finding.code] <= MOST:
            self.kept.append(finding)

    def extend(self, findings: Iterable[Finding]) -> bool:
        """Note several, and say whether there was any."""
        before = self.counts.total()
        for each in findings:
            self.add(each)
        return self.counts.total() > before


class Progress:
    """Tells how far long work has come. Must be called outside of transactions: the caller's function may do anything."""

    def __init__(self, tell: OnProgress | None, total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = 0

    def step(self, item: str, steps: int = 1) -> None:
        """Some steps are done; there may be more or fewer of them than there were when they were counted."""
        self._done = min(self._done + steps, self._total - 1)
        if self._tell is not None:
            self._tell(self._done, self._total, item)

    def end(self, item: str) -> None:
        """Everything is done."""
        if self._tell is not None:
            self._tell(self._total, self._total, item)
