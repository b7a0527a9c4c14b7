"""Which files a folder holds, and which of them are left out and why. Reads no content."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ignoring import Ignored

#: Folders that programs fill, and files that they compile.
_GENERATED = frozenset({"__pycache__", "node_modules"})
_COMPILED = (".pyc", ".pyo")
HIDDEN = "hidden (the name begins with a dot)"
GENERATED = "generated (caches, node_modules, compiled Python)"
ENVIRONMENT = "a virtual environment"
LINK = "a symbolic link"
IGNORED = "left out by a pattern"
SPECIAL = "neither a file nor a folder"
EMPTY = "empty"
#: Reasons that do not hold when everything is asked for.
OPTIONAL = frozenset({HIDDEN, GENERATED, ENVIRONMENT})


@dataclass(frozen=True, slots=True)
class Found:
    """A file.

    Attributes:
        path: Where it is.
        name: What it will be called: its path below the given folder, with slashes.
        size: Bytes, when it was seen.
    """

    path: Path
    name: str
    size: int


@dataclass
class Survey:
    """What was found under some paths.

    Attributes:
        files: The files, in the order of their names within each path.
        skipped: How many entries were left out, by reason; a folder counts as one.
        failed: Name and reason of what could not be looked at.
        links: Names of the symbolic links among what was left out.
        unseen: Names of the folders among what failed, with a slash at their end; the empty name is a given path itself.
    """

    files: list[Found] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def survey(
    paths: Sequence[Path],
    *,
    everything: bool = False,
    suffix: str = "",
    leave_out: Iterable[str] = (),
    ignored: Ignored | None = None,
) -> Survey:
    """Find the files under some paths.

    Below a given path no symbolic link is followed, so nothing outside of it is read and no loop can arise. With several
    paths the names of a folder's files begin with the folder's own name, so that they stay apart.

    Args:
        paths: Files and folders.
        everything: Take hidden and generated files and virtual environments too.
        suffix: Take only files whose names end so.
        leave_out: Names of folders to ignore without a word.
        ignored: Patterns, for a single folder.
    """
    found = Survey()
    silent = frozenset(leave_out)
    for path in paths:
        real = path.resolve()
        if real.is_dir():
            prefix = f"{real.name}/" if len(paths) > 1 and real.name else ""
            _walk(found, str(real), prefix, everything, suffix, silent, ignored)
        else:
            _take(found, str(real), path.name)
    return _without_clashes(found)


def _walk(
    found: Survey,
    folder: str,
    prefix: str,
    everything: bool,
    suffix: str,
    silent: frozenset[str],
    ignored: Ignored | None,
) -> None:
    pending = [(folder, prefix)]
    while pending:
        folder, prefix = pending.pop()
        try:
            if ignored is not None:
                ignored.enter(Path(folder), prefix)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            found.failed.append((as_text(prefix) or folder, reason(error)))
            found.unseen.append(as_text(prefix))
            continue
        below = []
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignored is not None and ignored.leaves_out(f"{prefix}{entry.name}{'/' if is_folder else ''}"):
                found.skipped[IGNORED] += 1
                continue
            if entry.is_symlink():
                found.skipped[LINK] += 1
                found.links.append(as_text(prefix + entry.name))
                continue
            if is_folder and entry.name in silent:
                continue
            why = None if everything else _unwanted(entry, is_folder)
            if why is not None:
                found.skipped[why] += 1
            elif is_folder:
                below.append((entry.path, f"{prefix}{entry.name}/"))
            elif entry.name.endswith(suffix):
                _take(found, entry.path, prefix + entry.name)
        pending += reversed(below)


def _unwanted(entry: os.DirEntry[str], is_folder: bool) -> str | None:
    if entry.name.startswith("."):
        return HIDDEN
    if not is_folder:
        return GENERATED if entry.name.endswith(_COMPILED) else None
    # CACHEDIR.TAG is how a program marks a folder as a cache; pyvenv.cfg stands at the top of a virtual environment.
    if entry.name in _GENERATED or os.path.lexists(os.path.join(entry.path, "CACHEDIR.TAG")):
        return GENERATED
    return ENVIRONMENT if os.path.lexists(os.path.join(entry.path, "pyvenv.cfg")) else None


def _take(found: Survey, path: str, name: str) -> None:
    try:
        status = os.lstat(path)
    except OSError as error:
        found.failed.append((name, reason(error)))
        return
    if not stat.S_ISREG(status.st_mode):
        found.skipped[SPECIAL] += 1
    elif status.st_size == 0:
        found.skipped[EMPTY] += 1
    else:
        found.files.append(Found(Path(path), as_text(name), status.st_size))


def _without_clashes(found: Survey) -> Survey:
    """Two files of one name would replace each other: the first stays, the others are reported."""
    first: dict[str, Found] = {}
    for file in found.files:
        other = first.setdefault(file.name, file)
        if other is not file and other.path != file.path:
            found.failed.append(
                (
                    as_text(str(file.path)),
                    f"Another file is called {file.name!r} too: {as_text(str(other.path))}. Ingest it with another --prefix.",
                )
            )
    found.files = list(first.values())
    return found


def as_text(name: str) -> str:
    """A name that can be stored: bytes of it that are not UTF-8 become `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def reason(error: OSError) -> str:
    """Why a file could not be read, as a sentence."""
    return f"{error.strerror or error}."
