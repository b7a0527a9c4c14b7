# Generated from client/_async/receiving.py by core/tools/unasync.py: do not edit.
"""The two ways in which another client takes copies: as they are, where it can, else by the routes that every backend has."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadRequestError, NotFoundError, PermissionDeniedError
from ...types.sentinels import omit
from ..migrating import MARK, SHORTEST_LIFE, Content, Refused, entry, marked
from .files import Files
from .vector_stores import VectorStores

if TYPE_CHECKING:
    from ...spi.copying import Copying
    from ...types.files import FileObject
    from ...types.vector_stores import StaticChunking, VectorStore, VectorStoreFile
    from ..base import Core
    from ..running import SyncRunner


class Attached(NamedTuple):
    """How many files were attached that were not before, and how many of these kept their vectors."""

    fresh: int
    kept: int


class Receiving:
    """Takes objects with their ids and times, and what was made of files."""

    unverified = 0

    def __init__(self, core: Core, runner: SyncRunner, copying: Copying) -> None:
        self._runner = runner
        self._copying = copying

    def look(self) -> None:
        """Nothing must be known before."""

    def find_file(self, file: FileObject, sha256: str) -> str | None:
        """Id of the copy, if it is there."""
        try:
            found = self._runner.blocking(self._copying.sha256, file.id)
        except NotFoundError:
            return None
        return file.id if found == sha256 else None

    def put_file(self, file: FileObject, content: Content) -> tuple[str, bool]:
        """Take a file; its id, and whether it was not there before.

        Raises:
            ConflictError: Another file has its id.
            Refused: It did not arrive as it was.
        """
        fresh = self._runner.blocking(self._copying.take_file, file, content.stream())
        if self._runner.blocking(self._copying.sha256, file.id) != content.sha256:
            raise Refused("Its copy has another SHA-256.")
        return file.id, fresh

    def put_store(self, store: VectorStore, chunking: StaticChunking | None) -> tuple[str, bool]:
        """Take a store without its files; its id, and whether it was not there before.

        Raises:
            ConflictError: Another store has its id.
        """
        return store.id, self._runner.blocking(self._copying.take_store, store, chunking)

    def put_members(self, store_id: str, members: Sequence[VectorStoreFile], indexed: Sequence[Any]) -> Attached:
        """Attach files that were taken, with what was made of them."""
        return Attached(*self._runner.blocking(self._copying.take_members, store_id, members, indexed))


class Routes:
    """Uploads and attaches by the public routes, and finds again what it has copied.

    A file by its name, purpose, size and SHA-256, each copy for one file only; a store by a mark in its metadata.
    """

    def __init__(self, core: Core, runner: SyncRunner) -> None:
        self._files = Files(core, runner)
        self._stores = VectorStores(core, runner)
        self._clock = time.time
        self._there: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        self._copies: dict[str, str] = {}
        self.unverified = 0

    def look(self) -> None:
        """See what is there."""
        for file in self._files.list(order="asc"):
            self._there[file.filename, file.purpose, file.bytes].append(file.id)
        for store in self._stores.list(order="asc", limit=100):
            if store.metadata is not None and MARK in store.metadata and store.status != "expired":
                self._copies[store.metadata[MARK]] = store.id

    def find_file(self, file: FileObject, sha256: str) -> str | None:
        """Id of the copy, if it is there."""
        candidates = self._there[file.filename, file.purpose, file.bytes]
        for candidate in candidates:
            if self._is_same(candidate, sha256):
                candidates.remove(candidate)
                return candidate
        return None

    def put_file(self, file: FileObject, content: Content) -> tuple[str, bool]:
        """Take a file; its id, and whether it was not there before.

        Raises:
            Refused: It did not arrive as it was.
        """
        found = self.find_file(file, content.sha256)
        if found is not None:
            return found, False
        life: Any = omit
        if file.expires_at is not None:
            life = {"anchor": "created_at", "seconds": max(SHORTEST_LIFE, file.expires_at - int(self._clock()))}
        made = self._files.create(
            file=(file.filename, content.stream()),
            purpose=file.purpose,
            expires_after=life,
            extra_body={"metadata": file.metadata} if file.metadata else None,
        )
        if made.bytes != content.size or not self._is_same(made.id, content.sha256):
            self._files.delete(made.id)
            raise Refused("Its copy has another size or SHA-256, and was deleted again.")
        return made.id, True

    def put_store(self, store: VectorStore, chunking: StaticChunking | None) -> tuple[str, bool]:
        """Take a store without its files; its id, and whether it was not there before.

        Raises:
            Refused: It could not be found again.
        """
        if store.id in self._copies:
            return self._copies[store.id], False
        given: dict[str, Any] = {"name": store.name, "description": store.description}
        if store.expires_after is not None:
            given["expires_after"] = {"anchor": "last_active_at", "days": store.expires_after.days}
        if chunking is not None:
            given["chunking_strategy"] = {"type": "static", "static": chunking.to_dict()}
        given = {name: value for name, value in given.items() if value is not None}
        made = self._stores.create(metadata=marked(store), extra_body=store.model_extra or None, **given)
        return made.id, True

    def put_members(self, store_id: str, members: Sequence[VectorStoreFile], indexed: Sequence[Any]) -> Attached:
        """Attach files that were taken, and wait until they were processed."""
        self._stores.file_batches.create_and_poll(store_id, files=[entry(member) for member in members])
        return Attached(len(members), 0)

    def _is_same(self, file_id: str, sha256: str) -> bool:
        """Whether the content of a file has a checksum; one that nobody may read counts as such, and is counted."""
        try:
            with Content() as content:
                with self._files.with_streaming_response.content(file_id) as answer:
                    for piece in answer.iter_bytes(1 << 20):
                        content.write(piece)
                return content.sha256 == sha256
        except (BadRequestError, PermissionDeniedError):
            self.unverified += 1
            return True
        except NotFoundError:
            return False
