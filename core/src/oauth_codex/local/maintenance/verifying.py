"""`verify`: everything that is stored against everything else, changing nothing.

Each check sees one state of the catalog, in a transaction of its own, so others may write meanwhile. What lies outside of the
catalog is looked at twice where somebody could be between two steps.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ...errors import StorageError
from ...types.maintenance import Finding, VerifyReport
from ...types.params import OnProgress
from .. import caches
from ..catalog.catalog import Catalog
from ..catalog.tables import metadata
from ..search.engine import Search
from . import contents, searchable
from .findings import Findings, Progress
from .rows import BOOKKEEPING, OWNERSHIP, PUBLICATIONS, Check

_TABLES = ("stores", "files", "attachments", "batches", "jobs", "generations", "chunks", "segments", "blobs")
_RESTORE = "Restore a snapshot."


def verify(catalog: Catalog, search: Search | None, *, deep: bool, on_progress: OnProgress | None) -> VerifyReport:
    """Look at everything.

    Args:
        catalog: The catalog.
        search: What knows the indexes; without it they are not looked at.
        deep: Whether contents are read.
        on_progress: Told how far it has come.
    """
    begun = time.monotonic()
    findings = Findings()
    broken = list(damage(catalog, deep=deep))
    findings.extend(broken)
    checked: Counter[str] = Counter()
    if not any(each.code == "missing_table" for each in broken):
        checked = _counted(catalog)
        _look(catalog, search, deep, findings, checked, on_progress)
    return VerifyReport(
        ok=not findings.counts,
        deep=deep,
        checked=dict(checked),
        found=dict(findings.counts),
        findings=findings.kept,
        seconds=round(time.monotonic() - begun, 3),
    )


def _look(
    catalog: Catalog,
    search: Search | None,
    deep: bool,
    findings: Findings,
    checked: Counter[str],
    on_progress: OnProgress | None,
) -> None:
    checks = (*OWNERSHIP, *PUBLICATIONS, *BOOKKEEPING)
    read = checked["blobs"] + checked["attachments"] + (checked["generations"] if deep else 0)
    progress = Progress(on_progress, len(checks) + read + 2 * checked["stores"] + 4)

    def note(what: str, found: Callable[[], Iterable[Finding | int]]) -> None:
        try:
            for each in found():
                if isinstance(each, Finding):
                    findings.add(each)
                else:
                    progress.step(what, each)
        except StorageError as error:
            findings.add(Finding(code="unreadable", where=what, message=error.user_message, remedy=_RESTORE, lost=True))

    for check in checks:
        note(check.code, lambda check=check: rows(catalog, check))  # type: ignore[misc]
        progress.step(check.code)
    note("contents", lambda: contents.without_row(catalog))
    note("contents", lambda: _findings(contents.bad(catalog, deep=deep)))
    note("files", lambda: _findings(searchable.memberships(catalog)))
    progress.step("files")
    if deep:
        note("vectors", lambda: _findings(searchable.vectors(catalog)))
    note(
        "attributes",
        lambda: (each if isinstance(each, int) else each[0] for each in searchable.attributes_differ(catalog)),
    )
    for store in all_stores(catalog):
        note(store.public_id, lambda store=store: _findings(searchable.segments(catalog, store, deep=deep)))  # type: ignore[misc]
        progress.step(f"segments of {store.public_id}")
        if search is not None:
            note(store.public_id, lambda store=store: indexes(search, store))  # type: ignore[misc]
            checked["indexes"] += 1
        progress.step(f"index of {store.public_id}")
    note("cache", lambda: (finding for _, finding in torn(catalog, deep=deep)))
    checked["caches"] = len(cache_folders(catalog))
    progress.step("caches")
    note("blobs", lambda: contents.strays(catalog))
    progress.end("files of content")


def damage(catalog: Catalog, *, deep: bool) -> Iterator[Finding]:
    """What the database itself finds wrong, and tables and indexes that are missing."""
    try:
        with catalog.read() as connection:
            said = (
                connection.exec_driver_sql(f"PRAGMA {'integrity_check' if deep else 'quick_check'}(20)").scalars().all()
            )
            there = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
    except StorageError as error:
        yield Finding(
            code="damaged_catalog", where="catalog.sqlite3", message=error.user_message, remedy=_RESTORE, lost=True
        )
        return
    for sentence in said:
        if sentence != "ok":
            yield Finding(
                code="damaged_catalog", where="catalog.sqlite3", message=str(sentence), remedy=_RESTORE, lost=True
            )
    for table in metadata.sorted_tables:
        if table.name not in there:
            yield Finding(
                code="missing_table", where=table.name, message="The table is gone.", remedy=_RESTORE, lost=True
            )
        for index in table.indexes:
            if table.name in there and index.name not in there:
                yield Finding(
                    code="missing_index",
                    where=str(index.name),
                    message="This index of the catalog is gone, so that reading is slow.",
                    remedy="Made anew.",
                )


def rows(catalog: Catalog, check: Check) -> Iterator[Finding]:
    """What a check of rows finds."""
    with catalog.read() as connection:
        yield from check.found(connection)


def indexes(search: Search, store: Any) -> Iterator[Finding]:
    """What is wrong with what is kept of a store beside the catalog."""
    try:
        wrong = search.audit(store.namespace, store.public_id)
    except Exception as error:  # an index is another's work: whatever it raises tells that it cannot be read
        wrong = [f"Its index cannot be read: {type(error).__name__}: {error}"]
    for message in wrong:
        yield Finding(code="index", where=store.public_id, message=message, remedy="Made anew from the catalog.")


def torn(catalog: Catalog, *, deep: bool) -> Iterator[tuple[Path, Finding]]:
    """Caches that cannot be read."""
    for folder in cache_folders(catalog):
        try:
            if deep:
                caches.check(folder)
            else:
                caches.read(folder)
        except (caches.Torn, OSError) as error:
            yield (
                folder,
                Finding(
                    code="cache",
                    where=f"cache/{folder.name}",
                    message=f"It is worthless: {error}.",
                    remedy="Made anew from the catalog.",
                ),
            )


def cache_folders(catalog: Catalog) -> list[Path]:
    """The caches of all stores: `<row of the store>.<kind>`."""
    parent = None if catalog.directory is None else catalog.directory / "cache"
    if parent is None or not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and path.name.partition(".")[0].isdecimal())


def all_stores(catalog: Catalog) -> Iterator[Any]:
    """The stores of all namespaces: `id`, `namespace`, `public_id`, `expires_at`."""
    last = 0
    while True:
        with catalog.read() as connection:
            found = connection.exec_driver_sql(_STORES, (last,)).all()
        if not found:
            return
        yield from found
        last = found[-1].id


def _findings(found: Iterable[Any]) -> Iterator[Finding | int]:
    for each in found:
        yield each if isinstance(each, int) else each.finding


def _counted(catalog: Catalog) -> Counter[str]:
    with catalog.read() as connection:
        return Counter(
            {table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in _TABLES}
        )


_STORES = "SELECT id, namespace, public_id, expires_at FROM stores WHERE id > ? ORDER BY id LIMIT 200"
