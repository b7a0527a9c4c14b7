# Generated from client/_async/migrating.py by core/tools/unasync.py: do not edit.
"""Copying everything that a client sees to another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import BadRequestError, NotFoundError, PermissionDeniedError, StorageError
from ...types.maintenance import MigrationReport
from ..migrating import Content, Refused, unmarked
from .files import Files
from .receiving import Receiving, Routes
from .vector_stores import VectorStores

if TYPE_CHECKING:
    from ...spi.copying import Copying
    from ...types.files import FileObject
    from ...types.params import OnProgress
    from ...types.vector_stores import VectorStore, VectorStoreFile
    from ..base import Core
    from ..running import SyncRunner

#: Files that are attached at a time.
_GROUP = 50


class Migration:
    """One run. What is there already stays as it is, so that the next run goes on where one was interrupted."""

    def __init__(
        self, core: Core, runner: SyncRunner, target: Core, target_runner: SyncRunner, on_progress: OnProgress | None
    ) -> None:
        self._runner = runner
        self._local = core.local
        self._files = Files(core, runner)
        self._stores = VectorStores(core, runner)
        self._target_stores = VectorStores(target, target_runner)
        self._giving: Copying | None = getattr(core.opened.live(), "copying", None)
        taking: Copying | None = getattr(target.opened.live(), "copying", None)
        self._same_engine = taking is not None and self._giving is not None and taking.engine == self._giving.engine
        self._target: Receiving | Routes = (
            Routes(target, target_runner) if taking is None else Receiving(target, target_runner, taking)
        )
        self._report = MigrationReport(source=core.opened.backend.name, target=target.opened.backend.name)
        self._ids: dict[str, str] = {}
        self._on_progress = on_progress
        self._done = self._total = 0

    def run(self) -> MigrationReport:
        """Copy files, then stores and what is in them, each in the order of creation."""
        begun = time.monotonic()
        report = self._report
        files = {each.id: each for each in self._files.list(order="asc")}
        stores = {each.id: each for each in self._stores.list(order="asc", limit=100)}
        self._total = len(files) + sum(1 + each.file_counts.total for each in stores.values())
        self._target.look()
        for file in files.values():
            self._copy_file(file)
            self._tell(1, file.id)
        for store in stores.values():
            if store.status == "expired":
                report.expired.append(store.id)
            else:
                self._copy_store(store)
            self._tell(1, store.id)
        report.ids = {old: new for old, new in self._ids.items() if old != new}
        report.unverified = self._target.unverified
        report.ok = not report.failed
        report.seconds = round(time.monotonic() - begun, 3)
        if self._on_progress is not None:
            self._on_progress(self._total, self._total, None)
        return MigrationReport(**report)  # so that every field counts as set

    def _copy_file(self, file: FileObject) -> None:
        report = self._report
        # A local driver lists nothing that has expired, and may have a clock of its own.
        if not self._local and file.expires_at is not None and file.expires_at <= time.time():
            report.expired.append(file.id)
            return
        with Content() as content:
            try:
                known = None if self._giving is None else self._runner.blocking(self._giving.sha256, file.id)
                found = None if known is None else self._target.find_file(file, known)
                if found is not None:
                    self._ids[file.id] = found
                    report.already += 1
                    return
                with self._files.with_streaming_response.content(file.id) as answer:
                    for piece in answer.iter_bytes(1 << 20):
                        content.write(piece)
                if known not in (None, content.sha256):
                    raise Refused("Its content is damaged; 'verify' tells more.")
            except NotFoundError:  # deleted meanwhile
                return
            except (BadRequestError, PermissionDeniedError, StorageError) as error:
                report.failed[file.id] = f"It cannot be read: {error.user_message}"
                return
            except Refused as error:
                report.failed[file.id] = str(error)
                return
            try:
                self._ids[file.id], fresh = self._target.put_file(file, content)
            except BadRequestError as error:
                report.failed[file.id] = f"It is not accepted: {error.user_message}"
            except Refused as error:
                report.failed[file.id] = str(error)
            else:
                report.files += fresh
                report.already += not fresh
                report.bytes += content.size * fresh

    def _copy_store(self, store: VectorStore) -> None:
        report = self._report
        chunking = None
        if self._giving is not None:
            chunking = self._runner.blocking(self._giving.default_chunking, store.id)
        listed = {each.id: each for each in self._stores.files.list(store.id, order="asc", limit=100)}
        members = list(listed.values())
        try:
            copy = store.model_copy(update={"metadata": unmarked(store.metadata)})
            new_id, fresh = self._target.put_store(copy, chunking)
        except Refused as error:
            report.failed[store.id] = str(error)
            return
        self._ids[store.id] = new_id
        self._copy_new_files(members)
        report.stores += fresh
        report.already += not fresh
        there: set[str] = set()
        if not fresh:
            there = {each.id for each in self._target_stores.files.list(new_id, limit=100)}
        coming = [each for each in members if each.id in self._ids and self._ids[each.id] not in there]
        report.already += sum(self._ids.get(each.id) in there for each in members)
        for start in range(0, len(coming), _GROUP):
            group = coming[start : start + _GROUP]
            self._copy_members(store.id, new_id, group)
            self._tell(len(group), group[-1].id)
        self._compare(members, new_id)

    def _copy_new_files(self, members: Sequence[VectorStoreFile]) -> None:
        """Copy files that were uploaded after the run began, or that the list of files does not name."""
        told = {*self._ids, *self._report.failed, *self._report.expired}
        for member in members:
            if member.id not in told:
                with suppress(NotFoundError):  # deleted meanwhile
                    self._copy_file(self._files.retrieve(member.id))

    def _copy_members(self, store_id: str, new_id: str, group: Sequence[VectorStoreFile]) -> None:
        indexed: Sequence[Any] = [None] * len(group)
        if self._same_engine and self._giving is not None:
            indexed = self._runner.blocking(self._giving.indexed, store_id, [each.id for each in group])
        named = [each.model_copy(update={"id": self._ids[each.id]}) for each in group]
        attached = self._target.put_members(new_id, named, indexed)
        self._report.members += attached.fresh
        self._report.vectors_kept += attached.kept

    def _compare(self, members: Sequence[VectorStoreFile], new_id: str) -> None:
        """See that everything that was completed is completed there."""
        found = {each.id: each for each in self._target_stores.files.list(new_id, limit=100)}
        for member in members:
            if member.id not in self._ids:  # told already
                continue
            copy = found.get(self._ids[member.id])
            if copy is None:
                self._report.failed[member.id] = f"It is missing in {new_id}."
            elif member.status == "completed" and copy.status not in ("completed", "in_progress"):
                why = copy.last_error.message if copy.last_error else f"It is {copy.status}."
                self._report.failed[member.id] = f"It could not be processed in {new_id}: {why}"

    def _tell(self, steps: int, item: str) -> None:
        self._done = min(self._done + steps, max(0, self._total - 1))
        if self._on_progress is not None:
            self._on_progress(self._done, self._total, item)
