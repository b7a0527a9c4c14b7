"""Uploaded files of one namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import StorageError
from ..spi import requests as r
from ..spi.backends import Listing
from ..types.files import FileDeleted, FileObject
from .catalog import blobs, files

if TYPE_CHECKING:
    from .engine import Engine


class LocalFiles:
    """See `spi.backends.FileBackend`."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._engine = engine
        self._namespace = namespace

    def create(self, request: r.FileCreate) -> FileObject:
        """Store a file.

        Raises:
            BadRequestError: It is larger than the limit of the driver (code `file_too_large`).
        """
        engine = self._engine
        with blobs.spool(engine.catalog.directory, request.stream, engine.capabilities.max_file_bytes) as content:
            now = engine.now(self._namespace)
            with engine.catalog.write() as connection:
                blob_id = blobs.store(connection, self._namespace, content)
                row = files.insert(connection, self._namespace, self._new(request, content, blob_id, now))
        self._expect(content.size)
        return files.to_model(row)

    def create_many(self, request: r.FilesCreate) -> Sequence[FileObject]:
        """Store several files in one transaction, which costs one wait for the disk.

        Raises:
            BadRequestError: One is larger than the limit of the driver (code `file_too_large`); none is kept.
        """
        engine = self._engine
        with ExitStack() as spooled:
            contents = [
                spooled.enter_context(
                    blobs.spool(engine.catalog.directory, each.stream, engine.capabilities.max_file_bytes)
                )
                for each in request.files
            ]
            now = engine.now(self._namespace)
            with engine.catalog.write() as connection:
                blob_ids = blobs.store_many(connection, self._namespace, contents)
                new = [self._new(*each, now) for each in zip(request.files, contents, blob_ids, strict=True)]
                rows = files.insert_many(connection, self._namespace, new)
        self._expect(sum(content.size for content in contents))
        return [files.to_model(row) for row in rows]

    def _new(self, request: r.FileCreate, content: blobs.Content, blob_id: int, now: int) -> files.New:
        return files.New(
            self._engine.context.new_id("file-"),
            request.filename,
            request.purpose,
            content.size,
            blob_id,
            _metadata(request.model_extra or {}),
            files.expiry(request.purpose, request.expires_after, now),
            created_at=now,
        )

    def _expect(self, size: int) -> None:
        if self._engine.ingest.workers is not None:
            self._engine.ingest.workers.expect(size)

    def retrieve(self, request: r.FileRetrieve) -> FileObject:
        """One file."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            return files.to_model(files.require(connection, self._namespace, request.file_id, now))

    def list(self, request: r.FileList) -> Listing[FileObject]:
        """A page of files."""
        self._engine.now(self._namespace)
        with self._engine.catalog.read() as connection:
            found = files.page(connection, self._namespace, request)
        return found.listing(files.to_model)

    def delete(self, request: r.FileDelete) -> FileDeleted:
        """Delete a file, here and in all vector stores of the namespace."""
        now = self._engine.now(self._namespace)
        with self._engine.catalog.write() as connection:
            row = files.require(connection, self._namespace, request.file_id, now)
            files.delete(connection, self._namespace, [row], now)
        return FileDeleted(id=request.file_id)

    def content(self, request: r.FileContent) -> BinaryIO:
        """A stream of the content, which the caller closes. It can be read to its end even if the file is deleted meanwhile."""
        now = self._engine.now(self._namespace)
        try:
            with self._engine.catalog.read() as connection:
                row = files.require(connection, self._namespace, request.file_id, now)
                return blobs.open(connection, row.blob_id)
        except StorageError:
            # It may have been deleted between the two steps: then it is not found, and nothing is wrong with the storage.
            self.retrieve(r.FileRetrieve(file_id=request.file_id))
            raise


def _metadata(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What was given beside the known parameters; a mapping under the name `metadata` is not nested once more."""
    given = extra.get("metadata")
    if not isinstance(given, Mapping):
        return dict(extra)
    return {**given, **{name: value for name, value in extra.items() if name != "metadata"}}
