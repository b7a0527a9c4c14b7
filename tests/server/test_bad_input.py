"""What is wrong is refused with the error of the API, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=X"}


def part(name: str, value: bytes, rest: str = "") -> bytes:
    return f'--X\r\nContent-Disposition: form-data; name="{name}"{rest}\r\n\r\n'.encode() + value + b"\r\n"


PURPOSE = part("purpose", b"assistants")
FILE = part("file", b"hello", '; filename="a.txt"')
END = b"--X--\r\n"


def refused(answer: Any, status: int = 400, code: str | None = "invalid_body", *words: str) -> dict[str, Any]:
    """The error of an answer, which has its four keys and no trace of the program."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code, error
    for word in words:
        assert word in error["message"], error
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return error


@pytest.fixture(autouse=True)
def _nothing_is_kept(served: Any) -> Any:
    """Whatever a test sends here is refused, so the storage stays as it was."""
    before = stored(served)
    yield
    assert stored(served) == before


def stored(served: Any) -> tuple[list[str], list[str]]:
    return [f.id for f in served.client.files.list()], [s.id for s in served.client.vector_stores.list()]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", ["character 1"]),
        (b"", None),
        (b"[]", ["JSON object", "[]"]),
        (b'"name"', ["JSON object"]),
        (b"null", ["JSON object"]),
        (b'{"name": NaN}', ["NaN"]),
        (b'{"name": -Infinity}', ["-Infinity"]),
        (b'{"name": "\xff"}', ["UTF-8"]),
        (b'\xef\xbb\xbf{"name": "x"}', ["BOM"]),
        (b'{"name": "x"} {}', ["Extra data"]),
        (b'{"name": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", ["nested"]),
        (b'{"name": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", ["nested"]),
        (b'{"name": 1' + b"0" * 5000 + b"}", ["digits"]),
    ],
    ids=lambda value: str(value[:12]) if isinstance(value, bytes) else None,
)
def test_json_that_is_none(served: Any, body: bytes, words: list[str] | None) -> None:
    answer = served.http.post("/v1/vector_stores/vs_1/search", content=body, headers=JSON)
    if words is None:  # no body is a body without fields
        refused(answer, 400, "missing_required_parameter", "'query'")
    else:
        refused(answer, 400, "invalid_body", "parse", *words)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ('{"name": "a", "name": "b"}', "duplicate_parameter", "name"),
        ('{"metadata": {"k": "a", "k": "b"}}', "duplicate_parameter", "k"),
        ('{"name": 7}', "invalid_type", "name"),
        ('{"name": "\\ud800"}', "invalid_value", "name"),
        ('{"\\ud800": 1}', "invalid_type", "request"),
        ('{"id": "vs_mine"}', "unknown_parameter", "id"),
        ('{"options": {}}', "unknown_parameter", "options"),
        ('{"file_ids": "file-1"}', "invalid_type", "file_ids"),
        (
            '{"expires_after": {"anchor": "last_active_at", "days": 1e99}}',
            "integer_above_max_value",
            "expires_after.days",
        ),
        ('{"file_ids": ["file-none"]}', None, "file_id"),
    ],
)
def test_fields_that_are_wrong(served: Any, body: str, code: str | None, param: str) -> None:
    answer = served.http.post("/v1/vector_stores", content=body, headers=JSON)
    assert refused(answer, 404 if code is None else 400, code)["param"] == param


def test_a_misspelt_field_is_named_with_the_right_one(served: Any) -> None:
    answer = served.http.post("/v1/vector_stores/vs_1/search", json={"query": "x", "max_num_result": 5})
    assert refused(answer, 400, "unknown_parameter", "max_num_results")["param"] == "max_num_result"
    refused(served.http.get("/v1/vector_stores?page=2"), 400, "unknown_parameter", "'page'")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", None])
def test_a_json_body_says_that_it_is_json(served: Any, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = served.http.post("/v1/vector_stores", content=b"{}", headers=headers)
    refused(answer, 400, "unsupported_content_type", "application/json", kind or "there is none")


def test_only_posts_have_a_body(served: Any) -> None:
    refused(served.http.request("GET", "/v1/files", json={"limit": 1}), 400, "invalid_body", "query")
    refused(served.http.request("DELETE", "/v1/files/file-1", json={"a": 1}), 400, "invalid_body", "query")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1&limit=2", "duplicate_parameter"),
        ("limit=abc", "invalid_type"),
        ("limit=101", "integer_above_max_value"),
        ("limit=99999999999999999999", "invalid_type"),
        ("order=up", "invalid_value"),
        ("after=vs_none", "invalid_value"),
        ("after=%FF", "invalid_body"),
        ("a[b=1", "invalid_value"),
        ("vector_store_id=1", "unknown_parameter"),
        ("&".join(f"a{n}=1" for n in range(1001)), "invalid_body"),
    ],
    ids=lambda value: value[:20],
)
def test_queries_that_are_wrong(served: Any, query: str, code: str) -> None:
    refused(served.http.get(f"/v1/vector_stores?{query}"), 400, code)


def test_a_parameter_stands_in_one_place(served: Any) -> None:
    refused(served.http.get("/v1/files/file-1?file_id=file-2"), 400, "duplicate_parameter", "file_id")
    refused(served.http.post("/v1/vector_stores?name=a", json={"name": "b"}), 400, "duplicate_parameter", "name")


def test_ids_are_never_paths(served: Any) -> None:
    refused(served.http.get("/v1/files/" + "a" * 10_000), 400, "invalid_value", "at most 128")
    refused(served.http.get("/v1/files/.."), 404, "unknown_url")
    refused(served.http.get("/v1/files/%2e%2e"), 400, "invalid_value")
    for path in (
        "..%2f..%2fetc%2fpasswd",
        "a%2Fcontent",
        "%2fetc%2fpasswd",
        "..%5c..%5cboot.ini%2f",
        "../../etc/passwd",
    ):
        refused(served.http.get(f"/v1/files/{path}"), 404, "unknown_url", "Invalid URL (GET /")
    refused(served.http.get("/v1/files/%00"), 400, "invalid_value")
    refused(served.http.get("/v1/files/a%0d%0ax-evil:1"), 400, "invalid_value")
    refused(served.http.get("/v1/vector_stores/vs_1/file_batches/vs_1"), 400, "invalid_value", "vsfb_")


def test_an_unknown_address(served: Any) -> None:
    for path in ("/", "/v1", "/v1/assistants", "/v2/files", "/files", "/v1/files/", "/docs"):
        refused(served.http.get(path), 404, "unknown_url", f"Invalid URL (GET {path})")
    assert len(served.http.get("/x" * 5000).content) < 1000


def test_a_body_over_its_limit(served: Any) -> None:
    too_much = b'{"name": "' + b"x" * (4 << 20) + b'"}'
    refused(
        served.http.post("/v1/vector_stores", content=too_much, headers=JSON), 413, "body_too_large", "4194304 bytes"
    )
    refused(served.http.post("/v1/vector_stores", content=iter([too_much]), headers=JSON), 413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "invalid_body", ["boundary"]),
        (b"hello", "invalid_body", ["malformed"]),
        (PURPOSE + FILE, "invalid_body", ["last boundary"]),
        (PURPOSE + FILE[:-4], "invalid_body", ["last boundary"]),
        (PURPOSE + END, "missing_required_parameter", ["'file'"]),
        (FILE + END, "missing_required_parameter", ["'purpose'"]),
        (part("purpose", b"party") + FILE + END, "invalid_value", ["'purpose'", "assistants"]),
        (PURPOSE + PURPOSE + FILE + END, "duplicate_parameter", ["purpose"]),
        (PURPOSE + FILE + FILE + END, "duplicate_parameter", ["file"]),
        (PURPOSE + part("document", b"x", '; filename="a.txt"') + END, "unknown_parameter", ["'document'", "'file'"]),
        (PURPOSE + part("filename", b"x") + FILE + END, "unknown_parameter", ["'filename'"]),
        (PURPOSE + part("content", b"x") + FILE + END, "unknown_parameter", ["'content'"]),
        (part("purpose", b"\xff") + FILE + END, "invalid_body", ["UTF-8"]),
        (
            PURPOSE + part("expires_after[anchor]", b"created_at") + FILE + END,
            "missing_required_parameter",
            ["seconds"],
        ),
        (PURPOSE + part("expires_after[seconds]", b"soon") + FILE + END, "missing_required_parameter", ["anchor"]),
        (PURPOSE + part("a[b", b"x") + FILE + END, "invalid_value", ["name of a parameter"]),
        (
            PURPOSE + b"--X\r\nContent-Type: text/plain\r\n\r\nx\r\n" + FILE + END,
            "invalid_body",
            ["Content-Disposition"],
        ),
        (PURPOSE + part("file", b"x", "\r\nContent-Transfer-Encoding: base64") + END, "invalid_body", ["Encoding"]),
        (PURPOSE + part("note", b"x" * (1 << 20)) + FILE + END, "body_too_large", ["text"]),
        (b"".join(part(f"n{n}", b"x") for n in range(1001)) + FILE + END, "invalid_body", ["1000 fields"]),
        (part("x" * 20_000, b"x") + FILE + END, "invalid_body", ["malformed"]),
    ],
    ids=lambda value: str(value[-60:-8]) if isinstance(value, bytes) else None,
)
def test_forms_that_are_wrong(served: Any, body: bytes, code: str, words: list[str]) -> None:
    answer = served.http.post("/v1/files", content=body, headers=FORM)
    refused(answer, 413 if code == "body_too_large" else 400, code, *words)


def test_the_name_of_a_file_is_utf_8(served: Any) -> None:
    body = PURPOSE + b'--X\r\nContent-Disposition: form-data; name="file"; filename="\xff.txt"\r\n\r\nx\r\n' + END
    refused(served.http.post("/v1/files", content=body, headers=FORM), 400, "invalid_body", "UTF-8")
    long = PURPOSE + part("file", b"x", f'; filename="{"n" * 1025}"') + END
    refused(served.http.post("/v1/files", content=long, headers=FORM), 400, "string_above_max_length", "filename")


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("multipart/form-data", "invalid_body", ["boundary"]),
        ("multipart/form-data; boundary=", "invalid_body", ["boundary"]),
        ("multipart/form-data; boundary=" + "b" * 5000, "invalid_body", ["boundary"]),
        ("multipart/mixed; boundary=X", "unsupported_content_type", ["multipart/form-data"]),
        ("application/json", "unsupported_content_type", ["multipart/form-data"]),
    ],
)
def test_an_upload_is_a_form_with_a_boundary(served: Any, kind: str, code: str, words: list[str]) -> None:
    answer = served.http.post("/v1/files", content=PURPOSE + FILE + END, headers={"content-type": kind})
    refused(answer, 400, code, *words)


def head(path: str, length: int | None, kind: str = FORM["content-type"]) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n{size}\r\n\r\n".encode()


def test_a_connection_that_drops_in_the_middle_keeps_nothing(served: Any) -> None:
    body = PURPOSE + FILE + END
    for message in (
        head("/v1/files", len(body)) + body[:-10],
        head("/v1/files", None) + f"{len(body):x}\r\n".encode() + body[:-10],
        head("/v1/files", None) + f"{len(body):x}\r\n".encode() + body + b"\r\n",  # the last chunk is missing
        head("/v1/vector_stores", 100, JSON["content-type"]) + b'{"name": "half"}',
    ):
        before = served.metric('oauth_codex_requests_total{operation="files.create",status="499"}') + served.metric(
            'oauth_codex_requests_total{operation="vector_stores.create",status="499"}'
        )
        assert served.raw(message, hang_up=True) == b""
        served.until(
            lambda before=before: (
                served.metric('oauth_codex_requests_total{operation="files.create",status="499"}')
                + served.metric('oauth_codex_requests_total{operation="vector_stores.create",status="499"}')
                == before + 1
            )
        )


def test_what_is_no_http_is_answered_and_forgotten(served: Any) -> None:
    chunked = head("/v1/files", None)
    start = b"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    for message in (
        b"\x16\x03\x01 hello\r\n\r\n",
        start + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        start + b"content-length: -5\r\n\r\n",
        start + b"x: " + b"a" * 200_000,  # a head without an end
        b"GET /" + b"a" * 200_000,
        b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",  # one with an end
        chunked + b"1\r\n-\r\n0\r\n" + b"x: aaaa\r\n" * 20_000,  # trailers
        chunked + b"1;" + b"x" * 2_000_000,
    ):
        top, _, body = served.raw(message).partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 400 "), message[:80]
        assert b"\r\nx-request-id: req_" in top
        assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}
    assert served.http.get("/healthz").status_code == 200


def test_a_request_may_follow_a_large_one_on_its_heels(served: Any, tools: Any) -> None:
    large = head("/v1/vector_stores", 150_000, "application/json") + b" " * 149_998 + b"[]"
    with served.connect() as connection:
        connection.sendall(large + b"GET /healthz HTTP/1.1\r\nhost: 127.")
        connection.sendall(b"0.0.1\r\nconnection: close\r\n\r\n")
        found = tools.received(connection)
        assert b"expected a JSON object" in found
        assert found.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["announced", "streamed"])
def test_a_file_over_the_limit_is_refused_before_it_is_whole(serve: Callable[..., Any], streamed: bool) -> None:
    served = serve(max_upload_bytes=1000)
    body = PURPOSE + part("file", b"x" * 1001, '; filename="a.txt"') + END
    content = iter([body]) if streamed else body
    assert (
        refused(served.http.post("/v1/files", content=content, headers=FORM), 413, "file_too_large", "1000")["param"]
        == "file"
    )
    with served.connect() as connection:  # the rest never comes, and the answer does
        length = None if streamed else 500_000_000
        connection.sendall(head("/v1/files", length))
        if streamed:
            connection.sendall(b"400000\r\n" + PURPOSE + part("file", b"x" * 400_000)[:-2])
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        connection.shutdown(socket.SHUT_WR)
    exact = PURPOSE + part("file", b"x" * 1000, '; filename="a.txt"') + END
    assert served.http.post("/v1/files", content=exact, headers=FORM).json()["bytes"] == 1000
    assert len(list(served.client.files.list())) == 1
