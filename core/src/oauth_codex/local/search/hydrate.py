"""From chunk ids to what a hit shows: file, attributes, place and text, in one statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from ...types.search import VectorStoreSearchResponse
from ..catalog.blobs import read_span
from ..catalog.catalog import as_json
from .snapshot import OutOfStep


class Hit(NamedTuple):
    """A chunk and its score."""

    key: int
    score: float


def hydrate(connection: Connection, namespace: str, hits: Sequence[Hit]) -> list[VectorStoreSearchResponse]:
    """The hits as users see them, in the order given.

    Raises:
        OutOfStep: The catalog lacks a chunk that the index has: the two have come apart.
    """
    found = connection.execute(_HYDRATE, {"namespace": namespace, "keys": as_json([hit.key for hit in hits])}).all()
    rows = {row.id: row for row in found}
    results = []
    for key, score in hits:
        row = rows.get(key)
        if row is None:
            raise OutOfStep(f"Chunk {key} is in the search index, but not in the catalog.")
        piece = row.piece
        if piece is None:  # large content lies in a file of its own
            piece = read_span(connection, row.text_blob_id, row.byte_start, row.byte_end)
        results.append(
            VectorStoreSearchResponse.model_validate(
                {
                    "file_id": row.public_id,
                    "filename": row.filename,
                    "score": score,
                    "attributes": json.loads(row.attributes) if row.attributes else {},
                    "content": [{"type": "text", "text": piece.decode()}],
                    "location": {
                        "chunk": row.ordinal,
                        "char_start": row.char_start,
                        "char_end": row.char_end,
                        "line_start": row.line_start,
                        "line_end": row.line_end,
                    },
                }
            )
        )
    return results


# CROSS JOIN keeps SQLite to this order: the few keys first, then one row of each table by its primary key.
_HYDRATE = text(
    """
    SELECT c.id, c.ordinal, c.byte_start, c.byte_end, c.char_start, c.char_end, c.line_start, c.line_end,
           a.attributes, a.text_blob_id, f.public_id, f.filename,
           substr(b.data, c.byte_start + 1, c.byte_end - c.byte_start) AS piece
    FROM json_each(:keys) AS k
    CROSS JOIN chunks AS c ON c.id = k.value AND c.namespace = :namespace
    CROSS JOIN attachments AS a ON a.id = c.attachment_id
    CROSS JOIN files AS f ON f.id = a.file_id
    CROSS JOIN blobs AS b ON b.id = a.text_blob_id
    """
)
