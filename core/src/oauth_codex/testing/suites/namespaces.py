"""Views of two namespaces on one storage."""

from __future__ import annotations

from typing import Any

from ...client import OAuthCodexClient
from ..case import Face, Storage
from ..clock import FakeClock
from ..corpus import documents, queries
from ..marks import requires, rule
from .base import DriverTests
from .support import assert_counts, assert_missing, everything, filled, found, hits, unchanged, uploaded


class NamespaceTests(DriverTests):
    """`Backend.scoped`."""

    @rule("R15")
    @requires("namespaces")
    def test_views_never_see_each_other(self, client: OAuthCodexClient, storage: Storage, face: Face) -> None:
        other = storage.client(storage.backends[0].scoped("other"), face)
        store, (file,) = filled(client, "the secret boat")
        assert everything(other) == {"files": [], "stores": [], "memberships": {}, "batches": []}
        mine, (own,) = filled(other, "my own car")
        stores = other.vector_stores
        with unchanged(client):
            assert_missing(
                {
                    "retrieve": lambda: stores.retrieve(store),
                    "update": lambda: stores.update(store, name="x"),
                    "delete": lambda: stores.delete(store),
                    "search": lambda: stores.search(store, query="boat"),
                    "files": lambda: stores.files.list(store),
                    "file": lambda: stores.files.retrieve(store, file),
                    "attach to it": lambda: stores.files.create(store, file_id=own),
                    "attach it": lambda: stores.files.create(mine, file_id=file),
                    "create with it": lambda: stores.create(file_ids=[file]),
                    "file object": lambda: other.files.retrieve(file),
                    "content": lambda: other.files.content(file),
                    "delete file": lambda: other.files.delete(file),
                },
                store,
                file,
            )
        assert found(other, mine, "ship") in ([], [own])
        assert found(client, store, "ship") == [file]

    @rule("R15", "R13")
    @requires("namespaces")
    def test_scores_do_not_depend_on_other_views(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, *(each.text for each in documents(10)))
        asked = queries(4)
        before = [hits(client, store, query, **ranking) for query in asked]
        other = storage.client(storage.backends[0].scoped("other"))
        filled(other, *(each.text for each in documents(15, seed=5)))
        assert [hits(client, store, query, **ranking) for query in asked] == before

    @rule("R15", "R10")
    @requires("namespaces")
    def test_equal_contents_in_two_views_are_apart(self, client: OAuthCodexClient, storage: Storage) -> None:
        other = storage.client(storage.backends[0].scoped("other"))
        (one,), (two,) = uploaded(client, b"equal" * 50_000), uploaded(other, b"equal" * 50_000)
        other.files.delete(two)
        assert bytes(client.files.content(one)) == b"equal" * 50_000
        assert_missing({"content": lambda: other.files.content(two)}, two)

    @rule("R15", "R14")
    @requires("namespaces", "store_expiry")
    def test_views_share_time_and_nothing_else(
        self, client: OAuthCodexClient, storage: Storage, clock: FakeClock
    ) -> None:
        other = storage.client(storage.backends[0].scoped("other"))
        policy = {"anchor": "last_active_at", "days": 1}
        store = client.vector_stores.create(expires_after=policy).id
        mine = other.vector_stores.create(expires_after=policy).id
        clock.advance(86399)
        client.vector_stores.update(store, name="used")
        clock.advance(1)
        assert client.vector_stores.retrieve(store).status == "completed"
        assert other.vector_stores.retrieve(mine).status == "expired"

    @rule("R15")
    @requires("namespaces")
    def test_closing_a_view_closes_nothing_else(self, client: OAuthCodexClient, storage: Storage) -> None:
        store, (file,) = filled(client, "the boat")
        storage.backends[0].scoped("other").close()
        assert found(client, store, "vessel") == [file]
        assert_counts(client)
