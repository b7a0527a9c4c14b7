"""From chunk ids to what a hit shows: file, attributes, place and text, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection

from ...types.search import VectorStoreSearchResponse
from ..catalog.blobs import read_span
from ..catalog.catalog import as_json, fetch
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
    found = fetch(connection, _HYDRATE, {"namespace": namespace, "keys": as_json([hit.key for hit in hits])})
    results = {}
    scores = dict(hits)
    for key, file_id, filename, attributes, *location, byte_start, byte_end, blob_id, piece in found:
        if piece is None:  # large content lies in a file of its own
            piece = read_span(connection, blob_id, byte_start, byte_end)
        results[key] = VectorStoreSearchResponse.model_validate(
            {
                "file_id": file_id,
                "filename": filename,
                "score": scores[key],
                "attributes": from_json(attributes) if attributes else {},
                "content": [{"type": "text", "text": piece.decode()}],
                "location": dict(zip(_LOCATION, location, strict=True)),
            }
        )
    for hit in hits:
        if hit.key not in results:
            raise OutOfStep(f"Chunk {hit.key} is in the search index, but not in the catalog.")
    return [results[hit.key] for hit in hits]


_LOCATION = ("chunk", "char_start", "char_end", "line_start", "line_end")
# CROSS JOIN keeps SQLite to this order: the few keys first, then one row of each table by its primary key.
_HYDRATE = """
    SELECT c.id, f.public_id, f.filename, a.attributes,
           c.ordinal, c.char_start, c.char_end, c.line_start, c.line_end,
           c.byte_start, c.byte_end, a.text_blob_id,
           substr(b.data, c.byte_start + 1, c.byte_end - c.byte_start) AS piece
    FROM json_each(:keys) AS k
    CROSS JOIN chunks AS c ON c.id = k.value AND c.namespace = :namespace
    CROSS JOIN attachments AS a ON a.id = c.attachment_id
    CROSS JOIN files AS f ON f.id = a.file_id
    CROSS JOIN blobs AS b ON b.id = a.text_blob_id
"""
