"""Uploaded files of one namespace."""

from __future__ import annotations

from collections.abc import Mapping
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
        catalog, context = self._engine.catalog, self._engine.context
        with blobs.spool(catalog.directory, request.stream, self._engine.capabilities.max_file_bytes) as content:
            now = self._engine.now(self._namespace)
            with catalog.write() as connection:
                row = files.insert(
                    connection,
                    self._namespace,
                    context.new_id("file-"),
                    filename=request.filename,
                    purpose=request.purpose,
                    size=content.size,
                    blob_id=blobs.store(connection, self._namespace, content),
                    extra=_metadata(request.model_extra or {}),
                    expires_at=files.expiry(request.purpose, request.expires_after, now),
                    now=now,
                )
        if self._engine.ingest.workers is not None:
            self._engine.ingest.workers.expect(row.bytes)
        return files.to_model(row)

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
