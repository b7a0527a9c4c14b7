"""Opening the catalog, and its transactions.

On SQLite: write-ahead log, `synchronous=FULL` (an acknowledged transaction survives power loss), and every write transaction takes
the write lock at its start: one that reads first and upgrades later fails with "database is locked" when another wrote in between,
and retrying it would lose updates. Threads of one process queue on a lock of their own, because SQLite's busy handler sleeps between
attempts and starves; it then only ever waits for other processes. A transaction is begun by a statement and not by SQLAlchemy's
`begin` event, because an engine that has such a listener runs every statement through its event machinery.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Select,
    Text,
    bindparam,
    cast,
    create_engine,
    dialects,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import SchemaVersionError, StorageBusyError, StorageError
from ...spi.waiting import time_limit
from .. import disk
from .tables import SCHEMA_VERSION, meta, metadata
from .upgrades import OLDEST, upgrade

#: Seconds that a transaction waits for another process before it gives up with `StorageBusyError`.
BUSY_SECONDS = 60.0

_CATALOG = "oauth_codex_catalog"


class Catalog:
    """The transactional truth of one storage.

    `read()` and `write()` give a connection inside a transaction. They never nest: a function that needs one takes it as its first
    parameter. Leaving `write()` normally commits; what was done there is durable when it returns.
    """

    def __init__(self, engine: Engine, directory: Path | None) -> None:
        self._engine = engine.execution_options(**{_CATALOG: self})
        # A client that is left open loses nothing; its connections are closed when it is gone, or at the end of the program.
        self._closing = weakref.finalize(self, _close_all, engine)
        self._turn = threading.Lock()
        self._after_commit: list[Callable[[], None]] = []
        self._at_end: list[Callable[[], None]] = []
        #: Where large content and caches lie; None when everything is in memory.
        self.directory = directory
        self.id = self._prepare()

    @classmethod
    def open_file(cls, directory: Path) -> Catalog:
        """Open, or make, the catalog of a directory.

        Raises:
            SchemaVersionError: It was written by a newer version.
            StorageError: The directory cannot be used.
        """
        try:
            disk.make_folder(directory)
            path = directory / "catalog.sqlite3"
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StorageError(
                f"The storage directory {str(directory)!r} cannot be used: {error.strerror or error}."
                " Choose another with storage_dir= or OAUTH_CODEX_STORAGE_DIR, or mend its permissions."
            ) from error
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)),
            poolclass=QueuePool,
            pool_size=40,  # as many as an async client has threads; one beyond these is opened anew for each call
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        )
        _on_connect(engine, ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=4000"))
        return cls(engine, directory)

    @classmethod
    def open_memory(cls) -> Catalog:
        """A new catalog in memory. Its one connection passes from transaction to transaction, so threads never share one."""
        engine = create_engine(
            "sqlite+pysqlite:///:memory:",
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS,
            connect_args={"check_same_thread": False},
        )
        _on_connect(engine, ("PRAGMA journal_mode=MEMORY", "PRAGMA synchronous=OFF"))
        return cls(engine, None)

    @staticmethod
    def of(connection: Connection) -> Catalog:
        """The catalog that a connection belongs to."""
        catalog = connection.get_execution_options()[_CATALOG]
        assert isinstance(catalog, Catalog)
        return catalog

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the catalog."""
        with self._translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self, wait: float | None = None) -> Iterator[Connection]:
        """A transaction that may change the catalog; it commits, durably, when the block ends without an exception.

        Args:
            wait: Seconds to wait for other writers, `BUSY_SECONDS` by default; never longer than the time limit of the call.

        Raises:
            StorageBusyError: Others were writing all that time.
        """
        wait = min(BUSY_SECONDS if wait is None else wait, time_limit.get() or BUSY_SECONDS)
        if not self._turn.acquire(timeout=wait):
            raise _busy()
        todo: list[Callable[[], None]] = []
        ends: list[Callable[[], None]] = []
        try:
            try:
                with self._translated(), self._engine.connect() as connection:
                    self._begin_writing(connection, wait)
                    self._after_commit, self._at_end = todo, ends
                    yield connection
                    connection.commit()
            finally:
                self._after_commit, self._at_end = [], []
                self._turn.release()
            for action in todo:
                action()
        finally:
            for action in ends:
                action()

    @staticmethod
    def _begin_writing(connection: Connection, wait: float) -> None:
        if wait == BUSY_SECONDS:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(wait * 1000)}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do something once the current write transaction has committed; if it does not, the action is dropped."""
        self._after_commit.append(action)

    def at_end(self, action: Callable[[], None]) -> None:
        """Do something when the current write transaction is over, committed or not, and what `after_commit` does is done."""
        self._at_end.append(action)

    def compact(self) -> None:
        """Give the space that is free in the catalog back to the disk; other writers wait, and as much again is needed meanwhile.

        Raises:
            StorageBusyError: Others were writing all the time.
            StorageError: The disk is full.
        """
        with self._turn, self._translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()

    def next_chunks(self, connection: Connection, count: int) -> int:
        """Reserve `count` consecutive chunk ids inside a write transaction and return the first; ids are never reused."""
        return int(connection.execute(_NEXT_CHUNK, {"count": count}).scalar_one()) - count

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            said = str(error.orig)
            if isinstance(error, OperationalError) and ("locked" in said or "busy" in said):
                raise _busy() from error
            where = "in memory" if self.directory is None else f"in {str(self.directory)!r}"
            advice = "Nothing of what was being written was kept."
            if "not a database" in said or "malformed" in said:
                advice = "It is damaged: restore the directory from a copy, or choose another with storage_dir=."
            raise StorageError(f"The catalog {where} failed: {said}. {advice}", raw_error=error.orig) from error

    def close(self) -> None:
        """Close all connections."""
        self._closing()

    def _prepare(self) -> str:
        with self.read() as connection:
            known = self._meta(connection)
        if not known:
            with self.write() as connection:
                for statement in schema(connection.dialect.name):
                    connection.exec_driver_sql(statement)
                known = self._meta(connection)
                if not known:
                    first = {
                        "schema_version": str(SCHEMA_VERSION),
                        "catalog_id": os.urandom(16).hex(),
                        "next_chunk": "1",
                    }
                    connection.execute(insert(meta), [{"key": key, "value": value} for key, value in first.items()])
                    known = first
        version = known.get("schema_version", "")
        if not version.isdecimal():
            self.close()
            raise StorageError(f"The catalog in {str(self.directory)!r} is damaged: its schema version is {version!r}.")
        found = int(version)
        if found > SCHEMA_VERSION:
            self.close()
            raise SchemaVersionError(
                f"The catalog in {str(self.directory)!r} has schema version {found}; this oauth-codex reads up to"
                f" {SCHEMA_VERSION}. It was left untouched. Upgrade oauth-codex, or choose another storage_dir."
            )
        if found < OLDEST:
            self.close()
            raise StorageError(f"The catalog in {str(self.directory)!r} is damaged: its schema version is {version!r}.")
        if found < SCHEMA_VERSION:
            with self.write() as connection:
                upgrade(connection)
        return known["catalog_id"]

    def adopt(self, driver: str) -> str | None:
        """Note which driver uses this catalog; the one that used it before, if that was another."""
        with self.read() as connection:
            before = self._meta(connection).get("driver")
        if before == driver:
            return None
        with self.write() as connection:
            connection.execute(_ADOPT, {"driver": driver})
        return before

    @staticmethod
    def _meta(connection: Connection) -> dict[str, str]:
        if not connection.dialect.has_table(connection, "meta"):
            return {}
        return {row.key: row.value for row in connection.execute(select(meta.c.key, meta.c.value))}


_ADOPT = text(
    "INSERT INTO meta (key, value) VALUES ('driver', :driver) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_NEXT_CHUNK = (
    update(meta)
    .where(meta.c.key == "next_chunk")
    .values(value=cast(cast(meta.c.value, BigInteger) + bindparam("count", type_=BigInteger), Text))
    .returning(meta.c.value)
)


@cache
def schema(name: str) -> list[str]:
    """What makes the tables and indexes, in the dialect of this name; compiling it takes three times as long as running it."""
    dialect: Dialect = dialects.registry.load(name)()
    made: list[str] = []
    for table in metadata.sorted_tables:
        made.append(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        made += [str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in table.indexes]
    return made


def _close_all(engine: Engine) -> None:
    """Close the connections at rest now, and those that are in use when they come to rest."""
    event.listen(engine.pool, "checkin", lambda _, entry: entry.invalidate())
    engine.dispose()


def fetch(connection: Connection, statement: str, parameters: dict[str, object]) -> list[Any]:
    """All rows of a statement in the database's own dialect, as tuples.

    For few rows on a hot path: what SQLAlchemy does around a statement takes as long as the statement.
    """
    try:
        cursor = connection.connection.cursor()
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(statement, parameters, error, connection.dialect.loaded_dbapi.Error) from error


def as_json(values: list[int] | list[str]) -> str:
    """A list as JSON text, the form in which a fixed statement takes a set of rows (`json_each(:ids)`)."""
    return json.dumps(values)


def each(name: str) -> Select[Any]:
    """The entries of the JSON array that the parameter `name` holds, for `column.in_(each("ids"))`."""
    return select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value)


def gathered(ids: Select[Any]) -> Select[Any]:
    """The only column of a selection as one JSON array: a tenth of the time that as many rows take."""
    rows = ids.subquery()
    return select(func.json_group_array(rows.c[0], type_=Text))


def inserted_id(done: CursorResult[Any]) -> int:
    """The id of the row that a single insert made."""
    key = done.inserted_primary_key
    assert key is not None
    return int(key[0])


def unindexed(column: Column[Any]) -> ColumnElement[Any]:
    """The column as a value that no index serves, for a condition on few rows that are found by something better."""
    return func.coalesce(column, column, type_=column.type)


def _on_connect(engine: Engine, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def connect(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in (*pragmas, "PRAGMA cache_size=-16000", "PRAGMA temp_store=MEMORY"):
            raw.execute(pragma).close()


def _busy() -> StorageBusyError:
    return StorageBusyError(
        "The storage is held by another writer, for longer than this call waits. Nothing was changed; try again."
    )
