"""Deleting files whose time is up, with their memberships.

Whoever reads or writes a namespace first removes what has expired there by then, so that an expired file is seen nowhere. A file
that is uploaded lives for an hour at least; what is moved from elsewhere may have less left, so others look again after some
seconds. Workers do it now and then, for namespaces that nobody looks at.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select

from . import files
from .catalog import Catalog
from .tables import files as table

#: Seconds after which it is looked again whether something expires sooner than was known.
QUIET = 10
#: Seconds that a removal waits for other writers; whoever wants to read goes on then.
_WAIT = 1.0
#: Most files that one transaction removes.
MOST = 200


class Expiry:
    """Keeps the namespaces of a catalog free of expired files."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        #: By namespace, the span of time in which nothing can expire.
        self._quiet: dict[str, tuple[int, int]] = {}

    def sweep(self, namespace: str, now: int) -> None:
        """Remove what has expired. Takes transactions of its own, so it must be called outside of one."""
        since, until = self._quiet.get(namespace, (0, 0))
        if since <= now < until:
            return
        while True:
            with self._catalog.read() as connection:
                first = next_expiry(connection, namespace)
            if first is None or first > now:
                break
            with self._catalog.write(_WAIT) as connection:
                purge(connection, namespace, now)
        quiet = now + QUIET
        self._quiet[namespace] = now, quiet if first is None else min(first, quiet)

    def sweep_all(self, now: int) -> None:
        """Remove what has expired in any namespace."""
        with self._catalog.read() as connection:
            due = [row.namespace for row in connection.execute(_NAMESPACES, {"now": now})]
        for namespace in due:
            self.sweep(namespace, now)


def next_expiry(connection: Connection, namespace: str) -> int | None:
    """When the next file of a namespace expires; None if none does."""
    found = connection.execute(_NEXT, {"namespace": namespace}).scalar()
    return None if found is None else int(found)


def purge(connection: Connection, namespace: str, now: int) -> int:
    """Delete files that have expired, at most `MOST`, and return how many."""
    gone = connection.execute(_EXPIRED, {"namespace": namespace, "now": now, "most": MOST}).all()
    files.delete(connection, namespace, gone, now)
    return len(gone)


_HERE = (table.c.namespace == bindparam("namespace"), table.c.expires_at.is_not(None))
_NEXT = select(func.min(table.c.expires_at)).where(*_HERE)
_NAMESPACES = (
    select(table.c.namespace)
    .where(table.c.expires_at.is_not(None))
    .group_by(table.c.namespace)
    .having(func.min(table.c.expires_at) <= bindparam("now"))
)
_EXPIRED = (
    select(table)
    .where(*_HERE, table.c.expires_at <= bindparam("now"))
    .order_by(table.c.expires_at)
    .limit(bindparam("most"))
)
