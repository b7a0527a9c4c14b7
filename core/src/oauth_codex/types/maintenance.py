"""What `client.maintenance` reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ._base import Answer, Model


class Finding(Model):
    """Something that is not as it must be.

    Attributes:
        code: Kind of the finding, for instance `store_counters` or `lost_content`.
        where: What it is about: an id, or a path below the storage directory.
        message: What is wrong with it.
        remedy: What mends it; after a repair, what was done.
        lost: Whether something acknowledged is gone, so that only a snapshot brings it back.
    """

    code: str
    where: str
    message: str
    remedy: str
    lost: bool = False


class VerifyReport(Answer):
    """What `verify` looked at and what it found.

    Attributes:
        ok: Whether nothing was found.
        deep: Whether contents were read, too.
        checked: How many of each thing were looked at.
        found: How many findings there are, by code.
        findings: The findings, of each code at most the first 100.
        seconds: How long it took.
    """

    object: Literal["maintenance.verify"] = "maintenance.verify"
    ok: bool
    deep: bool
    checked: dict[str, int]
    found: dict[str, int]
    findings: list[Finding]
    seconds: float


class RepairReport(Answer):
    """What `repair` mended, and what is lost.

    Attributes:
        ok: Whether nothing acknowledged is lost.
        mended: What was mended, of each code at most the first 100.
        lost: What cannot be mended, in the same way.
        counts: How many findings were mended or lost, by code.
        resumed: Files whose processing was taken up again.
        seconds: How long it took.
    """

    object: Literal["maintenance.repair"] = "maintenance.repair"
    ok: bool
    mended: list[Finding]
    lost: list[Finding]
    counts: dict[str, int]
    resumed: int
    seconds: float


class GcReport(Answer):
    """What `gc` removed, or would remove.

    Attributes:
        dry_run: Whether nothing was removed.
        removed: How many of each thing.
        bytes_freed: Bytes of files on disk that are gone.
        bytes_reusable: Bytes of the catalog that are free for new content; `compact` gives them back.
        seconds: How long it took.
    """

    object: Literal["maintenance.gc"] = "maintenance.gc"
    dry_run: bool
    removed: dict[str, int]
    bytes_freed: int
    bytes_reusable: int
    seconds: float


class SnapshotReport(Answer):
    """A snapshot that was made.

    Attributes:
        directory: Where it lies.
        catalog_id: Id of the catalog that it is of.
        schema_version: Version of the catalog's schema.
        files: How many files it has, its manifest not counted.
        bytes: Size of these files.
        lost: Contents that the storage did not have any more, or not as they were, so that they are missing here too.
        seconds: How long it took.
    """

    object: Literal["maintenance.snapshot"] = "maintenance.snapshot"
    directory: str
    catalog_id: str
    schema_version: int
    files: int
    bytes: int
    lost: list[str] = Field(default_factory=list)
    seconds: float


class RestoreReport(Answer):
    """A storage that was made from a snapshot.

    Attributes:
        directory: The storage directory.
        files: How many files were restored.
        bytes: Size of these files.
        replaced: Where the storage that was there before was moved to; None if there was none.
        verify: What a look at the restored storage found.
        seconds: How long it took.
    """

    object: Literal["maintenance.restore"] = "maintenance.restore"
    directory: str
    files: int
    bytes: int
    replaced: str | None = None
    verify: VerifyReport
    seconds: float


class SyncReport(Answer):
    """What `sync` did, or would do. Names are paths below the folder, with slashes, behind the prefix.

    Attributes:
        vector_store_id: The store.
        directory: The folder.
        dry_run: Whether nothing was done.
        added: Files that the store did not have.
        changed: Files that were replaced.
        removed: Files that were deleted, because the folder has them no more.
        unchanged: Files that the store has as they are.
        failed: Files and folders that could not be read or processed, and why; what the store had of them is still there.
        skipped: How many entries were left out, by reason; a folder counts as one.
        links: Symbolic links, which are never followed.
        seconds: How long it took.
    """

    object: Literal["maintenance.sync"] = "maintenance.sync"
    vector_store_id: str
    directory: str
    dry_run: bool
    added: list[str] = Field(default_factory=list)
    changed: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    unchanged: list[str] = Field(default_factory=list)
    failed: dict[str, str] = Field(default_factory=dict)
    skipped: dict[str, int] = Field(default_factory=dict)
    links: list[str] = Field(default_factory=list)
    seconds: float = 0.0


class EmbedderIdentity(Model):
    """What a store is pinned to: name, dimension of the vectors and fingerprint."""

    name: str
    dimension: int
    fingerprint: str


class ReembedReport(Answer):
    """New vectors that a store got.

    Attributes:
        vector_store_id: The store.
        before: What it was pinned to.
        after: What it is pinned to now; a client must be opened with it to search the store or to attach files.
        files: Files that can be searched.
        chunks: Their chunks.
        embedded: Of how many files this run made the vectors; those of the others were made by one that was interrupted.
        searchable_here: Whether the client that did it can search the store.
        seconds: How long it took.
    """

    object: Literal["maintenance.reembed"] = "maintenance.reembed"
    vector_store_id: str
    before: EmbedderIdentity
    after: EmbedderIdentity
    files: int
    chunks: int
    embedded: int
    searchable_here: bool
    seconds: float


class MigrationReport(Answer):
    """What `migrate` copied.

    Attributes:
        ok: Whether everything is there that should be, compared by counts and by SHA-256.
        source: Driver that it was copied from.
        target: Driver that it was copied to.
        files: How many uploaded files were copied.
        stores: How many vector stores were copied.
        members: How many files were attached to them.
        already: Files, stores and members that were there before, from a run that was interrupted.
        bytes: Size of the files that were copied.
        vectors_kept: Members that kept their vectors; those of the others were made by the embedder of the target.
        ids: New ids by old ones, where the target gave others.
        expired: Ids of what has expired and was not copied.
        failed: Why something could not be copied or is not as it should be, by its old id.
        unverified: Files whose content the target does not give back, so that only their sizes were compared.
        seconds: How long it took.
    """

    object: Literal["maintenance.migration"] = "maintenance.migration"
    ok: bool = False
    source: str
    target: str
    files: int = 0
    stores: int = 0
    members: int = 0
    already: int = 0
    bytes: int = 0
    vectors_kept: int = 0
    ids: dict[str, str] = Field(default_factory=dict)
    expired: list[str] = Field(default_factory=list)
    failed: dict[str, str] = Field(default_factory=dict)
    unverified: int = 0
    seconds: float = 0.0
