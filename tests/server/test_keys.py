"""Bearer keys: who gets in, what each sees, and how keys are replaced under a running server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import ConfigurationError
from oauth_codex.server import Keys, create_app
from oauth_codex.server.access import is_loopback
from oauth_codex.spi.operations import OPERATIONS

ANN, BOB = "sk-ann-0123456789", "sk-bob-0123456789"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(0o600)
    write(path, f"ann:{ANN}\nbob:{BOB}")
    return path


def write(path: Path, text: str) -> None:
    """Replace the file as an administrator does; its time is moved on, so that no clock is too coarse for the test."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


def test_a_variable_has_entries_between_commas_and_white_space() -> None:
    keys = Keys(variable="K", environment={"K": f"ann:{ANN}, bob:{BOB}\n sk-bare"})
    assert keys.namespaces == ["ann", "bob", f"key-{hashlib.sha256(b'sk-bare').hexdigest()[:16]}"]
    assert keys.namespace(b"Bearer " + ANN.encode()) == "ann"
    assert keys.namespace(b"bearer  sk-bare ").startswith("key-")
    assert ANN not in repr(keys)
    assert ANN not in repr(vars(keys))


def test_a_file_has_lines_and_comments(file: Path) -> None:
    write(file, f"# keys of the team\n\nann:{ANN}  # laptop\nann:sk-second\n")
    keys = Keys(file=file)
    assert keys.namespaces == ["ann"]
    assert {keys.namespace(f"Bearer {key}".encode()) for key in (ANN, "sk-second")} == {"ann"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "ann:",
        ":sk-1",
        "a b:sk-1",
        "ann:sk-ü",
        "ann:bob:sk-1",
        f"ann:{ANN},bob:{BOB}",
        "x" * 513,
    ],
)
def test_a_malformed_file_is_refused_without_showing_it(file: Path, text: str) -> None:
    write(file, text)
    with pytest.raises(ConfigurationError, match=r"NAME:KEY") as caught:
        Keys(file=file)
    assert "sk-" not in str(caught.value)


def test_sources_that_are_not_there() -> None:
    with pytest.raises(ConfigurationError, match="variable NONE"):
        Keys(variable="NONE", environment={})
    with pytest.raises(ConfigurationError, match="/nowhere/keys"):
        Keys(file="/nowhere/keys")
    with pytest.raises(ConfigurationError, match="variable, a file"):
        Keys()


def test_one_key_never_stands_for_two_namespaces(file: Path) -> None:
    write(file, f"ann:{ANN}\nbob:{ANN}")
    with pytest.raises(ConfigurationError, match="ann already, not for bob"):
        Keys(file=file)
    write(file, f"bob:{ANN}")
    with pytest.raises(ConfigurationError, match="two namespaces"):
        Keys(file=file, variable="K", environment={"K": f"ann:{ANN}"})


def test_a_file_that_others_can_read_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    Keys(file=file)
    assert caplog.text == ""
    file.chmod(0o644)
    Keys(file=file)
    assert f"chmod 600 {file}" in caplog.text


def test_no_key_and_a_wrong_key_get_nowhere(
    serve: Callable[..., Any], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(keys=Keys(file=file))
    given: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer"},
        bearer("sk-wrong"),
        bearer(ANN[:-1]),
        bearer(ANN + "x"),
        bearer("ann"),
        bearer(f"ann:{ANN}"),
        {"authorization": f"Basic {ANN}"},
        {"authorization": ANN},
        {"api-key": ANN},
    ]
    for headers in given:
        for operation in OPERATIONS:
            path = operation.path.format(vector_store_id="vs_1", file_id="file-1", batch_id="vsfb_1")
            answer = served.http.request(operation.method, f"/v1{path}", headers=headers, content=b"{")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (headers, path)
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == (None if "didn't provide" in error["message"] else "invalid_api_key")
        assert "sk-" not in answer.text
        assert served.http.get("/metrics", headers=headers).status_code == 401
    twice = [("authorization", f"Bearer {ANN}"), ("authorization", f"Bearer {BOB}")]
    assert served.http.get("/v1/files", headers=twice).status_code == 401
    assert served.http.get("/v1/files", headers=bearer(ANN)).status_code == 200
    assert served.http.get("/metrics", headers=bearer(ANN)).status_code == 200
    assert {served.http.get(path).status_code for path in ("/healthz", "/readyz", "/openapi.json")} == {200}
    assert "sk-" not in caplog.text


def test_a_key_never_sees_the_objects_of_another(serve: Callable[..., Any], file: Path) -> None:
    served = serve(keys=Keys(file=file))
    ann, bob = bearer(ANN), bearer(BOB)
    http = served.http
    made = http.post(
        "/v1/files", files={"file": ("a.txt", b"a secret boat")}, data={"purpose": "assistants"}, headers=ann
    )
    upload = made.json()["id"]
    store = http.post("/v1/vector_stores", json={"file_ids": [upload]}, headers=ann).json()["id"]
    batch = http.post(f"/v1/vector_stores/{store}/file_batches", json={"file_ids": [upload]}, headers=ann).json()["id"]
    own = http.post("/v1/vector_stores", json={"name": "bob's"}, headers=bob).json()["id"]
    bodies = {
        "vector_stores.search": {"query": "boat"},
        "vector_stores.files.create": {"file_id": upload},
        "vector_stores.files.update": {"attributes": {}},
        "vector_stores.file_batches.create": {"file_ids": [upload]},
    }
    for operation in OPERATIONS:
        if "{" not in operation.path:
            continue
        path = "/v1" + operation.path.format(vector_store_id=store, file_id=upload, batch_id=batch)
        send = {"json": bodies.get(operation.name, {})} if operation.method == "POST" else {}
        answer = http.request(operation.method, path, headers=bob, **send)
        assert answer.status_code == 404, operation.name
        unknown = path.replace(store, "vs_none").replace(upload, "file-none").replace(batch, "vsfb_none")
        same = http.request(operation.method, unknown, headers=bob, **send)
        assert same.status_code == 404
        assert list(same.json()["error"]) == list(answer.json()["error"])
        assert "secret" not in answer.text
    assert http.post(f"/v1/vector_stores/{own}/files", json={"file_id": upload}, headers=bob).status_code == 404
    assert http.get("/v1/files", headers=bob).json()["data"] == []
    assert [s["id"] for s in http.get("/v1/vector_stores", headers=bob).json()["data"]] == [own]
    assert http.get(f"/v1/files/{upload}/content", headers=ann).content == b"a secret boat"
    assert list(served.client.files.list()) == [], "the client itself has a namespace of its own"


def test_a_key_is_replaced_under_a_running_server(
    serve: Callable[..., Any], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(keys=Keys(file=file))
    store = served.http.post("/v1/vector_stores", json={"name": "kept"}, headers=bearer(ANN)).json()["id"]

    def status(key: str) -> int:
        found: int = served.http.get(f"/v1/vector_stores/{store}", headers=bearer(key)).status_code
        return found

    write(file, f"ann:{ANN}\nann:sk-new\n")
    assert (status(ANN), status("sk-new"), status(BOB)) == (200, 200, 401)
    write(file, "ann:sk-new\n")
    assert (status(ANN), status("sk-new")) == (401, 200)
    for broken in ("", "ann sk-other", "\0"):
        caplog.clear()
        write(file, broken)
        assert (status("sk-new"), status(ANN), status("sk-other")) == (200, 401, 401)
        assert [record.levelname for record in caplog.records] == ["ERROR"], "once for each version of the file"
        assert "sk-" not in caplog.text
    caplog.clear()
    file.unlink()
    assert (status("sk-new"), status(ANN)) == (200, 401)
    assert [record.levelname for record in caplog.records] == ["ERROR"], "and once when it is gone"
    file.touch(0o600)
    write(file, f"ann:{ANN}")
    assert (status("sk-new"), status(ANN)) == (401, 200)


def test_a_driver_without_namespaces_takes_the_keys_of_one(
    serve: Callable[..., Any], memory: Any, tools: Any, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    plain = OAuthCodexClient(tools.Overlaid(memory, capabilities=replace(memory.capabilities, namespaces=False)))
    with pytest.raises(ConfigurationError, match=r"no namespaces.*ann, bob"):
        create_app(plain, keys=Keys(file=file))
    write(file, f"ann:{ANN}\nann:{BOB}")
    served = serve(plain, keys=Keys(file=file))
    made = served.http.post("/v1/vector_stores", json={}, headers=bearer(ANN)).json()["id"]
    assert served.http.get(f"/v1/vector_stores/{made}", headers=bearer(BOB)).status_code == 200
    assert plain.vector_stores.retrieve(made).id == made
    write(file, f"ann:{ANN}\ncarol:sk-carol")
    assert served.http.get("/v1/files", headers=bearer("sk-carol")).status_code == 401
    assert "no namespaces" in caplog.text


def test_only_addresses_of_this_machine_are_loopback() -> None:
    yes = ("127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1")
    no = ("0.0.0.0", "::", "10.0.0.1", "example.org", "::ffff:10.0.0.1", "127.0.0.1.evil.com", "")
    assert [is_loopback(each) for each in (*yes, *no)] == [True] * len(yes) + [False] * len(no)
