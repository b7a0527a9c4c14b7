"""Moving objects between backends as they are. Optional: a backend that offers it has an attribute `copying`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from ..types.files import FileObject
    from ..types.vector_stores import StaticChunking, VectorStore, VectorStoreFile


class Copying(Protocol):
    """Gives and takes objects with their ids and times, and what was made of files, so that it is not made again.

    What is there already is left as it is: taking the same object twice changes nothing, and another one under its id is refused.
    """

    @property
    def engine(self) -> str:
        """Who understands what `indexed` gives: `take_members` of every backend of the same engine."""
        ...

    def sha256(self, file_id: str) -> str:
        """Checksum of the content of a file.

        Raises:
            NotFoundError: There is no such file.
        """
        ...

    def default_chunking(self, vector_store_id: str) -> StaticChunking | None:
        """How files are split that are attached to the store without saying how; None for the default of the API."""
        ...

    def indexed(self, vector_store_id: str, file_ids: Sequence[str]) -> list[Any]:
        """What was made of these files of a store, in their order; None for one that is not completed."""
        ...

    def take_file(self, file: FileObject, content: BinaryIO) -> bool:
        """Keep a file under its own id, and say whether it was not there before.

        Raises:
            ConflictError: Another file has its id.
        """
        ...

    def take_store(self, store: VectorStore, chunking: StaticChunking | None) -> bool:
        """Keep a store, without its files, under its own id, and say whether it was not there before.

        Raises:
            ConflictError: Another store has its id.
        """
        ...

    def take_members(
        self, vector_store_id: str, members: Sequence[VectorStoreFile], indexed: Sequence[Any]
    ) -> tuple[int, int]:
        """Attach files that are here, in their states, and return how many were not attached before and how many of these
        kept their vectors. What comes without anything that was made of it is processed here.
        """
        ...
