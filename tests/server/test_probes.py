"""What operators and generators of clients read: health, readiness, metrics, the OpenAPI document."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.server import openapi, schemas
from oauth_codex.spi.capabilities import LOCAL
from oauth_codex.spi.operations import OPERATIONS


def test_a_storage_that_hangs_is_alive_and_not_ready(serve: Callable[..., Any], memory: Any, tools: Any) -> None:
    go, asked = threading.Event(), []

    def ping() -> None:
        asked.append(1)
        assert go.wait(60)

    served = serve(OAuthCodexClient(tools.Overlaid(memory, ping=ping)), ready_seconds=0.02)
    try:
        for _ in range(3):
            answer = served.http.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
            assert "0.02 seconds" in answer.json()["reason"]
        assert asked == [1], "one that hangs is not asked again"
        assert served.http.get("/healthz").json() == {"status": "ok"}
        assert served.http.get("/v1/files").status_code == 200
    finally:
        go.set()
    served.until(lambda: served.http.get("/readyz").status_code == 200)


def test_a_storage_that_fails_is_not_ready_and_does_not_say_why(
    serve: Callable[..., Any], memory: Any, tools: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def ping() -> None:
        raise OSError("/private/path is gone")

    served = serve(OAuthCodexClient(tools.Overlaid(memory, ping=ping)))
    answer = served.http.get("/readyz")
    assert answer.status_code == 503
    assert "private" not in answer.text
    assert "/private/path is gone" in caplog.text
    assert served.http.get("/healthz").status_code == 200


def test_a_server_that_shuts_down_is_alive_and_not_ready(serve: Callable[..., Any]) -> None:
    served = serve()
    served.app.state.probes.draining = True
    assert served.http.get("/readyz").json() == {"status": "not ready", "reason": "shutting down"}
    assert served.http.get("/healthz").status_code == 200


def test_metrics_count_operations_and_name_no_object(serve: Callable[..., Any]) -> None:
    served = serve()
    store = served.http.post("/v1/vector_stores", json={"name": "private"}).json()["id"]
    for _ in range(3):
        served.http.get(f"/v1/vector_stores/{store}")
    served.http.get("/v1/vector_stores/vs_none")
    served.http.get("/no/such/page")
    served.http.post("/v1/files", files={"file": ("a", b"x" * 1234)}, data={"purpose": "assistants"})
    requests = "oauth_codex_requests_total"
    assert served.metric(requests + '{operation="vector_stores.retrieve",status="200"}') == 3
    assert served.metric(requests + '{operation="vector_stores.retrieve",status="404"}') == 1
    assert served.metric(requests + '{operation="none",status="404"}') == 1
    assert served.metric('oauth_codex_request_seconds_count{operation="vector_stores.retrieve"}') == 4
    assert served.metric("oauth_codex_upload_bytes_total") == 1234
    assert served.metric("oauth_codex_requests_in_flight") == 1, "the one that asks"
    text = served.http.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert not {store, "private", "no/such", "vs_none"} & set(re.split(r'["{}\s]', text.text))


def test_two_applications_count_for_themselves(serve: Callable[..., Any]) -> None:
    one, two = serve(), serve()
    one.http.get("/v1/files")
    line = 'oauth_codex_requests_total{operation="files.list",status="200"}'
    assert (one.metric(line), two.metric(line)) == (1, 0)


def test_the_document_has_every_operation_with_its_fields_and_answer(served: Any) -> None:
    document = served.http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    for operation in OPERATIONS:
        described = document["paths"][f"/v1{operation.path}"][operation.method.lower()]
        assert described["operationId"] == operation.name
        assert "security" not in described
        assert set(described["responses"]) == {"200", "default"}
    search = document["paths"]["/v1/vector_stores/{vector_store_id}/search"]["post"]
    body = search["requestBody"]["content"]["application/json"]["schema"]
    assert (body["required"], body["additionalProperties"]) == (["query"], False)
    assert set(body["properties"]) == {"query", "max_num_results", "filters", "ranking_options", "rewrite_query"}
    upload = document["paths"]["/v1/files"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(upload["properties"]) == {"file", "purpose", "expires_after[anchor]", "expires_after[seconds]"}
    names = set(document["components"]["schemas"])
    assert {found.rpartition("/")[2] for found in references(document)} <= names
    assert document["components"]["schemas"]["VectorStore"]["properties"]["name"] == {"type": "string"}
    assert "securitySchemes" not in document["components"]


def references(document: Any) -> list[str]:
    """What the document refers to."""
    return re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))


def test_the_document_says_where_a_key_is_needed_and_what_the_driver_lacks() -> None:
    document = json.loads(openapi.document(replace(LOCAL, file_batches=False), keyed=True))
    assert document["components"]["securitySchemes"]["key"] == {"type": "http", "scheme": "bearer"}
    secured = {path for path, found in document["paths"].items() if all("security" in each for each in found.values())}
    assert set(document["paths"]) - secured == {"/healthz", "/readyz"}
    assert not any("file_batches" in path for path in document["paths"])
    assert "vector_store_id" not in json.dumps(document["paths"]["/v1/vector_stores"]["post"])
    assert "vector_store_id" in json.dumps(
        document["paths"]["/v1/vector_stores/{vector_store_id}"]["post"]["requestBody"]
    )
    assert schemas.fields(7, 5)["file_ids"]["anyOf"][0]["maxItems"] == 7
