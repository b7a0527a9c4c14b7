"""Vectors of another embedder that wait to take the place of those that answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ...spi.embedder import Embedder
from .stores import bump


def begin(connection: Connection, store: Row[Any], embedder: Embedder) -> None:
    """Forget what was begun with a third embedder, or belongs to what is gone by now."""
    connection.execute(_FORGET, {**_of(store), "fingerprint": embedder.fingerprint})


def pending(connection: Connection, store: Row[Any], after: int, files: int) -> Sequence[Row[Any]]:
    """Generations that answer and have no other vectors yet: `id`, `first_chunk`, `chunk_count`, `text_blob_id`, `usage_bytes`."""
    return connection.execute(_PENDING, {**_of(store), "after": after, "files": files}).all()


def chunks(connection: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    """Where the chunks of a generation stand in its text: `char_start`, `char_end`."""
    return connection.execute(_CHUNKS, {"low": row.first_chunk, "high": row.first_chunk + row.chunk_count}).all()


def keep(connection: Connection, store: Row[Any], embedder: Embedder, vectors: Mapping[int, bytes]) -> None:
    """Keep vectors by generation. One that was removed meanwhile does no harm: `begin` and `switch` clear it away."""
    rows = [
        {**_of(store), "fingerprint": embedder.fingerprint, "row": row, "vectors": data}
        for row, data in vectors.items()
    ]
    connection.execute(_KEEP, rows)


def counts(connection: Connection, store: Row[Any]) -> tuple[int, int, int]:
    """Generations that answer, their chunks, and how many of them have their other vectors."""
    row = connection.execute(_COUNTS, _of(store)).one()
    return int(row[0]), int(row[1]), int(row[2])


def switch(connection: Connection, store: Row[Any], embedder: Embedder) -> None:
    """Let the other vectors answer from now on, and pin the store to their embedder. None may be missing.

    What was prepared with the old embedder and not published yet cannot be any more: `jobs.held` asks for the store's embedder.
    """
    connection.execute(_SWITCH, _of(store))
    connection.execute(
        _PIN,
        {
            **_of(store),
            "name": embedder.name,
            "dimension": embedder.dimension,
            "fingerprint": embedder.fingerprint,
        },
    )
    connection.execute(_FORGET_ALL, _of(store))
    bump(connection, store.id)


def _of(store: Row[Any]) -> dict[str, Any]:
    return {"namespace": store.namespace, "store": store.id}


_HERE = "namespace = :namespace AND store_id = :store"
_LIVE = "g.namespace = :namespace AND g.store_id = :store AND g.removed IS NULL"
_FORGET = text(
    f"""
    DELETE FROM reembedded WHERE {_HERE} AND (fingerprint <> :fingerprint OR generation_id NOT IN
        (SELECT g.id FROM generations AS g WHERE {_LIVE}))
    """
)
_PENDING = text(
    f"""
    SELECT g.id, g.first_chunk, g.chunk_count, a.text_blob_id, a.usage_bytes
    FROM generations AS g JOIN attachments AS a ON a.id = g.attachment_id
    WHERE {_LIVE} AND g.id > :after AND NOT EXISTS (SELECT 1 FROM reembedded AS r WHERE r.generation_id = g.id)
    ORDER BY g.id LIMIT :files
    """
)
_CHUNKS = text("SELECT char_start, char_end FROM chunks WHERE id >= :low AND id < :high ORDER BY id")
_KEEP = text(
    """
    INSERT INTO reembedded (generation_id, namespace, store_id, fingerprint, vectors)
    VALUES (:row, :namespace, :store, :fingerprint, :vectors) ON CONFLICT (generation_id) DO NOTHING
    """
)
_COUNTS = text(
    f"""
    SELECT count(*), coalesce(sum(g.chunk_count), 0), count(r.generation_id)
    FROM generations AS g LEFT JOIN reembedded AS r ON r.generation_id = g.id WHERE {_LIVE}
    """
)
_SWITCH = text(
    f"""
    UPDATE generations AS g SET vectors = (SELECT r.vectors FROM reembedded AS r WHERE r.generation_id = g.id)
    WHERE {_LIVE}
    """
)
_PIN = text(
    """
    UPDATE stores SET embedder_name = :name, embedder_dimension = :dimension, embedder_fingerprint = :fingerprint
    WHERE id = :store AND namespace = :namespace
    """
)
_FORGET_ALL = text(f"DELETE FROM reembedded WHERE {_HERE}")
