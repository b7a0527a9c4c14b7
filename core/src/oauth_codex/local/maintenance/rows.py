"""Rows of the catalog against each other: what must be there for every one, and the counters.

A check is one statement, which sees one state of the catalog whatever others write. What it finds, other statements mend; they are
made so that they can run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from ...types.maintenance import Finding

_STATUSES = ("in_progress", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Check:
    """Rows that must not be.

    Attributes:
        code: Of the findings.
        find: Selects them: `place`, what a finding is about, and columns that the message names.
        message: What is wrong.
        remedy: What `mend` does about it.
        mend: Statements that mend all of it.
        lost: Whether something acknowledged is gone with what is missing.
    """

    code: str
    find: str
    message: str
    remedy: str
    mend: tuple[str, ...]
    lost: bool = False

    def found(self, connection: Connection) -> Iterator[Finding]:
        """What there is of it in the state that the transaction sees."""
        for row in connection.exec_driver_sql(self.find):
            yield Finding(
                code=self.code,
                where=str(row.place),
                message=self.message.format_map(row._mapping),
                remedy=self.remedy,
                lost=self.lost,
            )


def _counters(code: str, table: str, members: str, owner: str, used: bool) -> Check:
    """The counters of a table against the rows that they count."""
    columns = [(status, f"sum(status = '{status}')") for status in _STATUSES]
    columns += [("usage_bytes", "sum(usage_bytes)")] if used else []
    names = [name for name, _ in columns]
    counted = ", ".join(f"{value} AS {name}" for name, value in columns)
    joined = (
        f"{table} AS t LEFT JOIN (SELECT {owner}, {counted} FROM {members} GROUP BY {owner}) AS c ON c.{owner} = t.id"
    )
    wrong = " OR ".join(f"t.{name} <> coalesce(c.{name}, 0)" for name in names)
    said = ", ".join(f"t.{name} AS {name}, coalesce(c.{name}, 0) AS true_{name}" for name in names)
    true = ", ".join(f"coalesce(c.{name}, 0)" for name in names)
    return Check(
        code,
        f"SELECT t.public_id AS place, {said} FROM {joined} WHERE {wrong}",
        "Its counters say " + ", ".join(f"{name} {{{name}}}" for name in names)
        + "; its files are " + ", ".join(f"{name} {{true_{name}}}" for name in names) + ".",
        "Counted anew.",
        (f"UPDATE {table} SET ({', '.join(names)}) = (SELECT {true} FROM {joined} WHERE t.id = {table}.id)"
         f" WHERE id IN (SELECT t.id FROM {joined} WHERE {wrong})",),
    )  # fmt: skip


def _without(code: str, table: str, condition: str, what: str, *, key: str = "id", lost: bool = False) -> Check:
    """Rows of a table that belong to nothing; `condition` speaks of them as `t`."""
    return Check(
        code,
        f"SELECT '{table} ' || t.{key} AS place FROM {table} AS t WHERE {condition}",
        what,
        "Removed.",
        (f"DELETE FROM {table} AS t WHERE {condition}",),
        lost=lost,
    )


def _lacks(table: str, of: str, match: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM {table} AS o WHERE o.{match} = t.{of} AND o.namespace = t.namespace)"


_FOREIGN = """
    t.removed IS NULL AND NOT EXISTS (SELECT 1 FROM attachments AS a WHERE a.id = t.attachment_id
        AND a.namespace = t.namespace AND a.store_id = t.store_id AND (a.status = 'completed' OR a.text_blob_id IS NOT NULL))
"""
_IN_LIST = """
    (t.scope = 'files' AND EXISTS (SELECT 1 FROM files AS f WHERE f.namespace = t.namespace AND f.public_id = t.public_id))
    OR (t.scope = 'stores' AND EXISTS (SELECT 1 FROM stores AS s WHERE s.namespace = t.namespace AND s.public_id = t.public_id))
    OR (t.scope LIKE 'store:%' AND EXISTS (
        SELECT 1 FROM files AS f JOIN attachments AS a ON a.namespace = f.namespace AND a.file_id = f.id
        WHERE f.namespace = t.namespace AND f.public_id = t.public_id AND a.store_id = CAST(substr(t.scope, 7) AS INTEGER)))
"""
_SCOPELESS = """
    (t.scope LIKE 'store:%' AND NOT EXISTS (SELECT 1 FROM stores AS s WHERE s.id = CAST(substr(t.scope, 7) AS INTEGER)))
    OR (t.scope LIKE 'batch:%' AND NOT EXISTS (SELECT 1 FROM batches AS b WHERE b.id = CAST(substr(t.scope, 7) AS INTEGER)))
"""
_LATEST = """
    SELECT max(r) FROM (
        SELECT max(published) AS r FROM generations WHERE namespace = t.namespace AND store_id = t.id
        UNION ALL SELECT max(removed) FROM generations WHERE namespace = t.namespace AND store_id = t.id AND removed IS NOT NULL
        UNION ALL SELECT max(published) FROM segments WHERE namespace = t.namespace AND store_id = t.id)
"""
_LAST_CHUNK = """
    SELECT coalesce(max(c), 0) FROM (
        SELECT max(first_chunk + chunk_count) - 1 AS c FROM generations UNION ALL SELECT max(id) FROM chunks)
"""
#: The batch says that it waits for a file for which nobody works.
_STUCK = "t.status = 'in_progress' AND EXISTS (SELECT 1 FROM attachments AS a WHERE a.id = t.attachment_id AND a.status <> t.status)"

#: Memberships and what hangs on them. What belongs to nothing goes before the counters are counted.
OWNERSHIP = (
    _without(
        "membership_of_no_store", "attachments", _lacks("stores", "store_id", "id"),
        "It belongs to a vector store that is not there any more.", lost=True,
    ),
    _without(
        "membership_of_no_file", "attachments", _lacks("files", "file_id", "id"),
        "It belongs to an uploaded file that is not there any more.", lost=True,
    ),
    _without("batch_of_no_store", "batches", _lacks("stores", "store_id", "id"), "Its vector store is not there."),
    _without(
        "batch_file_of_nothing", "batch_files",
        f"{_lacks('batches', 'batch_id', 'id')} OR {_lacks('attachments', 'attachment_id', 'id')}",
        "Its batch or its file is not there.", key="batch_id",
    ),
    _without(
        "attribute_of_nothing", "attributes", _lacks("attachments", "attachment_id", "id"),
        "It belongs to a file of a vector store that is not there.", key="attachment_id",
    ),
    _without(
        "job_of_nothing", "jobs",
        "NOT EXISTS (SELECT 1 FROM attachments AS a WHERE a.id = t.attachment_id AND a.namespace = t.namespace"
        " AND a.status = 'in_progress')",
        "The file that it is for is not in progress.",
    ),
    Check(
        "work_without_job",
        "SELECT 'attachments ' || t.id AS place FROM attachments AS t"
        " WHERE t.status = 'in_progress' AND NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.attachment_id = t.id)",
        "The file is in progress, and nobody will ever process it.",
        "Announced anew.",
        (
            "INSERT INTO jobs (namespace, store_id, attachment_id, generation, not_before, lease_until)"
            " SELECT t.namespace, t.store_id, t.id, t.generation + 1, 0, 0 FROM attachments AS t"
            " WHERE t.status = 'in_progress' AND NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.attachment_id = t.id)",
        ),
    ),
    Check(
        "batch_file_stuck",
        f"SELECT 'batch_files ' || t.batch_id AS place, t.attachment_id AS at FROM batch_files AS t WHERE {_STUCK}",
        "The batch waits for attachment {at}, which is done.",
        "Set to what became of the file.",
        (
            "UPDATE batch_files AS t SET status = (SELECT a.status FROM attachments AS a WHERE a.id = t.attachment_id)"
            f" WHERE {_STUCK}",
        ),
    ),
)  # fmt: skip

#: What is counted and noted; after everything that changes what is counted.
BOOKKEEPING = (
    _counters("store_counters", "stores", "attachments", "store_id", True),
    _counters("batch_counters", "batches", "batch_files", "batch_id", False),
    Check(
        "file_size",
        "SELECT f.public_id AS place, f.bytes AS said, b.size AS size FROM files AS f JOIN blobs AS b ON b.id = f.blob_id"
        " WHERE f.bytes <> b.size",
        "It is said to have {said} bytes, and has {size}.",
        "Set to what it has.",
        ("UPDATE files SET bytes = (SELECT size FROM blobs WHERE blobs.id = files.blob_id)"
         " WHERE bytes <> (SELECT size FROM blobs WHERE blobs.id = files.blob_id)",),
    ),
    Check(
        "store_revision",
        f"SELECT t.public_id AS place, t.revision AS said, ({_LATEST}) AS latest FROM stores AS t WHERE t.revision < ({_LATEST})",
        "Its revision is {said}, but it has changes of revision {latest}.",
        "Set to the newest.",
        (f"UPDATE stores AS t SET revision = ({_LATEST}) + 1 WHERE t.revision < ({_LATEST})",),
    ),
    Check(
        "next_chunk",
        f"SELECT 'meta next_chunk' AS place, value AS said, ({_LAST_CHUNK}) AS last FROM meta"
        f" WHERE key = 'next_chunk' AND CAST(value AS INTEGER) <= ({_LAST_CHUNK})",
        "The next chunk would be {said}, but there are chunks up to {last}.",
        "Set behind the last one.",
        (f"UPDATE meta SET value = CAST(({_LAST_CHUNK}) + 1 AS TEXT)"
         f" WHERE key = 'next_chunk' AND CAST(value AS INTEGER) <= ({_LAST_CHUNK})",),
    ),
    _without("tombstone_of_a_member", "tombstones", _IN_LIST, "The item is in its list.", key="public_id"),
    _without("tombstone_of_nothing", "tombstones", _SCOPELESS, "Its list is not there.", key="public_id"),
    _without(
        "unreferenced_content", "blobs",
        "NOT EXISTS (SELECT 1 FROM files AS f WHERE f.blob_id = t.id)"
        " AND NOT EXISTS (SELECT 1 FROM attachments AS a WHERE a.text_blob_id = t.id)",
        "No file and no text refers to it.",
    ),
)  # fmt: skip

#: What was published, against memberships and stores. The last one comes when files have been taken out of search.
PUBLICATIONS = (
    _without(
        "generation_of_no_store", "generations", _lacks("stores", "store_id", "id"), "Its vector store is not there."
    ),
    _without("segment_of_no_store", "segments", _lacks("stores", "store_id", "id"), "Its vector store is not there."),
    Check(
        "searchable_without_membership",
        f"SELECT 'generations ' || t.id AS place, t.attachment_id AS at FROM generations AS t WHERE {_FOREIGN}",
        "Text of attachment {at} can be found, though it was never completed in its vector store.",
        "Taken out of search.",
        (
            "UPDATE stores SET revision = revision + 1"
            f" WHERE id IN (SELECT t.store_id FROM generations AS t WHERE {_FOREIGN})",
            "UPDATE generations AS t SET vectors = NULL,"
            f" removed = (SELECT revision FROM stores AS s WHERE s.id = t.store_id) WHERE {_FOREIGN}",
        ),
    ),
    Check(
        "chunk_of_nothing",
        "SELECT 'chunks ' || t.id AS place FROM chunks AS t WHERE NOT EXISTS (SELECT 1 FROM generations AS g WHERE"
        " g.attachment_id = t.attachment_id AND g.removed IS NULL"
        " AND t.id >= g.first_chunk AND t.id < g.first_chunk + g.chunk_count)",
        "It belongs to no text that can be found.",
        "Removed.",
        ("DELETE FROM chunks AS t WHERE NOT EXISTS (SELECT 1 FROM generations AS g WHERE g.attachment_id = t.attachment_id"
         " AND g.removed IS NULL AND t.id >= g.first_chunk AND t.id < g.first_chunk + g.chunk_count)",),
    ),
)  # fmt: skip
