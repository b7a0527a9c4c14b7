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
    from chromadb.api import ClientAPI
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
        try:
            return self._open(spec)
        except IndexLost as error:
            self._logger.warning("%s It is made anew from the catalog.", error)
        self.drop(spec.id)
        try:
            return self._open(spec)
        except IndexLost as error:
            raise StorageError(f"{error} It had just been made anew.", driver="chroma") from error

    def drop(self, index_id: str) -> None:
        """Delete the collection of an index; an absent one is no error.

        Raises:
            StorageError: Chroma failed, or the collection is somebody else's.
        """
        from chromadb.errors import NotFoundError

        name = self._name(index_id)
        try:
            with self._connection.call(f"deleting the collection {name!r}") as client:
                try:
                    _require_own(client.get_collection(name, embedding_function=None))
                    client.delete_collection(name)
                except NotFoundError:
                    return
        except IndexLost:  # and so is the collection
            return

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _name(self, index_id: str) -> str:
        return f"oauth-codex-{self._catalog_id}-{index_id}.vectors"  # must not end in `-` or `_`, as an id may

    def _open(self, spec: IndexSpec) -> ChromaIndex:
        name = self._name(spec.id)
        graph = {"space": _SPACE, **self._connection.options.hnsw}
        configuration: Any = {"spann" if self._connection.options.mode == "cloud" else "hnsw": graph}
        with self._connection.call(f"opening the collection {name!r}") as client:
            collection = client.get_or_create_collection(
                name, embedding_function=None, metadata=_metadata(spec, 0), configuration=configuration
            )
            _require_sound(collection, _metadata(spec, 0), graph)
        index = ChromaIndex(self._connection, client, collection, spec)
        index.check()
        return index


class ChromaIndex:
    """One collection."""

    def __init__(self, connection: Connection, client: ClientAPI, collection: Collection, spec: IndexSpec) -> None:
        self._connection = connection
        self._bound = client, collection
        self._name = collection.name
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
            with self._call("writing vectors") as collection:
                collection.upsert(ids=ids, embeddings=rows)

    def delete(self, keys: Keys) -> None:
        ids = [str(key) for key in keys.tolist()]
        for start in range(0, len(ids), self._connection.ids):  # none at all would be an error
            with self._call("deleting vectors") as collection:
                collection.delete(ids=ids[start : start + self._connection.ids])

    def query(self, vector: Vectors, *, limit: int, among: Keys | None = None) -> Keys:
        if among is not None:
            raise NotSupportedError("The chroma driver does not search among given keys; the engine does.")
        check_query(vector, self._spec.dimension)
        if self._connection.options.mode == "cloud":
            limit = min(limit, self._connection.ids)
        queries: Any = [vector]
        with self._call("searching", reading=True) as collection:
            found = collection.query(query_embeddings=queries, n_results=limit, include=[])
        return np.array(self._keys(found["ids"][0]), dtype=np.int64)

    def keys(self) -> Iterator[int]:
        found: set[int] = set()  # pages shift while another process writes
        offset, size = 0, self._connection.rows
        while True:
            with self._call("listing vectors", reading=True) as collection:
                page = collection.get(limit=size, offset=offset, include=[])["ids"]
            found.update(self._keys(page))
            offset += len(page)
            if not page:
                return iter(found)

    def count(self) -> int:
        with self._call("counting vectors", reading=True) as collection:
            return collection.count()

    def flush(self, watermark: int) -> None:
        """Note what the collection is complete to. Its vectors were durable before, so this comes after them."""
        if watermark != self._watermark:
            with self._call("noting progress") as collection:
                collection.modify(metadata=_metadata(self._spec, watermark))
            self._watermark = watermark

    def close(self) -> None:
        """Nothing is held here."""

    def check(self) -> None:
        """Read vectors of all ages: Chroma counts and lists also those whose files are lost.

        Raises:
            IndexLost: They cannot be read.
        """
        with self._call("reading vectors", reading=True) as collection:
            count = collection.count()
            for offset in {0, count // 2, count - 1} if count else ():
                collection.get(limit=1, offset=offset, include=["embeddings"])

    @contextmanager
    def _call(self, doing: str, *, reading: bool = False) -> Iterator[Collection]:
        """A call to Chroma; one that finds the collection gone, or its files damaged, raises `IndexLost`."""
        from chromadb.errors import NotFoundError

        with self._connection.call(doing, reading=reading) as client:
            try:
                yield self._collection(client)
            except NotFoundError as error:
                raise IndexLost(f"The Chroma collection {self._name!r} was deleted.") from error

    def _collection(self, client: ClientAPI) -> Collection:
        """The collection, found again by name when a failure has cost the client."""
        bound, collection = self._bound
        if client is not bound:
            found = client.get_collection(self._name, embedding_function=None)
            if found.id != collection.id:
                raise IndexLost(f"The Chroma collection {self._name!r} was replaced.")
            self._bound = client, found
            return found
        return collection

    def _keys(self, ids: list[str]) -> list[int]:
        try:
            return [int(key) for key in ids]
        except ValueError as error:
            raise IndexLost(f"The Chroma collection {self._name!r} holds rows of others: {error}.") from error


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


def _require_sound(collection: Collection, metadata: dict[str, Any], graph: dict[str, Any]) -> None:
    """Refuse a collection that must be made anew.

    Chroma keeps the configuration of an existing collection without a word, whatever is asked for; and of what can be modified, it
    goes on with what was before for as long as the graph is open.
    """
    found = _require_own(collection)
    for name, wanted in metadata.items():
        if name != "watermark" and found.get(name) != wanted:
            raise IndexLost(f"The Chroma collection {collection.name!r} has another {name}.")
    if not isinstance(found.get("watermark"), int):
        raise IndexLost(f"The Chroma collection {collection.name!r} has no watermark.")
    given = _hnsw(collection)
    for name, value in graph.items():
        if given.get(name) != value:
            raise IndexLost(
                f"The Chroma collection {collection.name!r} has {name} {given.get(name)!r} instead of {value!r}."
            )


def _hnsw(collection: Collection) -> dict[str, Any]:
    """Configuration of the graph. Read as JSON, because the parsed one warns about collections without an embedding function."""
    found = collection.configuration_json
    graph: dict[str, Any] = found.get("hnsw") or found.get("spann") or {}
    return graph
