"""Objects of the `files` resource."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal

from ._base import Answer

FilePurpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]

#: Purposes that an upload may name; outputs of other APIs are never uploaded.
UPLOAD_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")

FileContent = IO[bytes] | IO[str] | bytes | bytearray | memoryview | os.PathLike[str] | str
#: What an upload accepts. A `str` is a path; a tuple is `(filename, content[, content_type[, headers]])`.
FileTypes = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Mapping[str, str]]
)


class FileObject(Answer):
    """An uploaded file. `bytes` is its size; times are Unix seconds."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    expires_at: int | None = None
    status_details: str | None = None
    metadata: dict[str, Any] | None = None


class FileDeleted(Answer):
    """Answer to the deletion of a file."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class FileBytes(bytes):
    """The content of a file: `bytes`, with the reading methods of the SDK's binary response."""

    _request_id: str | None = None

    @property
    def content(self) -> bytes:
        """The bytes themselves."""
        return bytes(self)

    @property
    def text(self) -> str:
        """The content decoded as UTF-8; bytes that are not UTF-8 show as U+FFFD."""
        return self.decode("utf-8", errors="replace")

    def read(self) -> bytes:
        """The bytes themselves."""
        return bytes(self)

    def json(self, **kwargs: Any) -> Any:
        """The content parsed as JSON.

        Raises:
            json.JSONDecodeError: The content is not JSON.
        """
        return json.loads(self, **kwargs)

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The content in pieces of `chunk_size` bytes (64 KiB when None)."""
        stream = io.BytesIO(self)
        while piece := stream.read(chunk_size or 65536):
            yield piece

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """The content as text, in pieces of `chunk_size` characters (64 Ki when None)."""
        stream = io.StringIO(self.text)
        while piece := stream.read(chunk_size or 65536):
            yield piece

    def iter_lines(self) -> Iterator[str]:
        """The lines of the text, without their ends."""
        yield from self.text.splitlines()

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Write the content to a path, replacing what is there."""
        with open(file, mode="wb") as target:
            target.write(self)
