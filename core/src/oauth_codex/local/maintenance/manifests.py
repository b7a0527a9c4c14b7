"""The manifest of a snapshot: what it is of, and each of its files with size and SHA-256.

It is written last and has a checksum of its own, so a snapshot whose manifest can be read is a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import SchemaVersionError, StorageError
from ..catalog.blobs import PIECE_BYTES
from ..catalog.tables import SCHEMA_VERSION

#: Version of the form of snapshots; one of a newer form is refused.
FORMAT = 1
NAME = "manifest.json"
CATALOG = "catalog.sqlite3"
#: Files that a snapshot may have: no other name in a manifest is ever made a path.
_NAMES = re.compile(r"catalog\.sqlite3|blobs/[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a snapshot is of.

    Attributes:
        format: Version of its form.
        oauth_codex: Version of the package that made it.
        created_at: When, in Unix seconds.
        catalog_id: Id of the catalog.
        schema_version: Version of the catalog's schema.
        files: Size and SHA-256 of each file, by its path.
    """

    format: int
    oauth_codex: str
    created_at: int
    catalog_id: str
    schema_version: int
    files: Mapping[str, tuple[int, str]]

    def write(self, directory: Path) -> None:
        """Write it, durably."""
        sealed = _sealed(asdict(self))
        with open(directory / NAME, "x", opener=private, encoding="utf-8") as file:
            json.dump(sealed, file, indent=1)
            file.flush()
            os.fsync(file.fileno())


def read(directory: Path) -> Manifest:
    """The manifest of a snapshot.

    Raises:
        StorageError: There is none, or it is damaged.
        SchemaVersionError: A newer version wrote it.
    """
    path = directory / NAME
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StorageError(
            f"{str(directory)!r} is no snapshot: its {NAME} cannot be read: {error.strerror}.", raw_error=error
        ) from error
    except ValueError as error:
        raise damaged(path, f"it is no JSON document: {error}") from error
    newer = isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT
    if newer:
        raise SchemaVersionError(
            f"The snapshot {str(directory)!r} has form {found['format']}; this oauth-codex reads up to {FORMAT}. Upgrade oauth-codex."
        )
    if not isinstance(found, dict) or found != _sealed(found):
        raise damaged(path, "it is not as it was written")
    manifest = Manifest(**{name: value for name, value in found.items() if name != "checksum"})
    if manifest.schema_version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"The catalog in the snapshot {str(directory)!r} has schema version {manifest.schema_version}; this oauth-codex reads up"
            f" to {SCHEMA_VERSION}. Upgrade oauth-codex."
        )
    for name in manifest.files:
        if not _NAMES.fullmatch(name):
            raise damaged(path, f"it names {name[:80]!r}, which no snapshot has")
    return manifest


def damaged(path: Path, what: str) -> StorageError:
    """The error for a file of a snapshot that is not as it was written."""
    return StorageError(f"The snapshot is damaged: {str(path)!r}: {what}. Nothing was restored; take another snapshot.")


def copied(source: BinaryIO, target: Path, on_piece: Callable[[int], object] = lambda _: None) -> tuple[int, str]:
    """Copy a file, durably, and return size and SHA-256 of what was copied."""
    size, digest = 0, hashlib.sha256()
    with open(target, "xb", opener=private) as file:
        while piece := source.read(PIECE_BYTES):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            on_piece(size)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def described(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def private(path: str, flags: int) -> int:
    """Open a file that nobody else may read."""
    return os.open(path, flags, 0o600)


def _sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in facts.items() if name != "checksum"}
    text = json.dumps(bare, sort_keys=True)
    bare = json.loads(text)
    return {**bare, "checksum": hashlib.sha256(text.encode()).hexdigest()}
