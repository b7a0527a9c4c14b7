"""`repair`: mends what `verify` finds, in the order in which one thing follows from another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import StorageError
from ...types.maintenance import Finding, RepairReport
from ...types.params import OnProgress
from .. import caches
from ..catalog import attachments, remnants
from ..catalog.attachments import Outcome
from ..catalog.catalog import Catalog, schema
from ..ingest.engine import Ingest
from ..search.engine import Search
from . import contents, searchable, verifying
from .findings import Findings, Progress
from .rows import BOOKKEEPING, OWNERSHIP, PUBLICATIONS, Check


class Repair:
    """One repair of a storage."""

    def __init__(self, catalog: Catalog, search: Search, ingest: Ingest, on_progress: OnProgress | None) -> None:
        self._catalog = catalog
        self._search = search
        self._ingest = ingest
        self._mended = Findings()
        self._lost = Findings()
        self._resumed = 0
        #: Blobs whose content is lost or damaged.
        self._bad: set[int] = set()
        self._steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("rows", lambda: self._rows(OWNERSHIP)),
            ("contents", self._contents),
            ("files", self._searchable),
            ("attributes", self._attributes),
            ("counters", lambda: self._rows(BOOKKEEPING)),
            ("work", self._resume),
            ("indexes", self._indexes),
            ("files of content", self._strays),
        )
        self._progress = Progress(on_progress, len(self._steps) + 1)

    def run(self) -> RepairReport:
        """Mend everything that can be mended.

        Raises:
            StorageError: The disk is full or refuses; what was mended stays, and a second repair goes on.
        """
        begun = time.monotonic()
        if self._catalog_is_sound():
            for name, step in self._steps:
                self._progress.step(name, 0)
                step()
                self._progress.step(name)
        self._progress.end("done")
        return RepairReport(
            ok=not self._lost.counts,
            mended=self._mended.kept,
            lost=self._lost.kept,
            counts=dict(self._mended.counts + self._lost.counts),
            resumed=self._resumed,
            seconds=round(time.monotonic() - begun, 3),
        )

    def _note(self, finding: Finding) -> None:
        (self._lost if finding.lost else self._mended).add(finding)

    def _catalog_is_sound(self) -> bool:
        """Make indexes of the catalog anew; what it lost itself cannot be mended, and nothing else may be concluded from it."""
        found = list(verifying.damage(self._catalog, deep=True))
        if not found:
            return True
        if not any(each.code == "missing_table" for each in found):
            try:
                with self._catalog.write() as connection:
                    for statement in schema(connection.dialect.name):
                        connection.exec_driver_sql(statement)
                    connection.exec_driver_sql("REINDEX")
            except StorageError as error:
                found[0].message = f"{found[0].message} {error.user_message}"
            left = list(verifying.damage(self._catalog, deep=True))
            if not left:
                for each in found:
                    each.lost, each.remedy = False, "Made anew."
                    self._note(each)
                return True
            found = left
        for each in found:
            each.lost = True
            self._note(each)
        return False

    def _rows(self, checks: Sequence[Check]) -> None:
        for check in checks:
            if not any(True for _ in verifying.rows(self._catalog, check)):
                continue
            with self._catalog.write() as connection:
                found = list(check.found(connection))
                for statement in check.mend:
                    connection.exec_driver_sql(statement)
            for each in found:
                self._note(each)

    def _contents(self) -> None:
        for finding in contents.without_row(self._catalog):
            self._note(finding)
        for found in contents.bad(self._catalog, deep=True):
            if isinstance(found, int):
                continue
            if found.wrong:
                contents.set_aside(self._catalog, found.blob_id)
            self._bad.add(found.blob_id)
            self._note(found.finding)
        if self._bad:
            with self._catalog.read() as connection:
                readers = contents.readers(connection, sorted(self._bad))
            searchable.anew(self._catalog, readers, lost=self._bad)
        self._give_up()

    def _give_up(self) -> None:
        """Let files fail that wait to be processed and have no content."""
        with self._catalog.write() as connection:
            for row in connection.exec_driver_sql(_WAITING).all():
                if row.blob is None or row.blob in self._bad:
                    outcome = Outcome(row.id, "failed", error_code="server_error", error_message=searchable.LOST)
                    attachments.settle(connection, row.namespace, row.store_id, [outcome])

    def _searchable(self) -> None:
        self._rows(PUBLICATIONS[:-1])
        broken = [
            *searchable.memberships(self._catalog),
            *(each for each in searchable.vectors(self._catalog) if not isinstance(each, int)),
        ]
        stores: list[Any] = []
        for store in verifying.all_stores(self._catalog):
            found = list(searchable.segments(self._catalog, store, deep=True))
            if found:
                stores.append(store)
                broken += found
        for each in broken:
            self._note(each.finding)
        worthless = [each.segment_id for each in broken if each.segment_id is not None]
        again = [each.attachment_id for each in broken if each.attachment_id is not None]
        searchable.anew(self._catalog, again, lost=self._bad)
        searchable.drop_segments(self._catalog, worthless)
        for store in stores if not again else verifying.all_stores(self._catalog):
            searchable.count_living(self._catalog, store)
        self._rows(PUBLICATIONS[-1:])

    def _attributes(self) -> None:
        found = [each for each in searchable.attributes_differ(self._catalog) if not isinstance(each, int)]
        for finding, row in found:
            searchable.set_attributes(self._catalog, row)
            self._note(finding)

    def _resume(self) -> None:
        self._resumed = self._ingest.drain()

    def _indexes(self) -> None:
        torn = list(verifying.torn(self._catalog, deep=True))
        kept = {store.id: store for store in verifying.all_stores(self._catalog)} if torn else {}
        for folder, finding in torn:
            caches.remove(folder)
            store = kept.get(int(folder.name.partition(".")[0]))
            if store is not None:
                self._search.rebuild(store.namespace, store.public_id)
            self._note(finding)
        for store in verifying.all_stores(self._catalog):
            found = list(verifying.indexes(self._search, store))
            if found:
                self._search.rebuild(store.namespace, store.public_id)
            for finding in found:
                self._note(finding)

    def _strays(self) -> None:
        found = list(contents.strays(self._catalog))
        remnants.sweep(self._catalog)
        for finding in found:
            self._note(finding)


_WAITING = """
    SELECT a.id, a.namespace, a.store_id, b.id AS blob
    FROM attachments AS a JOIN files AS f ON f.id = a.file_id
    LEFT JOIN blobs AS b ON b.id = f.blob_id AND b.namespace = f.namespace
    WHERE a.status = 'in_progress'
"""
