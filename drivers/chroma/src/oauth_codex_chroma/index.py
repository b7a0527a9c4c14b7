"""Chroma collections as vector indexes. A collection holds ids and vectors; text, attributes and filters are the engine's.

What a collection is complete to, and of which embedding, stands in its metadata. Several processes may follow the catalog into one
collection of a server: keys are never reused and writing one twice changes nothing, so the worst is a key that one has removed and
another, which is behind, puts back; the engine ignores it, and removes it when it compares the two.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from oauth_codex.errors import NotSupportedError, StorageError
from oauth_codex.local import check_query, check_rows
from oauth_codex.spi import IndexLost, IndexSpec, IndexTraits

from .connection import Connection

if TYPE_CHECKING:
    from chromadb import Collection
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]
    Vectors = NDArray[np.float32]

_MARK = "oauth_codex"
_FORMAT = 1
_SPACE = "cosine"
_CLOUD_DIMENSION = 4096


class ChromaProvider:
    """Collections of one catalog in one Chroma.

    Args:
        connection: The Chroma; closed with the provider.
        catalog_id: Tells the catalogs that share a Chroma apart.
        logger: Where it is told that a collection is made anew.
    """

    def __init__(self, connection: Connection, catalog_id: str, logger: logging.Logger) -> None:
        self._connection = connection
        self._catalog_id = catalog_id
        self._logger = logger

    @property
    def traits(self) -> IndexTraits:
        limit = _CLOUD_DIMENSION if self._connection.options.mode == "cloud" else None
        return IndexTraits(exact=False, among=False, cosines=False, max_dimension=limit)

    def open(self, spec: IndexSpec) -> ChromaIndex:
        """Open the collection of an index, made anew when it is not what it must be.

        Raises:
            StorageError: Chroma failed, or a collection of this name is somebody else's.
        """
        name = self._name(spec.id)
        with self._connection.call(f"opening the collection {name!r}"):
            collection = self._collection(name, spec)
            flaw = self._flaw(collection, spec)
            if flaw is not None:
                self._logger.warning("The Chroma collection %r %s. It is made anew from the catalog.", name, flaw)
                self.drop(spec.id)
                collection = self._collection(name, spec)
                flaw = self._flaw(collection, spec)
                if flaw is not None:
                    raise StorageError(f"The Chroma collection {name!r} was made anew, and {flaw}.", driver="chroma")
        return ChromaIndex(self._connection, collection, spec)

    def drop(self, index_id: str) -> None:
        """Delete the collection of an index; an absent one is no error.

        Raises:
            StorageError: Chroma failed, or the collection is somebody else's.
        """
        name = self._name(index_id)
        client = self._connection.client()
        from chromadb.errors import NotFoundError

        with self._connection.call(f"deleting the collection {name!r}"):
            try:
                _require_own(client.get_collection(name, embedding_function=None))
                client.delete_collection(name)
            except NotFoundError:
                return

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _name(self, index_id: str) -> str:
        return f"oauth-codex-{self._catalog_id}-{index_id}.vectors"  # must not end in `-` or `_`, as an id may

    def _collection(self, name: str, spec: IndexSpec) -> Collection:
        graph = {"space": _SPACE, **self._connection.options.hnsw}
        configuration: Any = {"spann" if self._connection.options.mode == "cloud" else "hnsw": graph}
        return self._connection.client().get_or_create_collection(
            name,
            embedding_function=None,
            metadata=_metadata(spec, 0),
            configuration=configuration,
        )

    def _flaw(self, collection: Collection, spec: IndexSpec) -> str | None:
        """What is wrong with a collection that must be made anew; None when it can be used.

        Chroma keeps the configuration of an existing collection without a word, whatever is asked for; and of what can be modified,
        it goes on with what was before for as long as the graph is open.
        """
        found = _require_own(collection)
        for name, wanted in _metadata(spec, 0).items():
            if name != "watermark" and found.get(name) != wanted:
                return f"has another {name}"
        if not isinstance(found.get("watermark"), int):
            return "has no watermark"
        graph = _hnsw(collection)
        for name, value in {"space": _SPACE, **self._connection.options.hnsw}.items():
            if graph.get(name) != value:
                return f"has {name} {graph.get(name)!r} instead of {value!r}"
        return None if _readable(collection) else "has lost vectors"


class ChromaIndex:
    """One collection."""

    def __init__(self, connection: Connection, collection: Collection, spec: IndexSpec) -> None:
        self._connection = connection
        self._collection = collection
        self._spec = spec
        self._watermark = int(collection.metadata["watermark"])

    @property
    def watermark(self) -> int:
        return self._watermark

    def upsert(self, keys: Keys, vectors: Vectors) -> None:
        check_rows(keys, vectors, self._spec.dimension)
        size = self._connection.rows if len(keys) else 1
        for start in range(0, len(keys), size):
            ids = [str(key) for key in keys[start : start + size].tolist()]
            rows: Any = np.asarray(vectors[start : start + size], dtype=np.float32)
            with self._call("writing vectors"):
                self._collection.upsert(ids=ids, embeddings=rows)

    def delete(self, keys: Keys) -> None:
        ids = [str(key) for key in keys.tolist()]
        for start in range(0, len(ids), self._connection.ids):  # none at all would be an error
            with self._call("deleting vectors"):
                self._collection.delete(ids=ids[start : start + self._connection.ids])

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        if among is not None:
            raise NotSupportedError("The chroma driver does not search among given keys; the engine does.")
        check_query(vector, self._spec.dimension)
        if self._connection.options.mode == "cloud":
            limit = min(limit, self._connection.ids)
        queries: Any = [vector]
        with self._call("searching", reading=True):
            found = self._collection.query(query_embeddings=queries, n_results=limit, include=[])
        return np.array(self._keys(found["ids"][0]), dtype=np.int64)

    def keys(self) -> Iterator[int]:
        found: set[int] = set()  # pages shift while another process writes
        offset, size = 0, self._connection.rows
        while True:
            with self._call("listing vectors", reading=True):
                page = self._collection.get(limit=size, offset=offset, include=[])["ids"]
            found.update(self._keys(page))
            offset += len(page)
            if not page:
                return iter(found)

    def count(self) -> int:
        with self._call("counting vectors", reading=True):
            return self._collection.count()

    def flush(self, watermark: int) -> None:
        """Note what the collection is complete to. Its vectors were durable before, so this comes after them."""
        if watermark != self._watermark:
            with self._call("noting progress"):
                self._collection.modify(metadata=_metadata(self._spec, watermark))
            self._watermark = watermark

    def close(self) -> None:
        """Nothing is held here."""

    @contextmanager
    def _call(self, doing: str, *, reading: bool = False) -> Iterator[None]:
        """A call to Chroma; one that finds the collection gone, or its files damaged, raises `IndexLost`."""
        from chromadb.errors import InternalError, NotFoundError

        with self._connection.call(doing):
            try:
                yield
            except NotFoundError as error:
                raise IndexLost(f"The Chroma collection {self._collection.name!r} was deleted.") from error
            except InternalError as error:
                if not reading:  # it may be the disk that is full
                    raise
                raise IndexLost(f"The Chroma collection {self._collection.name!r} cannot be read: {error}.") from error

    def _keys(self, ids: list[str]) -> list[int]:
        try:
            return [int(key) for key in ids]
        except ValueError as error:
            raise IndexLost(
                f"The Chroma collection {self._collection.name!r} holds rows of others: {error}."
            ) from error


def _metadata(spec: IndexSpec, watermark: int) -> dict[str, str | int | float | bool | None]:
    """All of it, because Chroma replaces the metadata of a collection as a whole."""
    return {
        _MARK: "vector index",
        "format": _FORMAT,
        "stamp": spec.stamp,
        "dimension": spec.dimension,
        "watermark": watermark,
    }


def _require_own(collection: Collection) -> dict[str, Any]:
    found = dict(collection.metadata or {})
    if _MARK not in found:
        raise StorageError(
            f"The Chroma collection {collection.name!r} was not made by oauth-codex, and is left untouched. Delete or rename it.",
            driver="chroma",
        )
    return found


def _hnsw(collection: Collection) -> dict[str, Any]:
    """Configuration of the graph. Read as JSON, because the parsed one warns about collections without an embedding function."""
    found = collection.configuration_json
    graph: dict[str, Any] = found.get("hnsw") or found.get("spann") or {}
    return graph


def _readable(collection: Collection) -> bool:
    """Whether vectors of all ages are there: Chroma counts and lists also those whose files are lost."""
    from chromadb.errors import InternalError

    try:
        count = collection.count()
        for offset in {0, count // 2, count - 1} if count else ():
            collection.get(limit=1, offset=offset, include=["embeddings"])
    except InternalError:
        return False
    return True
