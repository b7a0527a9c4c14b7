"""Options: which Chroma is meant, what contradicts, and what is never shown. Chroma Cloud: what goes over the wire."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import chromadb
import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import ConfigurationError, StorageError
from oauth_codex_chroma.options import Options

SECRET = "ck-s3cr3t-4711"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 8001}, "port= is about a server: give host="),
        ({"ssl": True}, "ssl= is about a server"),
        ({"headers": {"authorization": SECRET}}, "headers= is about a server"),
        ({"host": "h", "api_key_env": "KEY"}, "leave one out"),
        ({"tenant": "t"}, "both tenant= and database="),
        ({"api_key_env": "KEY"}, "both tenant= and database="),
        ({"tenant": "t", "database": "d", "ef_search": 5}, "ef_search= is about the graphs"),
        ({"host": "https://user:pw@h:1"}, "host name or address alone"),
        ({"host": "h", "port": 0}, "port"),
        ({"host": "h", "headers": {"authorization": f"{SECRET}\n"}}, "printable ASCII"),
        ({"hots": "h"}, "host"),
    ],
)
def test_contradictions_are_told(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **options)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_modes_and_secrets() -> None:
    assert Options().mode == "embedded"
    assert Options(tenant="t", database="d").mode == "cloud"
    server = Options(host="[::1]", headers={"authorization": SECRET}, tenant="t", database="d")
    assert server.mode == "server"
    assert SECRET not in repr(server)


def test_a_missing_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMA_API_KEY", raising=False)
    monkeypatch.setenv("MY_KEY", f"{SECRET} \x00 x"[:20].replace("\x00", "\n"))
    with pytest.raises(ConfigurationError, match="'CHROMA_API_KEY', which is not set"):
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, tenant="t", database="d")
    with pytest.raises(ConfigurationError, match="'MY_KEY', which holds characters") as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, tenant="t", database="d", api_key_env="MY_KEY")
    assert SECRET not in str(caught.value)


class Recorder(ThreadingHTTPServer):
    """Notes requests, and answers them as `answers` says, by the end of their path; everything else with `otherwise`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: dict[str, Any] = {}
        self.otherwise: tuple[int, str] = (404, "not here")
        self.hold = threading.Event()
        self.hold.set()


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, json.loads(body) if body else None))
        self.server.hold.wait()
        status, text = self.server.otherwise
        for end, answer in self.server.answers.items():
            if self.path.partition("?")[0].endswith(end):
                status, text = 200, json.dumps(answer)
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_chroma_cloud_is_sent(tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service itself cannot be run here; what it would be sent can be seen."""
    local = functools.partial(
        chromadb.CloudClient, cloud_host="127.0.0.1", cloud_port=recorder.server_port, enable_ssl=False
    )
    monkeypatch.setattr(chromadb, "CloudClient", local)
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setenv("CHROMA_TENANT", "other")
    recorder.answers = {
        "/auth/identity": {"user_id": "u", "tenant": "acme", "databases": ["docs"]},
        "/tenants/acme": {"name": "acme"},
        "/databases/docs": {"id": "1f0f7bd2-6e14-4c3f-8d0a-000000000001", "name": "docs", "tenant": "acme"},
    }
    cloud: dict[str, Any] = {"tenant": "acme", "database": "docs", "api_key_env": "MY_KEY"}
    with OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **cloud) as client:
        assert client.backend.capabilities.multi_process
        store = client.vector_stores.create()
        client.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
        recorder.otherwise = 401, json.dumps({"error": "AuthError", "message": f"bad token {SECRET}"})
        with pytest.raises(StorageError, match=r"check the key in MY_KEY") as caught:
            client.vector_stores.search(store.id, query="fox")
    assert SECRET not in str(caught.value)
    assert "tenant 'acme', database 'docs'" in str(caught.value)
    assert all(headers["x-chroma-token"] == SECRET for _, _, headers, _ in recorder.seen)
    method, path, _, body = recorder.seen[-1]
    assert (method, path) == ("POST", "/api/v2/tenants/acme/databases/docs/collections")
    assert body["name"].startswith("oauth-codex-")
    assert body["configuration"]["spann"]["space"] == "cosine"
    assert SECRET not in json.dumps(body)


def address(recorder: Recorder) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": recorder.server_port, "headers": {"Authorization": f"Bearer {SECRET}"}}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials(status: int, tmp_path: Path, recorder: Recorder) -> None:
    recorder.otherwise = status, "no"
    with pytest.raises(StorageError, match="refuses the credentials: check headers=") as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **address(recorder))
    assert recorder.seen[0][2]["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(caught.value)
    assert f"http://127.0.0.1:{recorder.server_port}" in str(caught.value)


def test_something_else_answers(tmp_path: Path, recorder: Recorder) -> None:
    for otherwise in ((404, "<html>"), (410, '{"error":"Unimplemented"}'), (500, "oops"), (200, "<html>"), (200, "{}")):
        recorder.otherwise = otherwise
        with pytest.raises(StorageError, match="Check that a Chroma server of version 1 answers") as caught:
            OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **address(recorder))
        assert caught.value.__cause__ is not None


def test_a_server_that_never_answers(tmp_path: Path, recorder: Recorder) -> None:
    """chromadb alone would wait forever; the time limit of the call ends it."""
    recorder.answers = {
        "/auth/identity": {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]},
        "/default_tenant": {"name": "default_tenant"},
        "/default_database": {
            "id": "1f0f7bd2-6e14-4c3f-8d0a-000000000001",
            "name": "default_database",
            "tenant": "default_tenant",
        },
    }
    with OAuthCodexClient(backend="chroma", storage_dir=tmp_path, **address(recorder)) as client:
        store = client.vector_stores.create()
        client.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
        recorder.hold.clear()
        with pytest.raises(StorageError, match="It cannot be reached"):
            client.with_options(timeout=0.2).vector_stores.search(store.id, query="fox")


@pytest.mark.parametrize(
    "headers", ["X-Token: geheim", [("X-Token", "geheim")], {"X Token": "geheim"}, {"X-Token": " geheim"}]
)
def test_headers_that_are_refused_are_not_shown(headers: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OAuthCodexClient(backend="chroma", storage_dir=tmp_path, host="127.0.0.1", headers=headers)
    assert "option headers = '***'" in str(caught.value)
    assert "geheim" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
