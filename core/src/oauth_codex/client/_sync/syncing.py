# Generated from client/_async/syncing.py by core/tools/unasync.py: do not edit.
"""Making a store hold what a folder holds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ... import messages as say
from ...errors import NotFoundError
from ...spi.operations import STORE_FILES_CREATE
from ...types.maintenance import SyncReport
from ..finding import as_text
from ..syncing import Difference, Mirror, next_group
from .files import Files
from .vector_stores import VectorStores

if TYPE_CHECKING:
    from ...types.params import OnProgress
    from ...types.vector_stores import VectorStoreFile
    from ..base import Core
    from ..running import SyncRunner

#: Uploads at a time.
_AT_ONCE = 4


class Sync:
    """One run: a file that is new or different is put into the store, and only then its older version is removed."""

    def __init__(
        self,
        core: Core,
        runner: SyncRunner,
        vector_store_id: str,
        mirror: Mirror,
        on_progress: OnProgress | None,
    ) -> None:
        self._core = core
        self._runner = runner
        self._files = Files(core, runner)
        self._stores = VectorStores(core, runner)
        self._store_id = vector_store_id
        self._mirror = mirror
        self._report = SyncReport(vector_store_id=vector_store_id, directory=as_text(str(mirror.root)), dry_run=False)
        self._on_progress = on_progress

    def run(self, *, delete: bool, dry_run: bool) -> SyncReport:
        """Do it, or tell only what would be done."""
        begun = time.monotonic()
        mirror, report = self._mirror, self._report
        report.dry_run = dry_run
        self._core.check(STORE_FILES_CREATE, mirror.settings.sample(self._store_id), {})
        store = self._stores.retrieve(self._store_id)
        if store.status == "expired" and store.expires_at is not None:
            raise say.store_expired(store.id, store.expires_at)
        self._runner.blocking(mirror.look)
        for file in self._stores.files.list(self._store_id, limit=100, order="desc"):
            mirror.remember(file)
        gone = mirror.gone() if delete else {}
        total = len(mirror.found.files) + len(gone)
        groups = mirror.groups()
        while (group := self._runner.blocking(next_group, groups)) is not None:
            if report.dry_run:
                for each in group:
                    self._note(each)
            elif group:
                self._put(group)
            if not report.dry_run:
                self._remove(mirror.superseded)
            mirror.superseded.clear()
            self._tell(total, group[-1].name if group else None)
        for path in gone:
            if not report.dry_run:
                self._remove(gone[path].ids)
            report.removed.append(path)
            self._tell(total, path)
        report.unchanged = mirror.unchanged
        report.failed.update(mirror.failed)
        report.skipped = dict(mirror.found.skipped)
        report.links = mirror.found.links
        report.seconds = round(time.monotonic() - begun, 3)
        if self._on_progress is not None:
            self._on_progress(total, total, None)
        return SyncReport(**report)  # so that every field counts as set

    def _put(self, group: list[Difference]) -> None:
        tasks = [partial(self._mirror.upload, self._core, self._store_id, each) for each in group]
        outcomes = self._runner.settle(tasks, _AT_ONCE, lambda _: None)
        errors = [each for each in outcomes if isinstance(each, BaseException)]
        for each, outcome in zip(group, outcomes, strict=False):
            if isinstance(outcome, str):
                self._report.failed[each.name] = outcome
            elif not isinstance(outcome, BaseException):
                self._settle(each, outcome)
        for error in errors:
            raise error

    def _settle(self, each: Difference, file: VectorStoreFile) -> None:
        """Wait until it can be searched; only then the version that it replaces goes."""
        if file.status == "in_progress":
            file = self._stores.files.poll(file.id, vector_store_id=self._store_id)
        if file.status == "completed":
            if each.known is not None:
                self._remove(each.known.ids)
            self._note(each)
            return
        self._report.failed[each.name] = file.last_error.message if file.last_error else f"It was {file.status}."
        self._remove([file.id])

    def _note(self, each: Difference) -> None:
        (self._report.added if each.known is None else self._report.changed).append(each.name)

    def _remove(self, file_ids: Iterable[str]) -> None:
        """Delete uploads, which takes them out of the store; a service may take its time with that, so it is asked for too."""
        for file_id in file_ids:
            with suppress(NotFoundError):  # gone already, which is what was wanted
                self._files.delete(file_id)
            if not self._core.local:
                with suppress(NotFoundError):
                    self._stores.files.delete(file_id, vector_store_id=self._store_id)

    def _tell(self, total: int, item: str | None) -> None:
        if self._on_progress is not None:
            report, mirror = self._report, self._mirror
            done = len(report.added) + len(report.changed) + len(report.removed)
            done += len(mirror.unchanged) + len({*report.failed, *mirror.failed})
            self._on_progress(min(done, total), total, item)
