"""`snapshot`: the state of one moment, copied while others write.

The copy of the catalog is made in one read transaction, in which the files of content are listed, too. As long as they are copied,
nobody removes one. A snapshot lies under a temporary name until it is whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ... import __version__
from ...errors import ConflictError, StorageError
from ...types.maintenance import SnapshotReport
from ...types.params import OnProgress
from ..catalog import locks, remnants
from ..catalog.catalog import Catalog
from ..disk import sync
from .findings import Progress
from .manifests import CATALOG, FORMAT, Manifest, copied, described

#: Pages of the catalog that are copied at a time.
_PAGES = 4096


def snapshot(catalog: Catalog, directory: Path, now: int, on_progress: OnProgress | None) -> SnapshotReport:
    """Make a snapshot.

    Raises:
        ConflictError: There is something at this place already.
        StorageError: The disk is full or refuses, or the catalog is damaged; nothing is left of it.
    """
    begun = time.monotonic()
    directory = Path(os.path.abspath(directory))
    refuse_occupied(directory, "directory")
    with writing("snapshot", directory) as draft, _held(catalog):
        digests, schema_version = _copy_catalog(catalog, draft / CATALOG)
        progress = Progress(on_progress, len(digests) + 2)
        progress.step(CATALOG)
        files = {CATALOG: described(draft / CATALOG)}
        (draft / "blobs").mkdir(mode=0o700)
        lost = []
        for digest in digests:
            found = _copy_content(catalog, digest, draft / "blobs" / digest)
            if found is None:
                lost.append(f"blobs/{digest}")
            else:
                files[f"blobs/{digest}"] = found
            progress.step(f"blobs/{digest}")
        sync(draft / "blobs")
        Manifest(
            format=FORMAT,
            oauth_codex=__version__,
            created_at=now,
            catalog_id=catalog.id,
            schema_version=schema_version,
            files=files,
        ).write(draft)
        sync(draft)
        os.replace(draft, directory)
        sync(directory.parent)
    remnants.sweep(catalog)  # what others deleted meanwhile
    progress.end(directory.name)
    return SnapshotReport(
        directory=str(directory),
        catalog_id=catalog.id,
        schema_version=schema_version,
        files=len(files),
        bytes=sum(size for size, _ in files.values()),
        lost=lost,
        seconds=round(time.monotonic() - begun, 3),
    )


def refuse_occupied(directory: Path, param: str) -> None:
    """Refuse a place where there is something.

    Raises:
        ConflictError: There is.
        StorageError: It cannot be looked at.
    """
    try:
        if directory.is_dir() and not any(directory.iterdir()):
            return
        taken = directory.is_symlink() or directory.exists()
    except OSError as error:
        raise StorageError(f"{str(directory)!r} cannot be read: {error.strerror}.", raw_error=error) from error
    if taken:
        raise ConflictError(
            f"{str(directory)!r} is there already, and not an empty directory. Nothing was changed; give another {param}.",
            code="not_empty",
            param=param,
        )


@contextmanager
def writing(what: str, directory: Path) -> Iterator[Path]:
    """A new folder beside the directory, which is gone unless it became the directory."""
    draft = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.part")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        yield draft
    except OSError as error:
        raise StorageError(
            f"The {what} {str(directory)!r} could not be written: {error.strerror or error}. Nothing of it was kept.",
            raw_error=error,
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _held(catalog: Catalog) -> Iterator[None]:
    """Keep files of content from being removed."""
    release = locks.share(catalog.directory) if catalog.directory is not None else None
    try:
        yield
    finally:
        if release is not None:
            release()


def _copy_catalog(catalog: Catalog, target: Path) -> tuple[list[str], int]:
    """Copy the catalog as it is now; the files of content that belong to it, and the version of its schema."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with catalog.read() as connection:
        digests = list(connection.exec_driver_sql(_ON_DISK).scalars())  # begins to see this one state
        version = int(connection.exec_driver_sql(_VERSION).scalar_one())
        try:
            with closing(sqlite3.connect(target)) as copy:
                copy.execute("PRAGMA synchronous=OFF").close()  # made durable below, all at once
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                raw.backup(copy, pages=_PAGES)
                copy.execute("PRAGMA journal_mode=DELETE").close()
                (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise StorageError(
                f"The catalog could not be copied: {error}. Nothing of it was kept.", raw_error=error
            ) from error
    if said != "ok":
        raise StorageError(f"The catalog is damaged: {said}. No snapshot was made; `verify` tells more.")
    sync(target)
    return digests, version


def _copy_content(catalog: Catalog, digest: str, target: Path) -> tuple[int, str] | None:
    """Copy a content; None if it is not there, or not the right one."""
    assert catalog.directory is not None
    try:
        source = open(catalog.directory / "blobs" / digest, "rb")  # noqa: SIM115
    except OSError:
        return None
    with source:
        found = copied(source, target)
    if found[1] != digest:
        target.unlink()
        return None
    return found


_ON_DISK = "SELECT DISTINCT digest FROM blobs WHERE length(data) IS NULL ORDER BY digest"
_VERSION = "SELECT value FROM meta WHERE key = 'schema_version'"
