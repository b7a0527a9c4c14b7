"""`restore`: a storage directory from a snapshot. It needs no storage that can be opened, and touches none before all is checked."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from ...types.maintenance import RestoreReport, VerifyReport
from ...types.params import OnProgress
from .. import disk
from ..catalog.catalog import Catalog
from . import manifests
from .findings import Progress
from .manifests import Manifest, damaged
from .snapshots import refuse_occupied, writing
from .verifying import verify


def restore(
    snapshot: Path, storage_dir: Path, *, replace: bool = False, on_progress: OnProgress | None = None
) -> RestoreReport:
    """Make a storage directory from a snapshot.

    Args:
        snapshot: Directory of the snapshot.
        storage_dir: Where the storage shall be.
        replace: Whether a storage that is there is moved aside.
        on_progress: Told how far it has come.

    Raises:
        ConflictError: There is something at this place already.
        SchemaVersionError: A newer version made the snapshot.
        StorageError: The snapshot is damaged, or the disk is full or refuses; nothing was changed.
    """
    begun = time.monotonic()
    snapshot, storage_dir = Path(os.path.abspath(snapshot)), Path(os.path.abspath(storage_dir))
    if not replace:
        refuse_occupied(storage_dir, "storage_dir")
    manifest = manifests.read(snapshot)
    progress = Progress(on_progress, len(manifest.files) + 2)
    with writing("storage", storage_dir) as draft:
        (draft / "blobs").mkdir(mode=0o700)
        for name, facts in manifest.files.items():
            _copy(snapshot / name, draft / name, (facts[0], facts[1]))
            progress.step(name)
        disk.sync(draft / "blobs")
        found = _verified(draft)
        progress.step("verify")
        disk.sync(draft)
        aside = _moved_aside(storage_dir) if replace else None
        try:
            os.replace(draft, storage_dir)
        except BaseException:
            if aside is not None:
                os.replace(aside, storage_dir)
            raise
        disk.sync(storage_dir.parent)
    progress.end(storage_dir.name)
    return RestoreReport(
        directory=str(storage_dir),
        files=len(manifest.files),
        bytes=_bytes(manifest),
        replaced=None if aside is None else str(aside),
        verify=found,
        seconds=round(time.monotonic() - begun, 3),
    )


def _copy(source: Path, target: Path, facts: tuple[int, str]) -> None:
    try:
        opened = open(source, "rb")  # noqa: SIM115
    except OSError as error:
        raise damaged(source, f"it cannot be read: {error.strerror}") from error
    with opened:
        found = manifests.copied(opened, target)
    if found != facts:
        size = f"it has {found[0]} bytes of {facts[0]}" if found[0] != facts[0] else "its contents were changed"
        raise damaged(source, size)


def _verified(draft: Path) -> VerifyReport:
    """Open the catalog, which upgrades an older one, and look at it; what lies in caches elsewhere belongs to another one now."""
    catalog = Catalog.open_file(draft)
    try:
        with catalog.write() as connection:
            connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = 'catalog_id'", (secrets.token_hex(16),))
        return verify(catalog, None, deep=False, on_progress=None)
    finally:
        catalog.close()


def _moved_aside(storage_dir: Path) -> Path | None:
    """Give what is there another name; None if there is nothing."""
    if not storage_dir.exists() or not any(storage_dir.iterdir()):
        return None
    aside = storage_dir.with_name(f"{storage_dir.name}.replaced-{secrets.token_hex(4)}")
    os.replace(storage_dir, aside)
    return aside


def _bytes(manifest: Manifest) -> int:
    return sum(size for size, _ in manifest.files.values())
