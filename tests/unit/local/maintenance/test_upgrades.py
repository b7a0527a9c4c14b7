"""A catalog of an older schema is upgraded when it is opened, as a whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient, SchemaVersionError, StorageError
from oauth_codex.local import Catalog
from oauth_codex.local.catalog import upgrades
from oauth_codex.local.catalog.tables import SCHEMA_VERSION

_HERE = Path(__file__).parent


@pytest.fixture
def old(template: Path, tmp_path: Path) -> Path:
    """The filled storage as version 1 of the schema would have kept it."""
    directory = tmp_path / "old"
    directory.mkdir()
    with closing(sqlite3.connect(directory / "catalog.sqlite3", isolation_level=None)) as made:
        made.executescript((_HERE / "schema_1.sql").read_text())
        made.execute("ATTACH ? AS filled", (str(template / "catalog.sqlite3"),))
        tables = [
            name for (name,) in made.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        ]
        for table in tables:
            columns = ", ".join(row[1] for row in made.execute(f"PRAGMA main.table_info({table})"))
            made.execute(f"DELETE FROM main.{table}")
            made.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM filled.{table}")
        made.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    (directory / "blobs").symlink_to(template / "blobs")
    return directory


def _shape(directory: Path) -> list[Any]:
    """What a schema is, however it came to be: the columns and indexes of all tables."""
    with closing(sqlite3.connect(directory / "catalog.sqlite3")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return [
            (name, sorted(connection.execute(f"PRAGMA {kind}({name})").fetchall(), key=str))
            for (name,) in tables
            for kind in ("table_info", "index_list")
        ]


def _version(directory: Path) -> str:
    with closing(sqlite3.connect(directory / "catalog.sqlite3")) as connection:
        (value,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return str(value)


def _by_name(shape: list[Any]) -> list[Any]:
    """Columns without their places: an upgrade adds them behind the others, but new tables have them where they belong."""
    return [(name, sorted((row[1:] for row in rows), key=str)) for name, rows in shape]


def test_version_1_becomes_the_current_one_and_answers_the_same(
    old: Path, template: Path, open_client: Callable[..., Any], audit: Callable[[Any], None]
) -> None:
    with OAuthCodexClient("sqlite", storage_dir=template) as client:
        expected = client.vector_stores.search(client.vector_stores.list().data[0].id, query="round").model_dump()[
            "data"
        ]
    client = open_client("sqlite", old).client
    assert _version(old) == str(SCHEMA_VERSION)
    assert _by_name(_shape(old)) == _by_name(_shape(template))
    found = client.vector_stores.search(client.vector_stores.list().data[0].id, query="round").model_dump()["data"]
    assert found == expected
    client.vector_stores.create(name="new", file_ids=[client.files.list().data[0].id])
    audit(client)
    assert client.maintenance.verify().ok


def test_a_step_leads_from_every_older_version() -> None:
    assert sorted(upgrades.STEPS) == list(range(upgrades.OLDEST, SCHEMA_VERSION))


def test_an_upgrade_that_fails_leaves_the_old_version(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _shape(old)
    monkeypatch.setitem(upgrades.STEPS, 1, (*upgrades.STEPS[1], "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StorageError, match="nowhere"):
        Catalog.open_file(old)
    assert (_version(old), _shape(old)) == ("1", before)
    monkeypatch.undo()
    Catalog.open_file(old).close()
    assert _version(old) == str(SCHEMA_VERSION)


def test_two_that_upgrade_at_the_same_time(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one does it between the first look and the transaction."""
    upgrade = upgrades.upgrade

    def late(connection: Any) -> None:
        monkeypatch.undo()
        connection.rollback()
        Catalog.open_file(old).close()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection)

    monkeypatch.setattr("oauth_codex.local.catalog.catalog.upgrade", late)
    Catalog.open_file(old).close()
    assert _version(old) == str(SCHEMA_VERSION)


@pytest.mark.parametrize(("version", "error"), [("3", SchemaVersionError), ("0", StorageError), ("-1", StorageError)])
def test_a_version_that_nobody_can_read_is_refused(old: Path, version: str, error: type[Exception]) -> None:
    with closing(sqlite3.connect(old / "catalog.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (version,))
    before = _shape(old)
    with pytest.raises(error, match="schema version"):
        Catalog.open_file(old)
    assert (_version(old), _shape(old)) == (version, before)
