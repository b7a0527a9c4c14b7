"""Credentials: where they come from, when they are asked for anew, and that they are never shown."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Generator
from typing import Any, cast

import anyio
import httpx
import pytest
from oauth_codex.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    AuthRequiredError,
    ClientClosedError,
    ConfigurationError,
    OAuthCodexError,
)

from .conftest import KEY, Open
from .service import FILE, Received, Reply, Service, page


class Sign(httpx.Auth):
    """Credentials in a header of their own."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["x-signed-by"] = KEY
        yield request


def only(token: str) -> Any:
    """A service that accepts one token."""

    def answer(request: Received) -> Reply:
        if request.headers.get("authorization") == f"Bearer {token}":
            return Reply(page(FILE) if request.method == "GET" else FILE)
        return Reply({"error": {"message": f"Wrong: {request.headers.get('authorization')}", "code": "bad_key"}}, 401)

    return answer


def test_the_variable(open_client: Open, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.always = lambda _: Reply(page())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-variable")
    monkeypatch.setenv("TEAM_KEY", "sk-of-the-team")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{service.origin}/other/")
    open_client(base_url=..., backend="openai", api_key=...).files.list()
    assert service.last.path == "/other/files"
    assert service.last.headers["authorization"] == "Bearer sk-of-the-variable"
    assert service.last.headers["openai-organization"] == "org-1"
    open_client(api_key_env="TEAM_KEY").files.list()
    assert service.last.headers["authorization"] == "Bearer sk-of-the-team"
    open_client(api_key="sk-of-the-argument").files.list()
    assert service.last.headers["authorization"] == "Bearer sk-of-the-argument"


@pytest.mark.parametrize("value", [None, "", "two words", "a\nb", "kéy"])
def test_none_at_all(open_client: Open, service: Service, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(AuthRequiredError) as caught:
        open_client(api_key=...).files.list()
    for word in ("OPENAI_API_KEY", "api_key=", "auth=", "api_key_env="):
        assert word in str(caught.value)
    assert not value or value not in str(caught.value)
    assert service.received == []


@pytest.mark.parametrize("key", ["", " ", "s3cret\r\nX-A: b", "s3cret-é", "s3cret two"])
def test_a_key_that_cannot_be_sent(open_client: Open, key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        open_client(api_key=key)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_function_is_asked_once(open_client: Open, service: Service) -> None:
    asked: list[int] = []

    def provider() -> str:
        asked.append(1)
        return KEY

    service.always = only(KEY)
    client = open_client(api_key=provider)
    for _ in range(3):
        client.files.list()
    assert len(asked) == 1


def test_a_function_is_asked_once_more_after_a_refusal(open_client: Open, service: Service) -> None:
    tokens = iter(["sk-old-one", "sk-new-one", "sk-never"])
    service.always = only("sk-new-one")
    client = open_client(api_key=lambda: next(tokens))
    client.files.create(file=("a.txt", b"fox"), purpose="assistants")
    assert [b"fox" in request.body for request in service.received] == [True, True]
    client.files.list()
    assert len(service.received) == 3
    service.always = only("sk-nobody-has")
    with pytest.raises(AuthenticationError):
        client.files.list()
    assert len(service.received) == 5


def test_an_async_function(open_client: Open, service: Service, face: str) -> None:
    async def provider() -> str:
        await anyio.lowlevel.checkpoint()
        return KEY

    service.always = only(KEY)
    client = open_client(api_key=provider)
    if face == "async":
        assert client.files.list().data
        return
    with pytest.raises(ConfigurationError, match="use AsyncOAuthCodexClient"):
        client.files.list()
    assert service.received == []


@pytest.mark.parametrize("answer", [None, "", "two words", b"bytes", ValueError("s3cret-value")])
def test_a_function_without_an_answer(open_client: Open, service: Service, answer: Any) -> None:
    def provider() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(AuthRequiredError, match="api_key=") as caught:
        open_client(api_key=provider).files.list()
    assert "s3cret" not in str(caught.value)
    assert service.received == []


def test_any_httpx_auth(open_client: Open, service: Service) -> None:
    service.always = lambda _: Reply(page())
    open_client(auth=httpx.BasicAuth("user", "word")).files.list()
    assert service.last.headers["authorization"] == "Basic dXNlcjp3b3Jk"
    open_client(auth=Sign()).files.list()
    assert service.last.headers["x-signed-by"] == KEY
    open_client(auth=httpx.Auth()).files.list()
    assert "authorization" not in service.last.headers


def test_ways_that_contradict(open_client: Open) -> None:
    with pytest.raises(ConfigurationError, match="leave one out"):
        open_client(api_key=KEY, auth=httpx.Auth())
    with pytest.raises(ConfigurationError, match="auth"):
        open_client(auth="me")
    with pytest.raises(ConfigurationError, match="give the credentials to the client"):
        open_client(default_headers={"authorization": KEY})


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://me:s3cret@127.0.0.1/v1", "user part"),
        ("https://127.0.0.1/v1?key=s3cret", "default_query"),
        ("ftp://127.0.0.1/v1", "http://"),
        ("127.0.0.1/v1", "http://"),
        ("http://", "host"),
    ],
)
def test_addresses_that_are_none(open_client: Open, monkeypatch: pytest.MonkeyPatch, address: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        open_client(base_url=address)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)).replace(repr(address), "")
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL") as from_variable:
        open_client(base_url=..., backend="openai")
    assert "s3cret" not in str(from_variable.value)


def test_an_http_client_of_the_caller(open_client: Open, service: Service, face: str) -> None:
    """It sends the requests with its own settings, is refused when it is of the other kind, and is never closed."""
    service.always = lambda _: Reply(page())
    kinds: dict[str, Any] = {"sync": httpx.Client, "async": httpx.AsyncClient}
    own = kinds[face](headers={"x-mine": "1"}, auth=httpx.BasicAuth("user", "word"))
    client = open_client(http_client=own)
    client.files.list()
    assert service.last.headers["x-mine"] == "1"
    assert service.last.headers["authorization"] == "Basic dXNlcjp3b3Jk"
    open_client(http_client=own, api_key=KEY).files.list()
    assert service.last.headers["authorization"] == f"Bearer {KEY}"
    client.close()
    assert not own.is_closed
    other = kinds["async" if face == "sync" else "sync"]
    with pytest.raises(ConfigurationError, match=rf"httpx\.{kinds[face].__name__}\(\.\.\.\)"):
        open_client(http_client=other(), api_key=KEY).files.list()
    with pytest.raises(ConfigurationError, match="http_client"):
        open_client(http_client=object(), api_key=KEY)
    own.close() if face == "sync" else cast("Any", client)._portal.call(own.aclose)
    with pytest.raises(ClientClosedError, match="http_client"):
        open_client(http_client=own, api_key=KEY).files.list()


def test_nothing_shows_a_secret(
    open_client: Open, service: Service, other_service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Through refusals that repeat the headers, broken connections and garbage: messages, bodies, requests, frames, logs."""
    caplog.set_level(logging.DEBUG)
    secrets = (KEY, "s3cret-default", "s3cret-extra", "s3cret-query", "s3cret-cookie")
    other_service.stop()

    def echo(request: Received) -> Reply:
        text = f"{request.headers.get('authorization', '')} {request.headers} {request.target}"
        return Reply({"error": {"message": text, "code": text, "more": [text]}}, 500, {"x-echo": KEY, **cookie})

    cookie = {"set-cookie": "session=s3cret-cookie"}
    garbage = Reply(f"no json {KEY}".encode(), headers=cookie)
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, echo),
        ({"auth": Sign()}, echo),
        ({"api_key": lambda: KEY}, lambda _: Reply({"error": KEY}, 401, cookie)),
        ({}, lambda _: garbage),
        ({}, lambda _: Reply(drop=True)),
        ({}, lambda _: Reply(page(), cut=5)),
        ({}, lambda _: Reply(status=302, headers={"location": f"http://x:s3cret-cookie@127.0.0.1:1/?a={KEY}"})),
        ({"base_url": other_service.url}, None),
    ]
    # Not in the call itself: a traceback shows the lines of the caller's program.
    secret: Any = {"extra_headers": {"X-Token": "s3cret-extra"}, "extra_query": {"access_token": "s3cret-query"}}
    for options, answer in cases:
        service.always = answer
        client = open_client(max_retries=1, default_headers={"X-Team-Key": "s3cret-default"}, **options)
        with pytest.raises(OAuthCodexError) as caught:
            client.vector_stores.list(**secret)
        shown = [repr(client), *_everything(caught.value)]
        for word in secrets:
            found = [text for text in shown if word in text]
            assert not found, f"{word} in {found[0][:500]}"
    for record in caplog.records:
        said = record.getMessage()
        if "receive_response_headers" in said:  # httpcore at DEBUG shows what the service sends, here the key itself
            continue
        # httpx logs whole addresses: a query is no place for a secret.
        assert not any(word in said for word in secrets if word != "s3cret-query"), said


#: Locals that are the caller's own arguments.
_GIVEN = ("call", "operation", "request", "steps")


def _everything(error: BaseException) -> list[str]:
    """What an error, its attributes, its causes and the locals of the frames below the client say."""
    said = [str(error), repr(error), *map(str, getattr(error, "__notes__", []))]
    said += [str(getattr(error, name, "")) for name in ("body", "code", "param", "raw_error", "user_message")]
    said += ["".join(traceback.format_exception(error))]
    if isinstance(error, APIStatusError):
        said += [error.response.text, str(error.response.headers.multi_items())]
    if isinstance(error, APIStatusError | APIConnectionError):
        said += [str(error.request.headers.multi_items()), str(error.request.url)]
    if isinstance(error, httpx.RequestError):
        said += [str(error.request.headers.multi_items()), str(error.request.url)]
    trace = error.__traceback__
    while trace is not None:
        if re.search(r"oauth_codex_openai|httpx|httpcore|h11|stamina", trace.tb_frame.f_code.co_filename):
            said += [f"{name}={value!r}" for name, value in trace.tb_frame.f_locals.items() if name not in _GIVEN]
        trace = trace.tb_next
    for other in (error.__cause__, error.__context__):
        if other is not None:
            said += _everything(other)
    return said


def test_a_client_shows_no_key(open_client: Open) -> None:
    client = open_client(default_headers={"X-Team-Key": "s3cret-default"})
    assert KEY not in repr(client) + repr(client.backend)


def test_a_client_that_cannot_be_made_shows_no_key(open_client: Open) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_client(default_headers={"X-Team-Key": "s3cret-default"}, default_query={"sig": "s3cret-query"}, timeout=-1)
    trace, shown = caught.value.__traceback__, [repr(caught.value)]
    while trace is not None:  # what those show that report the locals of each frame; the caller's own stand in plain
        shown += [repr(trace.tb_frame.f_locals.get(name)) for name in ("arguments", "given", "self")]
        trace = trace.tb_next
    assert any("Arguments(" in text for text in shown)
    assert any("Client(not open)" in text for text in shown)
    assert not re.search(f"{KEY}|s3cret", " ".join(shown))
