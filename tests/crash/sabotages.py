"""What durability rests on, taken out one by one, so that tests can be seen to fail without it.

The variable `SABOTAGE` names one. Programs call `apply`; in a pytest this is a plugin (`-p sabotages`), for its own process.
"""

from __future__ import annotations

import inspect
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from oauth_codex.errors import StorageError
from oauth_codex.local.catalog import blobs, catalog, generations, jobs, stores
from oauth_codex.local.catalog.catalog import Catalog
from oauth_codex.local.ingest import publishing, queue
from oauth_codex.local.ingest.heartbeat import Heartbeat

VARIABLE = "SABOTAGE"


def _without_sync(of: Callable[[int], bool]) -> None:
    """Let `blobs` sync no file of a kind."""

    def fsync(descriptor: int) -> None:
        if not of(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)

    parts = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
    # `replace` is looked up late: points are put there after this.
    parts |= {"fsync": fsync, "replace": lambda *given: os.replace(*given)}
    blobs.os = SimpleNamespace(**parts)


def content_is_not_synced() -> None:
    _without_sync(stat.S_ISREG)


def folder_is_not_synced() -> None:
    _without_sync(stat.S_ISDIR)


def catalog_is_not_synced() -> None:
    real = catalog._on_connect

    def on_connect(engine: Any, pragmas: tuple[str, ...]) -> None:
        real(engine, tuple(pragma.replace("synchronous=FULL", "synchronous=NORMAL") for pragma in pragmas))

    catalog._on_connect = on_connect


def _begin_anew(connection: Any) -> None:
    connection.commit()
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def publish_and_settle_apart() -> None:
    real = publishing.publish_generations

    def publish(connection: Any, *given: Any) -> Any:
        revision = real(connection, *given)
        _begin_anew(connection)
        return revision

    publishing.publish_generations = publish


def counters_apart() -> None:
    real = stores.count

    def count(connection: Any, *given: Any) -> None:
        owner = Catalog.of(connection)

        def later() -> None:
            with owner.write() as another:
                real(another, *given)

        owner.after_commit(later)

    stores.count = count


def content_is_deleted_before_the_commit() -> None:
    real = Catalog.after_commit

    def after_commit(self: Catalog, action: Callable[[], None]) -> None:
        if not action.__qualname__.startswith("release."):
            real(self, action)
            return
        assert self.directory is not None
        for digest in inspect.getclosurevars(action).nonlocals["digests"]:
            (self.directory / "blobs" / digest).unlink(missing_ok=True)

    Catalog.after_commit = after_commit  # type: ignore[method-assign]


def content_is_named_after_the_commit() -> None:
    real = blobs.store

    def store(connection: Any, namespace: str, content: Any) -> int:
        path = getattr(content, "path", None)
        if path is None:
            return real(connection, namespace, content)
        content.path, content.data = None, None
        found = real(connection, namespace, content)
        Catalog.of(connection).after_commit(lambda: os.replace(path, path.with_name(content.digest)))
        return found

    blobs.store = store


def old_content_goes_before_the_new_is_there() -> None:
    real = generations.retire

    def retire(connection: Any, *given: Any) -> None:
        real(connection, *given)
        _begin_anew(connection)

    generations.retire = retire


def jobs_are_announced_after_the_commit() -> None:
    real = queue.Queue.announce

    def announce(self: Any, connection: Any, *given: Any, mine: bool) -> Any:
        if mine:
            return real(self, connection, *given, mine=mine)
        owner = Catalog.of(connection)

        def later() -> None:
            with owner.write() as another:
                real(self, another, *given, mine=mine)

        owner.after_commit(later)
        return {}

    queue.Queue.announce = announce  # type: ignore[method-assign]


def leases_never_run_out() -> None:
    jobs.LEASE_SECONDS = 10**9


def leases_are_never_renewed() -> None:
    Heartbeat.begin = lambda self: None  # type: ignore[method-assign]


def publishing_asks_for_no_fence() -> None:
    jobs.held = lambda connection, who, claims: set(claims)


def transactions_begin_by_reading() -> None:
    def begin(connection: Any, wait: float) -> None:
        connection.exec_driver_sql("BEGIN")

    Catalog._begin_writing = staticmethod(begin)  # type: ignore[method-assign]


def nobody_waits_for_another_process() -> None:
    catalog.BUSY_SECONDS = 0.0
    real = catalog._on_connect
    catalog._on_connect = lambda engine, pragmas: real(engine, (*pragmas, "PRAGMA busy_timeout=0"))

    @contextmanager
    def write(self: Catalog, wait: float | None = None) -> Iterator[Any]:
        with plain(self, 30.0) as connection:
            yield connection

    plain = Catalog.write
    Catalog.write = write  # type: ignore[method-assign]

    def begin(connection: Any, wait: float) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    Catalog._begin_writing = staticmethod(begin)  # type: ignore[method-assign]


def clocks_only_go_forward() -> None:
    jobs._SET_BACK = ()


def a_full_disk_is_not_told() -> None:
    @contextmanager
    def on_disk() -> Iterator[None]:
        try:
            yield
        except OSError:
            return

    blobs._on_disk = on_disk


def errors_of_the_database_are_not_translated() -> None:
    @contextmanager
    def translated(self: Catalog) -> Iterator[None]:
        yield

    Catalog._translated = translated  # type: ignore[method-assign]


def workers_end_with_an_error() -> None:
    def take(self: Any) -> Any:
        try:
            return real(self)
        except StorageError:
            raise SystemExit from None

    real = queue.Queue.take
    queue.Queue.take = take  # type: ignore[method-assign]


#: Points of the crash test before which nothing can be seen of a sabotage, to save time.
FIRST = {
    "publish_and_settle_apart": 20,
    "counters_apart": 20,
    "old_content_goes_before_the_new_is_there": 74,
    "content_is_deleted_before_the_commit": 84,
}


def chosen() -> str | None:
    """The name of the sabotage of this process."""
    return os.environ.get(VARIABLE)


def apply() -> None:
    """Take out what the variable names."""
    name = chosen()
    if name is not None:
        globals()[name]()


def pytest_configure() -> None:
    """Sabotage the process of a pytest."""
    apply()
