"""Every route does what the method of the client does, and answers in the shape that strict clients accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from oauth_codex.spi.operations import OPERATIONS


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    found: dict[str, Any] = answer.json()
    return found


def upload(
    served: Any, text: bytes = b"The boat is in the harbour.", name: str = "a.txt", **fields: str
) -> dict[str, Any]:
    data = {"purpose": "assistants", **fields}
    return ok(served.http.post("/v1/files", files={"file": (name, text)}, data=data))


def test_a_program_in_another_language_gets_through_a_whole_life(served: Any) -> None:
    http = served.http
    one, two = upload(served), upload(served, b"Engines need oil.", "b.txt")
    store = ok(http.post("/v1/vector_stores", json={"name": "docs", "metadata": {"a": "b"}}))
    base = f"/v1/vector_stores/{store['id']}"
    attached = ok(http.post(f"{base}/files", json={"file_id": one["id"], "attributes": {"lang": "en", "year": 2024}}))
    assert (attached["status"], attached["attributes"]) == ("completed", {"lang": "en", "year": 2024})
    batch = ok(http.post(f"{base}/file_batches", json={"file_ids": [two["id"]]}))
    assert ok(http.get(f"{base}/file_batches/{batch['id']}"))["status"] == "completed"
    assert [f["id"] for f in ok(http.get(f"{base}/file_batches/{batch['id']}/files"))["data"]] == [two["id"]]
    assert ok(http.post(f"{base}/file_batches/{batch['id']}/cancel"))["status"] == "cancelled"
    wanted = {"type": "eq", "key": "lang", "value": "en"}
    found = ok(http.post(f"{base}/search", json={"query": "boat", "filters": wanted, "max_num_results": 1}))
    assert [(hit["file_id"], hit["content"][0]["type"]) for hit in found["data"]] == [(one["id"], "text")]
    assert (found["object"], found["search_query"]) == ("vector_store.search_results.page", ["boat"])
    assert ok(http.post(f"{base}/files/{one['id']}", json={"attributes": {"lang": "de"}}))["attributes"] == {
        "lang": "de"
    }
    assert ok(http.get(f"{base}/files/{one['id']}/content"))["data"][0]["text"] == "The boat is in the harbour."
    assert (
        ok(http.post(base, json={"name": None, "expires_after": {"anchor": "last_active_at", "days": 3}}))["name"] == ""
    )
    assert ok(http.get(base))["expires_after"] == {"anchor": "last_active_at", "days": 3}
    assert ok(http.delete(f"{base}/files/{one['id']}"))["object"] == "vector_store.file.deleted"
    assert ok(http.delete(base)) == {"id": store["id"], "object": "vector_store.deleted", "deleted": True}
    assert ok(http.delete(f"/v1/files/{one['id']}")) == {"id": one["id"], "object": "file", "deleted": True}
    assert http.get(base).status_code == 404


def test_empty_things_are_there_as_null(served: Any) -> None:
    store = ok(served.http.post("/v1/vector_stores", json={}))
    assert store["name"] == ""
    assert {key: store[key] for key in ("expires_after", "expires_at", "description")} == dict.fromkeys(
        ("expires_after", "expires_at", "description")
    )
    page = ok(served.http.get(f"/v1/vector_stores/{store['id']}/files"))
    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    file = ok(served.http.post(f"/v1/vector_stores/{store['id']}/files", json={"file_id": upload(served)["id"]}))
    assert file["last_error"] is None
    assert served.client.vector_stores.retrieve(store["id"]).name is None, "the empty name is only for the wire"


def test_lists_page_through_the_query(served: Any) -> None:
    for name in "ab":
        served.client.vector_stores.create(name=name)
    first = ok(served.http.get("/v1/vector_stores?limit=1"))
    assert (first["has_more"], first["first_id"]) == (True, first["data"][0]["id"])
    second = ok(served.http.get("/v1/vector_stores", params={"limit": 1, "after": first["last_id"], "order": "desc"}))
    assert second["data"][0]["id"] != first["first_id"]
    assert all(isinstance(store["name"], str) for store in ok(served.http.get("/v1/vector_stores"))["data"])


def test_an_upload_takes_its_fields_from_the_form(served: Any) -> None:
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = upload(served, b"x" * 400_000, "big ü.txt", **fields)
    assert (made["bytes"], made["filename"]) == (400_000, "big ü.txt")
    assert made["expires_at"] == made["created_at"] + 3600
    assert served.client.files.content(made["id"]) == b"x" * 400_000
    assert upload(served, b"", "empty.txt")["bytes"] == 0


def test_a_download_is_the_file_and_only_that(served: Any) -> None:
    made = upload(served, b"\x00\xff" * 100_000, 'a"; filename=evil\r\nx-evil: 1.html')
    answer = served.http.get(f"/v1/files/{made['id']}/content")
    assert answer.content == b"\x00\xff" * 100_000
    assert answer.headers["content-length"] == "200000"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    shown = answer.headers["content-disposition"]
    assert shown == "attachment; filename*=UTF-8''a%22%3B%20filename%3Devil%0D%0Ax-evil%3A%201.html"
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "c:\\x.txt", "a\0b", "ü 漢.txt", "n" * 1024])
def test_any_text_is_the_name_of_a_file_and_never_a_path(served: Any, name: str) -> None:
    made = upload(served, b"x", name)
    assert made["filename"] == name
    assert served.http.get(f"/v1/files/{made['id']}/content").content == b"x"


def test_every_operation_has_its_route_and_405_names_the_methods(served: Any) -> None:
    for operation in OPERATIONS:
        path = "/v1" + operation.path.replace("{vector_store_id}", "vs_1").replace("{file_id}", "file-1")
        answer = served.http.request(operation.method, path.replace("{batch_id}", "vsfb_1"))
        assert (answer.status_code, answer.json().get("error", {}).get("code")) != (404, "unknown_url"), operation.name
        wrong = served.http.patch(path)
        assert wrong.status_code == 405
        assert operation.method in wrong.headers["allow"].split(", ")
        assert wrong.json()["error"]["code"] == "method_not_supported"
    assert served.http.head("/v1/files").status_code == 405


def test_the_id_of_a_request_is_in_the_log_and_not_the_body_of_anything(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "oauth_codex"):
        answer = served.http.post("/v1/vector_stores", json={"name": "a private name"})
    assert answer.headers["x-request-id"] in caplog.text
    assert "a private name" not in caplog.text
    assert json.loads(answer.content)["name"] == "a private name"
