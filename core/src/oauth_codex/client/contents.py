"""Reading files of a folder, and the attributes by which they are known again in a store."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..spi.limits import MAX_VALUE_LENGTH

#: Attributes of a file that came from a folder: its path there, and the SHA-256 of its content.
PATH, SHA256 = "path", "sha256"
#: Larger files are not held in memory, but read twice: once for their checksum, once for the upload.
IN_MEMORY = 8_000_000


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never a link, a pipe or a device that took its place since it was found.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "It is no regular file any more", str(path))
    return os.fdopen(descriptor, "rb")


def read(path: Path) -> tuple[bytes | Path, str]:
    """The content of a file, or where that lies if it is large; and its checksum.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > IN_MEMORY:
            checksum = hashlib.sha256()
            while piece := stream.read(1 << 20):
                checksum.update(piece)
            return path, checksum.hexdigest()
        content = stream.read()
    return content, hashlib.sha256(content).hexdigest()


class Hashed:
    """A stream that tells, once it was read to its end, the checksum of what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._checksum = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        piece = self._stream.read(size)
        self._checksum.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """Checksum of what was read so far."""
        return self._checksum.hexdigest()


def fitting(path: str) -> str:
    """A path as an attribute can hold it: a long one ends with its checksum, so that it stays unique."""
    if len(path) <= MAX_VALUE_LENGTH:
        return path
    mark = hashlib.sha256(path.encode()).hexdigest()[:16]
    return f"{path[: MAX_VALUE_LENGTH - 17]}~{mark}"
