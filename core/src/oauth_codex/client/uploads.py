"""What an upload may be, and how it becomes one readable binary stream."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .. import messages as say
from ..errors import ParameterValidationError, StorageError

if TYPE_CHECKING:
    from ..types.files import FileTypes

    #: An upload and its place among those of a batch.
    Numbered = tuple[int, FileTypes]

_DEFAULT_NAME = "upload"
#: Uploads of up to so many bytes are sent together: so many files, or so many bytes, at once.
SMALL_BYTES = 1 << 20
GROUP_FILES, GROUP_BYTES = 50, 4 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """An upload that is ready to be read.

    Attributes:
        stream: The bytes, from the current position of what was given.
        filename: Its name.
        content_type: Its media type, if the caller gave one.
    """

    stream: BinaryIO
    filename: str
    content_type: str | None

    def fields(self) -> dict[str, object]:
        """The fields of the request."""
        fields: dict[str, object] = {"content": self.stream, "filename": self.filename}
        if self.content_type is not None:
            fields["content_type"] = self.content_type
        return fields


def check_kind(file: FileTypes) -> tuple[str | None, Any, str | None]:
    """Name, content and media type of an upload, before anything is opened or read.

    Raises:
        TypeError: It is none of the accepted kinds.
    """
    name: str | None = None
    kind: str | None = None
    content: Any = file
    if isinstance(file, tuple):
        if not 2 <= len(file) <= 4:
            raise TypeError(
                f"An upload given as a tuple is (filename, content[, content_type[, headers]]), not {len(file)} values."
            )
        parts: tuple[Any, ...] = file
        name, content, kind, headers = parts + (None,) * (4 - len(parts))
        if name is not None and not isinstance(name, str):
            raise TypeError(f"The filename of an upload is a str or None, not {type(name).__name__}.")
        if kind is None and isinstance(headers, Mapping):  # the only header of the part that says something of the file
            kind = next((v for k, v in headers.items() if k.lower() == "content-type"), None)
        if kind is not None and not isinstance(kind, str):
            raise TypeError(f"The content type of an upload is a str or None, not {type(kind).__name__}.")
    if not isinstance(content, str | bytes | bytearray | memoryview | os.PathLike) and not callable(
        getattr(content, "read", None)
    ):
        raise TypeError(
            f"Cannot upload {type(content).__name__}: expected bytes, bytearray, memoryview, a path"
            " (str or os.PathLike), an open file, or a tuple (filename, content[, content_type[, headers]])."
        )
    return name or _own_name(content), content, kind


def _own_name(content: Any) -> str | None:
    """The name that the content itself carries, without its folders."""
    path = content if isinstance(content, str | os.PathLike) else getattr(content, "name", None)
    if not isinstance(path, str | os.PathLike):  # an integer is the name of a bare file descriptor
        return None
    return os.path.basename(os.fsdecode(path))


@contextmanager
def opened(file: FileTypes) -> Iterator[Source]:
    """An upload as a stream. A path is opened here and closed here; a handle of the caller is only read.

    Raises:
        TypeError: It is none of the accepted kinds.
        OSError: The path cannot be opened.
    """
    name, content, kind = check_kind(file)
    if isinstance(content, str | os.PathLike):
        with _open(content) as stream:
            yield Source(stream, name or _DEFAULT_NAME, kind)
    elif isinstance(content, bytes):
        yield Source(io.BytesIO(content), name or _DEFAULT_NAME, kind)  # shares the memory of the bytes
    elif isinstance(content, bytearray | memoryview):
        yield Source(cast(BinaryIO, _Memory(content)), name or _DEFAULT_NAME, kind)
    else:
        handle = _Handle(content)
        try:
            yield Source(cast(BinaryIO, handle), name or _DEFAULT_NAME, kind)
        except StorageError as error:
            if handle.failure is not None and error.__cause__ is handle.failure:
                raise handle.failure from None  # reading the caller's handle failed, not the driver
            raise


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return open(path, "rb")
    except ValueError:  # a NUL or a lone surrogate
        raise ParameterValidationError(
            f"Invalid 'file': {say.shown(path)} cannot be the path of a file.", param="file"
        ) from None


def check_path(file: FileTypes) -> None:
    """Find out before a batch begins whether a path can be opened. A pipe or a device is left alone.

    Raises:
        OSError: It cannot be opened.
    """
    content = check_kind(file)[1]
    if not isinstance(content, str | os.PathLike):
        return
    if os.path.isfile(content) or os.path.isdir(content) or not os.path.exists(content):
        _open(content).close()


def several(files: Iterable[FileTypes]) -> tuple[FileTypes, ...]:
    """The uploads of a batch.

    Raises:
        TypeError: It is a single upload, whose letters, bytes or lines would pass for uploads.
    """
    single = isinstance(files, str | bytes | bytearray | memoryview | os.PathLike | Mapping)
    if single or callable(getattr(files, "read", None)) or not isinstance(files, Iterable):
        raise TypeError(f"files takes several uploads, not {type(files).__name__}; write files=[...] for a single one.")
    return tuple(files)


def enumerated(files: Sequence[FileTypes]) -> list[list[Numbered]]:
    """Each upload of a batch by itself."""
    return [[numbered] for numbered in enumerate(files)]


def grouped(files: Sequence[FileTypes], largest: int) -> list[list[Numbered]]:
    """The uploads of a batch in groups of neighbours that are small enough to be read and sent together.

    What is large, or of which nobody knows how much it is before it was read, is by itself.

    Args:
        files: The uploads.
        largest: Bytes that the driver takes of one file; the error of a larger one is about it alone.
    """
    groups: list[list[Numbered]] = []
    room = -1
    for number, file in enumerate(files):
        size = _known_size(file)
        if size is None or size > min(SMALL_BYTES, largest):
            groups.append([(number, file)])
            room = -1  # nothing joins it
            continue
        if size > room or len(groups[-1]) == GROUP_FILES:
            groups.append([])
            room = GROUP_BYTES
        groups[-1].append((number, file))
        room -= size
    return groups


def _known_size(file: FileTypes) -> int | None:
    """Bytes of an upload, if that is known without reading it."""
    content = check_kind(file)[1]
    if isinstance(content, bytes | bytearray):
        return len(content)
    if isinstance(content, memoryview):
        return content.nbytes
    if isinstance(content, str | os.PathLike):
        try:
            found = os.stat(content)
        except (OSError, ValueError):  # whoever opens it will say what is wrong
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None


def read_whole(file: FileTypes) -> Source:
    """A small upload, read.

    Raises:
        OSError: The path cannot be read.
    """
    with opened(file) as source:
        return replace(source, stream=io.BytesIO(source.stream.read()))


class _Memory(io.RawIOBase):
    """Reads a buffer where it lies, without a copy of the whole."""

    def __init__(self, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        self._view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        self._at = min(max(base + offset, 0), len(self._view))
        return self._at

    def readinto(self, target: Any) -> int:
        piece = self._view[self._at : self._at + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


class _Handle(io.RawIOBase):
    """Reads anything that has `read`, of bytes or of text, which becomes UTF-8. Leaves the handle open.

    It can go back, as a driver must that repeats a request or announces its length, where an open binary file can.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._read: Callable[[int], Any] = handle.read
        self._rest = b""
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        # Of anything else it is not known what its positions mean.
        return isinstance(self._handle, io.RawIOBase | io.BufferedIOBase) and self._handle.seekable()

    def tell(self) -> int:
        self._check_seekable()
        return int(self._handle.tell()) - len(self._rest)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check_seekable()
        if whence == io.SEEK_CUR:
            offset -= len(self._rest)
        self._rest = b""
        return int(self._handle.seek(offset, whence))

    def _check_seekable(self) -> None:
        if not self.seekable():
            raise io.UnsupportedOperation("The uploaded file cannot be read from another position.")

    def readinto(self, target: Any) -> int:
        if not self._rest:
            self._rest = self._next(len(target))
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self, size: int) -> bytes:
        try:
            piece = self._read(size)
            if isinstance(piece, str):
                return piece.encode()
            if isinstance(piece, bytes | bytearray | memoryview):
                return bytes(piece)
            raise TypeError(f"read() of the uploaded file returned {type(piece).__name__}, not bytes or str.")
        except UnicodeEncodeError:
            raise say.lone_surrogate("file") from None
        except UnicodeDecodeError as error:
            raise ParameterValidationError(
                f"Invalid 'file': it was opened as text, but is not {error.encoding} text. Open it with mode 'rb'.",
                param="file",
            ) from error
        except BaseException as error:
            self.failure = error
            raise
