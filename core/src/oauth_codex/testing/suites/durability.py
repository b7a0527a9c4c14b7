"""A storage that is closed and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import EmbedderMismatchError, NotFoundError
from ...spi import Capabilities
from ..case import DriverCase, Storage
from ..clock import FakeClock
from ..marks import requires, rule
from ..semantic import SemanticEmbedder
from ..story import NEEDS, WRITES, Story, answers, fill
from .base import DriverTests


class DurabilityTests(DriverTests):
    """Closing loses nothing that was acknowledged, and opening gives the same answers."""

    @rule("R17", "R4", "R10", "R13")
    @requires("persistent")
    def test_every_kind_of_write_is_there_after_reopening(self, storage: Storage, capabilities: Capabilities) -> None:
        """One storage, opened anew after each; what an index has missed would add up."""
        story = Story(storage.open(), capabilities)
        story.begin()
        for write in WRITES:
            if write in NEEDS and not getattr(capabilities, NEEDS[write]):
                continue
            story.perform(write, write)
            story.client = storage.reopen()
            seen = story.look()
            assert (seen.holdings, seen.unfinished) == (story.holds, []), write
        expected = answers(story.client, capabilities)
        assert answers(storage.reopen(), capabilities) == expected

    @rule("R17")
    @requires("persistent")
    def test_writes_that_no_search_has_seen_are_found_after_reopening(
        self, storage: Storage, capabilities: Capabilities
    ) -> None:
        client = storage.open()
        fill(client, 20, "first")
        expected = answers(client, capabilities)
        storage.close()
        unseen = Storage(storage.case, storage.directory.with_name("unseen"))
        fill(unseen.open(), 20, "first")  # and closed without a single search
        assert answers(unseen.reopen(), capabilities) == expected
        unseen.close()

    @rule("R17")
    @requires("persistent")
    def test_client_that_was_never_closed_loses_nothing(
        self, storage: Storage, capabilities: Capabilities, tmp_path: Path
    ) -> None:
        if not capabilities.multi_process:
            pytest.skip("not declared: multi_process")
        client = storage.open()
        fill(client, 10, "open")
        expected = answers(client, capabilities)
        other = Storage(storage.case, storage.directory, clock=storage.clock)
        assert answers(other.open(), capabilities) == expected
        other.close()

    @rule("R17", "R7")
    @requires("persistent")
    def test_every_field_and_the_order_of_lists_stay(self, storage: Storage, clock: FakeClock) -> None:
        client = storage.open()
        for number in range(5):
            clock.advance(number % 2)
            file = client.files.create(file=(f"{number}.txt", b"words %d" % number), purpose="assistants").id
            store = client.vector_stores.create(name=f"store {number}", metadata={"n": str(number), "ü": "ß"}).id
            chunking: Any = {
                "type": "static",
                "static": {"max_chunk_size_tokens": 100 + number, "chunk_overlap_tokens": 7},
            }
            client.vector_stores.files.create(
                store, file_id=file, attributes={"n": number, "s": "x", "b": True}, chunking_strategy=chunking
            )
        expected = _everything(client)
        assert len(expected) == 10 + 5 + 5
        assert _everything(storage.reopen()) == expected

    @rule("R17", "R8")
    @requires("persistent")
    def test_list_goes_on_after_reopening_where_a_deleted_item_stood(self, storage: Storage) -> None:
        client = storage.open()
        names = [f"{number}.txt" for number in range(6)]
        for name in names:
            client.files.create(file=(name, name.encode()), purpose="assistants")
        page = client.files.list(order="asc", limit=3).data
        assert [file.filename for file in page] == names[:3]
        client.files.delete(page[-1].id)
        rest = storage.reopen().files.list(order="asc", after=page[-1].id).data
        assert [file.filename for file in rest] == names[3:]

    @rule("R17", "R11")
    @requires("persistent", "file_batches")
    def test_batches_and_their_counts_stay(self, storage: Storage) -> None:
        client = storage.open()
        contents = {"good.txt": b"words", "bad.bin": b"\0\1\2" * 50}
        files = [client.files.create(file=each, purpose="assistants").id for each in contents.items()]
        store = client.vector_stores.create().id
        batch = client.vector_stores.file_batches.create(store, file_ids=files).id
        done = client.vector_stores.file_batches.retrieve(batch, vector_store_id=store)
        assert (done.file_counts.completed, done.file_counts.failed, done.file_counts.in_progress) == (1, 1, 0)
        batches = storage.reopen().vector_stores.file_batches
        assert batches.retrieve(batch, vector_store_id=store).to_dict() == done.to_dict()
        listed = batches.list_files(batch, vector_store_id=store, order="asc").data
        assert [(each.id, each.status) for each in listed] == list(zip(files, ("completed", "failed"), strict=True))

    @rule("R17", "R10")
    @requires("persistent")
    def test_text_that_was_deleted_before_reopening_is_never_found_under_a_newer_file(self, storage: Storage) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        last = client.vector_stores.files.upload(store, file=("old.txt", b"a violin in the harbour"))
        assert client.vector_stores.search(store, query="violin").data
        client.files.delete(last.id)
        client = storage.reopen()
        client.vector_stores.files.upload(store, file=("new.txt", b"a meadow in winter"))
        client = storage.reopen()
        for query in ("violin harbour", "meadow winter"):
            hits = client.vector_stores.search(store, query=query).data
            assert {(hit.filename, hit.text) for hit in hits} <= {("new.txt", "a meadow in winter")}
        assert hits

    @rule("R14", "R17")
    @requires("persistent", "file_expiry")
    def test_what_expires_while_nobody_has_the_storage_open_is_gone(self, storage: Storage, clock: FakeClock) -> None:
        client = storage.open()
        made = client.files.create(
            file=("a.txt", b"short lived"),
            purpose="assistants",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        store = client.vector_stores.create(file_ids=[made.id]).id
        storage.close()
        clock.advance(3601)
        client = storage.open()
        with pytest.raises(NotFoundError):
            client.files.retrieve(made.id)
        assert client.vector_stores.search(store, query="short lived").data == []
        assert client.vector_stores.retrieve(store).file_counts.total == 0

    @rule("R15", "R17")
    @requires("persistent", "namespaces")
    def test_namespaces_stay_apart_after_reopening(self, storage: Storage) -> None:
        storage.open()
        for namespace in ("one", "two"):
            client = storage.client(storage.backends[0].scoped(namespace))
            store = client.vector_stores.create(name=namespace).id
            client.vector_stores.files.upload(store, file=(f"{namespace}.txt", f"about {namespace}".encode()))
        storage.reopen()
        for namespace in ("one", "two"):
            client = storage.client(storage.backends[0].scoped(namespace))
            (found,) = client.vector_stores.list().data
            assert found.name == namespace
            hits = client.vector_stores.search(found.id, query="about one and two").data
            assert [hit.filename for hit in hits] == [f"{namespace}.txt"]

    @rule("R6", "R17")
    @requires("persistent")
    def test_store_of_another_embedder_is_refused_and_not_mixed(self, storage: Storage) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        client.vector_stores.files.upload(store, file=("a.txt", b"a meadow in winter"))
        storage.close()
        other = Storage(storage.case, storage.directory, clock=storage.clock, embedder=SemanticEmbedder(32))
        stores = other.open().vector_stores
        mismatch = storage.case.error(EmbedderMismatchError)
        with pytest.raises(mismatch, match="semantic-test"):
            stores.search(store, query="meadow")
        with pytest.raises(mismatch, match="semantic-test"):
            stores.files.upload(store, file=("b.txt", b"a lantern"))
        other.close()
        assert storage.open().vector_stores.search(store, query="meadow").data[0].text == "a meadow in winter"

    @rule("R21", "R13")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_directory_of_another_local_driver_gives_the_same_answers(
        self, case: DriverCase, storage: Storage, capabilities: Capabilities
    ) -> None:
        """Made with `sqlite`, continued here, and taken back."""
        if case.driver == "sqlite":
            pytest.skip("the other driver is this one")
        storage.open()
        storage.close()
        if not (storage.directory / "catalog.sqlite3").exists():
            pytest.skip("this driver does not keep its catalog in the directory of the storage")
        directory = storage.directory.with_name("made with sqlite")
        first = Storage(DriverCase("sqlite"), directory)
        client = first.open()
        fill(client, 30, "theirs")
        expected = answers(client, capabilities)
        first.close()
        here = Storage(case, directory, ids=first.ids)
        client = here.open()
        assert answers(client, capabilities) == expected
        for file in client.files.list(limit=1000).data[::4]:
            client.files.delete(file.id)
        fill(client, 10, "ours")
        expected = answers(client, capabilities)
        here.close()
        assert answers(first.open(), capabilities) == expected
        first.close()


def _everything(client: OAuthCodexClient) -> list[dict[str, Any]]:
    """All fields of all files, stores and attached files, in the order of the lists, in both directions."""
    found: list[dict[str, Any]] = []
    for order in ("asc", "desc"):
        found += [file.to_dict() for file in client.files.list(order=order).data]
    for store in client.vector_stores.list(limit=100).data:
        found.append(store.to_dict())
        found += [each.to_dict() for each in client.vector_stores.files.list(store.id, limit=100).data]
    return found
