"""`client.request`: operations by their address."""

from __future__ import annotations

from typing import Any

import pytest
from oauth_codex import NotSupportedError, OAuthCodexClient, ParameterValidationError
from oauth_codex.types import FileBytes, SyncCursorPage, SyncPage, VectorStore


def test_every_operation_by_its_address(client: OAuthCodexClient) -> None:
    file = client.request("POST", "/files", body={"purpose": "assistants"}, files={"file": ("a.txt", b"abc")})
    assert file.filename == "a.txt"
    store = client.request("post", "/vector_stores", body={"name": "docs"})
    assert type(store) is VectorStore
    at = f"/vector_stores/{store.id}"
    assert client.request("GET", at).name == "docs"
    assert client.request("POST", at, body={"name": None}).name is None
    assert client.request("POST", f"{at}/files", body={"file_id": file.id}).id == file.id
    assert client.request("POST", f"{at}/files/{file.id}", body={"attributes": {"a": 1}}).attributes == {"a": 1}
    assert client.request("GET", f"{at}/files/{file.id}").status == "completed"
    page = client.request("GET", f"{at}/files/{file.id}/content")
    assert type(page) is SyncPage
    assert page.data[0].text == "abc"
    raw = client.request("GET", f"/files/{file.id}/content")
    assert type(raw) is FileBytes
    assert raw == b"abc"
    assert raw._request_id is not None
    assert client.request("POST", f"{at}/search", body={"query": "x"}).search_query == ["x"]
    batch = client.request("POST", f"{at}/file_batches", body={"file_ids": [file.id]})
    assert client.request("GET", f"{at}/file_batches/{batch.id}").id == batch.id
    assert client.request("GET", f"{at}/file_batches/{batch.id}/files").data[0].id == file.id
    assert client.request("POST", f"{at}/file_batches/{batch.id}/cancel").status == "cancelled"
    assert client.request("DELETE", f"{at}/files/{file.id}").deleted is True
    assert client.request("GET", "/files").data[0].id == file.id
    assert client.request("GET", f"/files/{file.id}").id == file.id
    assert client.request("DELETE", f"/files/{file.id}").deleted is True
    assert client.request("DELETE", at).deleted is True


def test_query_strings_and_query_arguments(client: OAuthCodexClient) -> None:
    stores = [client.vector_stores.create().id for _ in range(3)]
    page = client.request("GET", "/vector_stores?limit=2&order=asc")
    assert type(page) is SyncCursorPage
    assert [s.id for s in page.data] == stores[:2]
    assert [s.id for s in page] == stores
    assert client.request("GET", "/vector_stores", query={"limit": 1}).data[0].id == stores[-1]
    with pytest.raises(ParameterValidationError) as caught:
        client.request("GET", "/vector_stores?limit=2", query={"limit": 3})
    assert caught.value.param == "limit"


def test_path_parameters_are_percent_decoded(client: OAuthCodexClient) -> None:
    store = client.vector_stores.create()
    assert client.request("GET", f"/vector_stores/{store.id.replace('_', '%5F')}").id == store.id
    with pytest.raises(ParameterValidationError) as caught:
        client.request("GET", "/vector_stores/a%2Fb")
    assert caught.value.param == "vector_store_id"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/assistants"),
        ("DELETE", "/vector_stores"),
        ("PATCH", "/files"),
        ("GET", "/"),
        ("GET", "/files/a/b/c"),
    ],
)
def test_unknown_addresses(client: OAuthCodexClient, backend: Any, method: str, path: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        client.request(method, path)
    assert caught.value.code == "not_supported_on_codex_oauth"
    assert backend.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "http://example.org/files",
        "//example.org/files",
        "/%2Fexample.org/files",
        "files",
        "",
        "/files/../vector_stores",
        "/files/%2e%2e/vector_stores",
        "/files/%2E",
        "/files\\a",
        "/files/%5Ca",
        "/files/a%00b",
        "/files/a\nb",
        "/files#x",
    ],
)
def test_addresses_that_are_no_path(client: OAuthCodexClient, backend: Any, path: str) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        client.request("GET", path)
    assert caught.value.param == "path"
    assert backend.calls == []


def test_a_body_cannot_name_another_object_than_the_path(client: OAuthCodexClient) -> None:
    store, other = client.vector_stores.create(), client.vector_stores.create()
    with pytest.raises(ParameterValidationError, match="given twice"):
        client.request("POST", f"/vector_stores/{store.id}", body={"vector_store_id": other.id})


def test_an_upload_needs_a_file_and_nothing_else_takes_one(client: OAuthCodexClient) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        client.request("POST", "/files", body={"purpose": "assistants"})
    assert caught.value.param == "file"
    with pytest.raises(ParameterValidationError):
        client.request("POST", "/vector_stores", files={"file": b"x"})
