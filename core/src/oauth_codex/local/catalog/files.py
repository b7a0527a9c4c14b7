"""Rows of uploaded files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from ...messages import no_file, no_file_object
from ...spi.limits import DEFAULT_FILES_PAGE
from ...spi.requests import FileList
from ...types.files import FileObject
from . import attachments, blobs, tombstones
from .catalog import as_json, each
from .paging import Page, Paged
from .tables import files as table

#: Life of files of the purpose `batch` that say nothing about it: 30 days.
BATCH_FILE_SECONDS = 30 * 86400


def expiry(purpose: str, seconds: int | None, now: int) -> int | None:
    """When a file that is made now expires; None for never."""
    if seconds is None and purpose == "batch":
        seconds = BATCH_FILE_SECONDS
    return None if seconds is None else now + seconds


class New(NamedTuple):
    """A file that is to be inserted; `extra` is what was given beside the known parameters."""

    public_id: str
    filename: str
    purpose: str
    bytes: int
    blob_id: int
    extra: Mapping[str, Any]
    expires_at: int | None
    created_at: int


def insert(connection: Connection, namespace: str, new: New) -> Row[Any]:
    """Insert a file and return its row."""
    return connection.execute(_INSERT_ONE, _values(namespace, new)).one()


def insert_many(connection: Connection, namespace: str, new: Sequence[New]) -> list[Row[Any]]:
    """Insert files and return their rows, in the same order; two statements for all."""
    connection.execute(_INSERT, [_values(namespace, each) for each in new])
    ids = as_json([each.public_id for each in new])
    rows = {row.public_id: row for row in connection.execute(_FIND_MANY, {"namespace": namespace, "ids": ids})}
    return [rows[each.public_id] for each in new]


def _values(namespace: str, new: New) -> dict[str, object]:
    extra = json.dumps(new.extra, ensure_ascii=False) if new.extra else None
    return {**new._asdict(), "namespace": namespace, "extra": extra}


def require(connection: Connection, namespace: str, public_id: str, now: int) -> Row[Any]:
    """The row of a file, for the files API.

    Raises:
        NotFoundError: There is none, or it has expired.
    """
    row = connection.execute(_FIND, {"namespace": namespace, "public_id": public_id}).first()
    if row is None or _is_expired(row, now):
        raise no_file_object(public_id)
    return row


def require_many(connection: Connection, namespace: str, public_ids: Sequence[str], now: int) -> list[Row[Any]]:
    """The rows of files that a store shall have, in the order of the ids; one statement however many there are.

    Raises:
        NotFoundError: One is missing or has expired; the first such one is named.
    """
    if len(public_ids) == 1:
        rows = connection.execute(_FIND, {"namespace": namespace, "public_id": public_ids[0]}).all()
    else:
        rows = connection.execute(_FIND_MANY, {"namespace": namespace, "ids": as_json(list(public_ids))}).all()
    found = {row.public_id: row for row in rows if not _is_expired(row, now)}
    for public_id in public_ids:
        if public_id not in found:
            raise no_file(public_id)
    return [found[public_id] for public_id in public_ids]


def page(connection: Connection, namespace: str, request: FileList) -> Page:
    """A page of files, optionally of one purpose."""
    paged, values = (_LIST, {}) if request.purpose is None else (_LIST_PURPOSE, {"purpose": request.purpose})
    return paged.page(
        connection,
        request,
        default_limit=DEFAULT_FILES_PAGE,
        namespace=namespace,
        scope=tombstones.FILES,
        values=values,
    )


def delete(connection: Connection, namespace: str, rows: Sequence[Row[Any]], now: int) -> None:
    """Delete files, take them out of every store of the namespace, and delete their content unless it is used elsewhere."""
    if not rows:
        return
    ids = [int(row.id) for row in rows]
    attachments.detach_files(connection, namespace, ids, now)
    connection.execute(_DELETE, {"ids": as_json(ids)})
    blobs.release(connection, namespace, [int(row.blob_id) for row in rows])
    gone = [tombstones.Tombstone(row.public_id, row.created_at, row.id) for row in rows]
    tombstones.remember(connection, namespace, tombstones.FILES, gone, now)


def to_model(file: Row[Any]) -> FileObject:
    """The file as callers see it. What was given beside the known parameters is its metadata."""
    return FileObject.model_validate(
        {
            "id": file.public_id,
            "bytes": file.bytes,
            "created_at": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "expires_at": file.expires_at,
            "metadata": json.loads(file.extra) if file.extra else None,
        }
    )


def _is_expired(file: Row[Any], now: int) -> bool:
    return file.expires_at is not None and int(file.expires_at) <= now


_HERE = table.c.namespace == bindparam("namespace")
_INSERT = insert_into(table)
_INSERT_ONE = _INSERT.returning(*table.c)
_FIND = select(table).where(_HERE, table.c.public_id == bindparam("public_id"))
_FIND_MANY = select(table).where(_HERE, table.c.public_id.in_(each("ids")))
_DELETE = delete_from(table).where(table.c.id.in_(each("ids")))
_LIVE = select(table.c.created_at, table.c.id).where(_HERE, table.c.public_id == bindparam("cursor"))
_KEY = (table.c.created_at, table.c.id)
_LIST = Paged(select(table).where(_HERE), _KEY, _LIVE)
_LIST_PURPOSE = Paged(select(table).where(_HERE, table.c.purpose == bindparam("purpose")), _KEY, _LIVE)
