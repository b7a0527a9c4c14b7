"""Rows of vector stores."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Integer, Row, bindparam, case, null, or_, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from ...errors import EmbedderMismatchError
from ...messages import no_vector_store, store_expired
from ...spi.embedder import Embedder
from ...spi.limits import AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS, DEFAULT_PAGE
from ...spi.requests import VectorStoreList
from ...types.vector_stores import ExpiresAfter, FileCounts, StaticChunking, VectorStore
from . import blobs, tombstones
from .catalog import as_json, each
from .paging import Page, Paged
from .tables import (
    attachments,
    attributes,
    batch_files,
    batches,
    chunks,
    files,
    generations,
    jobs,
    reembedded,
    segments,
)
from .tables import stores as table

DAY = 86400
#: A store of more files than this does not list their ids.
MOST_FILE_IDS = 10_000


def insert(
    connection: Connection,
    namespace: str,
    public_id: str,
    *,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str] | None,
    extra: Mapping[str, Any],
    expires_days: int | None,
    chunking: StaticChunking | None,
    embedder: Embedder,
    now: int,
) -> Row[Any]:
    """Insert an empty store, pinned to an embedder, and return its row."""
    connection.execute(
        _INSERT,
        {
            "namespace": namespace,
            "public_id": public_id,
            "name": name,
            "description": description,
            "created_at": now,
            "last_active_at": now,
            "expires_days": expires_days,
            "expires_at": None if expires_days is None else now + expires_days * DAY,
            "metadata": _json(metadata),
            "extra": _json(extra),
            "chunk_tokens": chunking and chunking.max_chunk_size_tokens,
            "overlap_tokens": chunking and chunking.chunk_overlap_tokens,
            "embedder_name": embedder.name,
            "embedder_dimension": embedder.dimension,
            "embedder_fingerprint": embedder.fingerprint,
        },
    )
    return require(connection, namespace, public_id)


def require(connection: Connection, namespace: str, public_id: str) -> Row[Any]:
    """The row of a store, expired or not.

    Raises:
        NotFoundError: There is none.
    """
    row = find(connection, namespace, public_id)
    if row is None:
        raise no_vector_store(public_id)
    return row


def find(connection: Connection, namespace: str, public_id: str) -> Row[Any] | None:
    """The row of a store, expired or not; None if there is none."""
    return connection.execute(_FIND, {"namespace": namespace, "public_id": public_id}).first()


def require_active(connection: Connection, namespace: str, public_id: str, now: int) -> Row[Any]:
    """The row of a store that may be searched and changed.

    Raises:
        NotFoundError: There is none.
        BadRequestError: It has expired (code `vector_store_expired`).
    """
    row = require(connection, namespace, public_id)
    if is_expired(row, now):
        raise store_expired(public_id, row.expires_at)
    return row


def require_embedder(store: Row[Any], embedder: Embedder) -> None:
    """Refuse to work on a store with another embedder than its own.

    Raises:
        EmbedderMismatchError: It is another one; the message names both and the remedies.
    """
    pinned = (store.embedder_name, store.embedder_dimension, store.embedder_fingerprint)
    given = (embedder.name, embedder.dimension, embedder.fingerprint)
    if not has_embedder(store, embedder):
        same = (
            f" as it was made then: of dimension {pinned[1]}, with the same model and options"
            if given[0] == pinned[0]
            else ""
        )
        raise EmbedderMismatchError(
            f"Vector store '{store.public_id}' was made with the embedder '{pinned[0]}' (dimension {pinned[1]}, fingerprint"
            f" {pinned[2]}), but this client uses '{given[0]}' (dimension {given[1]}, fingerprint {given[2]})."
            f" Open the client with embedder={pinned[0]!r}{same}, or make new vectors for the store:"
            f" client.maintenance.reembed({store.public_id!r}, embedder)."
        )


def has_embedder(store: Row[Any], embedder: Embedder) -> bool:
    """Whether a store was made with this embedder."""
    pinned = (store.embedder_name, store.embedder_dimension, store.embedder_fingerprint)
    return pinned == (embedder.name, embedder.dimension, embedder.fingerprint)


def is_expired(store: Row[Any], now: int) -> bool:
    """Whether a store is past its time."""
    return store.expires_at is not None and int(store.expires_at) <= now


def update(connection: Connection, store: Row[Any], changes: Mapping[str, Any], now: int) -> None:
    """Change a store and note that it was used.

    Args:
        changes: Values by name: `name`, `description`, `metadata`, `extra`, `expires_days`; what is absent stays.
    """
    days = changes.get("expires_days", store.expires_days)
    last_active_at = max(now, store.last_active_at)
    connection.execute(
        _UPDATE,
        {
            "store_id": store.id,
            "name": changes.get("name", store.name),
            "description": changes.get("description", store.description),
            "metadata": _json(changes["metadata"]) if "metadata" in changes else store.metadata,
            "extra": _json({**_mapping(store.extra), **changes["extra"]}) if changes.get("extra") else store.extra,
            "expires_days": days,
            "last_active_at": last_active_at,
            "expires_at": None if days is None else last_active_at + days * DAY,
        },
    )


def touch(connection: Connection, store: Row[Any], now: int) -> None:
    """Note that a store was used, which moves its expiry. An expired store stays expired."""
    if store.last_active_at < now and not is_expired(store, now):
        connection.execute(_TOUCH, {"store_id": store.id, "now": now})


def bump(connection: Connection, store_id: int) -> int:
    """Begin a new revision of what can be searched in a store, and return it.

    Revisions are milliseconds of the system, or one more than the last where that is later. So those that a catalog has begun after
    an older copy of it was put back lie above those of the lost history, and what caches took from that is noticed. An injected
    clock may be held still, and would let revisions recur.
    """
    return int(connection.execute(_BUMP, {"store_id": store_id, "now": time.time_ns() // 1_000_000}).scalar_one())


def count(connection: Connection, store_id: int, moves: Mapping[str, int], usage_bytes: int = 0) -> None:
    """Add to the counters of a store: files by status, and bytes."""
    steps = {f"by_{status}": moves.get(status, 0) for status in STATUSES}
    connection.execute(_COUNT, {"store_id": store_id, "by_usage": usage_bytes, **steps})


def page(connection: Connection, namespace: str, request: VectorStoreList) -> Page:
    """A page of stores."""
    return _LIST.page(connection, request, default_limit=DEFAULT_PAGE, namespace=namespace, scope=tombstones.STORES)


def delete(connection: Connection, namespace: str, store: Row[Any], now: int) -> None:
    """Delete a store with everything in it; the files themselves stay. The index of the store is the caller's."""
    here = {"namespace": namespace, "store_id": store.id}
    texts = [int(blob) for blob in connection.execute(_TEXTS, here).scalars()]
    spans = connection.execute(_CHUNK_SPANS, here).all()
    for low, high in _merged([(row.first_chunk, row.first_chunk + row.chunk_count) for row in spans]):
        connection.execute(_DELETE_CHUNKS, {"low": low, "high": high})
    scopes = [tombstones.in_batch(batch) for batch in connection.execute(_BATCHES, here).scalars()]
    tombstones.forget_scopes(connection, namespace, [tombstones.in_store(store.id), *scopes])
    connection.execute(_DELETE_BATCH_FILES, here)
    for statement in _DELETE_PARTS:
        connection.execute(statement, here)
    connection.execute(_DELETE, {"store_id": store.id})
    blobs.release(connection, namespace, texts)
    gone = tombstones.Tombstone(store.public_id, store.created_at, store.id)
    tombstones.remember(connection, namespace, tombstones.STORES, [gone], now)


def file_ids(connection: Connection, namespace: str, rows: Sequence[Row[Any]]) -> dict[int, list[str]]:
    """Ids of the files of these stores, oldest first, by id of the store; nothing for a store of too many."""
    wanted = [int(row.id) for row in rows if total(row) <= MOST_FILE_IDS]
    found: dict[int, list[str]] = {store_id: [] for store_id in wanted}
    if any(total(row) for row in rows if row.id in found):
        for store_id, public_id in connection.execute(_FILE_IDS, {"namespace": namespace, "ids": as_json(wanted)}):
            found[store_id].append(public_id)
    return found


def total(store: Row[Any]) -> int:
    """How many files a store or a batch has."""
    return int(store.in_progress + store.completed + store.failed + store.cancelled)


def counts(row: Row[Any]) -> FileCounts:
    """The counters of a store or a batch."""
    return FileCounts(
        in_progress=row.in_progress,
        completed=row.completed,
        failed=row.failed,
        cancelled=row.cancelled,
        total=total(row),
    )


def default_chunking(store: Row[Any]) -> tuple[int, int]:
    """Window and overlap, in tokens, of files that are attached without their own."""
    if store.chunk_tokens is None:
        return AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS
    return int(store.chunk_tokens), int(store.overlap_tokens)


def to_model(store: Row[Any], now: int, file_ids: list[str] | None) -> VectorStore:
    """The store as callers see it. Its status follows from its expiry and its counters; absent metadata is `{}`."""
    status: Literal["expired", "in_progress", "completed"] = "in_progress" if store.in_progress else "completed"
    if is_expired(store, now):
        status = "expired"
    return VectorStore(
        **_mapping(store.extra),
        id=store.public_id,
        created_at=store.created_at,
        name=store.name,
        description=store.description,
        usage_bytes=store.usage_bytes,
        file_counts=counts(store),
        status=status,
        expires_after=None if store.expires_days is None else ExpiresAfter(days=store.expires_days),
        expires_at=store.expires_at,
        last_active_at=store.last_active_at,
        metadata=_mapping(store.metadata),
        file_ids=file_ids,
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def _mapping(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending spans, with those that touch put together."""
    found: list[tuple[int, int]] = []
    for low, high in spans:
        if found and found[-1][1] == low:
            found[-1] = found[-1][0], high
        else:
            found.append((low, high))
    return found


STATUSES = ("in_progress", "completed", "failed", "cancelled")
_MINE = table.c.id == bindparam("store_id")
_INSERT = insert_into(table)
_FIND = select(table).where(table.c.namespace == bindparam("namespace"), table.c.public_id == bindparam("public_id"))
_UPDATE = (
    update_table(table)
    .where(_MINE)
    .values(
        {
            name: bindparam(name)
            for name in (
                "name", "description", "metadata", "extra", "expires_days", "last_active_at", "expires_at"
            )
        }
    )
)  # fmt: skip
_NOW = bindparam("now", type_=Integer)
_TOUCH = (
    update_table(table)
    .where(_MINE, table.c.last_active_at < _NOW, or_(table.c.expires_at.is_(None), table.c.expires_at > _NOW))
    .values(
        last_active_at=_NOW,
        expires_at=case((table.c.expires_days.is_(None), null()), else_=_NOW + table.c.expires_days * DAY),
    )
)
_BUMP = (
    update_table(table)
    .where(_MINE)
    .values(revision=case((table.c.revision < bindparam("now"), bindparam("now")), else_=table.c.revision + 1))
    .returning(table.c.revision)
)
_COUNT = (
    update_table(table)
    .where(_MINE)
    .values(
        **{status: table.c[status] + bindparam(f"by_{status}") for status in STATUSES},
        usage_bytes=table.c.usage_bytes + bindparam("by_usage"),
    )
)
_ROWS = select(table).where(table.c.namespace == bindparam("namespace"))
_LIST = Paged(
    _ROWS,
    (table.c.created_at, table.c.id),
    select(table.c.created_at, table.c.id).where(
        table.c.namespace == bindparam("namespace"), table.c.public_id == bindparam("cursor")
    ),
)
_FILE_IDS = (
    select(attachments.c.store_id, files.c.public_id)
    .join(files, files.c.id == attachments.c.file_id)
    .where(attachments.c.namespace == bindparam("namespace"), attachments.c.store_id.in_(each("ids")))
    .order_by(attachments.c.store_id, attachments.c.created_at, attachments.c.id)
)


def _here(columns: Any) -> tuple[Any, Any]:
    return columns.namespace == bindparam("namespace"), columns.store_id == bindparam("store_id")


_TEXTS = select(attachments.c.text_blob_id).where(*_here(attachments.c), attachments.c.text_blob_id.is_not(None))
_CHUNK_SPANS = (
    select(generations.c.first_chunk, generations.c.chunk_count)
    .where(*_here(generations.c), generations.c.removed.is_(None))
    .order_by(generations.c.first_chunk)
)
_DELETE_CHUNKS = delete_from(chunks).where(chunks.c.id >= bindparam("low"), chunks.c.id < bindparam("high"))
_BATCHES = select(batches.c.id).where(*_here(batches.c))
_DELETE_BATCH_FILES = delete_from(batch_files).where(
    batch_files.c.batch_id.in_(select(batches.c.id).where(*_here(batches.c)))
)
_DELETE_JOBS = delete_from(jobs).where(
    jobs.c.attachment_id.in_(
        select(attachments.c.id).where(*_here(attachments.c), attachments.c.status == "in_progress")
    )
)
_PARTS = (batches, attributes, generations, reembedded, segments, attachments)
_DELETE_PARTS = (
    _DELETE_JOBS,  # first: it looks at the attachments
    *(delete_from(part).where(*_here(part.c)) for part in _PARTS),
)
_DELETE = delete_from(table).where(_MINE)
