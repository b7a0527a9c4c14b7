"""Index files: the parts of an index, in a cache folder that is replaced as a whole.

Of each part there is the FAISS index (`.faiss`, mapped when it is opened), its keys (`.keys.npy`), and the rows removed since
(`.removed.npy`). A part that did not change is linked into the new folder, not written again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from oauth_codex.errors import StorageError
from oauth_codex.local import caches

from .parts import Part


def save(cache: Path, facts: Mapping[str, Any], frozen: Sequence[Part], tail: Part) -> tuple[Part, ...]:
    """Write parts; what can stay as it is on disk stays.

    Returns:
        The parts, each of which knows where it lies; the frozen ones are mapped.

    Raises:
        StorageError: The disk is full or refuses; what was saved before stays.
    """
    named = {f"part{number}": part for number, part in enumerate((*frozen, tail)) if len(part)}

    before = _files(cache)

    def fill(folder: Path) -> dict[str, Sequence[int]]:
        known: dict[str, Sequence[int]] = {}
        for name, part in named.items():
            linked = _linked(part, folder / name, before)
            if linked is None:
                _write(part, folder / name)
            else:
                known.update(linked)
            if not part.alive.all():
                np.save(folder / f"{name}.removed.npy", np.flatnonzero(~part.alive), allow_pickle=False)
        return known

    folder = caches.write(cache, fill, {**facts, "parts": list(named)})
    saved = []
    for name, part in named.items():
        if part is not tail and part.saved is None:
            try:
                part = Part(_mapped(folder / f"{name}.faiss"), part.keys, part.alive)
            except RuntimeError as error:
                # Another process may have replaced the folder by now, or be about it; then the part stays in memory.
                if (folder / f"{name}.faiss").exists():
                    raise StorageError(f"What was written to {str(folder)!r} cannot be read: {error}.") from error
        part.saved = folder / name
        saved.append(part)
    return tuple(saved) if len(tail) else (*saved, tail)


def on_disk(part: Part) -> bool:
    """Whether the part lies on disk as it is, and no other process has replaced it."""
    return part.saved is not None and Path(f"{part.saved}.faiss").exists()


def load(cache: Path, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], list[Part]] | None:
    """The facts that were saved and the parts, mapped; None if nothing was saved.

    Raises:
        caches.Torn: It is torn, or `wanted` names other facts.
    """
    failure: Exception | None = None
    for _ in range(2):  # another process may replace the files while they are opened
        found = caches.read(cache)
        if found is None:
            return None
        facts, folder = found
        for name, value in wanted.items():
            if facts.get(name) != value:
                raise caches.Torn(f"it was made with {name} {facts.get(name)!r}, and {value!r} is wanted")
        try:
            return facts, [_opened(folder, name, facts) for name in facts["parts"]]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            failure = error
    raise caches.Torn(str(failure)) from failure


def _opened(folder: Path, name: str, facts: Mapping[str, Any]) -> Part:
    index = _mapped(folder / f"{name}.faiss")
    keys = np.asarray(np.load(folder / f"{name}.keys.npy", mmap_mode="r", allow_pickle=False))
    if index.d != facts["dimension"] or index.ntotal != len(keys):
        raise ValueError(f"{name} has {index.ntotal} vectors of {index.d} dimensions for {len(keys)} keys")
    alive = np.ones(len(keys), dtype=np.bool_)
    if f"{name}.removed.npy" in facts["files"]:
        alive[np.load(folder / f"{name}.removed.npy", allow_pickle=False)] = False
    return Part(index, keys, alive, folder / name)


def _mapped(path: Path) -> Any:
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def _write(part: Part, target: Path) -> None:
    try:
        faiss.write_index(part.index, f"{target}.faiss")
    except RuntimeError as error:  # how FAISS tells of a full disk
        raise OSError(f"FAISS could not write {target.name}.faiss: {error}") from error
    np.save(f"{target}.keys.npy", part.keys, allow_pickle=False)


def _files(cache: Path) -> Mapping[str, Sequence[int]]:
    """What is known of the files that lie there now."""
    try:
        found = caches.read(cache)
    except caches.Torn:
        return {}
    return {} if found is None else {f"{found[1].name}/{name}": known for name, known in found[0]["files"].items()}


def _linked(part: Part, target: Path, before: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]] | None:
    """Take over the files of a part that lies on disk as it is; None if it does not, or no longer."""
    if part.saved is None:
        return None
    known = {}
    try:
        for ending in (".faiss", ".keys.npy"):
            source, destination = Path(f"{part.saved}{ending}"), Path(f"{target}{ending}")
            known[destination.name] = before[f"{source.parent.name}/{source.name}"]
            try:
                os.link(source, destination)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copy2(source, destination)
    except (FileNotFoundError, KeyError):  # another process has replaced them
        return None
    return known
