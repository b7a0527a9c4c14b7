"""Clients on every built-in driver with a clock and ids of the test's own, and looks behind the scenes.

`audit` recomputes from the rows of the catalog what its counters and its search index claim; `dump` is all that is
stored, so that a test can say "nothing changed".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from oauth_codex import OAuthCodexClient, registry
from oauth_codex.spi import DriverContext

settings.register_profile("unhurried", deadline=None)  # how fast a machine is says nothing of whether a test holds
settings.load_profile("unhurried")

DRIVERS = ("memory", "sqlite")


class Clock:
    """Unix seconds that move when a test says so."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Ids:
    """Ids that count: the same calls get the same ids on every driver."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made:08d}"


class OpenClient:
    """A client and the backend under it; closing it closes both."""

    def __init__(
        self, driver: str, directory: Path | None, clock: Clock, ids: Callable[[str], str], **parts: Any
    ) -> None:
        record = registry.load_driver(driver)
        embedder = registry.open_embedder("hashing", {})
        directory = directory if record.capabilities.persistent else None
        context = DriverContext(directory=directory, embedder=embedder, clock=clock, new_id=ids, **parts)
        self.backend = registry.open_driver(record, {}, context)
        self.client = OAuthCodexClient(self.backend)

    def close(self) -> None:
        self.client.close()
        self.backend.close()


def _catalog(client: OAuthCodexClient) -> Any:
    return client.backend._engine.catalog  # type: ignore[attr-defined]


def dump_of(client: OAuthCodexClient) -> dict[str, Any]:
    """Everything that is stored: the rows of all tables, and the names and sizes of the files of content."""
    catalog = _catalog(client)
    found: dict[str, Any] = {}
    with catalog.read() as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        for (name,) in connection.exec_driver_sql(query).all():
            found[name] = sorted(map(repr, connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()))
    if catalog.directory is not None:
        blobs = catalog.directory / "blobs"
        found["blobs/"] = sorted((p.name, p.stat().st_size) for p in blobs.iterdir()) if blobs.exists() else []
    return found


_STATUSES = ("in_progress", "completed", "failed", "cancelled")


def audit_of(client: OAuthCodexClient) -> None:
    """Fail if a counter, a membership, an attribute or the search index differs from what the rows say."""
    catalog = _catalog(client)
    with catalog.read() as connection:

        def rows(sql: str) -> list[Any]:
            return list(connection.exec_driver_sql(sql).all())

        assert rows("PRAGMA integrity_check") == [("ok",)]
        for store in rows("SELECT * FROM stores"):
            where = f"WHERE namespace = '{store.namespace}' AND store_id = {store.id}"
            found = dict(map(tuple, rows(f"SELECT status, count(*) FROM attachments {where} GROUP BY status")))
            assert {s: getattr(store, s) for s in _STATUSES} == {s: found.get(s, 0) for s in _STATUSES}, store.public_id
            used = rows(f"SELECT coalesce(sum(usage_bytes), 0) FROM attachments {where}")[0][0]
            assert store.usage_bytes == used, store.public_id
            live = rows(
                f"SELECT attachment_id, generation, first_chunk, chunk_count, vectors FROM generations"
                f" {where} AND removed IS NULL"
            )
            done = rows(
                f"SELECT id, generation FROM attachments {where} AND (status = 'completed' OR text_blob_id IS NOT NULL)"
            )
            found_of = sorted((row.attachment_id, row.generation) for row in live)
            assert found_of == sorted(map(tuple, done)), "searchable is not the same as completed, now or once"
            for row in live:
                ids = [
                    tuple(chunk)
                    for chunk in rows(
                        f"SELECT id, ordinal FROM chunks WHERE attachment_id = {row.attachment_id} ORDER BY id"
                    )
                ]
                assert ids == [(row.first_chunk + i, i) for i in range(row.chunk_count)]
                assert len(row.vectors) == 2 * store.embedder_dimension * row.chunk_count
            for part in rows(f"SELECT first_chunk, chunk_count, live_count FROM segments {where}"):
                inside = range(part.first_chunk, part.first_chunk + part.chunk_count)
                assert part.live_count == sum(row.chunk_count for row in live if row.first_chunk in inside) > 0
        for batch in rows("SELECT * FROM batches"):
            counted = f"SELECT status, count(*) FROM batch_files WHERE batch_id = {batch.id} GROUP BY status"
            found = dict(map(tuple, rows(counted)))
            assert {s: getattr(batch, s) for s in _STATUSES} == {s: found.get(s, 0) for s in _STATUSES}, batch.public_id
        for row in rows("SELECT id, attributes FROM attachments"):
            listed = {
                pair.key: pair.text_value
                if pair.kind == "s"
                else bool(pair.number_value)
                if pair.kind == "b"
                else pair.number_value
                for pair in rows(f"SELECT * FROM attributes WHERE attachment_id = {row.id}")
            }
            assert listed == (json.loads(row.attributes) if row.attributes else {})
        orphans = {
            "chunks without attachment": "chunks WHERE attachment_id NOT IN (SELECT id FROM attachments)",
            "live generation without attachment": "generations WHERE removed IS NULL"
            " AND attachment_id NOT IN (SELECT id FROM attachments)",
            "attribute without attachment": "attributes WHERE attachment_id NOT IN (SELECT id FROM attachments)",
            "attachment without store": "attachments WHERE store_id NOT IN (SELECT id FROM stores)",
            "attachment without file": "attachments WHERE file_id NOT IN (SELECT id FROM files)",
            "batch without store": "batches WHERE store_id NOT IN (SELECT id FROM stores)",
            "batch file without attachment": "batch_files WHERE attachment_id NOT IN (SELECT id FROM attachments)",
            "file without content": "files WHERE blob_id NOT IN (SELECT id FROM blobs)",
            "text without content": "attachments WHERE text_blob_id IS NOT NULL AND text_blob_id NOT IN (SELECT id FROM blobs)",
            "content of nothing": "blobs WHERE id NOT IN (SELECT blob_id FROM files)"
            " AND id NOT IN (SELECT text_blob_id FROM attachments WHERE text_blob_id IS NOT NULL)",
            "job of nothing": "jobs WHERE attachment_id NOT IN (SELECT id FROM attachments WHERE status = 'in_progress')",
            "work without a job": "attachments WHERE status = 'in_progress' AND id NOT IN (SELECT attachment_id FROM jobs)",
        }
        for name, condition in orphans.items():
            assert rows(f"SELECT count(*) FROM {condition}") == [(0,)], name
        if catalog.directory is not None:
            for row in rows("SELECT digest, size FROM blobs WHERE data IS NULL"):
                assert (catalog.directory / "blobs" / row.digest).stat().st_size == row.size


@pytest.fixture
def clock() -> Clock:
    """The time that `client` sees."""
    return Clock()


@pytest.fixture
def open_client(clock: Clock) -> Iterator[Callable[..., OpenClient]]:
    """Opens clients by driver and directory, on the clock of the test; they are closed after it."""
    opened: list[OpenClient] = []

    def make(
        driver: str, directory: Path | None = None, ids: Callable[[str], str] | None = None, **parts: Any
    ) -> OpenClient:
        opened.append(OpenClient(driver, directory, parts.pop("clock", clock), ids or Ids(), **parts))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture(params=DRIVERS)
def client(request: pytest.FixtureRequest, tmp_path: Path, open_client: Callable[..., OpenClient]) -> OAuthCodexClient:
    """A client on each built-in driver, with `clock` and ids that count."""
    return open_client(str(request.param), tmp_path / "storage").client


@pytest.fixture
def support() -> SimpleNamespace:
    """The parts above, for tests that open clients of their own."""
    return SimpleNamespace(OpenClient=OpenClient, Clock=Clock, Ids=Ids, audit=audit_of, dump=dump_of)


@pytest.fixture
def dump() -> Callable[[OAuthCodexClient], dict[str, Any]]:
    """See `dump_of`."""
    return dump_of


@pytest.fixture
def audit() -> Callable[[OAuthCodexClient], None]:
    """See `audit_of`."""
    return audit_of


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no profile of the developer's own."""
    for name in list(os.environ):
        if name.startswith(("OAUTH_CODEX_", "CODEX_COMPAT_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Ids that are the same in every process: an address in one would keep the processes of a run from agreeing."""
    return type(val).__name__ if " at 0x" in repr(val)[:300] else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have counted, such as processes that were killed, and what was lost by it."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, counts in getattr(report, "user_properties", ()):
                if name == "counts" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {_said(counts)}")


def _said(counts: dict[str, object]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())
