"""File batches."""

from __future__ import annotations

from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import NotFoundError
from ..case import Storage
from ..clock import FakeClock
from ..marks import requires, rule
from .base import DriverTests
from .support import assert_counts, assert_missing, found, raises_code, unchanged, uploaded


class BatchTests(DriverTests):
    """`client.vector_stores.file_batches`."""

    @rule("R9", "R11", "R22")
    @requires("file_batches")
    def test_batch_is_complete_and_searchable(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        files = uploaded(client, "a stone wall", "a dark forest", "a small ship")
        store = client.vector_stores.create().id
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
        batch = client.vector_stores.file_batches.create(
            store,
            files=[
                {"file_id": files[0], "attributes": {"a": 1}},
                {"file_id": files[1]},
                {"file_id": files[2], "chunking_strategy": strategy},
            ],
        )
        assert (batch.status, batch.vector_store_id, batch.object) == ("completed", store, "vector_store.files_batch")
        assert batch.file_counts.to_dict() == {
            "in_progress": 0,
            "completed": 3,
            "failed": 0,
            "cancelled": 0,
            "total": 3,
        }
        assert client.vector_stores.file_batches.retrieve(store, batch.id) == batch
        listed = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, order="asc"))
        assert [(file.id, file.attributes or {}) for file in listed] == [
            (files[0], {"a": 1}),
            (files[1], {}),
            (files[2], {}),
        ]
        assert listed[2].chunking_strategy is not None
        assert listed[2].chunking_strategy.to_dict() == strategy
        assert found(client, store, "woodland", **ranking)[0] == files[1]
        assert_counts(client)

    @rule("R11", "R22")
    @requires("file_batches")
    def test_settings_of_a_batch_are_those_of_its_files(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "one", "two")
        store = client.vector_stores.create().id
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 10}}
        client.vector_stores.file_batches.create(
            store, file_ids=files, attributes={"k": "v"}, chunking_strategy=strategy
        )
        for file in client.vector_stores.files.list(store):
            assert file.attributes == {"k": "v"}
            assert file.chunking_strategy is not None
            assert file.chunking_strategy.to_dict() == strategy

    @rule("R11", "R23")
    @requires("file_batches")
    def test_counts_of_a_batch_with_a_bad_file(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "good", b"\0bad", "good too")
        store = client.vector_stores.create().id
        batch = client.vector_stores.file_batches.create_and_poll(store, file_ids=files)
        assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 2, 1)
        listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, filter="failed")
        assert [file.id for file in listed] == [files[1]]
        only_bad = client.vector_stores.file_batches.create_and_poll(store, file_ids=[files[1]])
        assert (only_bad.status, only_bad.file_counts.in_progress) == ("failed", 0)
        assert_counts(client)

    @rule("R6")
    @requires("file_batches")
    def test_missing_file_leaves_no_batch(self, client: OAuthCodexClient) -> None:
        (file,) = uploaded(client, "here")
        store = client.vector_stores.create().id
        with unchanged(client), pytest.raises(NotFoundError, match="file-none"):
            client.vector_stores.file_batches.create(store, file_ids=[file, "file-none"])

    @rule("R11")
    @requires("file_batches")
    def test_members_that_were_there_before_count(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        old, new = uploaded(client, "old words", "new words")
        store = client.vector_stores.create(file_ids=[old]).id
        clock.advance(5)
        batch = client.vector_stores.file_batches.create(store, file_ids=[new, old, new])
        assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 2, 2)
        listed = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store))
        assert [(file.id, file.created_at) for file in listed] == [(new, int(clock.now)), (old, int(clock.now) - 5)]
        assert sorted(found(client, store, "words")) == sorted([old, new])
        assert_counts(client)

    @rule("R11")
    @requires("file_batches")
    def test_batch_lists_its_own_files_only(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "one", "two", "three")
        store = client.vector_stores.create(file_ids=files[:1]).id
        batch = client.vector_stores.file_batches.create(store, file_ids=files[1:])
        assert {f.id for f in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store)} == set(
            files[1:]
        )

    @rule("R11", "R10")
    @requires("file_batches")
    def test_detached_file_leaves_its_batch(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "one", "two")
        store = client.vector_stores.create().id
        batch = client.vector_stores.file_batches.create(store, file_ids=files).id
        client.vector_stores.files.delete(store, files[0])
        seen = client.vector_stores.file_batches.retrieve(store, batch)
        assert (seen.file_counts.completed, seen.file_counts.total) == (1, 1)
        client.files.delete(files[1])
        assert client.vector_stores.file_batches.retrieve(store, batch).file_counts.total == 0

    @rule("R11")
    @requires("file_batches")
    def test_cancelling_what_is_done_keeps_it(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "one boulder", "another boulder")
        store = client.vector_stores.create().id
        batch = client.vector_stores.file_batches.create(store, file_ids=files).id
        for _ in range(2):
            seen = client.vector_stores.file_batches.cancel(store, batch)
            assert (seen.status, seen.file_counts.completed, seen.file_counts.in_progress) == ("cancelled", 2, 0)
        assert sorted(found(client, store, "rock")) == sorted(files)
        assert client.vector_stores.file_batches.retrieve(store, batch) == seen

    @rule("R6")
    @requires("file_batches")
    def test_unknown_batch_is_named(self, client: OAuthCodexClient) -> None:
        store, other = (client.vector_stores.create().id for _ in range(2))
        real = client.vector_stores.file_batches.create(other, file_ids=uploaded(client, "one")).id
        calls: dict[str, Any] = {}
        for batch in ("vsfb_none", real):  # the second one belongs to another store
            calls |= {
                f"retrieve {batch}": lambda batch=batch: client.vector_stores.file_batches.retrieve(store, batch),
                f"cancel {batch}": lambda batch=batch: client.vector_stores.file_batches.cancel(store, batch),
                f"list {batch}": lambda batch=batch: client.vector_stores.file_batches.list_files(store, batch),
            }
        with unchanged(client, (other, real)):
            assert_missing(calls, "vsfb_none", real)

    @rule("R9", "R11")
    @requires("file_batches")
    def test_uploads_of_a_batch_keep_their_order(self, client: OAuthCodexClient) -> None:
        (old,) = uploaded(client, "already there")
        store = client.vector_stores.create().id
        contents = [b"first", b"twice", b"twice", b"large " * 200_000, b"already there", b"last"]
        files = [(f"{number}.txt", content) for number, content in enumerate(contents)]
        batch = client.vector_stores.file_batches.upload_and_poll(store, files=files, file_ids=[old])
        assert (batch.status, batch.file_counts.completed) == ("completed", 7)
        listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, order="asc")
        found = [(client.files.retrieve(file.id).filename, client.files.content(file.id).read()) for file in listed]
        assert found == [("0.txt", b"already there"), *files]
        assert len({file.id for file in listed}) == 7

    @rule("R6")
    @requires("file_batches")
    def test_batch_has_a_largest_size(self, client: OAuthCodexClient) -> None:
        most = client.backend.capabilities.max_batch_files
        store = client.vector_stores.create().id
        with unchanged(client), raises_code("array_above_max_length"):
            client.vector_stores.file_batches.create(store, file_ids=[f"file-{number}" for number in range(most + 1)])
