"""The queue: one row for each attachment that is in progress.

A job that nobody holds is due once its time has come. Who claims it holds a lease and a fence. A lease that runs out lets others claim
the job anew, under a higher fence, and whoever still works under the lower one can write nothing: every change of a job and every
publication asks for owner and fence. Times are those of the clock of the storage, which may jump; nothing waits longer than a
lease, or the longest pause, after it was set back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, text, update

from .catalog import as_json, each, unindexed
from .tables import jobs, stores

#: Seconds for which a claim holds unless it is renewed.
LEASE_SECONDS = 60
#: How often a file is tried before it counts as failed.
MAX_ATTEMPTS = 3
#: Seconds before the second attempt, the third and so on; the last one for all that follow.
PAUSES = (2, 8, 30)
#: Most files, and most bytes of content, of one claim: what one transaction publishes.
MOST_FILES = 50
MOST_BYTES = 4 * 1024 * 1024
#: A claim looks no further than this many jobs beyond the oldest, which may belong to other stores.
_WINDOW = 5000

#: Attachments with the fences under which they are held.
Claims = Mapping[int, int]


class Worker(NamedTuple):
    """Who claims work: a name that no other process has, and the embedder, because only stores of that one can be worked on."""

    owner: str
    embedder_name: str
    embedder_dimension: int
    embedder_fingerprint: str


class Scope(NamedTuple):
    """Of which work one file at a time is claimed, by public ids: that of a store, of one batch of it, or one file of it."""

    namespace: str
    store: str
    batch: str | None = None
    file: str | None = None


class Task(NamedTuple):
    """Files of one store that were claimed together.

    Attributes:
        namespace: Namespace of the store.
        store_id: The store.
        rows: A row for each attachment, oldest first: `id`, `generation`, `chunk_tokens`, `overlap_tokens`, `blob_id`, `bytes`,
            `filename`, and the public ids `file` and `store`.
        claims: The attachments with their fences.
        given_up: Rows of attachments that were begun too often already; `error` is what was noted last.
        full: Whether there may be more for others.
    """

    namespace: str
    store_id: int
    rows: Sequence[Row[Any]]
    claims: Claims
    given_up: Sequence[Row[Any]]
    full: bool


def announce(
    connection: Connection, namespace: str, store_id: int, attachment_ids: Sequence[int], now: int, who: Worker | None
) -> Claims:
    """Write down work, in the transaction that inserts the attachments.

    Args:
        connection: The transaction.
        namespace: Namespace of the store.
        store_id: The store.
        attachment_ids: What there is to do.
        now: The time.
        who: Who begins at once; None leaves it to whoever claims it.

    Returns:
        What that worker holds.
    """
    begun = 0 if who is None else 1
    connection.execute(
        insert(jobs),
        [
            {
                "namespace": namespace,
                "store_id": store_id,
                "attachment_id": attachment_id,
                "generation": 1,
                "attempts": begun,
                "not_before": 0,
                "owner": who and who.owner,
                "lease_until": begun * (now + LEASE_SECONDS),
                "fence": begun,
                "heartbeat_at": now if begun else None,
            }
            for attachment_id in attachment_ids
        ],
    )
    return dict.fromkeys(attachment_ids, begun) if begun else {}


def any_due(connection: Connection, now: int, who: Worker) -> bool:
    """Whether `claim` would find something to do; cheap."""
    return connection.execute(_ANY_DUE, {**_moments(now), **who._asdict()}).first() is not None


def any_due_of(connection: Connection, now: int, who: Worker, scope: Scope) -> bool:
    """Whether `claim` would find something to do there, and nobody is at work on the store."""
    values = {"now": now, **who._asdict(), **scope._asdict()}
    if connection.execute(_OLDEST_OF, values).first() is None:
        return False
    return connection.execute(_HELD_IN_STORE, values).first() is None


def claim(connection: Connection, now: int, who: Worker, scope: Scope | None = None) -> Task | None:
    """Claim the oldest job that is due and others of its store, or the oldest one of a scope alone; None if nothing is due.

    Files that took their processes down twice are claimed one by one, so that one of them costs its neighbours nothing.
    """
    moments = _moments(now)
    for statement in _SET_BACK:
        connection.execute(statement, moments)
    values = {"now": now, **who._asdict(), **({} if scope is None else scope._asdict())}
    oldest = connection.execute(_OLDEST if scope is None else _OLDEST_OF, values).first()
    if oldest is None:
        return None
    here = {"namespace": oldest.namespace, "store_id": oldest.store_id, "first": oldest.id, "now": now}
    most = MOST_FILES if scope is None else 1
    found = connection.execute(_OF_STORE, {**here, "last": oldest.id + _WINDOW, "most": most}).all()
    given_up = [row for row in found if row.attempts >= MAX_ATTEMPTS]
    rows: list[Row[Any]] = []
    size = 0
    for row in found:
        if row.attempts >= MAX_ATTEMPTS:
            continue
        last_try = row.attempts == MAX_ATTEMPTS - 1
        if rows and (last_try or size + row.bytes > MOST_BYTES):
            break
        rows.append(row)
        size += row.bytes
        if last_try:
            break
    claims = {row.id: row.fence + 1 for row in rows}
    connection.execute(
        _CLAIM, {"ids": as_json(list(claims)), "holder": who.owner, "until": now + LEASE_SECONDS, "now": now}
    )
    full = len(rows) + len(given_up) < len(found) or len(found) == most
    return Task(oldest.namespace, oldest.store_id, rows, claims, given_up, full)


def held(connection: Connection, who: Worker, claims: Claims) -> set[int]:
    """Those of the attachments that are still held, in a store that still has this embedder; no other may be written."""
    found = connection.execute(_HELD, {**who._asdict(), "ids": as_json(list(claims))})
    return {row.attachment_id for row in found if row.fence == claims[row.attachment_id]}


def renew(connection: Connection, who: Worker, claims: Claims, now: int) -> None:
    """Prolong the leases of work that goes on. Other work of the same owner may have been given up, and must be let go."""
    for fence, ids in _by_fence(claims):
        values = {"holder": who.owner, "held": fence, "ids": ids, "until": now + LEASE_SECONDS, "now": now}
        connection.execute(_RENEW, values)


def release(connection: Connection, who: Worker, claims: Claims, *, attempted: bool) -> None:
    """Let work go, so that anybody may take it up at once.

    Args:
        connection: The transaction.
        who: Who holds it.
        claims: The work.
        attempted: Whether this was an attempt; stopping in an orderly way is none.
    """
    for fence, ids in _by_fence(claims):
        connection.execute(_RELEASE, {"holder": who.owner, "held": fence, "ids": ids, "back": 0 if attempted else 1})


def put_off(connection: Connection, who: Worker, claims: Claims, now: int, error: str) -> set[int]:
    """Note that an attempt failed, and let others try again after a pause.

    Returns:
        The attachments that were tried too often. They are still held, and must be settled in this transaction.
    """
    mine = held(connection, who, claims)
    rows = connection.execute(_ATTEMPTS, {"ids": as_json(sorted(mine))}).all()
    again = [
        {"job": row.id, "moment": now + PAUSES[min(row.attempts, len(PAUSES)) - 1], "reason": error}
        for row in rows
        if row.attempts < MAX_ATTEMPTS
    ]
    if again:
        connection.execute(_PUT_OFF, again)
    return {row.attachment_id for row in rows if row.attempts >= MAX_ATTEMPTS}


def left(connection: Connection, who: Worker) -> tuple[int, int]:
    """Number of jobs of all namespaces, held or not: those that this worker can do, and those of stores of other embedders."""
    mine = int(connection.execute(_LEFT, who._asdict()).scalar_one())
    return mine, int(connection.execute(_ALL).scalar_one()) - mine


def _moments(now: int) -> dict[str, int]:
    return {"now": now, "lease": now + LEASE_SECONDS, "pause": now + PAUSES[-1]}


def _by_fence(claims: Claims) -> Iterator[tuple[int, str]]:
    """Attachments as JSON by the fence under which they are held: there are few fences, however many claims."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for attachment_id, fence in claims.items():
        found[fence].append(attachment_id)
    return iter([(fence, as_json(ids)) for fence, ids in found.items()])


#: Nobody's lease is longer than this, and nobody pauses for longer: the clock was set back. What is held may well be worked on, so
#: its holder gets the time of a lease, from now on, to renew it.
_BEYOND_LEASE = jobs.c.lease_until > bindparam("lease")
_BEYOND_PAUSE = and_(jobs.c.lease_until == 0, jobs.c.not_before > bindparam("pause"))
_SET_BACK = (
    update(jobs).where(_BEYOND_LEASE).values(lease_until=bindparam("lease")),
    update(jobs).where(_BEYOND_PAUSE).values(not_before=bindparam("pause")),
)
_DUE = and_(jobs.c.lease_until <= bindparam("now"), jobs.c.not_before <= bindparam("now"))
_IN_MY_STORES = and_(
    stores.c.id == jobs.c.store_id,
    stores.c.embedder_fingerprint == bindparam("embedder_fingerprint"),
    stores.c.embedder_name == bindparam("embedder_name"),
    stores.c.embedder_dimension == bindparam("embedder_dimension"),
)
_ANY_DUE = select(jobs.c.id).join(stores, _IN_MY_STORES).where(or_(_DUE, _BEYOND_LEASE, _BEYOND_PAUSE)).limit(1)
#: In the order of the primary key: the index by lease would have to sort all that is due.
_OLDEST = (
    select(jobs.c.id, jobs.c.namespace, jobs.c.store_id)
    .join(stores, _IN_MY_STORES)
    .where(unindexed(jobs.c.lease_until) <= bindparam("now"), jobs.c.not_before <= bindparam("now"))
    .order_by(jobs.c.id)
    .limit(1)
)
_OLDEST_OF = text(
    """
    SELECT j.id, j.namespace, j.store_id
    FROM stores AS s CROSS JOIN jobs AS j ON j.store_id = s.id
    WHERE s.namespace = :namespace AND s.public_id = :store AND s.embedder_fingerprint = :embedder_fingerprint
        AND s.embedder_name = :embedder_name AND s.embedder_dimension = :embedder_dimension
        AND coalesce(j.lease_until, 0) <= :now AND j.not_before <= :now
        AND (:file IS NULL OR EXISTS (
            SELECT 1 FROM attachments AS a JOIN files AS f ON f.id = a.file_id
            WHERE a.id = j.attachment_id AND f.public_id = :file))
        AND (:batch IS NULL OR EXISTS (
            SELECT 1 FROM batch_files AS m JOIN batches AS b ON b.id = m.batch_id
            WHERE m.attachment_id = j.attachment_id AND b.public_id = :batch))
    ORDER BY j.id
    LIMIT 1
    """
)
_HELD_IN_STORE = text(
    """
    SELECT 1 FROM jobs AS j JOIN stores AS s ON s.id = j.store_id
    WHERE j.lease_until > :now AND s.namespace = :namespace AND s.public_id = :store
    LIMIT 1
    """
)
_OF_STORE = text(
    """
    SELECT a.id, a.generation, a.chunk_tokens, a.overlap_tokens, f.blob_id, f.bytes, f.filename, f.public_id AS file,
        s.public_id AS store, j.attempts, j.fence, j.error
    FROM jobs AS j
    CROSS JOIN attachments AS a ON a.id = j.attachment_id
    CROSS JOIN files AS f ON f.id = a.file_id
    CROSS JOIN stores AS s ON s.id = j.store_id
    WHERE j.id BETWEEN :first AND :last AND j.namespace = :namespace AND j.store_id = :store_id
        AND coalesce(j.lease_until, 0) <= :now AND j.not_before <= :now
    ORDER BY j.id
    LIMIT :most
    """
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.attachment_id.in_(each("ids")))
    .values(
        owner=bindparam("holder"),
        lease_until=bindparam("until"),
        heartbeat_at=bindparam("now"),
        fence=jobs.c.fence + 1,
        attempts=jobs.c.attempts + 1,
    )
)
_AMONG = jobs.c.attachment_id.in_(each("ids"))
_MINE = and_(jobs.c.owner == bindparam("holder"), jobs.c.fence == bindparam("held"), _AMONG)
_HELD = (
    select(jobs.c.attachment_id, jobs.c.fence)
    .join(stores, _IN_MY_STORES)
    .where(jobs.c.owner == bindparam("owner"), _AMONG)
)
_RENEW = update(jobs).where(_MINE).values(lease_until=bindparam("until"), heartbeat_at=bindparam("now"))
_RELEASE = update(jobs).where(_MINE).values(owner=None, lease_until=0, attempts=jobs.c.attempts - bindparam("back"))
_ATTEMPTS = select(jobs.c.id, jobs.c.attachment_id, jobs.c.attempts).where(_AMONG)
_PUT_OFF = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(owner=None, lease_until=0, not_before=bindparam("moment"), error=bindparam("reason"))
)
_LEFT = select(func.count()).select_from(jobs).join(stores, _IN_MY_STORES)
_ALL = select(func.count()).select_from(jobs)
