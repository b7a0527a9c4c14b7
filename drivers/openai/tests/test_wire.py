"""What is sent for each operation, and what is made of the answers."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import APIResponseValidationError, ParameterValidationError
from oauth_codex.spi.operations import FILES_CONTENT, OPERATIONS

from .conftest import KEY, Open
from .service import BATCH, FILE, STORE, STORE_FILE, Reply, Service, page

HIT = {"file_id": "file-1", "filename": "a.txt", "score": 0.5, "content": [{"type": "text", "text": "fox"}]}


def test_a_request_carries_its_headers(open_client: Open, service: Service) -> None:
    client = open_client(
        organization="org-1", project="proj-1", default_headers={"X-Team": "red"}, default_query={"api-version": "2"}
    )
    service.reply(STORE)
    client.vector_stores.retrieve(
        "vs_1", extra_headers={"X-One": "1"}, extra_query={"tags": ["a", "b"], "deep": {"x": True}}
    )
    headers = service.last.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")
    assert (headers["x-team"], headers["x-one"], headers["x-stainless-retry-count"]) == ("red", "1", "0")
    assert headers["openai-beta"] == "assistants=v2"
    assert service.last.query == [("api-version", "2"), ("tags[]", "a"), ("tags[]", "b"), ("deep[x]", "true")]
    service.reply(FILE)
    client.files.retrieve("file-1")
    assert "openai-beta" not in service.last.headers


def test_the_address_may_end_in_a_slash(open_client: Open, service: Service) -> None:
    service.reply(page())
    open_client(base_url=f"{service.url}/").files.list()
    assert service.last.target == "/v1/files"


def test_only_what_was_given_is_sent(client: OAuthCodexClient, service: Service) -> None:
    service.reply(STORE)
    client.vector_stores.create(name="n", expires_after={"anchor": "last_active_at", "days": 3})
    assert service.last.json == {"name": "n", "expires_after": {"anchor": "last_active_at", "days": 3}}
    service.reply(STORE)
    client.vector_stores.update("vs_1", name=None)
    assert service.last.json == {"name": None}
    service.reply(page())
    client.vector_stores.list(limit=5, before="vs_9")
    assert service.last.query == [("before", "vs_9"), ("limit", "5")]


def test_what_only_the_service_knows_is_passed_on(client: OAuthCodexClient, service: Service) -> None:
    service.reply({"object": "vector_store.search_results.page", "search_query": "fox", "data": [], "has_more": False})
    client.vector_stores.search("vs_1", query="fox", search_mode="vector", extra_body={"rerank": {"model": "m"}})
    assert service.last.json == {"query": "fox", "search_mode": "vector", "rerank": {"model": "m"}}
    service.reply(page())
    client.vector_stores.list(limit=5, flavor="x")
    assert sorted(service.last.query) == [("flavor", "x"), ("limit", "5")]
    service.reply(STORE_FILE)
    client.vector_stores.files.create("vs_1", file_id="file-1", extra_body={"priority": 3})
    assert service.last.json == {"file_id": "file-1", "priority": 3}
    with pytest.raises(ParameterValidationError, match="resume"):
        client.vector_stores.list(resume=1)
    with pytest.raises(ParameterValidationError, match="limit"):
        client.vector_stores.list(limit=0)


def test_a_search(client: OAuthCodexClient, service: Service) -> None:
    service.reply(
        {"object": "vector_store.search_results.page", "search_query": "fox", "data": [HIT], "has_more": False}
    )
    found = client.vector_stores.search(
        "vs_1", query="fox", filters={"type": "eq", "key": "lang", "value": "de"}, max_num_results=3
    )
    assert service.last.json == {
        "query": "fox",
        "filters": {"type": "eq", "key": "lang", "value": "de"},
        "max_num_results": 3,
    }
    assert found["search_query"] == ["fox"]
    assert found.data[0].text == "fox"
    service.reply({"search_query": ["a", "b"], "data": []})
    assert client.vector_stores.search("vs_1", query=["a", "b"])["search_query"] == ["a", "b"]
    assert service.last.json == {"query": ["a", "b"]}


def test_unknown_fields_and_the_request_id_reach_the_caller(client: OAuthCodexClient, service: Service) -> None:
    service.reply(STORE, headers={"x-request-id": "req_there"})
    store = client.vector_stores.retrieve("vs_1")
    assert store["something_new"] == {"kept": True}
    assert store._request_id == "req_there"
    assert store.name is None
    service.reply(page(STORE_FILE), headers={"x-request-id": "req_page"})
    assert client.vector_stores.files.list("vs_1")._request_id == "req_page"


def test_paging_goes_on_after_the_last_item(client: OAuthCodexClient, service: Service) -> None:
    service.reply(page({**STORE, "id": "vs_3"}, {**STORE, "id": "vs_2"}, more=True))
    service.reply(page(STORE))
    assert [store.id for store in client.vector_stores.list(limit=2)] == ["vs_3", "vs_2", "vs_1"]
    assert service.last.query == [("after", "vs_2"), ("limit", "2")]


def test_both_names_of_a_batch(client: OAuthCodexClient, service: Service) -> None:
    for name in ("vector_store.file_batch", "vector_store.files_batch"):
        service.reply({**BATCH, "object": name})
        assert client.vector_stores.file_batches.retrieve("vs_1", "vsfb_1").object == "vector_store.files_batch"


@pytest.mark.parametrize(("pending", "status"), [(2, "in_progress"), (0, "completed")])
def test_a_batch_that_comes_back_as_its_store(
    client: OAuthCodexClient, service: Service, pending: int, status: str
) -> None:
    counts = {"in_progress": pending, "completed": 1, "failed": 0, "cancelled": 0, "total": pending + 1}
    service.reply({**STORE, "file_counts": counts})
    batch = client.vector_stores.file_batches.retrieve("vs_1", "vsfb_7")
    assert (batch.id, batch.vector_store_id, batch.status) == ("vsfb_7", "vs_1", status)
    assert batch.file_counts.in_progress == pending


@pytest.mark.parametrize(
    "body",
    [
        {"object": "vector_store.file_content.page", "data": [{"type": "text", "text": "fox"}], "has_more": False},
        {
            "file_id": "file-1",
            "filename": "a.txt",
            "attributes": {"n": 1},
            "content": [{"type": "text", "text": "fox"}],
        },
    ],
)
def test_both_shapes_of_content(client: OAuthCodexClient, service: Service, body: dict[str, Any]) -> None:
    service.reply(body)
    found = client.vector_stores.files.content("file-1", vector_store_id="vs_1")
    assert [piece.text for piece in found.data] == ["fox"]
    assert found.data[0].metadata == body.get("attributes")


def test_removing_a_file_from_a_store(client: OAuthCodexClient, service: Service) -> None:
    service.reply(
        {"id": "file-1", "object": "vector_store.file.deleted", "deleted": True}, headers={"x-request-id": "r"}
    )
    gone = client.vector_stores.files.delete("vs_1", "file-1")
    assert (service.last.method, service.last.path) == ("DELETE", "/v1/vector_stores/vs_1/files/file-1")
    assert gone.deleted
    assert gone._request_id == "r"


def test_cancelling_sends_no_body(client: OAuthCodexClient, service: Service) -> None:
    service.reply({**BATCH, "status": "cancelled"})
    client.vector_stores.file_batches.cancel("vs_1", "vsfb_1")
    assert (service.last.path, service.last.body) == ("/v1/vector_stores/vs_1/file_batches/vsfb_1/cancel", b"")


def test_replacing_the_files_of_a_store(client: OAuthCodexClient, service: Service) -> None:
    """`file_ids` is compared with two pages of what is there; it is never sent itself."""
    attached = {"first": page(_file("a"), _file("b"), more=True), "second": page(_file("c"))}

    def answer(request: Any) -> Reply:
        if request.method == "GET" and request.path.endswith("/files"):
            return Reply(attached["second" if ("after", "file-b") in request.query else "first"])
        if request.path.endswith("/file_batches"):
            return Reply(BATCH)
        if request.method == "DELETE":
            return Reply({"id": request.path.rpartition("/")[2], "deleted": True})
        return Reply(STORE)

    service.always = answer
    client.vector_stores.update("vs_1", name="n", file_ids=["file-b", "file-new"])
    done = [(request.method, request.path.removeprefix("/v1/vector_stores/vs_1")) for request in service.received]
    assert done == [
        ("GET", "/files"),
        ("GET", "/files"),
        ("POST", "/file_batches"),
        ("POST", ""),
        ("DELETE", "/files/file-a"),
        ("DELETE", "/files/file-c"),
        ("GET", ""),
    ]
    assert service.received[2].json == {"file_ids": ["file-new"]}
    assert service.received[3].json == {"name": "n"}


def _file(name: str) -> dict[str, Any]:
    return {**STORE_FILE, "id": f"file-{name}"}


@pytest.mark.parametrize("name", ["Authorization", "content-type", "ChatGPT-Account-ID", "Host", "Content-Length"])
def test_headers_that_are_not_for_callers(client: OAuthCodexClient, service: Service, name: str) -> None:
    with pytest.raises(ParameterValidationError, match=r"cannot be one of them; (give|it)") as caught:
        client.vector_stores.create(extra_headers={name: "s3cret-value"})
    assert caught.value.param == "extra_headers"
    assert "s3cret-value" not in str(caught.value)
    assert service.received == []


@pytest.mark.parametrize("header", [{"X-A": "a\r\nX-B: b"}, {"X A": "a"}, {"X-A": "ä"}, {"X-A": " a"}, {"X-A": "\0"}])
def test_headers_that_cannot_be_sent(client: OAuthCodexClient, service: Service, header: dict[str, str]) -> None:
    with pytest.raises(ParameterValidationError, match="cannot be sent"):
        client.files.list(extra_headers=header)
    assert service.received == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>hello</html>", "the body is no JSON"),
        (b"", "without a body"),
        (b"[1]", "the body is no JSON object"),
        (b"\xff\xfe", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"{}", "'id'"),
        ({**STORE, "file_counts": "many"}, "file_counts"),
        ({**STORE, "object": "file"}, "object"),
    ],
)
def test_a_success_that_is_none(client: OAuthCodexClient, service: Service, body: Any, said: str) -> None:
    service.reply(body, headers={"x-request-id": "req_1"})
    with pytest.raises(APIResponseValidationError, match=said) as caught:
        client.vector_stores.retrieve("vs_1")
    assert "base_url" in str(caught.value)
    assert (caught.value.status_code, caught.value.request_id) == (200, "req_1")
    assert caught.value.request.url == f"{service.url}/vector_stores/vs_1"
    assert len(service.received) == 1


@pytest.mark.parametrize("body", [b"{}", b'{"data": 5}', b'{"data": [{"text": 5}], "id": 5}', b"no"])
def test_garbage_is_a_typed_error_everywhere(client: OAuthCodexClient, service: Service, body: bytes) -> None:
    bodies: dict[str, Any] = {
        "vector_stores.search": {"query": "fox"},
        "vector_stores.files.create": {"file_id": "file-1"},
        "vector_stores.files.update": {"attributes": {"n": 1}},
        "vector_stores.file_batches.create": {"file_ids": ["file-1"]},
        "files.create": {"purpose": "assistants"},
    }
    service.always = lambda _: Reply(body)
    for operation in OPERATIONS:
        path = operation.path.format(vector_store_id="vs_1", file_id="file-1", batch_id="vsfb_1")
        files: Any = {"file": b"abc"} if operation.multipart else None
        if operation is FILES_CONTENT:
            assert client.request("GET", path) == body
            continue
        with pytest.raises(APIResponseValidationError):
            client.request(operation.method, path, body=bodies.get(operation.name), files=files)
    assert len(service.received) == len(OPERATIONS)


def test_ids_cannot_leave_their_place(client: OAuthCodexClient, service: Service) -> None:
    for wrong in ("../files", "a/b", "a%2Fb", "..", "a?b", "x" * 10_000):
        with pytest.raises(ParameterValidationError):
            client.vector_stores.retrieve(wrong)
    assert service.received == []


def test_an_upload_is_a_form(client: OAuthCodexClient, service: Service) -> None:
    service.reply(FILE)
    source = io.BytesIO(b"skipped fox")
    source.read(8)
    client.files.create(
        file=('na"me\r\nX: y.txt', source, "text/plain"),
        purpose="assistants",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    form = service.last.body
    assert service.last.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="expires_after[anchor]"\r\n\r\ncreated_at\r\n' in form
    assert b'name="expires_after[seconds]"\r\n\r\n3600\r\n' in form
    assert b'name="purpose"\r\n\r\nassistants\r\n' in form
    assert b"text/plain\r\n\r\nfox\r\n" in form
    assert b"\r\nX: y" not in form


@pytest.mark.parametrize("kind", ["text/plain\r\nX-A: b", "text/\0plain", " text/plain", "tëxt/plain"])
def test_a_content_type_adds_no_header(client: OAuthCodexClient, service: Service, kind: str) -> None:
    with pytest.raises(ParameterValidationError, match="content_type"):
        client.files.create(file=("a.txt", b"fox", kind), purpose="assistants")
    assert service.received == []


def test_listing_drivers_loads_no_http_library() -> None:
    """The records are all that a listing reads."""
    program = "import sys, oauth_codex_openai as o; assert o.driver.modules and o.embedder.modules; assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
