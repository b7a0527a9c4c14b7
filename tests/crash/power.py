"""A disk that forgets at a power failure what was not synced: the worst that a system may do, where SIGKILL is the best.

`watch` keeps a copy of each file as it was when it was last synced, and the names in each folder; `lose` puts them back after the
process has died. Syncs of SQLite are seen by a layer over its own access to files. Names in `blobs/` count as written when their folder
was synced; other names, which a file system keeps in order, at once.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

_rename, _fsync, _listdir = os.rename, os.fsync, os.listdir
_Open = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_Read = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_Size = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
_CATALOG = "catalog.sqlite3"


class _System(ctypes.Structure):
    """The head of `sqlite3_vfs`."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("following", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
    )


#: `sqlite3_io_methods`: a version, and functions of which some are looked at.
_METHODS, _READ, _SYNC, _SIZE = 19, 2, 5, 6


def watch(directory: Path, shadow: Path) -> None:
    """Note from now on what is synced in this process, below a directory."""
    shadow.mkdir()
    root = os.path.realpath(directory)

    def keep(name: str, content: bytes) -> None:
        draft = shadow / f"{name}.{os.getpid()}.part"
        with open(draft, "wb", buffering=0) as file:
            file.write(content)
        _rename(draft, shadow / name)

    def synced(descriptor: int) -> None:
        _fsync(descriptor)
        state, place = os.fstat(descriptor), os.readlink(f"/proc/self/fd/{descriptor}")
        if not place.startswith(root):
            return
        if stat.S_ISDIR(state.st_mode):
            names = {name: os.stat(os.path.join(place, name)).st_ino for name in _listdir(place)}
            keep(f"names of {os.path.relpath(place, root).replace('/', '_')}", json.dumps(names).encode())
        else:
            with open(f"/proc/self/fd/{descriptor}", "rb") as file:
                keep(str(state.st_ino), file.read())

    os.fsync = synced  # type: ignore[assignment]
    _watch_sqlite(root, keep)


_KEPT: list[Any] = []  # what SQLite calls must not be collected


def _watch_sqlite(root: str, keep: Any) -> None:
    import _sqlite3

    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_System)
    system = library.sqlite3_vfs_find(None).contents
    open_really = _Open(system.open)
    tables: dict[int, Any] = {}
    paths: dict[int, str] = {}

    def table(original: int) -> int:
        """The functions of a file, with one that notes what it syncs."""
        if original not in tables:
            functions = (ctypes.c_void_p * _METHODS)()
            ctypes.memmove(functions, original, ctypes.sizeof(functions))
            read, sync, size = _Read(functions[_READ]), _Sync(functions[_SYNC]), _Size(functions[_SIZE])

            def noted(file: int, flags: int) -> int:
                status = sync(file, flags)
                length = ctypes.c_int64()
                if status == 0 and file in paths and size(file, ctypes.byref(length)) == 0:
                    content = ctypes.create_string_buffer(max(1, length.value))
                    # By SQLite's own hand: opening and closing the file here would end its locks.
                    read(file, content, length.value, 0)
                    keep(paths[file], content.raw[: length.value])
                return int(status)

            callback = _Sync(noted)
            functions[_SYNC] = ctypes.cast(callback, ctypes.c_void_p)
            tables[original] = functions
            _KEPT.extend((callback, functions, read, sync, size))
        return ctypes.addressof(tables[original])

    def opened(itself: int, name: int | None, file: int, flags: int, said: int) -> int:
        status = open_really(itself, name, file, flags, said)  # with the very same name, which SQLite keeps
        place = os.path.realpath(ctypes.string_at(name).decode()) if name else ""
        if status == 0 and os.path.dirname(place) == root:
            paths[file] = os.path.basename(place)
            methods = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p))
            methods[0] = table(int(methods[0] or 0))
        else:
            paths.pop(file, None)
        return int(status)

    callback = _Open(opened)
    _KEPT.extend((callback, open_really, library))
    system.open = ctypes.cast(callback, ctypes.c_void_p).value


def lose(directory: Path, shadow: Path) -> int:
    """After the process has died: let the directory hold what was synced. Returns how many files have lost something."""
    lost = 0
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        sqlite = path.parent == directory and path.name.startswith(_CATALOG)
        kept = shadow / (path.name if sqlite else str(path.stat().st_ino))
        before, after = path.read_bytes(), kept.read_bytes() if kept.exists() else b""
        if sqlite and path.name.endswith("-shm"):
            path.unlink()  # never synced, and made anew
        elif before != after:
            lost += 1
            path.write_bytes(after)
    blobs, names = directory / "blobs", shadow / "names of blobs"
    if blobs.exists():
        there = json.loads(names.read_bytes()) if names.exists() else {}
        for path in list(blobs.iterdir()):
            if path.name not in there:
                lost += 1
                path.unlink()
        for name, number in there.items():
            if not (blobs / name).exists() and (shadow / str(number)).exists():
                lost += 1
                shutil.copyfile(shadow / str(number), blobs / name)
        known = shadow / "names of ."
        if "blobs" not in (json.loads(known.read_bytes()) if known.exists() else {}):
            shutil.rmtree(blobs)
    return lost
