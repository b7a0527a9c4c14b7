"""Attaching files that are attached already: what can be found of them stays until another version is published in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, update

from ...types.vector_stores import AttributeValue
from . import attachments, generations, stores
from .catalog import as_json, each
from .tables import attachments as table


class Admitted(NamedTuple):
    """Attachments of files, in their order, and those of them that must be indexed by the caller."""

    ids: list[int]
    pending: list[int]


def admit(
    connection: Connection, namespace: str, store: Row[Any], entries: Sequence[attachments.Entry], now: int
) -> Admitted:
    """Attach files, of which some may be attached already.

    A file that is there, completed or in progress, stays; other attributes are set. One with another chunking, and one that
    failed or was cancelled, is attached anew, at the newest end of the list. Settings that are not given are those it has. What can
    be found of it stays until another version is published.
    """
    ids = as_json([int(file.id) for file, _, _ in entries])
    here = {"namespace": namespace, "store_id": store.id, "ids": ids}
    present = {row.file_id: row for row in connection.execute(_PRESENT, here)}
    kept: dict[int, int] = {}
    changed: dict[int, Mapping[str, AttributeValue]] = {}
    replaced: list[Row[Any]] = []
    anew: list[attachments.Entry] = []
    for file, chunking, given in entries:
        row = present.get(file.id)
        if row is None:
            anew.append((file, chunking, given))
        elif row.status in ("completed", "in_progress") and chunking in (None, attachments.chunking_of(row)):
            kept[file.id] = int(row.id)
            if given is not None:
                changed[int(row.id)] = given
        else:
            replaced.append(row)
            anew.append(
                (
                    file,
                    chunking or attachments.chunking_of(row),
                    attachments.attributes_of(row) if given is None else given,
                )
            )
    attachments.set_many_attributes(connection, namespace, store.id, changed)
    fresh = insert_anew(connection, namespace, store.id, anew, replaced, now)
    made = dict(zip((file.id for file, _, _ in anew), fresh, strict=True))
    return Admitted([kept.get(file.id) or made[file.id] for file, _, _ in entries], fresh)


def insert_anew(
    connection: Connection,
    namespace: str,
    store_id: int,
    rows: Sequence[attachments.Entry],
    replaced: Sequence[Row[Any]],
    now: int,
) -> list[int]:
    """`attachments.insert`, in place of older attachments of some of the files; what can be found of these stays."""
    found = [row for row in replaced if row.text_blob_id is not None]
    attachments.detach(
        connection, namespace, store_id, [row.id for row in replaced], now, staying={row.id for row in found}
    )
    made = attachments.insert(connection, namespace, store_id, rows, now)
    if found:
        by_file = {file.id: at for (file, _, _), at in zip(rows, made, strict=True)}
        versions = [
            {
                "attachment_id": by_file[row.file_id],
                "to_generation": row.generation,
                "to_text": row.text_blob_id,
                "to_usage": row.usage_bytes,
            }
            for row in found
        ]
        connection.execute(_TAKE_OVER, versions)
        generations.move(connection, namespace, store_id, {row.id: by_file[row.file_id] for row in found})
        stores.count(connection, store_id, {}, sum(row.usage_bytes for row in found))
    return made


def withdraw(connection: Connection, namespace: str, store_id: int, attachment_ids: Sequence[int]) -> list[int]:
    """Take out of search what can be found of files, because another version is published in this transaction.

    Returns:
        The texts that may be released once the attachments have others.
    """
    if not attachment_ids:
        return []
    generations.retire(connection, namespace, store_id, attachment_ids)
    return [int(each) for each in connection.execute(_TEXTS, {"ids": as_json(list(attachment_ids))}).scalars()]


def begin_again(connection: Connection, store_id: int, attachment_ids: Sequence[int]) -> None:
    """Let completed files be in progress, while what can be found of them stays."""
    if attachment_ids:
        connection.execute(_BEGIN_AGAIN, {"ids": as_json(list(attachment_ids))})
        stores.count(connection, store_id, {"completed": -len(attachment_ids), "in_progress": len(attachment_ids)})


_AMONG = table.c.id.in_(each("ids"))
_PRESENT = select(table).where(
    table.c.namespace == bindparam("namespace"),
    table.c.store_id == bindparam("store_id"),
    table.c.file_id.in_(each("ids")),
)
_TAKE_OVER = (
    update(table)
    .where(table.c.id == bindparam("attachment_id"))
    .values(generation=bindparam("to_generation"), text_blob_id=bindparam("to_text"), usage_bytes=bindparam("to_usage"))
)
_TEXTS = select(table.c.text_blob_id).where(_AMONG, table.c.text_blob_id.is_not(None))
_BEGIN_AGAIN = update(table).where(_AMONG).values(status="in_progress")
