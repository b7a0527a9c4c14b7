"""Where deleted items stood in their lists, so that a cursor outlives its row.

A caller that deletes while it pages has nothing but the ids of what it deleted. An item that is in its list has no tombstone there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_

from ...spi.limits import TOMBSTONE_DAYS
from .catalog import as_json, each
from .tables import tombstones as table

FILES = "files"
STORES = "stores"


def in_store(store_id: int) -> str:
    """Scope of the list of files of a store."""
    return f"store:{store_id}"


def in_batch(batch_id: int) -> str:
    """Scope of the list of files of a batch."""
    return f"batch:{batch_id}"


class Tombstone(NamedTuple):
    """Id and position of an item that is being deleted."""

    public_id: str
    created_at: int
    sequence: int


def remember(connection: Connection, namespace: str, scope: str, gone: Sequence[Tombstone], now: int) -> None:
    """Write tombstones, and drop some of those that are too old: two for each new one, so that they cannot pile up."""
    if not gone:
        return
    connection.execute(
        _INSERT, [{"namespace": namespace, "scope": scope, "deleted_at": now, **each._asdict()} for each in gone]
    )
    connection.execute(_FORGET_OLD, {"oldest": now - TOMBSTONE_DAYS * 86400, "most": 2 * len(gone)})


def forget(connection: Connection, namespace: str, scope: str, public_ids: Sequence[str]) -> None:
    """Drop the tombstones of items that are in the list again."""
    connection.execute(_FORGET, {"namespace": namespace, "scope": scope, "ids": as_json(list(public_ids))})


def forget_scopes(connection: Connection, namespace: str, scopes: Sequence[str]) -> None:
    """Drop all tombstones of lists that are no more."""
    connection.execute(_FORGET_SCOPES, {"namespace": namespace, "scopes": as_json(list(scopes))})


#: Position of the tombstone of `cursor`, as `created_at` and `id`.
PLACE = select(table.c.created_at, table.c.sequence.label("id")).where(
    table.c.namespace == bindparam("namespace"),
    table.c.scope == bindparam("scope"),
    table.c.public_id == bindparam("cursor"),
)

_KEY = (table.c.namespace, table.c.scope, table.c.public_id)
_INSERT = insert(table)
_FORGET_OLD = delete(table).where(
    tuple_(*_KEY).in_(
        select(*_KEY)
        .where(table.c.deleted_at < bindparam("oldest"))
        .order_by(table.c.deleted_at)
        .limit(bindparam("most"))
    )
)
_HERE = table.c.namespace == bindparam("namespace")
_FORGET_SCOPES = delete(table).where(_HERE, table.c.scope.in_(each("scopes")))
_FORGET = delete(table).where(_HERE, table.c.scope == bindparam("scope"), table.c.public_id.in_(each("ids")))
