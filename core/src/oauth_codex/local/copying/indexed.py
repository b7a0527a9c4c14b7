"""What was made of a file that can be found: read from one catalog, and prepared for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, text

from ..catalog import blobs
from ..catalog.catalog import as_json
from ..ingest.prepare import Prepared, Preparer, Refused
from ..text.terms import count_words, document_terms
from ..text.tokens import Spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...spi.embedder import Embedder


@dataclass(frozen=True, slots=True)
class Indexed:
    """What was made of a file.

    Attributes:
        text: The parsed text, UTF-8.
        derived: Whether it differs from the content of the file.
        chunks: int64 (chunks, 7): bytes, characters and lines, each from and to, and tokens.
        vectors: float16, as the catalog keeps them.
        embedder: Name, dimension and fingerprint of what made them.
    """

    text: bytes
    derived: bool
    chunks: NDArray[np.int64]
    vectors: bytes
    embedder: tuple[str, int, str]


def read(connection: Connection, store: Row[Any], file_ids: Sequence[str]) -> list[Indexed | None]:
    """What was made of these files of a store, in their order; None for one that cannot be found."""
    rows = connection.execute(
        _FILES, {"namespace": store.namespace, "store": store.id, "ids": as_json(list(file_ids))}
    ).all()
    identity = (store.embedder_name, store.embedder_dimension, store.embedder_fingerprint)
    found: dict[str, Indexed] = {}
    for row in rows:
        chunks = connection.execute(_CHUNKS, {"low": row.first_chunk, "high": row.first_chunk + row.chunk_count}).all()
        found[row.public_id] = Indexed(
            text=blobs.read(connection, row.text_blob_id),
            derived=row.text_blob_id != row.blob_id,
            chunks=np.array([tuple(chunk) for chunk in chunks], dtype=np.int64).reshape(-1, 7),
            vectors=row.vectors,
            embedder=identity,
        )
    return [found.get(each) for each in file_ids]


def prepared(indexed: Indexed, embedder: Embedder) -> tuple[Prepared | Refused, bool]:
    """The same, ready to be published, and whether its vectors were kept: those of another embedder are made anew."""
    columns = indexed.chunks.T
    spans = Spans(columns[0], columns[1], columns[2], columns[3], columns[6])
    counts = count_words(indexed.text.decode(), spans.char_start, spans.char_end)
    kept = indexed.embedder == (embedder.name, embedder.dimension, embedder.fingerprint)
    vectors = np.frombuffer(indexed.vectors, dtype=np.float16).reshape(len(indexed.chunks), -1)
    found = Prepared(
        text=indexed.text,
        derived=indexed.derived,
        spans=spans,
        lines=indexed.chunks[:, 4:6],
        terms=document_terms(counts),
        vectors=vectors,
    )
    return (found, True) if kept else (Preparer(embedder, {}, None).embed(found), False)


_FILES = text(
    """
    SELECT f.public_id, f.blob_id, a.text_blob_id, g.first_chunk, g.chunk_count, g.vectors
    FROM json_each(:ids) AS k
    CROSS JOIN files AS f ON f.public_id = k.value AND f.namespace = :namespace
    CROSS JOIN attachments AS a ON a.namespace = :namespace AND a.store_id = :store AND a.file_id = f.id
    CROSS JOIN generations AS g ON g.attachment_id = a.id AND g.removed IS NULL
    WHERE a.text_blob_id IS NOT NULL
    """
)
_CHUNKS = text(
    """
    SELECT byte_start, byte_end, char_start, char_end, line_start, line_end, tokens
    FROM chunks WHERE id >= :low AND id < :high ORDER BY id
    """
)
