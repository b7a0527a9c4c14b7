"""Files in vector stores: their rows, their attributes, and the counters of stores and batches that follow their status."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from ...messages import no_file_in_store
from ...spi.limits import DEFAULT_PAGE
from ...spi.requests import VectorStoreFileList
from ...types.vector_stores import (
    AttributeValue,
    LastError,
    StaticChunking,
    StaticChunkingStrategy,
    VectorStoreFile,
)
from . import blobs, generations, stores, tombstones
from .catalog import as_json, each, inserted_id, unindexed
from .paging import Page, Paged
from .tables import attachments as table
from .tables import attributes, batch_files, batches, chunks, files, jobs
from .tables import generations as publications
from .tables import stores as store_rows

#: A file to attach: its row, its chunking and its attributes; None stands for "not given".
Entry = tuple[Row[Any], StaticChunking | None, Mapping[str, AttributeValue] | None]


class Outcome(NamedTuple):
    """How an attachment left `in_progress`: `completed`, `failed` or `cancelled`."""

    attachment_id: int
    status: str
    usage_bytes: int = 0
    error_code: str | None = None
    error_message: str | None = None
    generation: int | None = None
    text_blob_id: int | None = None


def insert(
    connection: Connection,
    namespace: str,
    store_id: int,
    rows: Sequence[Entry],
    now: int,
    *,
    uploaded_now: bool = False,
) -> list[int]:
    """Attach files that the store does not have, in progress, and return the ids of the attachments, in order.

    Files that were uploaded in the same transaction cannot have been in the store before.
    """
    if not rows:
        return []
    auto = (0, 0)
    if any(chunking is None for _, chunking, _ in rows):
        auto = stores.default_chunking(connection.execute(_CHUNKING, {"store_id": store_id}).one())
    fresh = [
        {
            "namespace": namespace,
            "store_id": store_id,
            "file_id": file.id,
            "created_at": now,
            "status": "in_progress",
            "chunk_tokens": chunking.max_chunk_size_tokens if chunking else auto[0],
            "overlap_tokens": chunking.chunk_overlap_tokens if chunking else auto[1],
            "attributes": _json(values),
        }
        for file, chunking, values in rows
    ]
    if len(fresh) == 1:
        made = {rows[0][0].id: inserted_id(connection.execute(_INSERT, fresh[0]))}
    else:
        connection.execute(_INSERT, fresh)
        ids = as_json([int(file.id) for file, _, _ in rows])
        here = {"namespace": namespace, "store_id": store_id, "ids": ids}
        made = {row.file_id: int(row.id) for row in connection.execute(_IDS, here)}
    _write_attributes(connection, namespace, store_id, {made[file.id]: values for file, _, values in rows if values})
    if not uploaded_now:
        tombstones.forget(connection, namespace, tombstones.in_store(store_id), [file.public_id for file, _, _ in rows])
    stores.count(connection, store_id, {"in_progress": len(rows)})
    return [made[file.id] for file, _, _ in rows]


def find(connection: Connection, namespace: str, store_id: int, file_id: str) -> Row[Any] | None:
    """The attachment of a file, by the file's public id."""
    return connection.execute(_FIND, {"namespace": namespace, "store_id": store_id, "cursor": file_id}).first()


def require(connection: Connection, namespace: str, store: Row[Any], file_id: str) -> Row[Any]:
    """The attachment of a file.

    Raises:
        NotFoundError: The store does not have it.
    """
    row = find(connection, namespace, store.id, file_id)
    if row is None:
        raise no_file_in_store(file_id, store.public_id)
    return row


def by_file(connection: Connection, namespace: str, store_id: int) -> dict[str, int]:
    """The attachments of all files of a store, by the public id of the file."""
    found = connection.execute(_BY_FILE, {"namespace": namespace, "store_id": store_id})
    return {row.public_id: int(row.id) for row in found}


def spans(connection: Connection, attachment_id: int) -> Sequence[Row[Any]]:
    """Where the chunks of what can be found of a file stand in its text, in their order: `byte_start`, `byte_end`."""
    row = connection.execute(_GENERATION, {"attachment_id": attachment_id}).one()
    return connection.execute(_SPANS, {"low": row.first_chunk, "high": row.first_chunk + row.chunk_count}).all()


def page(connection: Connection, namespace: str, store_id: int, request: VectorStoreFileList) -> Page:
    """A page of the files of a store, optionally of one status."""
    values: dict[str, Any] = {"store_id": store_id}
    if request.filter is not None:
        values["status"] = request.filter
    return (_LIST if request.filter is None else _LIST_STATUS).page(
        connection,
        request,
        default_limit=DEFAULT_PAGE,
        namespace=namespace,
        scope=tombstones.in_store(store_id),
        values=values,
    )


def set_attributes(
    connection: Connection,
    namespace: str,
    store_id: int,
    attachment_id: int,
    values: Mapping[str, AttributeValue] | None,
) -> None:
    """Replace the attributes of an attachment; None clears them."""
    set_many_attributes(connection, namespace, store_id, {attachment_id: values or {}})


def set_many_attributes(
    connection: Connection, namespace: str, store_id: int, by_attachment: Mapping[int, Mapping[str, AttributeValue]]
) -> None:
    """Replace the attributes of attachments, under a new revision of the store: which files a filter selects has changed."""
    if by_attachment:
        stores.bump(connection, store_id)
        rows = [{"attachment_id": row, "to_values": _json(values)} for row, values in by_attachment.items()]
        connection.execute(_SET_ATTRIBUTES, rows)
        connection.execute(_DELETE_ATTRIBUTES, {"ids": as_json(list(by_attachment))})
        _write_attributes(connection, namespace, store_id, by_attachment)


def settle(
    connection: Connection, namespace: str, store_id: int, outcomes: Sequence[Outcome], *, attached_now: bool = False
) -> int:
    """Move attachments out of `in_progress`, and return how many moved. Nothing else does that.

    One that is not in progress, or no more there, is left alone, so that a replay changes nothing. Each move takes one count of
    the store and one of each batch that waits for the file, and ends the job. What can be found of a file changes only if it is
    completed. Seven statements, however many outcomes; two for files that were attached in the same transaction, of which nothing
    can be found and for which nobody can wait yet.
    """
    here = {"namespace": namespace, "store_id": store_id}
    asked = {outcome.attachment_id: outcome for outcome in outcomes}
    moved = list(outcomes)
    before = dict.fromkeys(asked, 0)
    if not attached_now:
        rows = connection.execute(_IN_PROGRESS, {**here, "ids": as_json(list(asked))}).all()
        before = {row.id: int(row.usage_bytes) for row in rows}
        moved = [asked[each] for each in before]
    if not moved:
        return 0
    ids = as_json([outcome.attachment_id for outcome in moved])
    connection.execute(
        _SETTLE,
        [
            {
                "attachment_id": outcome.attachment_id,
                "to_status": outcome.status,
                "to_usage": outcome.usage_bytes if outcome.status == "completed" else before[outcome.attachment_id],
                "to_code": outcome.error_code,
                "to_message": outcome.error_message,
                "to_generation": outcome.generation,
                "to_text": outcome.text_blob_id,
            }
            for outcome in moved
        ],
    )
    steps = Counter(outcome.status for outcome in moved)
    used = sum(each.usage_bytes - before[each.attachment_id] for each in moved if each.status == "completed")
    stores.count(connection, store_id, {**steps, "in_progress": -len(moved)}, used)
    if attached_now:
        return len(moved)
    by_batch: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(_WAITING, {"ids": ids}):
        by_batch[row.batch_id] += Counter({asked[row.attachment_id].status: 1})
    if by_batch:
        connection.execute(_SETTLE_IN_BATCHES, {"ids": ids})
        _count_batches(
            connection, {batch: {**moves, "in_progress": -moves.total()} for batch, moves in by_batch.items()}
        )
    connection.execute(_END_JOBS, {"ids": ids})
    return len(moved)


def detach(
    connection: Connection,
    namespace: str,
    store_id: int,
    attachment_ids: Sequence[int],
    now: int,
    *,
    staying: Set[int] = frozenset(),
) -> None:
    """Take files out of a store: out of search, lists, counters and batches.

    What can be found of those that are `staying` stays, for other attachments in the same transaction.
    """
    if not attachment_ids:
        return
    ids = as_json(list(attachment_ids))
    rows = connection.execute(_LEAVING, {"namespace": namespace, "store_id": store_id, "ids": ids}).all()
    if not rows:
        return
    generations.retire(connection, namespace, store_id, [int(row.id) for row in rows if row.id not in staying])
    gone = {row.id: tombstones.Tombstone(row.public_id, row.created_at, row.id) for row in rows}
    leaving: defaultdict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(_HELD, {"ids": ids}):
        leaving[row.batch_id].append(row)
    if leaving:
        _count_batches(
            connection,
            {batch: {s: -n for s, n in Counter(row.status for row in left).items()} for batch, left in leaving.items()},
        )
        connection.execute(_LEAVE_BATCHES, {"ids": ids})
        for batch, left in leaving.items():
            scope = tombstones.in_batch(batch)
            tombstones.remember(connection, namespace, scope, [gone[row.attachment_id] for row in left], now)
    connection.execute(_END_JOBS, {"ids": ids})
    connection.execute(_DELETE_ATTRIBUTES, {"ids": ids})
    connection.execute(_DELETE, {"ids": ids})
    steps = {status: -number for status, number in Counter(str(row.status) for row in rows).items()}
    stores.count(connection, store_id, steps, -sum(row.usage_bytes for row in rows))
    texts = [row.text_blob_id for row in rows if row.text_blob_id is not None and row.id not in staying]
    blobs.release(connection, namespace, texts)
    tombstones.remember(connection, namespace, tombstones.in_store(store_id), list(gone.values()), now)


def detach_files(connection: Connection, namespace: str, file_ids: Sequence[int], now: int) -> None:
    """Take files out of all stores that have them."""
    by_store: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(_EVERYWHERE, {"namespace": namespace, "ids": as_json(list(file_ids))}):
        by_store[row.store_id].append(row.id)
    for store_id, ids in by_store.items():
        detach(connection, namespace, store_id, ids, now)


def to_model(row: Row[Any], vector_store_id: str) -> VectorStoreFile:
    """The attachment as callers see it; absent attributes are `{}`."""
    error = row.error_code and LastError(code=row.error_code, message=row.error_message)
    return VectorStoreFile(
        id=row.public_id,
        created_at=row.created_at,
        vector_store_id=vector_store_id,
        usage_bytes=row.usage_bytes,
        status=row.status,
        last_error=error,
        chunking_strategy=StaticChunkingStrategy(static=chunking_of(row)),
        attributes=attributes_of(row),
    )


def chunking_of(row: Row[Any]) -> StaticChunking:
    """The windows that the file is cut into."""
    return StaticChunking(max_chunk_size_tokens=row.chunk_tokens, chunk_overlap_tokens=row.overlap_tokens)


def attributes_of(row: Row[Any]) -> dict[str, AttributeValue]:
    """The attributes of the file in this store."""
    found: dict[str, AttributeValue] = json.loads(row.attributes) if row.attributes else {}
    return found


def _json(values: Mapping[str, AttributeValue] | None) -> str | None:
    return json.dumps(values, ensure_ascii=False) if values else None


def _write_attributes(
    connection: Connection, namespace: str, store_id: int, by_attachment: Mapping[int, Mapping[str, AttributeValue]]
) -> None:
    rows = [
        {
            "namespace": namespace,
            "store_id": store_id,
            "attachment_id": attachment_id,
            "key": key,
            "kind": kind_of(value),
            "text_value": value if isinstance(value, str) else None,
            "number_value": None if isinstance(value, str) else int(value) if isinstance(value, bool) else value,
        }
        for attachment_id, values in by_attachment.items()
        for key, value in values.items()
    ]
    if rows:
        connection.execute(_INSERT_ATTRIBUTES, rows)


def kind_of(value: AttributeValue) -> str:
    """How the table tells text, numbers and booleans apart: `s`, `n`, `b`."""
    return "s" if isinstance(value, str) else "b" if isinstance(value, bool) else "n"


def _count_batches(connection: Connection, by_batch: Mapping[int, Mapping[str, int]]) -> None:
    connection.execute(
        _COUNT_BATCH,
        [
            {"batch": batch, **{f"by_{status}": moves.get(status, 0) for status in stores.STATUSES}}
            for batch, moves in by_batch.items()
        ],
    )


_HERE = (table.c.namespace == bindparam("namespace"), table.c.store_id == bindparam("store_id"))
#: The same of rows that are given by their ids.
_HERE_BY_ID = (
    unindexed(table.c.namespace) == bindparam("namespace"),
    unindexed(table.c.store_id) == bindparam("store_id"),
)
_AMONG = table.c.id.in_(each("ids"))
_ROW = table.c.id == bindparam("attachment_id")
_CHUNKING: Select[Any] = select(store_rows.c.chunk_tokens, store_rows.c.overlap_tokens).where(
    store_rows.c.id == bindparam("store_id")
)
_INSERT = insert_into(table)
_INSERT_ATTRIBUTES = insert_into(attributes)
_IDS = select(table.c.id, table.c.file_id).where(*_HERE, table.c.file_id.in_(each("ids")))
_EVERYWHERE = select(table.c.id, table.c.store_id).where(
    table.c.namespace == bindparam("namespace"), table.c.file_id.in_(each("ids"))
)
#: What `to_model` needs; named, so that merged pages can be ordered by them.
COLUMNS = (*(column.label(column.name) for column in table.c), files.c.public_id, files.c.filename)
_JOINED = select(*COLUMNS).join(files, files.c.id == table.c.file_id)
#: The file that a parameter `cursor` names, by its public id.
_NAMED = (files.c.namespace == bindparam("namespace"), files.c.public_id == bindparam("cursor"))
_FIND = _JOINED.where(*_HERE, *_NAMED)
_LIVE = select(table.c.created_at, table.c.id).join(files, files.c.id == table.c.file_id).where(*_HERE, *_NAMED)
_BY_FILE = select(table.c.id, files.c.public_id).join(files, files.c.id == table.c.file_id).where(*_HERE)
_GENERATION = select(publications.c.first_chunk, publications.c.chunk_count).where(
    publications.c.attachment_id == bindparam("attachment_id"), publications.c.removed.is_(None)
)
_SPANS: Select[Any] = (
    select(chunks.c.byte_start, chunks.c.byte_end)
    .where(chunks.c.id >= bindparam("low"), chunks.c.id < bindparam("high"))
    .order_by(chunks.c.id)
)
_KEY = (table.c.created_at, table.c.id)
_LIST = Paged(_JOINED.where(*_HERE), _KEY, _LIVE)
_LIST_STATUS = Paged(_JOINED.where(*_HERE, table.c.status == bindparam("status")), _KEY, _LIVE)
_LEAVING = _JOINED.where(*_HERE_BY_ID, _AMONG)
_SET_ATTRIBUTES = update_table(table).where(_ROW).values(attributes=bindparam("to_values"))
_IN_PROGRESS = select(table.c.id, table.c.usage_bytes).where(
    *_HERE_BY_ID, _AMONG, unindexed(table.c.status) == "in_progress"
)
_SETTLE = (
    update_table(table)
    .where(_ROW)
    .values(
        status=bindparam("to_status"),
        usage_bytes=bindparam("to_usage"),
        error_code=bindparam("to_code"),
        error_message=bindparam("to_message"),
        generation=func.coalesce(bindparam("to_generation"), table.c.generation),
        text_blob_id=func.coalesce(bindparam("to_text"), table.c.text_blob_id),
    )
)
_WAITING = select(batch_files.c.batch_id, batch_files.c.attachment_id).where(
    batch_files.c.attachment_id.in_(each("ids")), batch_files.c.status == "in_progress"
)
_SETTLE_IN_BATCHES = (
    update_table(batch_files)
    .where(batch_files.c.attachment_id.in_(each("ids")), batch_files.c.status == "in_progress")
    .values(status=select(table.c.status).where(table.c.id == batch_files.c.attachment_id).scalar_subquery())
)
_HELD = select(batch_files.c.batch_id, batch_files.c.attachment_id, batch_files.c.status).where(
    batch_files.c.attachment_id.in_(each("ids"))
)
_LEAVE_BATCHES = delete_from(batch_files).where(batch_files.c.attachment_id.in_(each("ids")))
_COUNT_BATCH = (
    update_table(batches)
    .where(batches.c.id == bindparam("batch"))
    .values({status: batches.c[status] + bindparam(f"by_{status}") for status in stores.STATUSES})
)
_END_JOBS = delete_from(jobs).where(jobs.c.attachment_id.in_(each("ids")))
_DELETE_ATTRIBUTES = delete_from(attributes).where(attributes.c.attachment_id.in_(each("ids")))
_DELETE = delete_from(table).where(_AMONG)
