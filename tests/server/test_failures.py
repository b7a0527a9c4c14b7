"""Whatever fails behind the server reaches the client as an error of the API, and tells it nothing that is not its business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from oauth_codex import OAuthCodexClient, errors

SECRET = "/srv/secret/path sk-secret"


@pytest.fixture(scope="module")
def broken(tools: Any) -> Iterator[Any]:
    """A server whose lists of stores fail with what stands in `error`."""

    def raising(request: Any) -> Any:
        raise under["error"]

    under: dict[str, BaseException] = {}
    with OAuthCodexClient("memory") as client:
        stores = tools.Overlaid(client.backend.vector_stores, list=raising)
        with tools.serving(OAuthCodexClient(tools.Overlaid(client.backend, vector_stores=stores))) as served:
            yield tools.Overlaid(served, fail=lambda error: under.update(error=error))


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, request=httpx.Request("GET", "http://upstream/"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.StorageError(f"disk {SECRET}"), 500, None),
        (OSError(28, SECRET), 500, None),
        (KeyError(SECRET), 500, None),
        (RecursionError(SECRET), 500, None),
        (errors.SchemaVersionError(SECRET), 500, None),
        (errors.ConfigurationError(SECRET), 500, None),
        (errors.StorageBusyError(SECRET), 503, "storage_busy"),
        (errors.ClientClosedError(SECRET), 503, "shutting_down"),
        (errors.APITimeoutError(SECRET), 504, "timeout"),
        (errors.APIConnectionError(SECRET), 502, "upstream_error"),
        (errors.APIResponseValidationError(SECRET, status_code=200), 502, "upstream_error"),
        (errors.AuthenticationError(SECRET), 502, "upstream_error"),
        (errors.AuthRequiredError(SECRET), 502, "upstream_error"),
        (errors.PermissionDeniedError(SECRET), 502, "upstream_error"),
        (errors.InternalServerError(SECRET, status_code=503), 503, "upstream_error"),
        (errors.APIStatusError(SECRET, status_code=304), 502, "upstream_error"),
        (errors.InternalServerError(SECRET, status_code=600), 502, "upstream_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_client_learns_nothing_but_the_id_of_the_request(
    broken: Any, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str | None
) -> None:
    broken.fail(error)
    found = broken.http.get("/v1/vector_stores")
    assert found.status_code == status
    body = found.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert (body["type"], body["code"]) == ("server_error", code)
    for word in ("secret", "Traceback", ".py", type(error).__name__):
        assert word not in found.text
    identifier = found.headers["x-request-id"]
    if "retry-after" not in found.headers:
        assert identifier in body["message"]
        assert identifier in caplog.text
        assert SECRET in caplog.text, "whoever runs the server can find out"
    assert broken.http.get("/v1/files").status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (errors.EmbedderMismatchError("Run reembed."), 409, "embedder_mismatch", None),
        (errors.ConflictError("Busy.", code="conflict"), 409, "conflict", None),
        (errors.UnprocessableEntityError("No."), 422, None, None),
        (errors.NotSupportedError("Not here."), 400, "not_supported", None),
        (errors.NotFoundError("Nothing.", param="id"), 404, None, "id"),
        (
            errors.RateLimitError("Slow down.", code="quota", response=answer(429, **{"retry-after": "7"})),
            429,
            "quota",
            None,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_the_caller_can_mend_is_told_in_full(
    broken: Any, error: Any, status: int, code: str | None, param: str | None
) -> None:
    broken.fail(error)
    found = broken.http.get("/v1/vector_stores")
    body = found.json()["error"]
    assert (found.status_code, body["code"], body["param"]) == (status, code, param)
    assert body["message"] in str(error)
    assert found.headers.get("retry-after") == ("7" if status == 429 else None)


def test_a_failed_upload_keeps_nothing(serve: Callable[..., Any], memory: Any, tools: Any) -> None:
    def raising(request: Any) -> Any:
        request.content.read(10)
        raise OSError(28, "full")

    client = OAuthCodexClient(tools.Overlaid(memory, files=tools.Overlaid(memory.files, create=raising)))
    served = serve(client)
    found = served.http.post("/v1/files", files={"file": ("a", b"x" * 400_000)}, data={"purpose": "assistants"})
    assert found.status_code == 500
    assert list(served.client.files.list()) == []


def test_a_closed_client_is_a_server_that_goes_away(serve: Callable[..., Any]) -> None:
    client = OAuthCodexClient("memory")
    served = serve(client)
    client.close()
    found = served.http.get("/v1/files")
    assert (found.status_code, found.json()["error"]["code"]) == (503, "shutting_down")
    assert found.headers["retry-after"] == "1"
    assert served.http.get("/readyz").status_code == 503
    assert served.http.get("/healthz").status_code == 200
