"""Looking after a storage. Optional: a backend that offers it has an attribute `maintenance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..types.maintenance import (
        GcReport,
        ReembedReport,
        RepairReport,
        RestoreReport,
        SnapshotReport,
        VerifyReport,
    )
    from ..types.params import OnProgress
    from .embedder import Embedder


class Maintenance(Protocol):
    """Looks after one storage, all of its namespaces.

    Every method calls `on_progress`, if it is given, outside of transactions, at last with the total as what is done.
    """

    def verify(self, *, deep: bool, on_progress: OnProgress | None) -> VerifyReport:
        """Compare everything with everything else, and change nothing; others may write meanwhile."""
        ...

    def repair(self, *, on_progress: OnProgress | None) -> RepairReport:
        """Mend what `verify` finds, without losing anything that was acknowledged; a second call finds nothing to do."""
        ...

    def gc(self, *, dry_run: bool, compact: bool, on_progress: OnProgress | None) -> GcReport:
        """Remove what has expired and what nothing refers to."""
        ...

    def snapshot(self, directory: Path, *, on_progress: OnProgress | None) -> SnapshotReport:
        """Copy the state of one moment into a new directory; others may write meanwhile."""
        ...

    def restore(
        self, snapshot: Path, *, storage_dir: Path, replace: bool, on_progress: OnProgress | None
    ) -> RestoreReport:
        """Make another storage directory from a snapshot."""
        ...

    def reembed(self, vector_store_id: str, embedder: Embedder, *, on_progress: OnProgress | None) -> ReembedReport:
        """Make new vectors for a store of the backend's own namespace; the old ones answer until all are there."""
        ...
