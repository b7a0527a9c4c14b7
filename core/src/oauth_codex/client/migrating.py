"""What is held of a file while it is copied, and the mark of a copied store."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from ..spi.limits import MAX_ATTRIBUTES

if TYPE_CHECKING:
    from ..types.vector_stores import VectorStore, VectorStoreFile

#: Key in the metadata of a store that was copied to where its id could not be kept: its old id.
MARK = "migrated_from"
#: Content up to so many bytes is held in memory.
_IN_MEMORY = 8_000_000
#: The life of a file is at least an hour when it is uploaded.
SHORTEST_LIFE = 3600


class Refused(Exception):
    """Something cannot be copied, or is not what it should be; the message says why."""


class Content:
    """The content of a file, as a context: small in memory, large in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._checksum = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._file.write(piece)
        self._checksum.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Checksum of what was written."""
        return self._checksum.hexdigest()

    def stream(self) -> BinaryIO:
        """The content, from its beginning."""
        self._file.seek(0)
        return cast("BinaryIO", self._file)


def marked(store: VectorStore) -> dict[str, str]:
    """Metadata of a copy that has another id.

    Raises:
        Refused: There is no room for the mark.
    """
    metadata = {**(store.metadata or {}), MARK: store.id}
    if len(metadata) > MAX_ATTRIBUTES:
        raise Refused(
            f"It has {MAX_ATTRIBUTES} pairs of metadata, so that there is no room for {MARK!r}, by which its copy is found again."
        )
    return metadata


def unmarked(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    """Metadata without the mark of an earlier copy."""
    return None if metadata is None else {key: value for key, value in metadata.items() if key != MARK}


def entry(member: VectorStoreFile) -> dict[str, Any]:
    """A member of a store as a batch takes it."""
    found: dict[str, Any] = {"file_id": member.id}
    if member.attributes:
        found["attributes"] = member.attributes
    if member.chunking_strategy is not None and member.chunking_strategy.type == "static":
        found["chunking_strategy"] = member.chunking_strategy.to_dict()
    return found
