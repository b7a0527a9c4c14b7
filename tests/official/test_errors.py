"""Errors of the server arrive as the official client's own classes, with code, param, type, status and request id."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest
from oauth_codex import OAuthCodexClient, registry
from oauth_codex.server import Keys
from openai import OpenAI


def missing(call: Callable[[], object], message: str, param: str | None) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        call()
    error = caught.value
    assert error.status_code == 404
    assert error.param == param
    assert error.type == "invalid_request_error"
    assert error.message == f"Error code: 404 - {message}"
    assert error.request_id == error.response.headers["x-request-id"]
    assert isinstance(error.body, dict)
    assert error.body.keys() == {"message", "type", "param", "code"}


def test_what_is_not_there(client: OpenAI) -> None:
    store = client.vector_stores.create().id
    batch = "vsfb_000000000000000000000000000000ff"

    missing(lambda: client.vector_stores.retrieve("vs_0"), "No vector store found with id 'vs_0'.", "vector_store_id")
    missing(
        lambda: client.vector_stores.search("vs_0", query="x"),
        "No vector store found with id 'vs_0'.",
        "vector_store_id",
    )
    missing(lambda: client.files.retrieve("file-0"), "No such File object: file-0", "id")
    missing(
        lambda: client.vector_stores.files.create(store, file_id="file-0"), "No file found with id 'file-0'.", "file_id"
    )
    missing(
        lambda: client.vector_stores.file_batches.retrieve(batch, vector_store_id=store),
        f"No file batch found with id '{batch}' in vector store '{store}'.",
        "batch_id",
    )


WRONG: dict[str, tuple[Callable[[OpenAI, str], object], str, str]] = {
    "limit too high": (lambda c, s: c.vector_stores.list(limit=101), "limit", "integer_above_max_value"),
    "limit too low": (lambda c, s: c.vector_stores.list(limit=0), "limit", "integer_below_min_value"),
    "cursor": (lambda c, s: c.vector_stores.list(after="vs_0"), "after", "invalid_value"),
    "order": (lambda c, s: c.vector_stores.list(order="up"), "order", "invalid_value"),  # type: ignore[arg-type]
    "blank query": (lambda c, s: c.vector_stores.search(s, query="  "), "query", "invalid_value"),
    "too many results": (
        lambda c, s: c.vector_stores.search(s, query="x", max_num_results=51),
        "max_num_results",
        "integer_above_max_value",
    ),
    "unknown filter": (
        lambda c, s: c.vector_stores.search(s, query="x", filters={"type": "like", "key": "a", "value": "b"}),  # type: ignore[arg-type,misc]
        "filters.type",
        "invalid_value",
    ),
    "empty compound": (
        lambda c, s: c.vector_stores.search(s, query="x", filters={"type": "and", "filters": []}),
        "filters.filters",
        "invalid_value",
    ),
    "misspelt option": (
        lambda c, s: c.vector_stores.search(s, query="x", extra_body={"max_num_result": 3}),
        "max_num_result",
        "unknown_parameter",
    ),
    "number for a flag": (
        lambda c, s: c.vector_stores.search(s, query="x", extra_body={"rewrite_query": 1}),
        "rewrite_query",
        "invalid_type",
    ),
    "attributes left out": (
        lambda c, s: c.post(f"/vector_stores/{s}/files/file-0", cast_to=object, body={}),
        "attributes",
        "missing_required_parameter",
    ),
    "metadata": (
        lambda c, s: c.vector_stores.create(metadata={str(i): "x" for i in range(17)}),
        "metadata",
        "object_above_max_properties",
    ),
    "name": (lambda c, s: c.vector_stores.create(name="x" * 513), "name", "string_above_max_length"),
    "chunking": (
        lambda c, s: c.vector_stores.create(
            chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0}}
        ),
        "chunking_strategy.static.max_chunk_size_tokens",
        "integer_below_min_value",
    ),
    "purpose": (
        lambda c, s: c.files.create(file=b"x", purpose="pleasure"),  # type: ignore[arg-type]
        "purpose",
        "invalid_value",
    ),
    "prefix": (
        lambda c, s: c.vector_stores.file_batches.retrieve("vs_1", vector_store_id=s),
        "batch_id",
        "invalid_value",
    ),
    "no files": (lambda c, s: c.vector_stores.file_batches.create(s), "file_ids", "invalid_value"),
    "id": (lambda c, s: c.files.retrieve("file.one"), "file_id", "invalid_value"),
}


@pytest.mark.parametrize("call", WRONG)
def test_what_is_wrong(memory: OpenAI, call: str) -> None:
    ask, param, code = WRONG[call]
    store = memory.vector_stores.create().id

    with pytest.raises(openai.BadRequestError) as caught:
        ask(memory, store)

    error = caught.value
    assert (error.status_code, error.type, error.param, error.code) == (400, "invalid_request_error", param, code)
    assert error.request_id == error.response.headers["x-request-id"]


def test_an_extra_field_that_is_nested_too_deeply_is_not_stored(memory: OpenAI) -> None:
    nested: list[object] = []
    for _ in range(300):
        nested = [nested]
    before = list(memory.vector_stores.list())

    with pytest.raises(openai.BadRequestError, match="nested deeper than 64 levels"):
        memory.vector_stores.create(extra_body={"note": nested})

    assert list(memory.vector_stores.list()) == before


def test_an_expired_store_is_not_searched(support: SimpleNamespace) -> None:
    now = [1_700_000_000.0]
    with (
        OAuthCodexClient("memory", clock=lambda: now[0]) as served,
        support.serving(served) as url,
        support.official(url) as client,
    ):
        store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
        now[0] += 86_401

        assert client.vector_stores.retrieve(store.id).status == "expired"
        with pytest.raises(openai.BadRequestError) as caught:
            client.vector_stores.search(store.id, query="x")

    assert caught.value.code == "vector_store_expired"


def test_a_key_is_asked_for_and_sees_its_own(support: SimpleNamespace) -> None:
    keys = Keys(variable="SERVED_KEYS", environment={"SERVED_KEYS": "one:sk-first two:sk-second"})
    with OAuthCodexClient("memory") as served, support.serving(served, keys=keys) as url:
        with support.official(url, "sk-first") as first, support.official(url, "sk-second") as second:
            store = first.vector_stores.create(name="Mine").id
            assert [each.id for each in first.vector_stores.list()] == [store]
            assert list(second.vector_stores.list()) == []
            missing(
                lambda: second.vector_stores.retrieve(store),
                f"No vector store found with id '{store}'.",
                "vector_store_id",
            )
        with support.official(url, "sk-wrong") as stranger, pytest.raises(openai.AuthenticationError) as caught:
            stranger.vector_stores.list()

    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert "sk-wrong" not in str(caught.value)
    assert caught.value.request_id


def test_too_many_requests_at_once(support: SimpleNamespace) -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait(query: str) -> str:
        entered.set()
        assert leave.wait(30)
        return query

    with (
        OAuthCodexClient("memory", rewrite_query=wait) as served,
        support.serving(served, max_concurrency=1) as url,
        support.official(url) as client,
    ):
        store = client.vector_stores.create().id
        slow = threading.Thread(target=lambda: client.vector_stores.search(store, query="slow", rewrite_query=True))
        slow.start()
        assert entered.wait(30)
        try:
            with pytest.raises(openai.RateLimitError) as caught:
                client.vector_stores.retrieve(store)
        finally:
            leave.set()
            slow.join()
        assert client.vector_stores.retrieve(store).id == store

    assert (caught.value.status_code, caught.value.code) == (429, "rate_limit_exceeded")
    assert caught.value.response.headers["retry-after"] == "1"


def test_an_upload_that_is_too_large(support: SimpleNamespace) -> None:
    with (
        OAuthCodexClient("memory") as served,
        support.serving(served, max_upload_bytes=1000) as url,
        support.official(url) as client,
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            client.files.create(file=("big.txt", b"x" * 1001), purpose="assistants")
        assert list(client.files.list()) == []
        assert client.files.create(file=("fits.txt", b"x" * 1000), purpose="assistants").bytes == 1000

    assert (caught.value.status_code, caught.value.code, caught.value.param) == (413, "file_too_large", "file")


class Other:
    """The default embedder under another fingerprint."""

    def __init__(self) -> None:
        self._under = registry.open_embedder("hashing", {})
        self.fingerprint = "another"

    def __getattr__(self, name: str) -> object:
        return getattr(self._under, name)


def test_a_store_of_another_embedder_is_a_conflict(support: SimpleNamespace, tmp_path: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=tmp_path) as before:
        store = before.vector_stores.create().id
        before.vector_stores.files.upload(store, file=("a.txt", b"words"))
    with (
        OAuthCodexClient("sqlite", storage_dir=tmp_path, embedder=Other()) as served,
        support.serving(served) as url,
        support.official(url) as client,
        pytest.raises(openai.ConflictError) as caught,
    ):
        client.vector_stores.search(store, query="words")

    assert (caught.value.status_code, caught.value.code) == (409, "embedder_mismatch")
    assert store in str(caught.value)


def test_a_failure_of_the_server_tells_nothing_but_its_id(
    support: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(query: str) -> str:
        raise RuntimeError("/secret/path")

    with (
        OAuthCodexClient("memory", rewrite_query=fail) as served,
        support.serving(served) as url,
        support.official(url) as client,
    ):
        store = client.vector_stores.create().id
        with pytest.raises(openai.InternalServerError) as caught:
            client.vector_stores.search(store, query="x", rewrite_query=True)

    assert (caught.value.status_code, caught.value.type) == (500, "server_error")
    assert "secret" not in caught.value.response.text
    assert caught.value.request_id is not None
    assert caught.value.request_id in caplog.text


def test_an_unknown_address_and_a_page_of_another_site(memory: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        memory.models.list()
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        memory.files.content("../../etc/passwd")
    with pytest.raises(openai.PermissionDeniedError) as foreign:
        memory.vector_stores.list(extra_headers={"Origin": "https://example.org"})

    assert unknown.value.code == "unknown_url"
    assert unknown.value.request_id
    assert foreign.value.code == "origin_not_allowed"
