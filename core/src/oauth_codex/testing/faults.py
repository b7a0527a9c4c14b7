"""Points at which a storage may fail or its process may die, and what tests do there.

A point is a commit of the catalog, a change of an index, or an operation on a file that makes something durable or visible. They are
the same for every driver that is built on `oauth_codex.local`; one that is not passes none.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import inspect
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..local import Catalog, LocalBackend, matrix
from ..local.search import view

_FILE_OPERATIONS = ("replace", "rename", "link", "fsync", "unlink", "rmdir")
#: A file that cannot be removed is no full disk, and harms nobody.
_NEVER_FAIL = ("unlink", "rmdir")
#: What `early_caches` lowers, in the modules that write caches.
_THRESHOLD = "_SAVE_FROM"
_INDEX_CHANGES = ("upsert", "delete", "flush")


@dataclass(frozen=True)
class Point:
    """One point of a run.

    Attributes:
        moment: Before or after what happens there.
        kind: What happens: `commit` of the catalog, a method of an `index`, or a function of `os` on a file.
        name: `commit`, or the name of the method or function.
        fail: Raises what a full disk makes of it; None where it cannot fail, or has already happened.
    """

    moment: Literal["before", "after"]
    kind: Literal["commit", "index", "file"]
    name: str
    fail: Callable[[], object] | None = None

    def __str__(self) -> str:
        return f"{self.moment} {self.name}"


Watcher = Callable[[Point], None]


class Faults:
    """Watches the points that this process passes, as a context; storages must be opened within it."""

    def __init__(self) -> None:
        self._watcher: Watcher | None = None
        self._undo = ExitStack()
        self._patched: set[tuple[object, str]] = set()

    def __enter__(self) -> Faults:
        self._patch(Catalog, "write", self._watched_commit)
        self._patch(LocalBackend, "__init__", self._watched_opening)
        for name in _FILE_OPERATIONS:
            self._patch(os, name, functools.partial(self._watched, "file", name))
        return self

    def __exit__(self, *_: object) -> None:
        self._watcher = None
        self._undo.close()
        self._patched.clear()

    @contextmanager
    def watch(self, watcher: Watcher) -> Iterator[None]:
        """Call `watcher` at every point that is passed within the block."""
        self._watcher = watcher
        try:
            yield
        finally:
            self._watcher = None

    def _at(self, point: Point) -> None:
        watcher, self._watcher = self._watcher, None  # what a watcher does by itself is no point
        if watcher is not None:
            try:
                watcher(point)
            finally:
                self._watcher = watcher

    def _patch(self, owner: Any, name: str, watched: Callable[[Any], Any]) -> None:
        if (owner, name) in self._patched:
            return
        self._patched.add((owner, name))
        own = vars(owner).get(name)
        setattr(owner, name, watched(getattr(owner, name)))
        self._undo.callback(delattr, owner, name) if own is None else self._undo.callback(setattr, owner, name, own)

    def _watched(self, kind: Literal["index", "file"], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        fail = None if name in _NEVER_FAIL else _no_space

        @functools.wraps(real)
        def call(*given: Any, **named: Any) -> Any:
            self._at(Point("before", kind, name, fail))
            result = real(*given, **named)
            self._at(Point("after", kind, name))
            return result

        return call

    def _watched_commit(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def write(catalog: Catalog, *given: Any, **named: Any) -> Iterator[Any]:
            with real(catalog, *given, **named) as connection:
                yield connection
                # A statement that every database refuses: the error is its own, and takes the way that all its errors take.
                statement = "RELEASE SAVEPOINT that_was_never_made"
                refuse = functools.partial(connection.exec_driver_sql, statement)
                self._at(Point("before", "commit", "commit", refuse))
            self._at(Point("after", "commit", "commit"))

        return write

    def _watched_opening(self, real: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(real)

        @functools.wraps(real)
        def opening(*given: Any, **named: Any) -> None:
            provider = signature.bind(*given, **named).arguments["index_provider"]
            self._patch(type(provider), "open", self._watched_index)
            self._patch_index(type(provider), "drop")
            real(*given, **named)

        return opening

    def _watched_index(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def opening(*given: Any, **named: Any) -> Any:
            self._at(Point("before", "index", "open", _no_space))
            index = real(*given, **named)
            for name in _INDEX_CHANGES:
                self._patch_index(type(index), name)
            return index

        return opening

    def _patch_index(self, owner: type[Any], name: str) -> None:
        self._patch(owner, name, functools.partial(self._watched, "index", name))


@contextmanager
def early_caches() -> Iterator[None]:
    """Let the engine write its caches beside the catalog for small stores too, in the block."""
    before = [(module, vars(module)[_THRESHOLD]) for module in (matrix, view)]
    for module, _ in before:
        setattr(module, _THRESHOLD, 1)
    try:
        yield
    finally:
        for module, rows in before:
            setattr(module, _THRESHOLD, rows)


class FailingPoint:
    """Lets the n-th point that can fail do so, once. `hit` is that point, None while it was not reached."""

    def __init__(self, at: int) -> None:
        self.hit: Point | None = None
        self._left = at

    def __call__(self, point: Point) -> None:
        if point.fail is None:
            return
        self._left -= 1
        if self._left == 0:
            self.hit = point
            point.fail()


class KillingPoint:
    """Kills this process at the n-th of the points whose text contains `name`, as nothing that it does could prevent."""

    def __init__(self, at: int, name: str = "") -> None:
        self._left = at
        self._name = name

    def __call__(self, point: Point) -> None:
        if self._name in str(point):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class CopyingPoint:
    """Copies a directory at every point before which it has changed: what would be left if the process died there.

    Attributes:
        copies: The points, and the copies.
    """

    def __init__(self, directory: Path, target: Path) -> None:
        self.copies: list[tuple[str, Path]] = []
        self._directory = directory
        self._target = target
        self._last = _state(directory)

    def __call__(self, point: Point) -> None:
        self._copy(str(point))

    def acknowledged(self) -> Path:
        """The write was acknowledged: the copy of what is there now."""
        self._copy("after it was acknowledged", even_if_the_same=not self.copies)
        return self.copies[-1][1]

    def _copy(self, point: str, *, even_if_the_same: bool = False) -> None:
        now = _state(self._directory)
        if now != self._last or even_if_the_same:
            self._last = now
            self.copies.append((point, self._target / f"copy{len(self.copies)}"))
            shutil.copytree(self._directory, self.copies[-1][1])


def _state(directory: Path) -> list[tuple[str, int, bytes]]:
    """Path, size and content of every file."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_size, hashlib.blake2b(path.read_bytes()).digest()) for path in files]


def _no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
