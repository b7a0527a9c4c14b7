"""Files in stores: attaching, attributes, detaching, and attaching again."""

from __future__ import annotations

from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import NotFoundError
from ..case import Storage
from ..clock import FakeClock
from ..marks import requires, rule
from .base import DriverTests
from .support import assert_counts, assert_missing, attached, counts, filled, found, hits, unchanged, uploaded

SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
#: Values that are easily confused with one another.
AWKWARD = {
    "true": True,
    "one": 1,
    "float": 1.5,
    "text": "1",
    "empty": "",
    "big": 2**53 + 1,
    "small": -0.1,
    "é 'x' \"y\"": "ß\0漢",
}


class AttachingTests(DriverTests):
    """`client.vector_stores.files`."""

    @rule("R9", "R11", "R14")
    def test_attached_file_is_complete_and_found(
        self, storage: Storage, clock: FakeClock, ranking: dict[str, Any]
    ) -> None:
        client = storage.open()
        store, (first,) = filled(client, "the doctor speaks")
        clock.advance(50)
        (file,) = uploaded(client, "a long river")
        made = client.vector_stores.files.create_and_poll(store, file_id=file)
        assert (made.id, made.vector_store_id, made.status, made.last_error) == (file, store, "completed", None)
        assert made.created_at == int(clock.now)
        assert found(client, store, "brook", **ranking)[0] == file
        assert found(client, store, "medic", **ranking)[0] == first
        assert_counts(client)

    @rule("R9")
    @pytest.mark.parametrize("how", ["create", "create_and_poll", "upload", "upload_and_poll"])
    def test_every_way_of_attaching_can_be_searched_at_once(self, client: OAuthCodexClient, how: str) -> None:
        store = client.vector_stores.create().id
        files = client.vector_stores.files
        if how.startswith("create"):
            (file,) = uploaded(client, "silver candle")
            made = getattr(files, how)(store, file_id=file, attributes={"k": 1})
        else:
            made = getattr(files, how)(store, file=("a.txt", b"silver candle"), attributes={"k": 1})
        assert (made.status, made.attributes) == ("completed", {"k": 1})
        assert found(client, store, "candle") == [made.id]
        assert bytes(client.files.content(made.id)) == b"silver candle"

    @rule("R22")
    def test_attributes_keep_their_types(self, client: OAuthCodexClient) -> None:
        store = client.vector_stores.create().id
        made = attached(client, store, "words", attributes=AWKWARD)
        seen = client.vector_stores.files.retrieve(store, made.id).attributes
        assert seen == AWKWARD
        assert {key: type(value) for key, value in (seen or {}).items()} == {
            key: type(value) for key, value in AWKWARD.items()
        }
        assert client.vector_stores.search(store, query="words").data[0].attributes == AWKWARD

    @rule("R12", "R22")
    @requires("update_attributes", "filters")
    def test_update_replaces_the_attributes(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "words")
        files = client.vector_stores.files

        def selected(key: str, value: object) -> bool:
            return found(client, store, "words", filters={"type": "eq", "key": key, "value": value}) == [file]

        steps: tuple[dict[str, str | float | bool], ...] = ({"a": 1, "b": "x"}, {"b": 2.5, "c": False}, {})
        for given in steps:
            assert files.update(file, vector_store_id=store, attributes=given).attributes == given
            assert files.retrieve(store, file).attributes == given
            assert [selected("a", 1), selected("b", "x"), selected("b", 2.5), selected("c", False)] == [
                given.get("a") == 1, given.get("b") == "x", given.get("b") == 2.5, "c" in given,
            ]  # fmt: skip
        files.update(file, vector_store_id=store, attributes={"a": 1})
        assert not files.update(file, vector_store_id=store, attributes=None).attributes

    @rule("R22")
    @requires("update_attributes")
    def test_attributes_belong_to_one_store(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "words")
        other = client.vector_stores.create(file_ids=[file]).id
        client.vector_stores.files.update(file, vector_store_id=store, attributes={"a": 1})
        assert not client.vector_stores.files.retrieve(other, file).attributes

    @rule("R11")
    def test_attaching_twice_is_one_membership(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "twice the bridge")
        before = hits(client, store, "bridge")
        client.vector_stores.files.create_and_poll(store, file_id=file)
        assert counts(client, store) == {"completed": 1, "total": 1}
        assert hits(client, store, "bridge") == before
        assert_counts(client)

    @rule("R10", "R22")
    def test_attaching_again_with_other_settings_replaces_them(self, client: OAuthCodexClient) -> None:
        text = " ".join(f"word{number}" for number in range(300))
        store, (file,) = filled(client, text)
        files = client.vector_stores.files
        files.create_and_poll(store, file_id=file, attributes={"a": 1})
        assert files.retrieve(store, file).attributes == {"a": 1}
        again = files.create_and_poll(store, file_id=file, chunking_strategy=SMALL)
        assert again.status == "completed"
        pieces = [chunk.text for chunk in files.content(file, vector_store_id=store).data]
        assert len(pieces) > 5
        seen = client.vector_stores.search(store, query="word7", max_num_results=50).data
        assert {hit.text for hit in seen} <= set(pieces)
        assert len({hit.text for hit in seen}) == len(seen)
        assert_counts(client)

    @rule("R10", "R11", "R25")
    def test_detached_file_is_not_found_and_stays(self, client: OAuthCodexClient, ranking: dict[str, Any]) -> None:
        store, (one, two) = filled(client, "the hidden foobazbar boat", "another boat")
        answer = client.vector_stores.files.delete(store, one)
        assert (answer.id, answer.deleted) == (one, True)
        assert found(client, store, "foobazbar ship", **ranking) == [two]
        assert bytes(client.files.content(one)) == b"the hidden foobazbar boat"
        assert_missing(
            {
                "retrieve": lambda: client.vector_stores.files.retrieve(store, one),
                "delete": lambda: client.vector_stores.files.delete(store, one),
                "content": lambda: client.vector_stores.files.content(one, vector_store_id=store),
            },
            one,
        )
        assert_counts(client)

    @rule("R10")
    def test_last_file_of_a_store_can_go(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, (file,) = filled(client, "alone")
        assert found(client, store, "alone", **ranking) == [file]
        client.vector_stores.files.delete(store, file)
        assert found(client, store, "alone", **ranking) == []
        assert counts(client, store) == {}

    @rule("R10")
    def test_twin_of_a_detached_file_is_still_found(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, (one, two) = filled(client, "twin words", "twin words")
        client.vector_stores.files.delete(store, one)
        assert found(client, store, "twin", **ranking) == [two]
        client.files.delete(one)
        assert found(client, store, "twin", **ranking) == [two]
        assert bytes(client.files.content(two)) == b"twin words"

    @rule("R9", "R10")
    def test_file_can_leave_and_come_back(self, storage: Storage, clock: FakeClock, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, (one, two) = filled(client, "first money", "second money")
        for _ in range(3):
            client.vector_stores.files.delete(store, one)
            assert found(client, store, "cash", **ranking) == [two]
            clock.advance(1)
            client.vector_stores.files.create_and_poll(store, file_id=one)
            assert sorted(found(client, store, "cash", **ranking)) == sorted([one, two])
        assert [file.id for file in client.vector_stores.files.list(store)] == [one, two]
        assert_counts(client)

    @rule("R6", "R9")
    def test_unknown_file_attaches_nothing(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "here")
        with unchanged(client), pytest.raises(NotFoundError, match="file-none"):
            client.vector_stores.files.create(store, file_id="file-none")

    @rule("R6")
    def test_file_of_another_store_is_not_in_this_one(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "one")
        _, (other,) = filled(client, "two")
        files = client.vector_stores.files
        with unchanged(client):
            assert_missing(
                {
                    "retrieve": lambda: files.retrieve(store, other),
                    "delete": lambda: files.delete(store, other),
                    "content": lambda: files.content(other, vector_store_id=store),
                },
                other,
            )

    @rule("R9", "R11")
    def test_one_file_in_several_stores(self, client: OAuthCodexClient) -> None:
        (file,) = uploaded(client, "shared garden")
        stores = [client.vector_stores.create(file_ids=[file]).id for _ in range(3)]
        client.vector_stores.files.delete(stores[1], file)
        assert [found(client, store, "garden") for store in stores] == [[file], [], [file]]
        assert_counts(client)

    @rule("R9", "R11")
    def test_many_files_one_by_one(self, storage: Storage, ranking: dict[str, Any]) -> None:
        """Each file can be found as soon as it is attached, also when an index has served searches already."""
        client = storage.open()
        store = client.vector_stores.create().id
        words = ("car", "doctor", "house", "money", "river", "ship", "stone", "forest")
        for number, word in enumerate(words):
            made = attached(client, store, f"{word} number{number}")
            assert found(client, store, word, max_num_results=1, **ranking) == [made.id]
        for word in words:
            assert (
                f"{word} " in client.vector_stores.search(store, query=word, max_num_results=1, **ranking).data[0].text
            )
        assert_counts(client)
