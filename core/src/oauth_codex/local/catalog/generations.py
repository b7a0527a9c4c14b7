"""Publishing and retiring what can be searched: the only writer of `generations`, `chunks` and `segments`.

A file becomes searchable in the transaction that inserts its generation, and stops being so in the one that marks it removed.
Every such transaction is a new revision of its store; caches beside the catalog are completed by revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ..search.postings import encode_segment
from .catalog import Catalog, as_json
from .catalog import each as each_of
from .stores import bump
from .tables import chunks, generations, segments

if TYPE_CHECKING:
    from ..ingest.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Publication:
    """A prepared file and the attachment and generation that it is for."""

    attachment_id: int
    generation: int
    prepared: Prepared


def publish(connection: Connection, namespace: str, store_id: int, published: Sequence[Publication]) -> int:
    """Make files searchable, under one new revision of their store, and return it.

    The state of the attachments is not touched: `attachments.settle` does that in the same transaction.
    """
    revision = bump(connection, store_id)
    counts = [len(each.prepared.spans) for each in published]
    first = Catalog.of(connection).next_chunks(connection, sum(counts))
    rows, spans, start = [], [], first
    for each, count in zip(published, counts, strict=True):
        rows.append(
            {
                "namespace": namespace,
                "store_id": store_id,
                "attachment_id": each.attachment_id,
                "generation": each.generation,
                "first_chunk": start,
                "chunk_count": count,
                "vectors": each.prepared.vectors.tobytes(),
                "published": revision,
            }
        )
        spans += _chunk_rows(namespace, each, start)
        start += count
    connection.execute(_INSERT_GENERATION, rows)
    connection.execute(_INSERT_CHUNK, spans)
    connection.execute(
        _INSERT_SEGMENT,
        {
            "namespace": namespace,
            "store_id": store_id,
            "first_chunk": first,
            "chunk_count": start - first,
            "live_count": start - first,
            "published": revision,
            "data": encode_segment([each.prepared.terms for each in published]),
        },
    )
    return revision


def retire(connection: Connection, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> None:
    """Take files out of what can be searched, under a new revision of their store; nothing to take out changes nothing."""
    ids = as_json(list(attachment_ids))
    gone = connection.execute(_LIVE, {"namespace": namespace, "store_id": store_id, "ids": ids}).all()
    if not gone:
        return
    revision = bump(connection, store_id)
    connection.execute(_REMOVE, [{"row": row.id, "revision": revision} for row in gone])
    connection.execute(
        _DELETE_CHUNKS, [{"low": row.first_chunk, "high": row.first_chunk + row.chunk_count} for row in gone]
    )
    # The segment that holds a chunk is the one with the largest first chunk at or below it.
    connection.execute(
        _SHRINK_SEGMENT,
        [{"space": namespace, "store": store_id, "at": row.first_chunk, "count": row.chunk_count} for row in gone],
    )
    connection.execute(_DROP_DEAD, {"namespace": namespace, "store_id": store_id})


def move(connection: Connection, namespace: str, store_id: int, to: Mapping[int, int]) -> None:
    """Let what can be found of some attachments belong to others of the same files, under a new revision of their store."""
    ids = as_json(list(to))
    found = connection.execute(_LIVE, {"namespace": namespace, "store_id": store_id, "ids": ids}).all()
    revision = bump(connection, store_id)
    rows = [
        {
            "row": row.id,
            "at": to[row.attachment_id],
            "revision": revision,
            "low": row.first_chunk,
            "high": row.first_chunk + row.chunk_count,
        }
        for row in found
    ]
    connection.execute(_MOVE, rows)
    connection.execute(_MOVE_CHUNKS, rows)


def _chunk_rows(namespace: str, each: Publication, first: int) -> list[dict[str, object]]:
    spans, lines = each.prepared.spans, each.prepared.lines
    columns = np.stack(
        (spans.byte_start, spans.byte_end, spans.char_start, spans.char_end, lines[:, 0], lines[:, 1], spans.tokens),
        axis=1,
    )
    return [
        {
            "id": first + ordinal,
            "namespace": namespace,
            "attachment_id": each.attachment_id,
            "ordinal": ordinal,
            "byte_start": byte_start,
            "byte_end": byte_end,
            "char_start": char_start,
            "char_end": char_end,
            "line_start": line_start,
            "line_end": line_end,
            "tokens": tokens,
        }
        for ordinal, (byte_start, byte_end, char_start, char_end, line_start, line_end, tokens) in enumerate(
            columns.tolist()
        )
    ]


_INSERT_GENERATION = insert(generations)
_INSERT_CHUNK = insert(chunks)
_INSERT_SEGMENT = insert(segments)
_LIVE = (
    select(generations.c.id, generations.c.attachment_id, generations.c.first_chunk, generations.c.chunk_count)
    .where(
        generations.c.namespace == bindparam("namespace"),
        generations.c.store_id == bindparam("store_id"),
        generations.c.removed.is_(None),
        generations.c.attachment_id.in_(each_of("ids")),
    )
    .order_by(generations.c.id)
)
_REMOVE = (
    update(generations).where(generations.c.id == bindparam("row")).values(removed=bindparam("revision"), vectors=None)
)
_SPAN = (chunks.c.id >= bindparam("low"), chunks.c.id < bindparam("high"))
_DELETE_CHUNKS = delete(chunks).where(*_SPAN)
_MOVE = (
    update(generations)
    .where(generations.c.id == bindparam("row"))
    .values(attachment_id=bindparam("at"), moved=bindparam("revision"))
)
_MOVE_CHUNKS = update(chunks).where(*_SPAN).values(attachment_id=bindparam("at"))
_SHRINK_SEGMENT = (
    update(segments)
    .where(
        segments.c.id
        == select(segments.c.id)
        .where(
            segments.c.namespace == bindparam("space"),
            segments.c.store_id == bindparam("store"),
            segments.c.first_chunk <= bindparam("at"),
        )
        .order_by(segments.c.first_chunk.desc())
        .limit(1)
        .scalar_subquery()
    )
    .values(live_count=segments.c.live_count - bindparam("count"))
)
_DROP_DEAD = delete(segments).where(
    segments.c.namespace == bindparam("namespace"),
    segments.c.store_id == bindparam("store_id"),
    segments.c.live_count == 0,
)
