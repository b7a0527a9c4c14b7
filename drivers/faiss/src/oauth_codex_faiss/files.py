"""Index files: the parts of an index, in a cache folder that is replaced as a whole.

Of each part there is the FAISS index (`.faiss`, mapped when it is opened), its keys (`.keys.npy`), and the rows removed since
(`.removed.npy`). A part that did not change is linked into the new folder, not written again. `files.json` has size, time of the last
change and checksum of each file. Size and time are looked at whenever a file is opened, so that opening stays quick; contents are
read and compared only where the time differs, as after a copy. So a file that anybody changed is found out, and one whose bits
the disk itself changed is not.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from oauth_codex.local import caches

from .parts import Part

_FILES = "files.json"


class WorthlessError(Exception):
    """What was saved cannot be used; the argument says why."""


def save(cache: Path, facts: Mapping[str, Any], frozen: Sequence[Part], tail: Part) -> tuple[Part, ...]:
    """Write parts; what can stay as it is on disk stays.

    Returns:
        The parts, each of which knows where it lies; the frozen ones are mapped.

    Raises:
        StorageError: The disk is full or refuses; what was saved before stays.
    """
    named = {f"part{number}": part for number, part in enumerate((*frozen, tail)) if len(part)}

    def fill(folder: Path) -> None:
        listed: dict[str, Any] = {}
        for name, part in named.items():
            linked = _linked(part, folder / name)
            listed.update(_written(part, folder / name) if linked is None else linked)
            if not part.alive.all():
                removed = folder / f"{name}.removed.npy"
                np.save(removed, np.flatnonzero(~part.alive), allow_pickle=False)
                listed[removed.name] = _described(removed)
        (folder / _FILES).write_text(json.dumps(listed))

    folder = caches.write(cache, fill, {**facts, "parts": list(named)})
    saved = []
    for name, part in named.items():
        if part is not tail and part.saved is None:
            part = Part(_mapped(folder / f"{name}.faiss"), part.keys, part.alive)
        part.saved = folder / name
        saved.append(part)
    return tuple(saved) if len(tail) else (*saved, tail)


def on_disk(part: Part) -> bool:
    """Whether the part lies on disk as it is, and no other process has replaced it."""
    return part.saved is not None and Path(f"{part.saved}.faiss").exists()


def load(cache: Path, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], list[Part]] | None:
    """The facts that were saved and the parts, mapped; None if nothing was saved.

    Raises:
        WorthlessError: It is torn, or `wanted` names other facts.
    """
    failure: Exception | None = None
    for _ in range(2):  # another process may replace the files while they are opened
        found = caches.read(cache)
        if found is None:
            if (cache / "facts.json").exists():
                raise WorthlessError("facts.json cannot be read")
            return None
        facts, folder = found
        for name, value in wanted.items():
            if facts.get(name) != value:
                raise WorthlessError(f"it was made with {name} {facts.get(name)!r}, and {value!r} is wanted")
        try:
            listed = json.loads((folder / _FILES).read_text())
            return facts, [_opened(folder, name, listed, int(facts["dimension"])) for name in facts["parts"]]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, WorthlessError) as error:
            failure = error
    raise WorthlessError(str(failure)) from failure


def _opened(folder: Path, name: str, listed: Mapping[str, Any], dimension: int) -> Part:
    for file in (f"{name}.faiss", f"{name}.keys.npy", f"{name}.removed.npy"):
        if file in listed:
            _check(folder / file, listed[file])
    index = _mapped(folder / f"{name}.faiss")
    keys = np.asarray(np.load(folder / f"{name}.keys.npy", mmap_mode="r", allow_pickle=False))
    if index.d != dimension or index.ntotal != len(keys):
        raise WorthlessError(f"{name} has {index.ntotal} vectors of {index.d} dimensions for {len(keys)} keys")
    alive = np.ones(len(keys), dtype=np.bool_)
    if f"{name}.removed.npy" in listed:
        alive[np.load(folder / f"{name}.removed.npy", allow_pickle=False)] = False
    return Part(index, keys, alive, folder / name)


def _mapped(path: Path) -> Any:
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def _written(part: Part, target: Path) -> dict[str, Any]:
    index, keys = Path(f"{target}.faiss"), Path(f"{target}.keys.npy")
    try:
        faiss.write_index(part.index, str(index))
    except RuntimeError as error:  # how FAISS tells of a full disk
        raise OSError(f"FAISS could not write {index.name}: {error}") from error
    np.save(keys, part.keys, allow_pickle=False)
    return {path.name: _described(path) for path in (index, keys)}


def _linked(part: Part, target: Path) -> dict[str, Any] | None:
    """Take over the files of a part that lies on disk as it is; None if it does not, or no longer."""
    if part.saved is None:
        return None
    before, described = part.saved, {}
    try:
        listed = json.loads((before.parent / _FILES).read_text())
        for ending in (".faiss", ".keys.npy"):
            source, destination = Path(f"{before}{ending}"), Path(f"{target}{ending}")
            try:
                os.link(source, destination)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copy2(source, destination)
            described[destination.name] = listed[source.name]
    except FileNotFoundError:  # another process has replaced them
        return None
    return described


def _described(path: Path) -> list[int]:
    """Size, time of the last change in nanoseconds, and checksum."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, _checksum(path)]


def _check(path: Path, described: Sequence[int]) -> None:
    state = path.stat()
    if state.st_size != described[0]:
        raise WorthlessError(f"{path.name} has {state.st_size} bytes of {described[0]}")
    if state.st_mtime_ns != described[1] and _checksum(path) != described[2]:
        raise WorthlessError(f"the contents of {path.name} were changed")


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while batch := file.read(1 << 20):
            found = zlib.crc32(batch, found)
    return found
