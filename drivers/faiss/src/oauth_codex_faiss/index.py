"""The index of one store: parts that do not change, and a small one that takes what is new.

The first part is the large one: vectors mapped from a file, or a graph. New vectors are appended to the last part, which is
compared vector by vector; a query asks all parts. Once what is new or removed is too large a share, the parts are made
one again: flat ones at once, a graph by a thread of its own, while the parts that there are go on answering.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oauth_codex.errors import StorageError
from oauth_codex.local import caches, check_query, check_rows
from oauth_codex.spi import Clock, IndexSpec, IndexTraits

from . import files
from .options import FaissOptions
from .parts import Part, cosines_of, extended, merged, nearest_keys, new_index, one_thread

if TYPE_CHECKING:
    from .parts import Cosines, Keys, Vectors

_FORMAT = 1
#: Parts are made one when this many vectors, and this share of the first part, are not in it.
_TAIL_FROM = 4096
_TAIL_SHARE = 0.25
#: ... or when this share of all vectors was removed.
_REMOVED_SHARE = 0.3
#: Fewer vectors are not worth a graph.
_GRAPH_FROM = 1000
#: Changes are written without waiting when there are so many,
_SAVE_FROM = 4096
#: and never while what must be written for them is more than so many times as much.
_SAVE_SHARE = 8

#: Starts work beside the caller's, and returns what waits for its end.
Start = Callable[[Callable[[], None]], Callable[[], None]]


def in_thread(work: Callable[[], None]) -> Callable[[], None]:
    """Start a thread for the work."""
    thread = threading.Thread(target=work, name="oauth-codex-faiss")
    thread.start()
    return thread.join


@dataclass(frozen=True, kw_only=True)
class FaissProvider:
    """FAISS indexes of one storage.

    Attributes:
        directory: Folder of the caches.
        options: How indexes are made.
        clock: Time in Unix seconds.
        logger: Where worthless files and failed work are told.
        start: Starts the making of a graph.
        turn: Held while a graph is made, so that one is made at a time.
    """

    directory: Path
    options: FaissOptions
    clock: Clock
    logger: logging.Logger
    start: Start = in_thread
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def traits(self) -> IndexTraits:
        kept = self.options.quantisation == "none"
        return IndexTraits(exact=kept and self.options.index == "flat", among=True, cosines=kept, caches=("faiss",))

    def open(self, spec: IndexSpec) -> FaissIndex:
        return FaissIndex(spec, self)

    def drop(self, index_id: str) -> None:
        caches.remove(self.directory / f"{index_id}.faiss")

    def close(self) -> None:
        """Nothing is held here."""


class FaissIndex:
    """All vectors of one store."""

    def __init__(self, spec: IndexSpec, home: FaissProvider) -> None:
        self._spec = spec
        self._home = home
        self._options = home.options
        self._cache = home.directory / f"{spec.id}.faiss"
        self._name = f"The FAISS index {str(self._cache)!r}"
        self._lock = threading.Lock()  # held by whoever changes the parts; a query takes those that it finds
        self._stopped = threading.Event()
        self._making = False  # a graph; meanwhile no parts but the last one change their vectors
        self._join: Callable[[], None] = lambda: None
        self._parts: tuple[Part, ...] = (Part.new(spec.dimension),)
        self._watermark = 0
        self._ahead = False  # vectors are newer than the watermark
        self._unsaved = 0  # vectors' worth of work that is not on disk
        self._full = False  # saving failed the last time
        self._save_after = home.clock() + self._options.flush_seconds
        self._load()

    @property
    def watermark(self) -> int:
        return self._watermark

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        check_rows(keys, vectors, self._spec.dimension)
        if not len(keys):
            return
        vectors = np.ascontiguousarray(vectors)
        with self._lock:
            self._ahead = True
            self._unsaved += len(keys) + sum(part.remove(keys) for part in self._parts)
            *others, tail = self._parts
            if len(tail) and keys[0] <= tail.keys[-1]:
                late = Part.new(self._spec.dimension)
                late.append(keys, vectors)
                self._parts = (*others, self._flat(tail, late))
            else:
                tail.append(keys, vectors)

    def delete(self, keys: Keys) -> None:
        with self._lock:
            self._ahead = True
            self._unsaved += sum(part.remove(np.asarray(keys, dtype=np.int64)) for part in self._parts)

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        check_query(vector, self._spec.dimension)
        with one_thread():
            return nearest_keys(self._parts, vector, limit, among, self._options.ef_search)

    def cosines(self, keys: Keys, vector: Vectors) -> Cosines:
        found = np.full(len(keys), np.nan)
        with one_thread():
            for part in self._parts:
                rows = part.rows(keys)
                here = rows >= 0
                if here.any():
                    found[here] = cosines_of(part, rows[here], vector)
        return found

    def keys(self) -> Iterator[int]:
        for part in self._parts:
            yield from part.keys[part.alive].tolist()

    def count(self) -> int:
        return sum(part.count for part in self._parts)

    def flush(self, watermark: int) -> None:
        with self._lock:
            self._watermark = watermark
            self._ahead = False
            graph = self._arranged()
        if graph is not None:
            try:
                self._join = self._home.start(graph)
            except RuntimeError as error:  # no thread can be started any more
                self._making = False
                self._tell_no_graph(error)
        with self._lock:
            self._save_if_due()

    def close(self) -> None:
        self._stopped.set()
        self._join()
        with self._lock:
            self._save_after = -np.inf
            self._try_to_save()
            self._parts = (Part.new(self._spec.dimension),)

    # -- arranging parts -----------------------------------------------------------------------------------------------

    def _arranged(self) -> Callable[[], None] | None:
        """Make the parts one if it is time; if that means a graph, return what makes it."""
        if self._making:
            return None
        dimension = self._spec.dimension
        first, *rest = self._parts
        total, late, living = sum(map(len, self._parts)), sum(map(len, rest)), self.count()
        crowded = late >= _TAIL_FROM and late > _TAIL_SHARE * len(first)
        thin = living < (1 - _REMOVED_SHARE) * total
        graph = self._options.index != "flat" and living >= (
            _GRAPH_FROM if self._options.index == "hnsw" else self._options.hnsw_from
        )
        if graph and (crowded or thin or not first.graph):
            frozen: tuple[Part, ...] = (first,)
            if late and len(second := self._flat(*rest)):
                frozen += (second,)
            self._parts = (*frozen, Part.new(dimension))
            self._making = True
            return lambda: self._make_graph(frozen, fresh=thin)
        if thin and living < _TAIL_FROM:
            self._parts = (self._flat(*self._parts),)
        elif crowded or thin or (not rest and len(first) >= _TAIL_FROM):
            as_it_is = not rest and not thin and self._options.quantisation == "none"
            one = first if as_it_is else merged(self._parts, new_index(dimension, self._options, graph=False))
            assert one is not None
            self._parts = (one, Part.new(dimension))
        return None

    def _make_graph(self, frozen: tuple[Part, ...], *, fresh: bool) -> None:
        """Make a graph of the frozen parts, and put it in their place. What fails is told, and tried again at the next flush."""
        made = None
        try:
            while not self._home.turn.acquire(timeout=0.1):
                if not self._go_on():
                    return
            try:
                made = self._graph_of(frozen, fresh=fresh)
            finally:
                self._home.turn.release()
        except Exception as error:
            self._tell_no_graph(error)
        finally:
            with self._lock:
                self._making = False
                if made is not None:
                    self._replace(len(frozen), made)

    def _tell_no_graph(self, error: Exception) -> None:
        self._home.logger.warning(
            "%s was not made a graph: %s. It is searched without.", self._name, error, exc_info=error
        )

    def _replace(self, count: int, made: Part) -> None:
        """Put a part in the place of the first ones, without what was removed from them or replaced meanwhile."""
        living = [part.rows(made.keys) >= 0 for part in self._parts[:count]]
        self._parts = (Part(made.index, made.keys, np.logical_or.reduce(living)), *self._parts[count:])
        self._unsaved += len(made)
        self._try_to_save()

    def _graph_of(self, frozen: tuple[Part, ...], *, fresh: bool) -> Part | None:
        first, *rest = frozen
        in_order = all(part.keys[0] > before.keys[-1] for before, part in zip(frozen, rest, strict=False))
        if first.graph and rest and in_order and not fresh:
            return extended(first, rest, self._go_on)
        return merged(frozen, new_index(self._spec.dimension, self._options, graph=True), self._go_on)

    def _go_on(self) -> bool:
        """Whether anybody still wants a graph; an interpreter that ends waits for threads."""
        return not self._stopped.is_set() and threading.main_thread().is_alive()

    def _flat(self, *parts: Part) -> Part:
        one = merged(parts, Part.new(self._spec.dimension).index)
        assert one is not None
        return one

    # -- files ---------------------------------------------------------------------------------------------------------

    def _save_if_due(self) -> None:
        """Write what is not on disk if there is much of it, or it is old, and little else must be written with it.

        Raises:
            StorageError: The disk is full or refuses.
        """
        first, *rest = self._parts
        size = sum(map(len, rest)) + (0 if files.on_disk(first) else len(first))
        if self._ahead or not self._unsaved or size > _SAVE_SHARE * self._unsaved:
            return
        if self._home.clock() < self._save_after and (self._full or self._unsaved < _SAVE_FROM):
            return
        self._save_after = self._home.clock() + self._options.flush_seconds
        if len(rest) > 1 and not self._making:
            self._parts = (first, self._flat(*rest))
        graph = self._graph_wanted() if first.graph else None
        facts = {**self._wanted(), "graph": graph, "watermark": self._watermark}
        self._full = True
        self._parts = files.save(self._cache, facts, self._parts[:-1], self._parts[-1])
        self._full = False
        self._unsaved = 0

    def _try_to_save(self) -> None:
        try:
            self._save_if_due()
        except StorageError as error:
            self._home.logger.warning("%s Opening this index takes longer.", error.user_message)

    def _load(self) -> None:
        try:
            found = files.load(self._cache, self._wanted())
            if found is None:
                return
            facts, parts = found
            if parts and parts[0].graph and facts["graph"] != (wanted := self._graph_wanted()):
                raise caches.Torn(f"its graph was made with {facts['graph']}, and {wanted} is wanted")
            watermark = int(facts["watermark"])
        except (caches.Torn, KeyError, ValueError, TypeError) as error:
            self._home.logger.warning("%s is of no use: %s. It is made anew from the catalog.", self._name, error)
            return
        self._parts = (*parts, Part.new(self._spec.dimension))
        self._watermark = watermark

    def _wanted(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "stamp": self._spec.stamp,
            "dimension": self._spec.dimension,
            "quantisation": self._options.quantisation,
        }

    def _graph_wanted(self) -> dict[str, int] | None:
        if self._options.index == "flat":
            return None
        return {"links": self._options.links, "ef_construction": self._options.ef_construction}
