"""A catalog with a clock and ids of the test's own, and short ways to fill it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.local.catalog import attachments, batches, blobs, files, stores
from oauth_codex.local.catalog.attachments import Outcome
from oauth_codex.spi import LOCAL, Capabilities, DriverContext
from oauth_codex.spi import requests as r
from oauth_codex.types.files import FileObject
from oauth_codex.types.vector_stores import AttributeValue, StaticChunking, VectorStore
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

NAMESPACE = "tests"


class Time:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Ids:
    """Ids by number, in the order of creation."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made:06d}"


class Room:
    """A catalog and the rows that tests need, without parsing and indexing."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.time = Time()
        self.ids = Ids()

    @property
    def now(self) -> int:
        return int(self.time.now)

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Collects the SQL statements that are executed within the block."""
        seen: list[str] = []

        def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        engine = self.catalog._engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)
        seen[:] = [each for each in seen if not each.startswith("BEGIN")]

    def add_files(self, count: int, *, purpose: str = "assistants", content: bytes | None = None) -> list[Any]:
        with self.catalog.write() as connection:
            return [
                files.insert(connection, NAMESPACE, self._new_file(connection, purpose, content)) for _ in range(count)
            ]

    def _new_file(self, connection: Any, purpose: str, content: bytes | None) -> files.New:
        public_id = self.ids("file-")
        blob_id = blobs.store(connection, NAMESPACE, content or f"content {self.ids.made}".encode())
        return files.New(public_id, "a.txt", purpose, 1, blob_id, {}, None, created_at=self.now)

    def add_store(self, **changes: Any) -> Any:
        given: dict[str, Any] = {
            "name": None, "description": None, "metadata": None, "extra": {}, "expires_days": None, "chunking": None,
        }  # fmt: skip
        with self.catalog.write() as connection:
            return stores.insert(
                connection,
                NAMESPACE,
                self.ids("vs_"),
                embedder=HashingEmbedder(),
                now=self.now,
                **{**given, **changes},
            )

    def attach(
        self,
        store: Any,
        rows: Sequence[Any],
        *,
        attributes: Sequence[Mapping[str, AttributeValue] | None] | None = None,
        chunking: StaticChunking | None = None,
    ) -> list[int]:
        """Attach files, in progress."""
        given = attributes or [None] * len(rows)
        with self.catalog.write() as connection:
            entries = [(row, chunking, values) for row, values in zip(rows, given, strict=True)]
            return attachments.insert(connection, NAMESPACE, store.id, entries, self.now)

    def settle(self, store: Any, ids: Sequence[int], status: str = "completed", usage_bytes: int = 10) -> int:
        usage = usage_bytes if status == "completed" else 0
        with self.catalog.write() as connection:
            return attachments.settle(connection, NAMESPACE, store.id, [Outcome(i, status, usage) for i in ids])

    def add_batch(self, store: Any, ids: Sequence[int]) -> Any:
        public_id = self.ids("vsfb_")
        with self.catalog.write() as connection:
            batches.insert(connection, NAMESPACE, public_id, store.id, ids, self.now)
            return batches.require(connection, NAMESPACE, store, public_id)

    def store(self, store: Any) -> VectorStore:
        """The store as it is now."""
        with self.catalog.read() as connection:
            row = stores.require(connection, NAMESPACE, store.public_id)
            return stores.to_model(row, self.now, None)

    def query(self, sql: str, *values: Any) -> list[Any]:
        with self.catalog.read() as connection:
            return list(connection.exec_driver_sql(sql, values).all())

    def plan(self, statement: Any) -> list[str]:
        """How SQLite goes about a statement."""
        compiled = statement.compile(dialect=sqlite.dialect())
        values = tuple(None for _ in compiled.positiontup)
        return [row[3] for row in self.query(f"EXPLAIN QUERY PLAN {compiled}", *values)]

    def count(self, table: str) -> int:
        found: int = self.query(f"SELECT count(*) FROM {table}")[0][0]
        return found


@pytest.fixture
def room() -> Iterator[Room]:
    catalog = Catalog.open_memory()
    yield Room(catalog)
    catalog.close()


@pytest.fixture(params=["memory", "file"])
def any_room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    """A room in memory and one on disk."""
    catalog = Catalog.open_memory() if request.param == "memory" else Catalog.open_file(tmp_path)
    yield Room(catalog)
    catalog.close()


class Local:
    """An opened backend with a clock and ids of the test's own."""

    def __init__(
        self, directory: Path | None, time: Time, ids: Ids, capabilities: Capabilities = LOCAL, **parts: Any
    ) -> None:
        self.time = time
        catalog = Catalog.open_memory() if directory is None else Catalog.open_file(directory)
        self.room = Room(catalog)
        self.room.time = time
        context = DriverContext(
            directory=directory,
            clock=time,
            new_id=ids,
            logger=logging.getLogger("tests"),
            **{"embedder": HashingEmbedder(), "namespace": NAMESPACE, **parts},
        )
        provider = MatrixProvider(None if directory is None else directory / "cache")
        self.backend = LocalBackend(catalog, provider, context, name="tests", capabilities=capabilities)

    def upload(self, content: bytes = b"some words", **given: Any) -> FileObject:
        given = {"filename": "a.txt", "purpose": "assistants", **given}
        return self.backend.files.create(r.FileCreate(content=io.BytesIO(content), **given))

    def content(self, file_id: str) -> bytes:
        with self.backend.files.content(r.FileContent(file_id=file_id)) as stream:
            return stream.read()


@pytest.fixture
def open_local() -> Iterator[Callable[..., Local]]:
    """Opens backends that are closed after the test."""
    opened: list[Local] = []

    def open_one(directory: Path | None = None, time: Time | None = None, **given: Any) -> Local:
        opened.append(Local(directory, time or Time(), Ids(), **given))
        return opened[-1]

    yield open_one
    for local in opened:
        local.backend.close()


@pytest.fixture
def local(open_local: Callable[..., Local]) -> Local:
    return open_local()
