"""What a local backend offers as `maintenance`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConflictError
from .collecting import Collection
from .repairing import Repair
from .restoring import restore
from .snapshots import snapshot
from .verifying import verify

if TYPE_CHECKING:
    from ...spi.embedder import Embedder
    from ...types.maintenance import (
        GcReport,
        ReembedReport,
        RepairReport,
        RestoreReport,
        SnapshotReport,
        VerifyReport,
    )
    from ...types.params import OnProgress
    from ..engine import Engine


class LocalMaintenance:
    """See `spi.maintenance.Maintenance`."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    def verify(self, *, deep: bool, on_progress: OnProgress | None) -> VerifyReport:
        """Compare everything with everything else."""
        return verify(self._engine.catalog, self._engine.search, deep=deep, on_progress=on_progress)

    def repair(self, *, on_progress: OnProgress | None) -> RepairReport:
        """Mend what `verify` finds."""
        return Repair(self._engine.catalog, self._engine.search, self._engine.ingest, on_progress).run()

    def gc(self, *, dry_run: bool, compact: bool, on_progress: OnProgress | None) -> GcReport:
        """Remove what has expired and what nothing refers to."""
        now = int(self._engine.context.clock())
        found = Collection(
            self._engine.catalog, self._engine.search, now, dry_run=dry_run, compact=compact, on_progress=on_progress
        )
        return found.run()

    def snapshot(self, directory: Path, *, on_progress: OnProgress | None) -> SnapshotReport:
        """Copy the state of one moment."""
        return snapshot(self._engine.catalog, directory, int(self._engine.context.clock()), on_progress)

    def reembed(self, vector_store_id: str, embedder: Embedder, *, on_progress: OnProgress | None) -> ReembedReport:
        """Make new vectors for a store."""
        from .reembedding import Reembedding

        return Reembedding(self._engine, self._name, vector_store_id, embedder, on_progress).run()

    def restore(
        self, snapshot: Path, *, storage_dir: Path, replace: bool, on_progress: OnProgress | None
    ) -> RestoreReport:
        """Make another storage directory from a snapshot.

        Raises:
            ConflictError: It is the one that this backend has open.
        """
        own = self._engine.catalog.directory
        if own is not None and os.path.realpath(own) == os.path.realpath(storage_dir):
            raise ConflictError(
                f"{str(storage_dir)!r} is the storage that this client has open. Close it, and use"
                " `oauth-codex restore SNAPSHOT --storage-dir DIR --replace`, or another client.",
                code="in_use",
                param="storage_dir",
            )
        return restore(snapshot, storage_dir, replace=replace, on_progress=on_progress)
