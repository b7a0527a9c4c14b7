"""Caches beside the catalog: folders of files that a reader sees whole, and of one writing, or not at all.

`<cache>/facts.json` names the folder in which the files lie. A writer fills a new folder, syncs it, and then replaces `facts.json`; so
whoever has read `facts.json` reads files that belong together, however many processes write at the same time.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import StorageError

_FACTS = "facts.json"
#: A folder that no `facts.json` names is what a crash left, or is being written: after so many seconds it is the former.
_ABANDONED_SECONDS = 3600


def write(cache: Path, fill: Callable[[Path], None], facts: dict[str, Any]) -> Path:
    """Write a cache, replacing what it held.

    Args:
        cache: Its folder, which need not exist.
        fill: Writes the files into the folder that it is given.
        facts: What `read` shall return beside the folder.

    Returns:
        The folder with the files.

    Raises:
        StorageError: The disk is full or refuses; the old content stays.
    """
    before = read(cache)
    fresh = cache / secrets.token_hex(8)
    draft = fresh.with_suffix(".json")
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        fill(fresh)
        for path in fresh.iterdir():
            path.chmod(0o600)
            _sync(path)
        with open(draft, "x", opener=_private) as file:
            json.dump({**facts, "folder": fresh.name}, file)
        _sync(draft)
        os.replace(draft, cache / _FACTS)
    except OSError as error:
        remove(fresh)
        draft.unlink(missing_ok=True)
        raise StorageError(f"The cache {str(cache)!r} could not be written: {error.strerror or error}.") from error
    if before is not None:
        remove(before[1])
    _sweep(cache, fresh)
    return fresh


def read(cache: Path) -> tuple[dict[str, Any], Path] | None:
    """The facts of a cache and the folder with its files; None when there is none that can be read.

    The files may vanish while they are opened, because another process has just replaced them: then read once more.
    """
    try:
        facts: dict[str, Any] = json.loads((cache / _FACTS).read_text())
        return facts, cache / str(facts["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(folder: Path) -> None:
    """Remove a cache, or one of its folders; one that is gone already is no error."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)  # a file that is still mapped somewhere may stay until the next sweep


def _sweep(cache: Path, fresh: Path) -> None:
    """Remove what crashes have left."""
    for path in cache.iterdir():
        if path.name in (_FACTS, fresh.name):
            continue
        try:
            abandoned = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
        except FileNotFoundError:
            continue
        if abandoned and path.is_dir():
            remove(path)
        elif abandoned:
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
