"""Rows of file batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from ...messages import no_batch
from ...spi.limits import DEFAULT_PAGE
from ...spi.requests import FileBatchListFiles
from ...types.file_batches import VectorStoreFileBatch
from ...types.vector_stores import FileStatus
from . import stores, tombstones
from .attachments import COLUMNS, Outcome, settle
from .catalog import as_json, each, inserted_id
from .paging import Page, Paged
from .tables import attachments, batch_files, files
from .tables import batches as table


def insert(
    connection: Connection,
    namespace: str,
    public_id: str,
    store_id: int,
    attachment_ids: Sequence[int],
    now: int,
) -> None:
    """Insert a batch of attachments, each with the status that it has now."""
    here = {"namespace": namespace, "store_id": store_id}
    ids = as_json(list(attachment_ids))
    counts = {row.status: row.files for row in connection.execute(_COUNT, {"ids": ids})}
    moves = {status: counts.get(status, 0) for status in stores.STATUSES}
    done = connection.execute(_INSERT, {**here, "public_id": public_id, "created_at": now, **moves})
    connection.execute(_INSERT_FILES, {"batch": inserted_id(done), "ids": ids})


def require(connection: Connection, namespace: str, store: Row[Any], public_id: str) -> Row[Any]:
    """The row of a batch of a store.

    Raises:
        NotFoundError: The store has no such batch.
    """
    here = {"namespace": namespace, "store_id": store.id, "public_id": public_id}
    row = connection.execute(_FIND, here).first()
    if row is None:
        raise no_batch(public_id, store.public_id)
    return row


def cancel(connection: Connection, namespace: str, batch: Row[Any]) -> None:
    """Cancel the files that are not done yet, and mark the batch; a batch that is done is marked only."""
    pending = connection.execute(_PENDING, {"batch": batch.id}).scalars()
    settle(connection, namespace, batch.store_id, [Outcome(each, "cancelled") for each in pending])
    connection.execute(_CANCEL, {"batch": batch.id})


def page(connection: Connection, namespace: str, batch: Row[Any], request: FileBatchListFiles) -> Page:
    """A page of the files of a batch, optionally of one status, in the order in which they were attached."""
    values: dict[str, Any] = {"batch": batch.id, "store_id": batch.store_id}
    if request.filter is not None:
        values["status"] = request.filter
    return (_LIST if request.filter is None else _LIST_STATUS).page(
        connection,
        request,
        default_limit=DEFAULT_PAGE,
        namespace=namespace,
        scope=tombstones.in_batch(batch.id),
        values=values,
    )


def to_model(batch: Row[Any], vector_store_id: str) -> VectorStoreFileBatch:
    """The batch as callers see it: `cancelled` once asked for, `failed` only if all of its files failed."""
    status: FileStatus = "completed"
    if batch.is_cancelled:
        status = "cancelled"
    elif batch.in_progress:
        status = "in_progress"
    elif batch.failed and batch.failed == stores.total(batch):
        status = "failed"
    return VectorStoreFileBatch(
        id=batch.public_id,
        created_at=batch.created_at,
        vector_store_id=vector_store_id,
        status=status,
        file_counts=stores.counts(batch),
    )


_COUNT = (
    select(attachments.c.status, func.count().label("files"))
    .where(attachments.c.id.in_(each("ids")))
    .group_by(attachments.c.status)
)
_INSERT = insert_into(table)
_INSERT_FILES = insert_into(batch_files).from_select(
    ["namespace", "batch_id", "attachment_id", "status"],
    select(attachments.c.namespace, bindparam("batch", type_=Integer), attachments.c.id, attachments.c.status).where(
        attachments.c.id.in_(each("ids"))
    ),
)
_FIND = select(table).where(
    table.c.namespace == bindparam("namespace"),
    table.c.public_id == bindparam("public_id"),
    table.c.store_id == bindparam("store_id"),
)
_MINE = batch_files.c.batch_id == bindparam("batch")
_PENDING = select(batch_files.c.attachment_id).where(_MINE, batch_files.c.status == "in_progress")
_CANCEL = update_table(table).where(table.c.id == bindparam("batch")).values(is_cancelled=1)
_ROWS = (
    select(*COLUMNS)
    .select_from(batch_files)
    .join(attachments, attachments.c.id == batch_files.c.attachment_id)
    .join(files, files.c.id == attachments.c.file_id)
    .where(batch_files.c.namespace == bindparam("namespace"), _MINE)
)
_LIVE = (
    select(attachments.c.created_at, attachments.c.id)
    .select_from(files)
    .join(attachments, attachments.c.file_id == files.c.id)
    .join(batch_files, batch_files.c.attachment_id == attachments.c.id)
    .where(
        files.c.namespace == bindparam("namespace"),
        files.c.public_id == bindparam("cursor"),
        attachments.c.namespace == bindparam("namespace"),
        attachments.c.store_id == bindparam("store_id"),
        _MINE,
    )
)
#: By attachment alone, the order of the primary key: `created_at` ascends with it.
_KEY = (batch_files.c.attachment_id,)
_LIST = Paged(_ROWS, _KEY, _LIVE)
_LIST_STATUS = Paged(_ROWS.where(attachments.c.status == bindparam("status")), _KEY, _LIVE)
