"""What holds for every call: errors, ids, threads, closing, logs, and the same answers from both clients."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import NotFoundError, OAuthCodexError
from ...spi import Backend
from ..case import DriverCase, Storage
from ..corpus import documents, queries
from ..marks import requires, rule
from .base import DriverTests
from .support import assert_counts, attached, everything, filled, found, hits, uploaded


class SurfaceTests(DriverTests):
    """The client and the backend as a whole."""

    @rule("R3")
    def test_backend_is_what_its_record_says(self, storage: Storage, case: DriverCase) -> None:
        storage.open()
        (backend,) = storage.backends
        assert isinstance(backend, Backend)
        assert backend.name
        backend.ping()
        if case.record is not None:
            assert backend.name == case.record.name
            assert backend.capabilities.exceeding(case.record.capabilities) == []

    @rule("R14")
    def test_ids_come_from_the_context(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "words")
        assert re.fullmatch(r"vs_\d{8}", store)
        assert re.fullmatch(r"file-\d{8}", file)

    @rule("R14")
    @requires("file_batches")
    def test_ids_of_batches_come_from_the_context(self, client: OAuthCodexClient) -> None:
        store, files = filled(client, "words")
        assert re.fullmatch(r"vsfb_\d{8}", client.vector_stores.file_batches.create(store, file_ids=files).id)

    @rule("R2")
    def test_errors_say_which_call_they_belong_to(self, client: OAuthCodexClient) -> None:
        with pytest.raises(NotFoundError) as caught:
            client.vector_stores.retrieve("vs_none")
        error = caught.value
        assert isinstance(error, KeyError)
        assert (error.status_code, error.retryable) == (404, False)
        assert (error.request_id or "").startswith("req_")

    @rule("R16")
    def test_async_client_gives_the_answers_of_the_sync_one(self, storage: Storage) -> None:
        one = storage.open("sync")
        two = storage.client(storage.backends[0], "async")
        store, files = filled(one, *(each.text for each in documents(12)))
        attached(two, store, b"\0unreadable")
        assert everything(one) == everything(two)
        for query in queries(5):
            assert hits(one, store, query) == hits(two, store, query)
        page, other = one.files.list(limit=4), two.files.list(limit=4)
        assert [file.id for file in page] == [file.id for file in other]
        assert one.vector_stores.files.content(store, files[0]) == two.vector_stores.files.content(store, files[0])
        for call in (
            lambda client: client.vector_stores.retrieve("vs_none"),
            lambda client: client.vector_stores.search(store, query=""),
            lambda client: client.files.list(after="file-none"),
            lambda client: client.vector_stores.files.delete(store, "file-none"),
        ):
            assert _error(one, call) == _error(two, call)

    @rule("R1", "R11")
    def test_one_backend_serves_many_threads(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "the first ship")

        def work(number: int) -> tuple[str, list[str]]:
            made = attached(client, store, f"ship number{number}").id
            return made, found(client, store, f"ship number{number}", max_num_results=50)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(work, range(16)))
        assert all(made in seen for made, seen in answers)
        assert len({made for made, _ in answers}) == 16
        assert len(found(client, store, "vessel", max_num_results=50)) == 17
        assert_counts(client)

    @rule("R1", "R10")
    def test_searching_while_others_write(self, client: OAuthCodexClient) -> None:
        """What stays is in every answer, what was detached before the search in none, and no file is there by half."""
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
        whole = "boat " * 400
        store, (kept,) = filled(client, "boat")
        gone: set[str] = set()

        def write(number: int) -> None:
            made = attached(client, store, whole, chunking_strategy=strategy).id
            if number % 2:
                client.vector_stores.files.delete(store, made)
                gone.add(made)

        def read(_: int) -> None:
            before = set(gone)
            seen = found(client, store, "vessel", max_num_results=50)
            assert kept in seen
            assert not before & set(seen)
            pieces = {file: seen.count(file) for file in set(seen) - {kept}}
            if len(seen) < 50:
                assert set(pieces.values()) <= {chunks}, pieces

        probe = attached(client, store, whole, chunking_strategy=strategy).id
        chunks = found(client, store, "vessel", max_num_results=50).count(probe)
        assert chunks > 1
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(step, number) for number in range(8) for step in (write, read)]:
                future.result()
        assert_counts(client)

    @rule("R1", "R11")
    def test_attaching_one_file_at_the_same_time_attaches_it_once(self, client: OAuthCodexClient) -> None:
        store = client.vector_stores.create().id
        (file,) = uploaded(client, "wanted by many")
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda _: client.vector_stores.files.create_and_poll(store, file_id=file), range(6)))
        assert {each.status for each in made} == {"completed"}
        assert found(client, store, "wanted") == [file]
        assert_counts(client)

    @rule("R17")
    def test_closing_twice_is_allowed(self, storage: Storage) -> None:
        storage.open()
        (backend,) = storage.backends
        backend.close()
        backend.close()

    @rule("R26")
    def test_contents_are_not_logged(self, client: OAuthCodexClient, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            store = client.vector_stores.create(name="hush-store", metadata={"k": "hush-metadata"}).id
            attached(client, store, "hush-content", attributes={"k": "hush-attribute"})
            attached(client, store, b"\0hush-broken")
            found(client, store, "hush-query")
        assert "hush-" not in "".join(record.getMessage() for record in caplog.records)


def _error(client: OAuthCodexClient, call: Callable[[Any], object]) -> tuple[type[BaseException], str, object]:
    with pytest.raises(OAuthCodexError) as caught:
        call(client)
    return type(caught.value), str(caught.value), getattr(caught.value, "code", None)
