"""Looking after the storage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..maintaining import embedder as opened
from ..maintaining import folder, keeper, listener, switch
from ..resolver import checked_id

if TYPE_CHECKING:
    from ...spi.embedder import Embedder
    from ...types.maintenance import (
        GcReport,
        MigrationReport,
        ReembedReport,
        RepairReport,
        RestoreReport,
        SnapshotReport,
        SyncReport,
        VerifyReport,
    )
    from ...types.params import ChunkingStrategyParam, OnProgress
    from ...types.vector_stores import AttributeValue
    from ..base import Core
    from ..running import AsyncRunner
    from .client import AsyncOAuthCodexClient


class AsyncMaintenance:
    """Looks after the whole storage, all of its namespaces. Others may use it meanwhile.

    Every method takes `on_progress`, which is called as `on_progress(done, total, item)`; at last, `done` is `total`.
    """

    def __init__(self, core: Core, runner: AsyncRunner) -> None:
        self._core = core
        self._runner = runner

    async def verify(self, *, deep: bool = True, on_progress: OnProgress | None = None) -> VerifyReport:
        """Compare everything that is stored with everything else, and change nothing.

        Args:
            deep: Whether all contents are read; else sizes are compared, and counts.
            on_progress: Told how far it has come.

        Returns:
            What was looked at, and what was found; `ok` if that is nothing.

        Raises:
            NotSupportedError: The driver does not keep the storage itself.
        """
        call = partial(keeper(self._core).verify, deep=switch(deep, "deep"))
        return await self._runner.blocking(partial(call, on_progress=self._runner.heard(listener(on_progress))))

    async def repair(self, *, on_progress: OnProgress | None = None) -> RepairReport:
        """Mend what `verify` finds. Files that must be are processed anew; nothing that was acknowledged is given up silently.

        Args:
            on_progress: Told how far it has come.

        Returns:
            What was mended, and what is lost; `ok` if that is nothing.

        Raises:
            NotSupportedError: The driver does not keep the storage itself.
            StorageError: The disk is full or refuses; a second call goes on.
        """
        call = keeper(self._core).repair
        return await self._runner.blocking(partial(call, on_progress=self._runner.heard(listener(on_progress))))

    async def gc(
        self, *, dry_run: bool = False, compact: bool = False, on_progress: OnProgress | None = None
    ) -> GcReport:
        """Remove what has expired and what nothing refers to.

        Args:
            dry_run: Whether to tell only what would be removed.
            compact: Whether the catalog gives space that it does not need back to the disk; others cannot write meanwhile.
            on_progress: Told how far it has come.

        Returns:
            What was removed, and how many bytes are free now.

        Raises:
            NotSupportedError: The driver does not keep the storage itself.
            StorageError: The disk refuses; what was removed stays removed.
        """
        call = partial(keeper(self._core).gc, dry_run=switch(dry_run, "dry_run"), compact=switch(compact, "compact"))
        return await self._runner.blocking(partial(call, on_progress=self._runner.heard(listener(on_progress))))

    async def snapshot(
        self, directory: str | os.PathLike[str], *, on_progress: OnProgress | None = None
    ) -> SnapshotReport:
        """Copy the storage as it is at one moment, with a checksum of every file.

        Args:
            directory: Where the snapshot shall be; it must not exist, or be empty.
            on_progress: Told how far it has come.

        Returns:
            What was copied.

        Raises:
            ConflictError: There is something in the directory.
            NotSupportedError: The driver does not keep the storage itself.
            StorageError: The disk is full or refuses, or the catalog is damaged; nothing of the snapshot is left.
        """
        call = partial(keeper(self._core).snapshot, folder(directory, "directory"))
        return await self._runner.blocking(partial(call, on_progress=self._runner.heard(listener(on_progress))))

    async def restore(
        self,
        snapshot: str | os.PathLike[str],
        *,
        storage_dir: str | os.PathLike[str],
        replace: bool = False,
        on_progress: OnProgress | None = None,
    ) -> RestoreReport:
        """Make another storage directory from a snapshot, after every checksum was compared.

        Args:
            snapshot: Directory of the snapshot.
            storage_dir: Where the storage shall be; it must not exist, or be empty.
            replace: Whether what is in `storage_dir` is moved aside instead; nobody may have it open.
            on_progress: Told how far it has come.

        Returns:
            What was restored, and what a look at it found.

        Raises:
            ConflictError: There is something in `storage_dir`, or this client has it open.
            SchemaVersionError: A newer version made the snapshot.
            NotSupportedError: The driver does not keep the storage itself.
            StorageError: The snapshot is damaged (the message names the file), or the disk is full or refuses;
                nothing was changed.
        """
        call = partial(keeper(self._core).restore, folder(snapshot, "snapshot"), replace=switch(replace, "replace"))
        call = partial(call, storage_dir=folder(storage_dir, "storage_dir"))
        return await self._runner.blocking(partial(call, on_progress=self._runner.heard(listener(on_progress))))

    async def sync(
        self,
        vector_store_id: str,
        directory: str | os.PathLike[str],
        *,
        exclude: Iterable[str] = (),
        use_gitignore: bool = True,
        prefix: str = "",
        delete: bool = True,
        dry_run: bool = False,
        attributes: Mapping[str, AttributeValue] | None = None,
        chunking_strategy: ChunkingStrategyParam | Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
    ) -> SyncReport:
        """Make a store hold what a folder holds. Files that something else put into the store stay as they are.

        Hidden and generated files and symbolic links are left out. Every file is read and compared by its SHA-256.

        Args:
            vector_store_id: Id of the store.
            directory: The folder.
            exclude: Patterns of what is left out, as in a `.gitignore` at the root of the folder; they win over those files.
            use_gitignore: Whether `.gitignore` files in the folder count.
            prefix: Put this in front of every name; each prefix is a mirror of its own, so that a store can mirror several folders.
            delete: Whether files are deleted that are gone from the folder.
            dry_run: Whether to tell only what would be done.
            attributes: Attributes of every file, beside `path`, `sha256` and `sync`; by default those that it has.
            chunking_strategy: How to split the files; by default as they were, else as the store was told.
            on_progress: Told how far it has come, with the name of a file.

        Returns:
            What was added, changed, removed and left, and what failed and why.

        Raises:
            NotFoundError: There is no such store.
            BadRequestError: It has expired.
            ParameterValidationError: An argument is wrong, or the folder is none.
        """
        from ..syncing import Mirror, Settings
        from .syncing import AsyncSync

        checked_id("vector_store_id", vector_store_id)
        settings = Settings.checked(exclude, prefix, attributes, chunking_strategy)
        mirror = Mirror(folder(directory, "directory"), settings, use_gitignore=switch(use_gitignore, "use_gitignore"))
        run = AsyncSync(self._core, self._runner, vector_store_id, mirror, listener(on_progress))
        return await run.run(delete=switch(delete, "delete"), dry_run=switch(dry_run, "dry_run"))

    async def reembed(
        self, vector_store_id: str, embedder: str | Embedder, *, on_progress: OnProgress | None = None
    ) -> ReembedReport:
        """Make new vectors for a store with another embedder, from the texts that it has. The old ones answer until all are there.

        Afterwards the store is searched, and files are attached to it, by clients that are opened with the new embedder. A run
        that was interrupted is continued by the next.

        Args:
            vector_store_id: Id of the store.
            embedder: Name of an embedder, or an `Embedder`.
            on_progress: Told how far it has come.

        Returns:
            What the store was and is pinned to, and how much was embedded.

        Raises:
            NotFoundError: There is no such store.
            BadRequestError: It has expired.
            NotSupportedError: The driver does not keep the storage itself, or it ends with the client.
            DriverError: There is no such embedder.
            StorageError: The embedder failed, or the disk is full or refuses; the store answers as before.
        """
        checked_id("vector_store_id", vector_store_id)
        call = partial(keeper(self._core).reembed, vector_store_id)
        chosen = await self._runner.blocking(opened, embedder)
        heard = self._runner.heard(listener(on_progress))
        return await self._runner.blocking(partial(call, chosen, on_progress=heard))

    async def migrate(
        self, target: AsyncOAuthCodexClient | Mapping[str, Any], *, on_progress: OnProgress | None = None
    ) -> MigrationReport:
        """Copy all files, vector stores and the files in them to another client, whatever its driver.

        Nothing there is overwritten, and what is there already is not copied again: a run that was interrupted is continued by
        the next. Local drivers keep ids, times, parsed texts and, if their embedders are the same, vectors; others give new ids, and
        process the files. Batches are not copied.

        Args:
            target: The other client, which stays open, or the arguments of one, which is opened and closed.
            on_progress: Told how far it has come, with the id of what was copied.

        Returns:
            How much was copied and compared; `ok` if everything is there.

        Raises:
            ConflictError: Another object has the id of one that would be copied; nothing was overwritten.
            EmbedderMismatchError: The copy of a store was begun with another embedder.
            ParameterValidationError: The target is no client, or this one.
            StorageError: A disk is full or refuses; the next run goes on.
        """
        from ..maintaining import other
        from .client import AsyncOAuthCodexClient
        from .migrating import AsyncMigration

        if isinstance(target, Mapping):
            async with AsyncOAuthCodexClient(**target) as opened_here:
                return await self.migrate(opened_here, on_progress=on_progress)
        core = other(self._core, target)
        runner = type(self._runner)(core.opened.native)
        return await AsyncMigration(self._core, self._runner, core, runner, listener(on_progress)).run()
