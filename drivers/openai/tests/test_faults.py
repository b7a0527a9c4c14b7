"""Refusals, broken connections, redirects: which error it is, what is repeated, and what is told."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import httpx
import oauth_codex
import pytest
import stamina
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    NotFoundError,
    NotSupportedError,
    ParameterValidationError,
    RateLimitError,
)
from oauth_codex_openai.calls import Call
from oauth_codex_openai.retries import Retrying, asked_for
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from .conftest import Open
from .service import FILE, STORE, Reply, Service, page


def problem(message: str = "No.", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (418, "APIStatusError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (503, "InternalServerError"),
    ],
)
def test_each_status_is_its_error(open_client: Open, service: Service, status: int, name: str) -> None:
    service.reply(problem("Not so.", code=7), status, headers={"x-request-id": "req_1"})
    with pytest.raises(APIStatusError) as caught:
        open_client(max_retries=0).vector_stores.retrieve("vs_1")
    error = caught.value
    assert type(error) is getattr(oauth_codex, name)
    assert str(error) == f"Error code: {status} - Not so."
    assert (error.status_code, error.code, error.request_id) == (status, "7", "req_1")
    assert error.raw_error["error"]["type"] == error.type == "invalid_request_error"
    assert error.response.json()["error"]["message"] == "Not so."
    assert error.request.url == f"{service.url}/vector_stores/vs_1"


def test_a_blamed_parameter(client: OAuthCodexClient, service: Service) -> None:
    service.reply(problem("Too many.", param="limit", code="integer_above_max_value"), 400)
    with pytest.raises(ParameterValidationError, match=r"^Too many\.$") as caught:
        client.vector_stores.list()
    assert (caught.value.param, caught.value.code) == ("limit", "integer_above_max_value")
    service.reply(problem("Not here.", param="hybrid", code="not_supported"), 400)
    with pytest.raises(NotSupportedError) as refused:
        client.vector_stores.list()
    assert refused.value.code == "not_supported"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "model not found"}, "model not found"),
        ({"message": "bare", "code": 5}, "bare"),
        ({"detail": [{"loc": ["body"]}]}, '[{"loc": ["body"]}]'),
        ({"error": {"message": {"deep": 1}, "param": ["x"], "code": {"y": 1}}}, '{"deep": 1}'),
        (b"<html>\n<b>Bad gateway</b></html>", "<html> <b>Bad gateway</b></html>"),
        (b"\xff\x00\xfe", "\ufffd"),
        (b'{"error": nope', '{"error": nope'),
        (b"", "answered 404"),
        ({}, "answered 404"),
        ({"error": None}, "answered 404"),
        (b"[" * 5000, "[[["),
    ],
)
def test_any_body_makes_an_error(client: OAuthCodexClient, service: Service, body: Any, said: str) -> None:
    service.reply(body, 404)
    with pytest.raises(NotFoundError) as caught:
        client.vector_stores.retrieve("vs_1")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_error_survives_pickling(client: OAuthCodexClient, service: Service) -> None:
    service.reply(problem("Gone.", code="gone"), 404, headers={"x-request-id": "req_1"})
    with pytest.raises(NotFoundError) as caught:
        client.vector_stores.retrieve("vs_1")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.code, copy.request_id) == ("Error code: 404 - Gone.", "gone", "req_1")
    assert copy.response.status_code == 404


@pytest.mark.parametrize("failure", [*({"status": s} for s in (408, 409, 429, 500, 503)), {"drop": True}])
def test_what_may_pass_is_repeated(client: OAuthCodexClient, service: Service, failure: dict[str, Any]) -> None:
    for _ in range(2):
        service.reply(problem(), **failure)
    service.reply(STORE)
    seen = client.vector_stores.with_raw_response.create(name="n")
    assert seen.parse().id == "vs_1"
    assert seen.retries_taken == 2
    assert [request.headers["x-stainless-retry-count"] for request in service.received] == ["0", "1", "2"]
    assert [request.json for request in service.received] == [{"name": "n"}] * 3


def test_the_last_failure_is_told(open_client: Open, service: Service, face: str) -> None:
    service.always = lambda _: Reply(problem("Busy."), 429)
    with pytest.raises(RateLimitError, match="Busy"):
        open_client().files.list()
    assert len(service.received) == 3
    with pytest.raises(RateLimitError):
        open_client(max_retries=0).files.list()
    assert len(service.received) == 4
    if face == "sync":  # the face of the async client stands for one client only
        with pytest.raises(RateLimitError):
            open_client().with_options(max_retries=1).files.list()
        assert len(service.received) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_pass_is_not_repeated(client: OAuthCodexClient, service: Service, status: int) -> None:
    service.reply(problem(), status)
    with pytest.raises(APIStatusError):
        client.files.list()
    assert len(service.received) == 1


@pytest.mark.parametrize(("status", "word", "requests"), [(500, "false", 1), (400, "true", 3), (500, "maybe", 3)])
def test_the_service_may_decide(
    client: OAuthCodexClient, service: Service, status: int, word: str, requests: int
) -> None:
    service.always = lambda _: Reply(problem(), status, {"x-should-retry": word})
    with pytest.raises(APIStatusError):
        client.files.list()
    assert len(service.received) == requests


class _AskedFor(Exception):
    """Ends a call in place of the wait that it asks for."""


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 0.375, 0.5),
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5, 1.5),
        ({"retry-after": "later"}, 0.375, 0.5),
    ],
)
def test_how_long_a_call_waits(
    client: OAuthCodexClient, service: Service, headers: dict[str, str], least: float, most: float
) -> None:
    """Asked of the call itself: the hook of stamina is told the seconds, and ends the call before they pass."""
    waits: list[float] = []

    def hook(details: RetryDetails) -> None:
        waits.append(details.wait_for)
        raise _AskedFor

    hooks = get_on_retry_hooks()
    service.reply(problem(), 429, headers=headers)
    set_on_retry_hooks([hook])
    try:
        with stamina.set_testing(False), pytest.raises(oauth_codex.StorageError) as caught:
            client.files.list()
    finally:
        set_on_retry_hooks(hooks)
    assert isinstance(caught.value.__cause__, _AskedFor)
    assert len(waits) == 1
    assert least <= waits[0] <= most


NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:20 GMT"}, 20),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 99 Oct 2015"}, None),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3),
        ({}, None),
    ],
)
def test_what_a_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_for(httpx.Headers(headers), NOW) == seconds


def test_own_waits_grow_and_a_long_one_is_refused() -> None:
    call = Call(method="GET", path="/files", query={})
    busy = InternalServerError("busy", response=httpx.Response(500, request=httpx.Request("GET", "http://h/")))
    rule = Retrying(call, 10, chance=lambda: 0.0)
    assert [rule(busy) for _ in range(6)] == [0.5, 1, 2, 4, 8, 8]
    rule = Retrying(call, 10, chance=lambda: 1.0)
    assert rule(APIConnectionError()) == 0.375
    for asked, answer in (("120", 120.0), ("121", False), ("inf", False)):
        headers = {"retry-after": asked}
        slow = RateLimitError(
            "slow", response=httpx.Response(429, headers=headers, request=httpx.Request("GET", "http://h/"))
        )
        assert Retrying(call, 10)(slow) == answer


def test_no_answer(open_client: Open, service: Service) -> None:
    service.always = lambda _: Reply(drop=True)
    with pytest.raises(APIConnectionError) as caught:
        open_client().files.list()
    assert service.origin in str(caught.value)
    assert isinstance(caught.value.__cause__, httpx.RemoteProtocolError)
    assert caught.value.retryable
    assert len(service.received) == 3


def test_nobody_there(open_client: Open, other_service: Service) -> None:
    other_service.stop()
    client = open_client(base_url=other_service.url, max_retries=1)
    with pytest.raises(APIConnectionError, match=r"ConnectError.*Is base_url right"):
        client.files.list()


def test_an_answer_that_breaks_off(open_client: Open, service: Service) -> None:
    service.reply(page(FILE), cut=10)
    service.reply(page(FILE))
    assert len(open_client().files.list().data) == 1
    service.reply(page(FILE), cut=10)
    with pytest.raises(APIConnectionError):
        open_client(max_retries=0).files.list()


def test_a_body_that_is_not_what_it_says(client: OAuthCodexClient, service: Service) -> None:
    service.reply(b"no gzip at all", headers={"content-encoding": "gzip"})
    with pytest.raises(APIResponseValidationError, match="cannot be decoded"):
        client.files.list()
    assert len(service.received) == 1


@pytest.mark.parametrize("limit", [0.05, httpx.Timeout(5, read=0.05)])
def test_no_answer_in_time(open_client: Open, service: Service, limit: Any) -> None:
    done = threading.Event()
    service.always = lambda _: Reply(page(), hold=done)
    try:
        for options, call in (({"timeout": limit}, {}), ({}, {"timeout": limit})):
            with pytest.raises(APITimeoutError, match=service.origin) as caught:
                open_client(max_retries=0, **options).files.list(**call)
            assert isinstance(caught.value, TimeoutError)
            assert isinstance(caught.value.__cause__, httpx.ReadTimeout)
    finally:
        done.set()


def test_a_redirect_on_the_same_origin(client: OAuthCodexClient, service: Service) -> None:
    service.reply(status=307, headers={"location": "/v2/files?purpose=vision"})
    service.reply(page(FILE))
    assert len(client.files.list(purpose="vision").data) == 1
    assert service.last.target == "/v2/files?purpose=vision"
    assert service.last.headers["authorization"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_do_not_follow_a_redirect(
    client: OAuthCodexClient, service: Service, other_service: Service, status: int
) -> None:
    service.always = lambda _: Reply(status=status, headers={"location": f"{other_service.url}/files?token=s3cret-1"})
    other_service.always = lambda _: Reply(page())
    for call in (lambda: client.files.list(), lambda: client.vector_stores.create(), lambda: client.files.content("f")):
        with pytest.raises(APIStatusError, match="another origin") as caught:
            call()
        assert other_service.origin in str(caught.value)
        assert "s3cret-1" not in str(caught.value)
        assert caught.value.status_code == status
    assert other_service.received == []
    assert len(service.received) == 3


def test_a_write_is_not_redirected(client: OAuthCodexClient, service: Service) -> None:
    service.reply(status=307, headers={"location": "/v2/vector_stores"})
    with pytest.raises(APIStatusError, match="for GET only, not for POST"):
        client.vector_stores.create()


def test_a_redirect_in_a_circle_ends(open_client: Open, service: Service) -> None:
    service.always = lambda request: Reply(status=302, headers={"location": request.target})
    with pytest.raises(APIStatusError):
        open_client().files.list()
    assert len(service.received) == 6


def test_an_answer_is_shown_with_its_retries_when_it_is_an_error(open_client: Open, service: Service) -> None:
    """`on_answer` is what raw responses are made of."""
    service.always = lambda _: Reply(problem("Busy."), 503, {"x-request-id": "req_9"})
    with pytest.raises(InternalServerError) as caught:
        open_client().vector_stores.with_raw_response.list()
    assert caught.value.request_id == "req_9"
