"""The schema of the catalog.

Times are Unix seconds. `id` columns ascend in the order of insertion and are never reused, so `(created_at, id)` orders a list.
Every table carries the namespace. Counters are columns that change in the same transaction as what they count.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import UserDefinedType

#: Version of this schema; a catalog with a higher one is refused.
SCHEMA_VERSION = 2

metadata = MetaData()


class Number(UserDefinedType[Any]):
    """An integer of up to 64 bits or a double, each kept and compared exactly."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "NUMERIC"


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _namespace() -> Column[str]:
    return Column("namespace", String(128), nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


#: Facts about the catalog itself: `schema_version`, `catalog_id`, `next_chunk`.
meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

#: Content by its SHA-256; `data` is NULL when the bytes lie in a file of that name under `blobs/`.
blobs = Table(
    "blobs",
    metadata,
    _id(),
    _namespace(),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary),
    UniqueConstraint("digest", "namespace"),
    sqlite_autoincrement=True,
)

#: Uploaded files.
files = Table(
    "files",
    metadata,
    _id(),
    _namespace(),
    Column("public_id", String(128), nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer),
    Column("blob_id", Integer, nullable=False),
    Column("extra", Text),
    UniqueConstraint("namespace", "public_id"),
    Index("files_by_age", "namespace", "created_at", "id"),
    Index("files_by_purpose", "namespace", "purpose", "created_at", "id"),
    Index("files_by_blob", "blob_id"),
    Index("files_by_expiry", "namespace", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

#: Vector stores, with their counters. `revision` counts the changes to what can be searched; of what was removed up to the
#: revision `forgotten`, no rows are left.
stores = Table(
    "stores",
    metadata,
    _id(),
    _namespace(),
    Column("public_id", String(128), nullable=False),
    Column("name", Text),
    Column("description", Text),
    Column("created_at", Integer, nullable=False),
    Column("last_active_at", Integer, nullable=False),
    Column("expires_days", Integer),
    Column("expires_at", Integer),
    Column("metadata", Text),
    Column("extra", Text),
    Column("chunk_tokens", Integer),
    Column("overlap_tokens", Integer),
    Column("embedder_name", Text, nullable=False),
    Column("embedder_dimension", Integer, nullable=False),
    Column("embedder_fingerprint", Text, nullable=False),
    _count("revision"),
    _count("in_progress"),
    _count("completed"),
    _count("failed"),
    _count("cancelled"),
    _count("usage_bytes"),
    _count("forgotten"),
    UniqueConstraint("namespace", "public_id"),
    Index("stores_by_age", "namespace", "created_at", "id"),
    sqlite_autoincrement=True,
)

#: Files in stores. `status` is that of the newest attempt to process the file. `generation`, `text_blob_id` (the parsed text that
#: the spans of its chunks refer to) and `usage_bytes` (its size) are of the version that can be found, whatever the status: it
#: stays until another one is published in its place. Without a text nothing of the file can be found.
attachments = Table(
    "attachments",
    metadata,
    _id(),
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("file_id", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    _count("usage_bytes"),
    Column("error_code", String(32)),
    Column("error_message", Text),
    Column("chunk_tokens", Integer, nullable=False),
    Column("overlap_tokens", Integer, nullable=False),
    Column("attributes", Text),
    _count("generation"),
    Column("text_blob_id", Integer),
    UniqueConstraint("namespace", "store_id", "file_id"),
    Index("attachments_by_age", "namespace", "store_id", "created_at", "id"),
    Index("attachments_by_status", "namespace", "store_id", "status", "created_at", "id"),
    Index("attachments_by_file", "namespace", "file_id", "store_id"),
    Index("attachments_by_text", "text_blob_id"),
    sqlite_autoincrement=True,
)

#: Attributes of attachments, one row a pair, for filters. `kind` is `s` (text), `n` (number) or `b` (boolean, 0 or 1).
attributes = Table(
    "attributes",
    metadata,
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("attachment_id", Integer, nullable=False),
    Column("key", String(64), nullable=False),
    Column("kind", String(1), nullable=False),
    Column("text_value", Text),
    Column("number_value", Number),
    PrimaryKeyConstraint("attachment_id", "key"),
    Index("attributes_by_text", "namespace", "store_id", "key", "text_value", "attachment_id"),
    Index("attributes_by_number", "namespace", "store_id", "key", "kind", "number_value", "attachment_id"),
    sqlite_with_rowid=False,
)

#: What was published and when: one row for each generation of an attachment that became searchable. Its chunks have the ids
#: `first_chunk ... first_chunk + chunk_count - 1`; `vectors` holds them in that order, float16. A generation that was replaced
#: or removed keeps its row, without vectors, so that caches made earlier learn of it. `moved` is the revision in which it got
#: another attachment of the same file.
generations = Table(
    "generations",
    metadata,
    _id(),
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("attachment_id", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("first_chunk", Integer, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("vectors", LargeBinary),
    Column("published", Integer, nullable=False),
    Column("removed", Integer),
    Column("moved", Integer),
    Index("generations_by_publication", "namespace", "store_id", "published"),
    Index("generations_by_removal", "namespace", "store_id", "removed", sqlite_where=text("removed IS NOT NULL")),
    Index("generations_by_move", "namespace", "store_id", "moved", sqlite_where=text("moved IS NOT NULL")),
    Index("generations_by_attachment", "attachment_id", sqlite_where=text("removed IS NULL")),
    sqlite_autoincrement=True,
)

#: Vectors of another embedder, by the generation whose own they will replace, all of a store at once.
reembedded = Table(
    "reembedded",
    metadata,
    Column("generation_id", Integer, primary_key=True, autoincrement=False),
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("vectors", LargeBinary, nullable=False),
    Index("reembedded_by_store", "namespace", "store_id"),
)

#: Chunks: spans of the parsed text. Byte and character offsets count from 0, end exclusive; lines from 1, end inclusive.
chunks = Table(
    "chunks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _namespace(),
    Column("attachment_id", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("byte_start", Integer, nullable=False),
    Column("byte_end", Integer, nullable=False),
    Column("char_start", Integer, nullable=False),
    Column("char_end", Integer, nullable=False),
    Column("line_start", Integer, nullable=False),
    Column("line_end", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
)

#: Postings of the keyword index: one BLOB for each transaction that published, over the chunks `first_chunk ...`.
segments = Table(
    "segments",
    metadata,
    _id(),
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("first_chunk", Integer, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("live_count", Integer, nullable=False),
    Column("published", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("segments_by_publication", "namespace", "store_id", "published"),
    Index("segments_by_chunk", "namespace", "store_id", "first_chunk"),
    Index("segments_dead", "namespace", "store_id", sqlite_where=text("live_count = 0")),
    sqlite_autoincrement=True,
)

#: Batches and their own counters.
batches = Table(
    "batches",
    metadata,
    _id(),
    _namespace(),
    Column("public_id", String(128), nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    _count("is_cancelled"),
    _count("in_progress"),
    _count("completed"),
    _count("failed"),
    _count("cancelled"),
    UniqueConstraint("namespace", "public_id"),
    Index("batches_by_store", "namespace", "store_id"),
    sqlite_autoincrement=True,
)

#: Files of batches, each with its state in that batch.
batch_files = Table(
    "batch_files",
    metadata,
    _namespace(),
    Column("batch_id", Integer, nullable=False),
    Column("attachment_id", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    PrimaryKeyConstraint("batch_id", "attachment_id"),
    Index("batch_files_by_attachment", "attachment_id", "status"),
    sqlite_with_rowid=False,
)

#: Work on attachments that are in progress. `fence` grows with every claim: who holds an older one can write nothing.
jobs = Table(
    "jobs",
    metadata,
    _id(),
    _namespace(),
    Column("store_id", Integer, nullable=False),
    Column("attachment_id", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    _count("attempts"),
    Column("not_before", Integer, nullable=False),
    Column("owner", String(128)),
    Column("lease_until", Integer, nullable=False),
    _count("fence"),
    Column("heartbeat_at", Integer),
    Column("error", Text),
    UniqueConstraint("attachment_id"),
    Index("jobs_by_lease", "lease_until", "not_before"),
    Index("jobs_by_store", "store_id"),
    sqlite_autoincrement=True,
)

#: Positions of deleted items, so that a cursor outlives its row. `scope` is `files`, `stores` or `store:<id>`.
tombstones = Table(
    "tombstones",
    metadata,
    _namespace(),
    Column("scope", String(64), nullable=False),
    Column("public_id", String(128), nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("deleted_at", Integer, nullable=False),
    PrimaryKeyConstraint("namespace", "scope", "public_id"),
    Index("tombstones_by_age", "deleted_at"),
    sqlite_with_rowid=False,
)
