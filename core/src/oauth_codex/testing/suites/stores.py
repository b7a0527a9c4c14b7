"""Vector stores: what they keep, replacing their files, deleting them, and expiry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import NotFoundError
from ..case import Storage
from ..clock import FakeClock
from ..marks import requires, rule
from .base import DriverTests
from .support import (
    DAY,
    assert_counts,
    assert_missing,
    attached,
    counts,
    filled,
    found,
    raises_code,
    unchanged,
    uploaded,
)

ONE_DAY = {"anchor": "last_active_at", "days": 1}


class StoreTests(DriverTests):
    """`client.vector_stores`."""

    @rule("R22")
    def test_empty_store_shows_what_it_was_given(self, client: OAuthCodexClient) -> None:
        made = client.vector_stores.create(
            name="n", description="d", metadata={"a": "b", "number": "7"}, color="red", shape={"x": [1, None]}
        )
        assert (made.name, made.description, made.metadata) == ("n", "d", {"a": "b", "number": "7"})
        assert (made.to_dict()["color"], made.to_dict()["shape"]) == ("red", {"x": [1, None]})
        assert (made.status, made.usage_bytes, made.file_counts.total) == ("completed", 0, 0)
        assert client.vector_stores.retrieve(made.id) == made

    @rule("R22")
    def test_equal_names_are_two_stores(self, client: OAuthCodexClient) -> None:
        one, two = (client.vector_stores.create(name="same").id for _ in range(2))
        assert one != two
        client.vector_stores.delete(one)
        assert client.vector_stores.retrieve(two).name == "same"

    @rule("R9", "R11")
    def test_store_made_with_files_is_complete_and_searchable(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = filled(client, "a river in the north", "a doctor in town", "money in the bank")
        seen = client.vector_stores.retrieve(store)
        assert (seen.status, counts(client, store)) == ("completed", {"completed": 3, "total": 3})
        assert found(client, store, "physician", **ranking)[0] == files[1]
        assert_counts(client)

    @rule("R6")
    def test_missing_file_leaves_no_store(self, client: OAuthCodexClient) -> None:
        (made,) = uploaded(client, "here")
        with unchanged(client), pytest.raises(NotFoundError, match="file-none"):
            client.vector_stores.create(name="half", file_ids=[made, "file-none"])

    @rule("R22")
    def test_update_keeps_what_is_omitted_and_null_clears(self, client: OAuthCodexClient) -> None:
        store = client.vector_stores.create(name="n", description="d", metadata={"a": "b"}, color="red").id
        client.vector_stores.update(store, name="m")
        client.vector_stores.update(store, metadata={"c": "d"}, size=7)
        seen = client.vector_stores.retrieve(store)
        assert (seen.name, seen.description, seen.metadata) == ("m", "d", {"c": "d"})
        assert (seen.to_dict()["color"], seen.to_dict()["size"]) == ("red", 7)
        client.vector_stores.update(store, name=None, metadata=None, description=None)
        seen = client.vector_stores.retrieve(store)
        assert (seen.name, seen.metadata or {}, seen.description) == (None, {}, None)

    @rule("R22")
    def test_metadata_of_every_script_comes_back(self, client: OAuthCodexClient) -> None:
        given = {
            "ключ": "значение",
            "鍵": "値",
            'it\'s "q"': "'); DROP TABLE stores; --",
            "e": "",
            "nul": "a\0b",
            "face": "🙂",
        }
        store = client.vector_stores.create(metadata=given).id
        assert client.vector_stores.retrieve(store).metadata == given

    @rule("R22", "R10", "R11")
    @requires("replace_files")
    def test_replacing_the_files_keeps_those_that_stay(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        a, b, c = uploaded(client, "winter a", "winter b", "winter c")
        store = client.vector_stores.create(file_ids=[a, b]).id
        kept = client.vector_stores.files.retrieve(store, b)
        clock.advance(60)
        assert client.vector_stores.update(store, file_ids=[c, b]).file_counts.total == 2
        assert sorted(found(client, store, "winter")) == sorted([b, c])
        assert client.vector_stores.files.retrieve(store, b) == kept
        client.vector_stores.update(store, name="kept files")
        assert counts(client, store) == {"completed": 2, "total": 2}
        client.vector_stores.update(store, file_ids=[])
        assert (found(client, store, "winter"), counts(client, store)) == ([], {})
        assert_counts(client)

    @rule("R6")
    @requires("replace_files")
    def test_replacing_with_a_missing_file_changes_nothing(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "stays")
        (extra,) = uploaded(client, "extra")
        client.vector_stores.update(store, name="before")
        with unchanged(client), pytest.raises(NotFoundError, match="file-none"):
            client.vector_stores.update(store, name="after", file_ids=[extra, "file-none"])

    @rule("R25", "R10")
    def test_deleted_store_leaves_files_and_other_stores(self, client: OAuthCodexClient) -> None:
        store, files = filled(client, "the stone", "the forest")
        other = client.vector_stores.create(file_ids=files).id
        answer = client.vector_stores.delete(store)
        assert (answer.id, answer.deleted, answer.object) == (store, True, "vector_store.deleted")
        assert found(client, other, "boulder")[0] == files[0]
        assert [bytes(client.files.content(file)) for file in files] == [b"the stone", b"the forest"]
        stores = client.vector_stores
        assert_missing(
            {
                "retrieve": lambda: stores.retrieve(store),
                "update": lambda: stores.update(store, name="x"),
                "delete": lambda: stores.delete(store),
                "search": lambda: stores.search(store, query="boulder"),
                "files.list": lambda: stores.files.list(store),
                "files.create": lambda: stores.files.create(store, file_id=files[0]),
                "files.retrieve": lambda: stores.files.retrieve(store, files[0]),
                "files.delete": lambda: stores.files.delete(store, files[0]),
                "files.content": lambda: stores.files.content(files[0], vector_store_id=store),
                "files.upload": lambda: stores.files.upload(store, file=b"new"),
            },
            store,
        )
        assert len(list(client.files.list())) == 2

    @rule("R25")
    @requires("file_batches")
    def test_deleted_store_takes_its_batches(self, client: OAuthCodexClient) -> None:
        store = client.vector_stores.create().id
        batch = client.vector_stores.file_batches.create(store, file_ids=uploaded(client, "one")).id
        client.vector_stores.delete(store)
        batches = client.vector_stores.file_batches
        assert_missing(
            {
                "retrieve": lambda: batches.retrieve(store, batch),
                "cancel": lambda: batches.cancel(store, batch),
                "list_files": lambda: batches.list_files(store, batch),
                "create": lambda: batches.create(store, file_ids=["file-none"]),
            },
            store,
            batch,
        )

    @rule("R9", "R10")
    def test_store_made_after_a_deleted_one_is_empty(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = filled(client, "a boat")
        assert found(client, store, "vessel", **ranking) == files
        client.vector_stores.delete(store)
        again = client.vector_stores.create().id
        assert found(client, again, "vessel", **ranking) == []
        client.vector_stores.files.create_and_poll(again, file_id=files[0])
        assert found(client, again, "vessel", **ranking) == files


class StoreExpiryTests(DriverTests):
    """`expires_after` of stores."""

    @rule("R14")
    @requires("store_expiry")
    @pytest.mark.parametrize("use", ["search", "attach", "detach", "update", "upload"])
    def test_use_of_a_store_moves_its_expiry(self, storage: Storage, clock: FakeClock, use: str) -> None:
        client = storage.open()
        store, (file,) = filled(client, "words", expires_after=ONE_DAY)
        (other,) = uploaded(client, "more words")
        assert client.vector_stores.retrieve(store).expires_at == int(clock.now) + DAY
        stores = client.vector_stores
        uses: dict[str, Callable[[], object]] = {
            "search": lambda: stores.search(store, query="words"),
            "attach": lambda: stores.files.create(store, file_id=other),
            "detach": lambda: stores.files.delete(store, file),
            "update": lambda: stores.update(store, name="x"),
            "upload": lambda: attached(client, store, "new"),
        }
        clock.advance(DAY - 1)
        uses[use]()
        seen = client.vector_stores.retrieve(store)
        assert (seen.last_active_at, seen.expires_at) == (int(clock.now), int(clock.now) + DAY)
        clock.advance(DAY - 1)
        assert client.vector_stores.retrieve(store).status == "completed"

    @rule("R14")
    @requires("store_expiry")
    def test_looking_at_a_store_does_not_move_its_expiry(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        store, (file,) = filled(client, "words", expires_after=ONE_DAY)
        before = client.vector_stores.retrieve(store).expires_at
        clock.advance(100)
        client.vector_stores.list()
        client.vector_stores.files.list(store)
        client.vector_stores.files.retrieve(store, file)
        client.vector_stores.files.content(file, vector_store_id=store)
        assert client.vector_stores.retrieve(store).expires_at == before

    @rule("R14", "R6")
    @requires("store_expiry")
    def test_expired_store_is_shown_and_deleted_and_nothing_else(
        self, client: OAuthCodexClient, clock: FakeClock
    ) -> None:
        store, (file,) = filled(client, "words", expires_after=ONE_DAY)
        (other,) = uploaded(client, "more words")
        clock.advance(DAY)
        stores = client.vector_stores
        assert [each.status for each in stores.list()] == ["expired"]
        refused: tuple[Callable[[], object], ...] = (
            lambda: stores.search(store, query="words"),
            lambda: stores.update(store, expires_after=None),
            lambda: stores.files.create(store, file_id=other),
            lambda: stores.files.upload(store, file=b"new"),
        )
        with unchanged(client):
            for call in refused:
                with raises_code("vector_store_expired"):
                    call()
        assert stores.delete(store).deleted
        assert bytes(client.files.content(file)) == b"words"

    @rule("R14")
    @requires("store_expiry")
    def test_expiry_is_changed_and_cleared(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        store = client.vector_stores.create(expires_after=ONE_DAY).id
        changed = client.vector_stores.update(store, expires_after={"anchor": "last_active_at", "days": 3})
        assert changed.expires_at == int(clock.now) + 3 * DAY
        cleared = client.vector_stores.update(store, expires_after=None)
        assert (cleared.expires_after, cleared.expires_at) == (None, None)
        clock.advance(1000 * DAY)
        assert client.vector_stores.retrieve(store).status == "completed"

    @rule("R14")
    @requires("store_expiry")
    def test_clock_that_steps_back_shortens_nothing(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        store, _ = filled(client, "words", expires_after=ONE_DAY)
        before = client.vector_stores.retrieve(store).expires_at
        clock.advance(-5000)
        found(client, store, "words")
        assert client.vector_stores.retrieve(store).expires_at == before
