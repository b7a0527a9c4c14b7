"""Contents: each one that a row speaks of is there, with its size and its hash; files of content have a row.

Content that is another one than it should be is set aside, so that nobody reads it for the right one, and kept, because it may be
all that is left.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ...errors import StorageError
from ...types.maintenance import Finding
from ..catalog import remnants
from ..catalog.blobs import PIECE_BYTES
from ..catalog.catalog import Catalog

#: What was set aside has this in front of its name.
ASIDE = "damaged-"
#: Contents in rows that are read in one transaction.
_GROUP = 32
_REMEDY = "Restore a snapshot, or upload the file again and delete this one."


class Bad(NamedTuple):
    """A finding, the blob that it is about, and whether there is something that must be set aside."""

    finding: Finding
    blob_id: int
    wrong: bool


def bad(catalog: Catalog, *, deep: bool) -> Iterator[Bad | int]:
    """Contents that are lost or damaged; and in between, how many were looked at.

    Args:
        catalog: The catalog.
        deep: Whether contents are read; else only their sizes are compared.
    """
    last = 0
    statement = _ROWS.format(data="data" if deep else "NULL AS data")
    while True:
        with catalog.read() as connection:
            rows = connection.exec_driver_sql(statement, (last, _GROUP)).all()
        for row in rows:
            wrong = _in_row(row, deep) if row.inline is not None else _on_disk(catalog, row, deep)
            if wrong is None or not _still_there(catalog, row.id):
                continue
            gone = row.inline is None and wrong == _MISSING
            yield Bad(_finding(catalog, row, wrong, gone), row.id, not gone)
        if not rows:
            return
        last = rows[-1].id
        yield len(rows)


def without_row(catalog: Catalog) -> Iterator[Finding]:
    """Uploaded files whose content no row speaks of."""
    with catalog.read() as connection:
        rows = connection.exec_driver_sql(_WITHOUT_ROW).all()
    for row in rows:
        yield Finding(
            code="lost_content",
            where=row.public_id,
            message=f"The content of {row.filename!r}, {row.bytes} bytes, is gone.",
            remedy=_REMEDY,
            lost=True,
        )


def strays(catalog: Catalog) -> Iterator[Finding]:
    """Files in `blobs/` that nothing refers to."""
    for path in remnants.find(catalog):
        yield Finding(
            code="stray_file",
            where=f"blobs/{path.name}",
            message="Nothing refers to this file.",
            remedy="Removed.",
        )


def set_aside(catalog: Catalog, blob_id: int) -> None:
    """Put damaged content where nobody reads it; a row in memory loses it.

    Raises:
        StorageError: The disk does not take it.
    """
    with catalog.write() as connection:
        row = connection.exec_driver_sql("SELECT digest, data FROM blobs WHERE id = ?", (blob_id,)).first()
        if row is None:
            return
        if catalog.directory is not None:
            try:
                _move(catalog.directory / "blobs", row)
            except OSError as error:
                raise StorageError(
                    f"The damaged content blobs/{row.digest} cannot be set aside: {error.strerror}.", raw_error=error
                ) from error
        connection.exec_driver_sql("UPDATE blobs SET data = NULL WHERE id = ?", (blob_id,))


def readers(connection: Connection, blob_ids: list[int]) -> list[int]:
    """Completed attachments whose text is one of these contents."""
    found: list[int] = []
    for blob_id in blob_ids:
        found += connection.exec_driver_sql(_READERS, (blob_id,)).scalars()
    return found


def _move(folder: Path, row: Any) -> None:
    if row.data is None:
        os.replace(folder / row.digest, folder / f"{ASIDE}{row.digest}")
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / f"{ASIDE}{row.digest}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(row.data)
        file.flush()
        os.fsync(file.fileno())


_MISSING = "It is not there"


def _in_row(row: Any, deep: bool) -> str | None:
    if row.inline != row.size:
        return f"It has {row.inline} bytes of {row.size}"
    if deep and hashlib.sha256(row.data).hexdigest() != row.digest:
        return "It is another one: its hash is not its name"
    return None


def _on_disk(catalog: Catalog, row: Any, deep: bool) -> str | None:
    if catalog.directory is None:
        return _MISSING
    path = catalog.directory / "blobs" / str(row.digest)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != row.size:
                return f"It has {size} bytes of {row.size}"
            if deep and _hash(file) != row.digest:
                return "It is another one: its hash is not its name"
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return f"It cannot be read: {error.strerror}"
    return None


def _hash(file: Any) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _still_there(catalog: Catalog, blob_id: int) -> bool:
    """Whether the row is there now, after its content was missed: else somebody has just deleted both."""
    with catalog.read() as connection:
        found = connection.exec_driver_sql("SELECT 1 FROM blobs WHERE id = ?", (blob_id,)).first()
    return found is not None


def _finding(catalog: Catalog, row: Any, wrong: str, gone: bool) -> Finding:
    with catalog.read() as connection:
        users = list(connection.exec_driver_sql(_USERS, {"blob": row.id}).scalars())
        # What was only made of a file can be made again.
        lost = connection.exec_driver_sql("SELECT 1 FROM files WHERE blob_id = ?", (row.id,)).first() is not None
    named = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
    return Finding(
        code="lost_content" if gone else "damaged_content",
        where=f"blobs/{row.digest}",
        message=f"This is the content of {named or 'nothing'}. {wrong}.",
        remedy=_REMEDY if lost else "Made anew from the file.",
        lost=lost,
    )


_ROWS = "SELECT id, digest, size, length(data) AS inline, {data} FROM blobs WHERE id > ? ORDER BY id LIMIT ?"
_WITHOUT_ROW = """
    SELECT f.public_id, f.filename, f.bytes FROM files AS f
    WHERE NOT EXISTS (SELECT 1 FROM blobs AS b WHERE b.id = f.blob_id AND b.namespace = f.namespace)
"""
_USERS = """
    SELECT public_id FROM files WHERE blob_id = :blob
    UNION SELECT f.public_id || ' (its text in a vector store)' FROM attachments AS a JOIN files AS f ON f.id = a.file_id
    WHERE a.text_blob_id = :blob AND f.blob_id <> :blob
"""
_READERS = "SELECT id FROM attachments WHERE text_blob_id = ?"
