"""Files in `blobs/` that nothing refers to: what is left by a process that died between changing a file and committing its row.

A temporary file is marked by the process that writes it, for as long as it lives. A file of content without a row is a remnant if
it is seen while the write lock is held, or while nobody is between the two steps.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection

from ...errors import StorageError
from . import locks
from .blobs import NEEDED, PARTIAL_PREFIX, PARTIAL_SUFFIX
from .catalog import Catalog, as_json

_DIGEST = re.compile("[0-9a-f]{64}")
#: Names that are looked for in the catalog at a time.
_GROUP = 500
#: How often, and after how many seconds each, a moment is looked for at which nobody is between two steps.
_TRIES, _PAUSE = 100, 0.01


def find(catalog: Catalog) -> list[Path]:
    """What is left over, changing nothing; nothing is while others are at work without a pause."""
    partial, content = _listed(catalog)
    partial = [path for path in partial if _is_dead(path)]
    content = _unknown(catalog, content)
    if not partial and not content:
        return []
    with _quiet((partial or content)[0].parent) as quiet:
        if not quiet:
            return []
        # What was seen so far may have been between two steps: not marked yet, or about to be removed. Nobody is now, and nobody
        # begins to be before the files were looked at: one that is put there a moment later has no row yet.
        partial = [path for path in partial if _is_dead(path)]
        if content and _is_needed(content[0].parents[1]):
            return partial  # what was deleted meanwhile goes when the copy is made
        return partial + [path for path in _unknown(catalog, content) if path.exists()]


def sweep(catalog: Catalog) -> tuple[int, int]:
    """Remove what is left over, unless somebody needs the files to stay, and return how many files and bytes.

    Raises:
        StorageError: The folder cannot be read or changed.
    """
    partial, content = _listed(catalog)
    sizes: list[int] = []
    try:
        for path in partial:
            sizes += _removed_if_dead(path)
        for group in _groups(_unknown(catalog, content)):
            sizes += _removed_without_row(catalog, group)
    except OSError as error:
        raise StorageError(f"{error.filename!r} cannot be removed: {error.strerror}.", raw_error=error) from error
    return len(sizes), sum(sizes)


def _is_needed(directory: Path) -> bool:
    """Whether somebody needs all files to stay, whose removal then waits."""
    release = locks.alone(directory)
    if release is None:
        return True
    release()
    return False


def _removed_without_row(catalog: Catalog, paths: Sequence[Path]) -> list[int]:
    with catalog.write() as connection:
        release = locks.alone(paths[0].parents[1])
        if release is None:
            return []
        try:
            return _removed(_without_row(connection, paths))
        finally:
            release()


def _listed(catalog: Catalog) -> tuple[list[Path], list[Path]]:
    """Temporary files and files of content; those that are named otherwise are not ours."""
    folder = None if catalog.directory is None else catalog.directory / "blobs"
    if folder is None or not folder.exists():
        return [], []
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise StorageError(f"{str(folder)!r} cannot be read: {error.strerror}.", raw_error=error) from error
    partial = [folder / name for name in names if name.startswith(PARTIAL_PREFIX) and name.endswith(PARTIAL_SUFFIX)]
    return partial, [folder / name for name in names if _DIGEST.fullmatch(name)]


def _is_dead(path: Path) -> bool:
    """Whether nobody writes a temporary file any more."""
    with _unmarked(path) as dead:
        return dead


def _removed_if_dead(path: Path) -> list[int]:
    with _unmarked(path) as dead:  # marked by us while it is removed, so that nobody takes it for its own
        return _removed([path]) if dead else []


@contextmanager
def _unmarked(path: Path) -> Iterator[bool]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield not locks.is_marked(descriptor)
    finally:
        os.close(descriptor)


def _unknown(catalog: Catalog, paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for group in _groups(paths):
        with catalog.read() as connection:
            found += _without_row(connection, group)
    return found


def _without_row(connection: Connection, paths: Sequence[Path]) -> list[Path]:
    known = set(connection.execute(NEEDED, {"digests": as_json([path.name for path in paths])}).scalars())
    return [path for path in paths if path.name not in known]


@contextmanager
def _quiet(folder: Path) -> Iterator[bool]:
    """Wait for a moment at which nobody is between two steps, and let it last for the block; false if there is none."""
    for _ in range(_TRIES):
        release = locks.alone(folder)
        if release is not None:
            break
        time.sleep(_PAUSE)
    else:
        yield False
        return
    try:
        yield True
    finally:
        release()


def _removed(paths: Sequence[Path]) -> list[int]:
    """Remove files, and return the sizes of those that were there."""
    sizes = []
    for path in paths:
        with suppress(FileNotFoundError):  # whoever was to remove it has done so
            size = path.stat().st_size
            path.unlink()
            sizes.append(size)
    return sizes


def _groups(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), _GROUP):
        yield paths[start : start + _GROUP]
