"""A storage with some of everything, and ways to damage it and to ask what it answers."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.testing.story import VECTORS_ONLY

LARGE = b"<html><body><p>The large plum is blue.</p>" + b"<!-- nothing -->" * 80_000 + b"</body></html>"


class World:
    """A client on a storage of its own, and the directory."""

    def __init__(self, client: OAuthCodexClient, directory: Path) -> None:
        self.client = client
        self.directory = directory

    def fill(self) -> None:
        """Two stores that share a file, a batch, attributes, large content with a text of its own, and something removed."""
        stores = self.client.vector_stores
        files = [self.upload(f"{name}.txt", f"The {name} is round.") for name in ("apple", "pear", "quince", "medlar")]
        large = self.client.files.create(file=("large.html", LARGE), purpose="assistants").id
        one = stores.create(name="one").id
        stores.file_batches.create_and_poll(
            one, file_ids=files[:3], attributes={"kind": "fruit", "number": 1, "ripe": True}
        )
        stores.files.create(one, file_id=large)
        stores.create(name="two", file_ids=files[2:])
        gone = self.upload("gone.txt", "The gone is gone.")
        stores.files.create(one, file_id=gone)
        self.client.files.delete(gone)

    def upload(self, name: str, text: str) -> str:
        return self.client.files.create(file=(name, text.encode()), purpose="assistants").id

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement behind the back of the client."""
        with closing(sqlite3.connect(self.directory / "catalog.sqlite3", isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    def blob(self) -> Path:
        """The file of the large content."""
        (digest,) = self.sql("SELECT digest FROM blobs WHERE data IS NULL")[0]
        return self.directory / "blobs" / digest

    def answers(self) -> dict[str, Any]:
        """What callers see: the files, the stores, and what can be found in them."""
        client, found = self.client, {}
        for file in client.files.list(limit=100):
            found[file.id] = file.filename, file.bytes
        for store in client.vector_stores.list(limit=100):
            found[store.id] = store.name, store.file_counts.to_dict(), store.usage_bytes
            members = client.vector_stores.files.list(store.id, limit=100, order="asc")
            found[f"{store.id} files"] = [(each.id, each.status, each.attributes) for each in members]
            for options in (
                {},
                {"ranking_options": VECTORS_ONLY},
                {"filters": {"type": "eq", "key": "ripe", "value": True}},
            ):
                hits = client.vector_stores.search(store.id, query="round plum apple", max_num_results=50, **options)  # type: ignore[arg-type]
                found[f"{store.id} {options}"] = [(hit.filename, hit.score, hit.text) for hit in hits.data]
        return found


@pytest.fixture
def open_world(tmp_path: Path, open_client: Callable[..., Any]) -> Callable[..., World]:
    """Opens worlds; an empty one by the name of its directory, with the driver that is named."""

    def make(driver: str = "sqlite", name: str = "storage") -> World:
        made = itertools.count()
        client = open_client(driver, tmp_path / name, lambda prefix: f"{prefix}{name}{next(made)}").client
        return World(client, tmp_path / name)

    return make


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a filled storage."""
    directory = tmp_path_factory.mktemp("world") / "template"
    with OAuthCodexClient("sqlite", storage_dir=directory, clock=lambda: 1_700_000_000.0) as client:
        World(client, directory).fill()
    return directory


@pytest.fixture
def world(open_world: Callable[..., World], template: Path, tmp_path: Path) -> World:
    """A filled world on `sqlite`."""
    shutil.copytree(template, tmp_path / "storage")
    return open_world()
