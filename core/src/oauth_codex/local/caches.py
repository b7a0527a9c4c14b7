"""Caches beside the catalog: folders of files that a reader sees whole, and of one writing, or not at all.

`<cache>/facts.json` names the folder in which the files lie. A writer fills a new folder, syncs it, and then replaces `facts.json`; so
whoever has read `facts.json` reads files that belong together, however many processes write at the same time.

`facts.json` also has size, time of the last change and checksum of each file. Size and time are looked at whenever a cache is read,
so that opening stays quick; contents are read and compared only where the time differs, as after a copy. So a file that anybody
changed is found out, and one whose bits the disk itself changed is not.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import StorageError

_FACTS = "facts.json"
#: A folder that no `facts.json` names is what a crash left, or is being written: after so many seconds it is the former.
_ABANDONED_SECONDS = 3600


class Torn(Exception):
    """What lies in a cache is not what was written; the argument says what is wrong."""


def write(cache: Path, fill: Callable[[Path], Mapping[str, Sequence[int]] | None], facts: dict[str, Any]) -> Path:
    """Write a cache, replacing what it held.

    Args:
        cache: Its folder, which need not exist.
        fill: Writes the files into the folder that it is given. Those that it took over unchanged from another folder of the
            cache it may return, with what `facts["files"]` said of them, so that they are not read again.
        facts: What `read` shall return beside the folder.

    Returns:
        The folder with the files.

    Raises:
        StorageError: The disk is full or refuses; the old content stays.
    """
    fresh = cache / secrets.token_hex(8)
    draft = fresh.with_suffix(".json")
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        files = dict(fill(fresh) or {})
        for path in fresh.iterdir():
            path.chmod(0o600)
            _sync(path)
            if path.name not in files:
                files[path.name] = _described(path)
        with open(draft, "x", opener=_private) as file:
            json.dump(_sealed({**facts, "folder": fresh.name, "files": files}), file)
        _sync(draft)
        with _alone(cache):
            before = _facts(cache)
            os.replace(draft, cache / _FACTS)
    except OSError as error:
        remove(fresh)
        with suppress(OSError):
            draft.unlink()
        raise StorageError(f"The cache {str(cache)!r} could not be written: {error.strerror or error}.") from error
    if isinstance(before, dict):
        remove(cache / str(before["folder"]))
    with suppress(FileNotFoundError):  # another process may have dropped the whole cache
        _sweep(cache, fresh)
    return fresh


def read(cache: Path) -> tuple[dict[str, Any], Path] | None:
    """The facts of a cache and the folder with its files; None when there is none.

    The files may vanish while they are opened, because another process has just replaced them: then read once more.

    Raises:
        Torn: A file is missing, or is not as it was written.
    """
    facts = _facts(cache)
    while facts is not None:
        if isinstance(facts, str):
            raise Torn(facts)
        folder = cache / str(facts["folder"])
        try:
            for name, described in facts["files"].items():
                _check(folder / name, described)
            return facts, folder
        except OSError as error:
            again = _facts(cache)
            if again == facts:
                raise Torn(f"{error.filename!r} cannot be read: {error.strerror}") from error
            facts = again
    return None


def check(cache: Path) -> None:
    """Read the contents of a cache, and not only their sizes.

    Raises:
        Torn: Something is missing, or is not as it was written.
    """
    found = read(cache)
    while found is not None:
        facts, folder = found
        try:
            for name, described in facts["files"].items():
                if _checksum(folder / name) != described[2]:
                    raise Torn(f"the contents of {name} were changed")
            return
        except FileNotFoundError as error:
            found = read(cache)
            if found is not None and found[1] == folder:
                raise Torn(f"{error.filename!r} is gone") from error


def tidy(cache: Path) -> None:
    """Remove what a crash has left in a cache."""
    found = _facts(cache)
    if isinstance(found, dict):
        _sweep(cache, cache / str(found["folder"]))


def remove(folder: Path) -> None:
    """Remove a cache, or one of its folders; one that is gone already is no error."""
    if folder.exists():
        with suppress(OSError):  # first what names the files: one that somebody misses meanwhile is not torn, but gone
            (folder / _FACTS).unlink()
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


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Keep other writers out, so that each folder that is replaced is removed by whoever replaced it."""
    descriptor = os.open(cache, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _facts(cache: Path) -> dict[str, Any] | str | None:
    """What stands in `facts.json`; None if there is none, and a sentence if it is not what `write` writes."""
    try:
        found: dict[str, Any] = json.loads((cache / _FACTS).read_text())
        if found == _sealed(found):
            return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        pass
    return f"{_FACTS} cannot be read"


def _sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with their own checksum."""
    bare = {name: value for name, value in facts.items() if name != "checksum"}
    return {**bare, "checksum": zlib.crc32(json.dumps(bare, sort_keys=True).encode())}


def _described(path: Path) -> list[int]:
    """Size in bytes, time of the last change in nanoseconds, and checksum."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, _checksum(path)]


def _check(path: Path, described: Sequence[int]) -> None:
    state = path.stat()
    if state.st_size != described[0]:
        raise Torn(f"{path.name} has {state.st_size} bytes of {described[0]}")
    if state.st_mtime_ns != described[1] and _checksum(path) != described[2]:
        raise Torn(f"the contents of {path.name} were changed")


def _checksum(path: Path) -> int:
    found = 0
    with open(path, "rb") as file:
        while batch := file.read(1 << 20):
            found = zlib.crc32(batch, found)
    return found


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
