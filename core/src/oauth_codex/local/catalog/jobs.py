"""Jobs: work on attachments that are in progress. Who claims one holds a lease; the fence tells a newer holder from an older one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from .catalog import as_json, each
from .tables import jobs

#: Seconds for which a claim holds unless it is renewed.
LEASE_SECONDS = 60
#: How often a file is tried before it counts as failed.
MAX_ATTEMPTS = 3


class Job(NamedTuple):
    """Work on one attachment, and how often it was begun before."""

    namespace: str
    store_id: int
    attachment_id: int
    attempts: int


def announce(
    connection: Connection, namespace: str, store_id: int, attachment_ids: Sequence[int], now: int, owner: str
) -> None:
    """Write down work that `owner` begins at once, in the transaction that inserts the attachments."""
    connection.execute(
        insert(jobs),
        [
            {
                "namespace": namespace,
                "store_id": store_id,
                "attachment_id": attachment_id,
                "generation": 1,
                "attempts": 1,
                "not_before": now,
                "owner": owner,
                "lease_until": now + LEASE_SECONDS,
                "fence": 1,
                "heartbeat_at": now,
            }
            for attachment_id in attachment_ids
        ],
    )


def claim_lapsed(connection: Connection, now: int, owner: str, limit: int = 2000) -> list[Job]:
    """Take over work whose holder let its lease run out, by store, oldest first."""
    found = connection.execute(_LAPSED, {"now": now, "limit": limit}).all()
    if found:
        connection.execute(
            _CLAIM, {"ids": as_json([row.id for row in found]), "who": owner, "until": now + LEASE_SECONDS}
        )
    return [Job(row.namespace, row.store_id, row.attachment_id, row.attempts) for row in found]


def renew(connection: Connection, owner: str, attachment_ids: Sequence[int], now: int) -> None:
    """Prolong the leases of work that goes on. Other work of the same owner may have been given up, and must be let go."""
    values = {"who": owner, "ids": as_json(list(attachment_ids)), "until": now + LEASE_SECONDS, "now": now}
    connection.execute(_RENEW, values)


def release(connection: Connection, owner: str, attachment_ids: Sequence[int], now: int) -> None:
    """Let work go that this owner could not finish, so that anybody may take it up at once."""
    connection.execute(_RELEASE, {"who": owner, "ids": as_json(list(attachment_ids)), "now": now})


def held(connection: Connection, owner: str, attachment_ids: Sequence[int]) -> set[int]:
    """Those of the attachments whose job this owner still holds; what is not among them must not be written."""
    found = connection.execute(_HELD, {"who": owner, "ids": as_json(list(attachment_ids))})
    return {int(row.attachment_id) for row in found}


_LAPSED = (
    select(jobs.c.id, jobs.c.attachment_id, jobs.c.namespace, jobs.c.store_id, jobs.c.attempts)
    .where(jobs.c.lease_until <= bindparam("now"), jobs.c.not_before <= bindparam("now"))
    .order_by(jobs.c.namespace, jobs.c.store_id, jobs.c.id)
    .limit(bindparam("limit"))
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.id.in_(each("ids")))
    .values(
        owner=bindparam("who"), lease_until=bindparam("until"), fence=jobs.c.fence + 1, attempts=jobs.c.attempts + 1
    )
)
_RENEW = (
    update(jobs)
    .where(jobs.c.owner == bindparam("who"), jobs.c.attachment_id.in_(each("ids")))
    .values(lease_until=bindparam("until"), heartbeat_at=bindparam("now"))
)
_RELEASE = (
    update(jobs)
    .where(jobs.c.owner == bindparam("who"), jobs.c.attachment_id.in_(each("ids")))
    .values(owner=None, lease_until=bindparam("now"))
)
_HELD = select(jobs.c.attachment_id).where(jobs.c.owner == bindparam("who"), jobs.c.attachment_id.in_(each("ids")))
