"""Content by its SHA-256, kept once for each namespace.

Up to 1 MiB lies in the row; more lies in `blobs/<digest>` of the storage directory, or in the row when the catalog is in memory. Bytes
are hashed and written to a temporary file outside any transaction; inside one, that file gets its final name before the row
commits. A crash can therefore leave a file without a row, never a row without its file.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, insert, select

from ...errors import BadRequestError, StorageBusyError, StorageError
from . import locks
from .catalog import Catalog, as_json, each, inserted_id
from .tables import attachments, files
from .tables import blobs as table

#: Up to this many bytes lie in the row.
INLINE_BYTES = 1 << 20
#: Bytes that are read and written at once.
PIECE_BYTES = 1 << 20
#: A file of this form in `blobs/` is a remnant of a crash, unless it is being written right now.
PARTIAL_PREFIX, PARTIAL_SUFFIX = "incoming-", ".part"

T = TypeVar("T")

_log = logging.getLogger("oauth_codex")


class Vanished(StorageError):
    """A row refers to a file that is not there.

    A reader whose transaction began before another one deleted the content sees that too; see `settled`.
    """


def settled(read: Callable[[], T]) -> T:
    """What a function reads in a transaction of its own; once more if content was deleted while it read."""
    try:
        return read()
    except Vanished:
        return read()


@dataclass(slots=True)
class Content:
    """Bytes that were read and hashed, ready to be stored: in `data`, or in the temporary file `path`."""

    digest: str
    size: int
    data: bytes | None
    path: Path | None
    #: The temporary file, opened: for as long as it is, others see that somebody is at work on it.
    handle: BinaryIO | None = None


@contextmanager
def spool(directory: Path | None, source: bytes | BinaryIO, most: int | None = None) -> Iterator[Content]:
    """Read content, in pieces, outside any transaction. What `store` did not take is gone when the block ends.

    Args:
        directory: The storage directory; None keeps everything in memory.
        source: The content, or a stream that is read from its position and not closed.
        most: Most bytes that are accepted; None for any number.

    Raises:
        BadRequestError: There are more (code `file_too_large`).
        StorageError: The disk does not take them.
    """
    content = _small(source, most) if isinstance(source, bytes) and len(source) <= INLINE_BYTES else None
    content = content or _spooled(directory, io.BytesIO(source) if isinstance(source, bytes) else source, most)
    try:
        yield content
    finally:
        if content.path is not None:
            content.path.unlink(missing_ok=True)
        if content.handle is not None:
            content.handle.close()


def _small(data: bytes, most: int | None) -> Content:
    if most is not None and len(data) > most:
        raise _too_large(most)
    return Content(hashlib.sha256(data).hexdigest(), len(data), data, None)


def _spooled(directory: Path | None, stream: BinaryIO, most: int | None) -> Content:
    digest, size = hashlib.sha256(), 0
    held: list[bytes] = []
    target: BinaryIO | None = None
    path: Path | None = None
    try:
        while piece := stream.read(PIECE_BYTES):
            size += len(piece)
            if most is not None and size > most:
                raise _too_large(most)
            digest.update(piece)
            if target is None and directory is not None and size > INLINE_BYTES:
                with _on_disk():
                    target, path = _temporary(directory)
                    target.writelines(held)
                held.clear()
            if target is None:
                held.append(piece)
            else:
                with _on_disk():
                    target.write(piece)
        if target is not None:
            with _on_disk():
                target.flush()
                os.fsync(target.fileno())
    except BaseException:
        if target is not None and path is not None:
            path.unlink(missing_ok=True)
            target.close()  # after that: a file that nobody marks is taken for a remnant
        raise
    return Content(digest.hexdigest(), size, None if path else b"".join(held), path, target)


def _temporary(directory: Path) -> tuple[BinaryIO, Path]:
    folder = directory / "blobs"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        release = locks.share(folder)  # until the file is marked, whoever looks for remnants must not conclude anything
        try:
            handle, name = tempfile.mkstemp(PARTIAL_SUFFIX, PARTIAL_PREFIX, folder)  # made with mode 0600
            locks.mark(handle)
        finally:
            release()
        if os.fstat(handle).st_nlink:  # else it was taken for a remnant before it was marked
            return os.fdopen(handle, "wb", buffering=0), Path(name)
        os.close(handle)


def store(connection: Connection, namespace: str, content: bytes | Content) -> int:
    """Keep content in the write transaction and return the id of its blob; equal content of a namespace is kept once.

    Large content is given as `spool` returned it, so that the transaction does not wait for hashing and for the disk.
    """
    if isinstance(content, bytes):
        with spool(Catalog.of(connection).directory, content) as spooled:
            return store(connection, namespace, spooled)
    key = {"namespace": namespace, "digest": content.digest}
    found = connection.execute(_FIND, key).scalar()
    if found is not None:
        return int(found)
    if content.path is not None:
        with _on_disk():
            Catalog.of(connection).at_end(locks.share(content.path.parent))
            _keep(content.path, content.path.with_name(content.digest), content.size)
        content.path = None
    done = connection.execute(_INSERT, {**key, "size": content.size, "data": content.data})
    return inserted_id(done)


def store_many(connection: Connection, namespace: str, contents: Sequence[Content]) -> list[int]:
    """`store` for several, with two statements for all that lie in rows; the ids in the order of the contents."""
    rows = {each.digest: each for each in contents if each.data is not None}
    known = _ids_of(connection, namespace, list(rows))
    new = [
        {"namespace": namespace, "digest": digest, "size": each.size, "data": each.data}
        for digest, each in rows.items()
        if digest not in known
    ]
    if new:
        connection.execute(_INSERT, new)
        known |= _ids_of(connection, namespace, [str(row["digest"]) for row in new])
    return [known[each.digest] if each.digest in known else store(connection, namespace, each) for each in contents]


def _ids_of(connection: Connection, namespace: str, digests: list[str]) -> dict[str, int]:
    found = connection.execute(_FIND_MANY, {"namespace": namespace, "digests": as_json(digests)})
    return {row.digest: row.id for row in found}


def _keep(temporary: Path, final: Path, size: int) -> None:
    # The write lock is held, so that nobody removes the file that is found here (see `_unlink`).
    if final.exists() and final.stat().st_size == size:
        temporary.unlink()
        return
    os.replace(temporary, final)
    if os.name == "nt":  # a folder cannot be opened there
        return
    for named in (final.parent, final.parents[1]):  # the name of the file, and that of its folder, which may be new
        folder = os.open(named, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(connection: Connection, blob_id: int) -> bytes:
    """The whole content."""
    with open(connection, blob_id) as stream:
        return stream.read()


def read_many(connection: Connection, blob_ids: Sequence[int]) -> list[bytes]:
    """The contents of several blobs, in the order of the ids; one statement for all."""
    rows = {row.id: row for row in connection.execute(_READ_MANY, {"ids": as_json(list(blob_ids))})}
    contents = {}
    for blob_id, row in rows.items():
        if row.data is not None:
            contents[blob_id] = row.data
        else:
            with _opened(connection, row) as stream:
                contents[blob_id] = stream.read()
    return [contents[blob_id] for blob_id in blob_ids]


def open(connection: Connection, blob_id: int) -> BinaryIO:  # noqa: A001  (what it does, as in `io.open`)
    """A stream of the content, which the caller closes; it may outlive the transaction and the deletion of the blob."""
    row = connection.execute(_READ, {"blob": blob_id}).one()
    return io.BytesIO(row.data) if row.data is not None else _opened(connection, row)


def read_span(connection: Connection, blob_id: int, start: int, end: int) -> bytes:
    """The bytes from `start` to `end`, exclusive, without reading the rest."""
    row = connection.execute(_SPAN, {"blob": blob_id, "start": start + 1, "count": end - start}).one()
    if start >= min(end, row.size):  # SQLite gives NULL, and no bytes, for a piece of an empty value
        return b""
    if row.data is not None:
        return bytes(row.data)
    with _opened(connection, row) as stream:
        stream.seek(start)
        return stream.read(end - start)


def release(connection: Connection, namespace: str, blob_ids: Sequence[int]) -> None:
    """Delete those of the blobs that no file and no text of an attachment refers to any more."""
    if not blob_ids:
        return
    gone = connection.execute(_UNUSED, {"namespace": namespace, "ids": as_json(list(blob_ids))}).all()
    if not gone:
        return
    connection.execute(_DELETE, {"ids": as_json([row.id for row in gone])})
    digests = [row.digest for row in gone if row.on_disk]
    if digests:
        catalog = Catalog.of(connection)
        assert catalog.directory is not None
        catalog.at_end(locks.share(catalog.directory / "blobs"))
        catalog.after_commit(lambda: _unlink(catalog, digests))


def _unlink(catalog: Catalog, digests: list[str]) -> None:
    """Remove files that no row of any namespace needs, under the write lock: another writer may just be storing one again.

    While somebody needs the files to stay, they do, and go when the storage is opened the next time.
    """
    assert catalog.directory is not None
    try:
        with catalog.write() as connection:
            release = locks.alone(catalog.directory)
            if release is None:
                return
            try:
                needed = set(connection.execute(NEEDED, {"digests": as_json(digests)}).scalars())
                for digest in digests:
                    if digest not in needed:
                        (catalog.directory / "blobs" / digest).unlink(missing_ok=True)
            finally:
                release()
    except (OSError, StorageError, StorageBusyError) as error:
        # The deletion is committed, so the call has succeeded; what is left over is waste.
        _log.warning("Deleted content could not be removed from blobs/ (%s): %s", ", ".join(digests), error)


def _opened(connection: Connection, row: Row[Any]) -> BinaryIO:
    directory = Catalog.of(connection).directory
    if directory is None:
        raise StorageError(f"The content {row.digest} of {row.size} bytes is lost.")
    try:
        return builtins.open(directory / "blobs" / row.digest, "rb")
    except OSError as error:
        kind = Vanished if isinstance(error, FileNotFoundError) else StorageError
        raise kind(
            f"The content blobs/{row.digest} of {row.size} bytes cannot be read: {error.strerror}.", raw_error=error
        ) from error


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The content could not be written: {error.strerror or error}. Nothing of it was kept.", raw_error=error
        ) from error


def _too_large(most: int) -> BadRequestError:
    return BadRequestError(
        f"The file is larger than the maximum of {most} bytes ({most / (1 << 20):g} MiB). Nothing of it was kept.",
        code="file_too_large",
        param="file",
    )


_FIND = select(table.c.id).where(table.c.namespace == bindparam("namespace"), table.c.digest == bindparam("digest"))
_FIND_MANY = select(table.c.id, table.c.digest).where(
    table.c.namespace == bindparam("namespace"), table.c.digest.in_(each("digests"))
)
_INSERT = insert(table)
_READ: Select[Any] = select(table.c.digest, table.c.size, table.c.data).where(table.c.id == bindparam("blob"))
_READ_MANY: Select[Any] = select(table.c.id, table.c.digest, table.c.size, table.c.data).where(
    table.c.id.in_(each("ids"))
)
_SPAN: Select[Any] = select(
    table.c.digest,
    table.c.size,
    func.substr(table.c.data, bindparam("start"), bindparam("count"), type_=table.c.data.type).label("data"),
).where(table.c.id == bindparam("blob"))
_UNUSED = select(
    # length() looks at the head of a value; a test for NULL alone may load all of it.
    table.c.id,
    table.c.digest,
    func.length(table.c.data).is_(None).label("on_disk"),
).where(
    table.c.namespace == bindparam("namespace"),
    table.c.id.in_(each("ids")),
    ~exists().where(files.c.blob_id == table.c.id),
    ~exists().where(attachments.c.text_blob_id == table.c.id),
)
_DELETE = delete(table).where(table.c.id.in_(each("ids")))
#: Those of some digests that a row of any namespace has.
NEEDED = select(table.c.digest).where(table.c.digest.in_(each("digests")))
