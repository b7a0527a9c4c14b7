"""What can be searched, against the memberships: every file that is completed, or was until it was attached anew, has one
generation, with its chunks, vectors and postings.

What is broken is never put together again from pieces: the file is taken out of search and processed anew from its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import Connection

from ...types.maintenance import Finding
from ..catalog import attachments, blobs, stores
from ..catalog.catalog import Catalog, as_json
from ..search.postings import decode_segment
from .rows import OWNERSHIP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

ANEW = "The file is processed anew."
#: Why a file fails whose content is gone.
LOST = "The content of the file is lost."
#: Rows that are read in one transaction.
_GROUP = 256


class Broken(NamedTuple):
    """A finding, the attachment that must be processed anew, and the segment that is worthless; None for neither."""

    finding: Finding
    attachment_id: int | None = None
    segment_id: int | None = None


#: Of these attachments `a` something can be found.
_FOUND = "(a.status = 'completed' OR a.text_blob_id IS NOT NULL)"
#: Code, condition on such an attachment `a`, and what it means. `g` is its generation; no more than one is there.
_CONDITIONS = (
    (
        "not_searchable",
        "(SELECT count(*) FROM generations AS o WHERE o.attachment_id = a.id AND o.removed IS NULL) <> 1 OR g.id IS NULL",
        "It is or was completed, but not what can be found once.",
    ),
    (
        "lost_text",
        "g.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blobs AS b WHERE b.id = a.text_blob_id AND b.namespace = a.namespace)",
        "Its text is not there any more.",
    ),
    (
        "text_size",
        "EXISTS (SELECT 1 FROM blobs AS b WHERE b.id = a.text_blob_id AND b.size <> a.usage_bytes)",
        "Its text has another size than when it was cut into chunks.",
    ),
    (
        "chunks",
        "g.chunk_count <> (SELECT count(*) FROM chunks AS c WHERE c.id >= g.first_chunk AND c.id < g.first_chunk + g.chunk_count"
        " AND c.attachment_id = a.id AND c.ordinal = c.id - g.first_chunk"
        " AND c.byte_start >= 0 AND c.byte_start <= c.byte_end AND c.byte_end <= a.usage_bytes)",
        "Chunks of it are missing, or lie outside of its text.",
    ),
    (
        "vectors",
        "g.id IS NOT NULL AND length(g.vectors) IS NOT 2 * g.chunk_count * s.embedder_dimension",
        "Vectors of it are missing.",
    ),
)
_ROWS = f"""
    SELECT a.id, s.public_id AS store, f.public_id AS file,
        EXISTS (SELECT 1 FROM blobs AS b WHERE b.id = f.blob_id AND b.namespace = f.namespace) AS kept
    FROM attachments AS a
    JOIN stores AS s ON s.id = a.store_id JOIN files AS f ON f.id = a.file_id
    LEFT JOIN generations AS g ON g.attachment_id = a.id AND g.removed IS NULL AND g.namespace = a.namespace
        AND g.store_id = a.store_id AND g.generation = a.generation
    WHERE {_FOUND} AND ({{condition}})
    GROUP BY a.id
"""


def memberships(catalog: Catalog) -> Iterator[Broken]:
    """Files that cannot be found as they should."""
    for code, condition, message in _CONDITIONS:
        with catalog.read() as connection:
            rows = connection.exec_driver_sql(_ROWS.format(condition=condition)).all()
        for row in rows:
            finding = _finding(code, row.store, row.file, message)
            if not row.kept:
                finding.remedy, finding.lost = "It fails, because the content of the file is lost.", True
            yield Broken(finding, row.id)


def vectors(catalog: Catalog) -> Iterator[Broken | int]:
    """Generations with vectors that are no numbers; and in between, how many were read."""
    last = 0
    while True:
        with catalog.read() as connection:
            rows = connection.exec_driver_sql(_VECTORS, (last, _GROUP)).all()
        for row in rows:
            usable = len(row.vectors) - len(row.vectors) % 2  # its length is looked at elsewhere
            if not np.isfinite(np.frombuffer(row.vectors[:usable], dtype=np.float16)).all():
                yield Broken(
                    _finding("vectors", row.store, row.file, "Vectors of it are no numbers."), row.attachment_id
                )
        if not rows:
            return
        last = rows[-1].id
        yield len(rows)


def segments(catalog: Catalog, store: Any, *, deep: bool) -> Iterator[Broken]:
    """Postings of a store: every generation lies in one segment, which can be read and knows how much of it can be found."""
    with catalog.read() as connection:
        where = (store.namespace, store.id)
        live = _table(connection.exec_driver_sql(_LIVE, where).all(), 3)
        rows = connection.exec_driver_sql(_SEGMENTS, where)
        parts, faults = [], {}
        for row in rows:
            parts.append((row.id, row.first_chunk, row.chunk_count, row.live_count))
            fault = _fault(row.data, row.chunk_count) if deep else None
            if fault is not None:
                faults[row.id] = fault
    held = _table(parts, 4)
    ids, firsts, counts, said = held.T
    for early in np.flatnonzero(firsts[1:] < (firsts + counts)[:-1]).tolist():
        faults |= dict.fromkeys(ids[early : early + 2].tolist(), "it overlaps another one")
    live = live[live[:, 2] > 0]
    at = np.searchsorted(firsts, live[:, 1], side="right") - 1
    inside = at >= 0
    inside[inside] = (live[:, 1] + live[:, 2])[inside] <= (firsts + counts)[at[inside]]
    for attachment in live[~inside, 0].tolist():
        message = f"Attachment {attachment} has no postings, so keywords do not find it."
        yield Broken(_of_store("segments", store, message, ANEW), attachment)
    for segment, fault in faults.items():
        finding = _of_store("segments", store, f"Segment {segment} of its postings is worthless: {fault}.", ANEW)
        of_it = live[inside & (ids[at] == segment), 0].tolist() if len(ids) else []
        for attachment in of_it:
            yield Broken(finding, attachment, segment)
        if not of_it:
            yield Broken(finding, None, segment)
    true = np.bincount(at[inside], live[inside, 2], len(ids)).astype(np.int64) if len(ids) else said
    for number in np.flatnonzero(true != said).tolist():
        message = (
            f"Segment {ids[number]} of its postings counts {said[number]} chunks that can be found, of {true[number]}."
        )
        yield Broken(_of_store("segments", store, message, "Counted anew."))


def anew(catalog: Catalog, attachment_ids: Sequence[int], *, lost: Set[int]) -> None:
    """Take files out of search and announce them to be processed; those whose content is lost fail.

    One that is attached anew already, or failed or was cancelled in that, keeps its status.

    Args:
        catalog: The catalog.
        attachment_ids: The files; those of which nothing can be found stay as they are.
        lost: Blobs whose content is known to be lost.
    """
    ids = sorted(set(attachment_ids))
    for start in range(0, len(ids), _GROUP):
        with catalog.write() as connection:
            _process_again(connection, ids[start : start + _GROUP], lost)


def drop_segments(catalog: Catalog, segment_ids: Sequence[int]) -> None:
    """Delete postings that are worthless."""
    if segment_ids:
        with catalog.write() as connection:
            connection.exec_driver_sql(_DROP_SEGMENTS, (as_json(list(segment_ids)),))


def count_living(catalog: Catalog, store: Any) -> None:
    """Count anew how much of each segment of a store can be found."""
    with catalog.write() as connection:
        where = (store.namespace, store.id)
        live = _table(connection.exec_driver_sql(_LIVE, where).all(), 3)
        for row in connection.exec_driver_sql(_BARE_SEGMENTS, where).all():
            here = (live[:, 1] >= row.first_chunk) & (live[:, 1] < row.first_chunk + row.chunk_count)
            true = int(live[here, 2].sum())
            if not true:
                connection.exec_driver_sql("DELETE FROM segments WHERE id = ?", (row.id,))
            elif true != row.live_count:
                connection.exec_driver_sql("UPDATE segments SET live_count = ? WHERE id = ?", (true, row.id))


def _process_again(connection: Connection, ids: Sequence[int], lost: Set[int]) -> None:
    rows = connection.exec_driver_sql(_WHOLE, (as_json(list(ids)),)).all()
    for (namespace, store_id), members in groupby(rows, key=lambda row: (row.namespace, row.store_id)):
        group = list(members)
        mine = as_json([row.id for row in group])
        revision = stores.bump(connection, store_id)
        connection.exec_driver_sql(_DROP_CHUNKS, (mine,))
        connection.exec_driver_sql(_RETIRE, (revision, mine))
        connection.exec_driver_sql(_NOTHING_FOUND, (mine,))
        completed = [row for row in group if row.status == "completed"]
        kept = [row for row in completed if row.content is not None and row.content not in lost]
        for row in completed:
            said = (None, None) if row in kept else ("server_error", LOST)
            connection.exec_driver_sql(_RESET, ("in_progress" if row in kept else "failed", *said, row.id))
        back = len(kept)
        moves = {"completed": -len(completed), "in_progress": back, "failed": len(completed) - back}
        stores.count(connection, store_id, moves, -sum(row.usage_bytes for row in group))
        blobs.release(connection, namespace, [row.text_blob_id for row in group if row.text_blob_id is not None])
    for check in OWNERSHIP:
        if check.code == "work_without_job":
            for statement in check.mend:
                connection.exec_driver_sql(statement)


def attributes_differ(catalog: Catalog) -> Iterator[tuple[Finding, Any] | int]:
    """Files whose attributes are not those that filters see, each with its row; and in between, how many were read."""
    last = 0
    while True:
        with catalog.read() as connection:
            rows = connection.exec_driver_sql(_ATTRIBUTED, (last, _GROUP)).all()
            listed: dict[int, dict[str, Any]] = {row.id: {} for row in rows}
            for pair in connection.exec_driver_sql(_PAIRS, (as_json(list(listed)),)):
                listed[pair.attachment_id][pair.key] = _value(pair)
        for row in rows:
            said = _attributes(row)
            if said is None or _typed(said) != _typed(listed[row.id]):
                message = "Filters see other attributes than the file has."
                yield _finding("attributes", row.store, row.file, message, "Written anew."), row
        if not rows:
            return
        last = rows[-1].id
        yield len(rows)


def set_attributes(catalog: Catalog, row: Any) -> None:
    """Give filters the attributes that a file has; where these cannot be read, the other way round."""
    with catalog.write() as connection:
        pairs = connection.exec_driver_sql(_PAIRS, (as_json([row.id]),)).all()
        values = _attributes(row)
        values = {pair.key: _value(pair) for pair in pairs} if values is None else values
        attachments.set_many_attributes(connection, row.namespace, row.store_id, {row.id: values})


def _attributes(row: Any) -> dict[str, Any] | None:
    try:
        return attachments.attributes_of(row)
    except ValueError:
        return None


def _value(pair: Any) -> Any:
    if pair.kind == "s":
        return pair.text_value
    return bool(pair.number_value) if pair.kind == "b" else pair.number_value


def _typed(values: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    return {key: (attachments.kind_of(value), value) for key, value in values.items()}


def _fault(data: bytes, chunks: int) -> str | None:
    try:
        rows = len(decode_segment(data).lengths)
    except ValueError as error:
        return str(error)
    return None if rows == chunks else f"it has {rows} of {chunks} chunks"


def _table(rows: Sequence[Any], columns: int) -> Ints:
    return np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, columns)


def _finding(code: str, store: str, file: str, message: str, remedy: str = ANEW) -> Finding:
    return Finding(code=code, where=f"{file} in {store}", message=message, remedy=remedy)


def _of_store(code: str, store: Any, message: str, remedy: str) -> Finding:
    return Finding(code=code, where=store.public_id, message=message, remedy=remedy)


_NAMED = "JOIN stores AS s ON s.id = a.store_id JOIN files AS f ON f.id = a.file_id"
_VECTORS = f"""
    SELECT g.id, g.attachment_id, g.vectors, s.public_id AS store, f.public_id AS file
    FROM generations AS g JOIN attachments AS a ON a.id = g.attachment_id {_NAMED}
    WHERE g.id > ? AND g.removed IS NULL AND g.vectors IS NOT NULL AND {_FOUND} ORDER BY g.id LIMIT ?
"""
_LIVE = """
    SELECT attachment_id, first_chunk, chunk_count FROM generations
    WHERE namespace = ? AND store_id = ? AND removed IS NULL ORDER BY first_chunk
"""
_BARE_SEGMENTS = """
    SELECT id, first_chunk, chunk_count, live_count FROM segments WHERE namespace = ? AND store_id = ? ORDER BY first_chunk
"""
_SEGMENTS = _BARE_SEGMENTS.replace("live_count FROM", "live_count, data FROM")
_WHOLE = f"""
    SELECT a.id, a.namespace, a.store_id, a.status, a.usage_bytes, a.text_blob_id, b.id AS content
    FROM attachments AS a JOIN files AS f ON f.id = a.file_id
    LEFT JOIN blobs AS b ON b.id = f.blob_id AND b.namespace = f.namespace
    WHERE a.id IN (SELECT value FROM json_each(?)) AND {_FOUND} ORDER BY a.namespace, a.store_id, a.id
"""
_DROP_SEGMENTS = "DELETE FROM segments WHERE id IN (SELECT value FROM json_each(?))"
_DROP_CHUNKS = """
    DELETE FROM chunks WHERE id IN (
        SELECT c.id FROM generations AS g JOIN chunks AS c ON c.id >= g.first_chunk AND c.id < g.first_chunk + g.chunk_count
        WHERE g.removed IS NULL AND c.attachment_id = g.attachment_id AND g.attachment_id IN (SELECT value FROM json_each(?)))
"""
_RETIRE = """
    UPDATE generations SET removed = ?, vectors = NULL
    WHERE removed IS NULL AND attachment_id IN (SELECT value FROM json_each(?))
"""
_NOTHING_FOUND = """
    UPDATE attachments SET usage_bytes = 0, text_blob_id = NULL WHERE id IN (SELECT value FROM json_each(?))
"""
_RESET = "UPDATE attachments SET status = ?, error_code = ?, error_message = ? WHERE id = ?"
_ATTRIBUTED = f"""
    SELECT a.id, a.namespace, a.store_id, a.attributes, s.public_id AS store, f.public_id AS file
    FROM attachments AS a {_NAMED} WHERE a.id > ? ORDER BY a.id LIMIT ?
"""
_PAIRS = "SELECT * FROM attributes WHERE attachment_id IN (SELECT value FROM json_each(?))"
