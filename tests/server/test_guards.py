"""A web page must not reach a server on the user's own machine; what is allowed by name may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import ConfigurationError
from oauth_codex.server import create_app


def get(served: Any, path: str = "/v1/vector_stores", **headers: str) -> httpx.Response:
    found: httpx.Response = served.http.get(
        path, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )
    return found


def test_own_names_are_served_and_names_that_were_pointed_at_this_machine_are_not(serve: Callable[..., Any]) -> None:
    served = serve(allowed_hosts=["0.0.0.0", "own.example"])
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:99", "[::1]:80", "localhost.", "own.example:8"):
        assert get(served, host=host).status_code == 200, host
    foreign = ("evil.com", "evil.com:80", "127.0.0.1.evil.com", "localhost.evil.com", "8.8.8.8", "0.0.0.0", "[::]", "")
    for host in (*foreign, "own.example@evil.com", "[::1]evil.com"):
        for path in ("/v1/vector_stores", "/healthz", "/metrics", "/nowhere"):
            answer = get(served, path, host=host)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed"), (host, path)
            assert answer.headers["x-request-id"]


def test_there_is_one_host(served: Any) -> None:
    none = served.raw(b"GET /v1/files HTTP/1.1\r\nconnection: close\r\n\r\n")
    two = served.raw(b"GET /v1/files HTTP/1.1\r\nhost: localhost\r\nhost: evil.com\r\nconnection: close\r\n\r\n")
    for answer in (none, two):
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"invalid_host" in answer


def test_pages_of_other_sites_are_refused_before_anything_happens(served: Any) -> None:
    foreign = [
        {"origin": "http://evil.com"},
        {"origin": "https://evil.com"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost"},  # another port of this machine
        {"origin": f"http://127.0.0.1:{served.port}.evil.com"},
        {"origin": f"file://127.0.0.1:{served.port}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ]
    for headers in foreign:
        answer = served.http.post("/v1/vector_stores", json={"name": "from a page"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed"), headers
        assert "access-control-allow-origin" not in answer.headers
        assert served.http.options("/v1/vector_stores", headers=headers).status_code == 403
    assert "from a page" not in [store.name for store in served.client.vector_stores.list()]


def test_programs_and_pages_of_the_server_itself_are_served(served: Any) -> None:
    assert get(served).status_code == 200
    assert get(served, origin=f"http://127.0.0.1:{served.port}").status_code == 200
    assert get(served, sec_fetch_site="same-origin").status_code == 200
    assert get(served, sec_fetch_site="none").status_code == 200


def test_an_origin_that_is_allowed_may_call_and_read_errors(serve: Callable[..., Any]) -> None:
    served = serve(allowed_origins=["http://localhost:3000"])
    page = {"origin": "http://localhost:3000"}
    asked = {
        **page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    preflight = served.http.options("/v1/vector_stores", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "http://localhost:3000")
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    for answer in (
        served.http.post("/v1/vector_stores", json={}, headers=page),
        served.http.get("/v1/vector_stores/vs_none", headers=page),
        served.http.get("/nowhere", headers=page),
    ):
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    assert get(served, origin="http://localhost:3001").status_code == 403


@pytest.mark.parametrize(
    "origin", ["*", "localhost:3000", "http://", "ftp://a", "http://a/path", "http://user@a", "http://*.a"]
)
def test_an_origin_is_named_by_itself(origin: str) -> None:
    with OAuthCodexClient("memory") as client, pytest.raises(ConfigurationError, match="is no origin"):
        create_app(client, allowed_origins=[origin])


@pytest.mark.anyio
async def test_without_keys_other_machines_get_nothing() -> None:
    with OAuthCodexClient("memory") as client:
        app = create_app(client, allowed_hosts=["10.0.0.1"])
        for address, status in (("10.0.0.9", 401), ("fe80::1", 401), ("127.0.0.1", 200), ("::1", 200)):
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.1") as http:
                assert (await http.get("/v1/files")).status_code == status, address
                assert (await http.get("/metrics")).status_code == status, address
                assert (await http.get("/healthz")).status_code == 200


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
