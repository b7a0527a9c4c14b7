"""`with_raw_response` and `with_streaming_response` of the official client."""

from __future__ import annotations

from pathlib import Path

from openai import OpenAI

CONTENT = bytes(range(256)) * 2048


def test_a_raw_response_has_status_headers_and_id(client: OpenAI) -> None:
    raw = client.vector_stores.with_raw_response.create(name="Raw")

    made = raw.parse()
    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.request_id == raw.headers["x-request-id"] == made._request_id
    assert raw.retries_taken == 0
    again = client.vector_stores.with_raw_response.retrieve(made.id)
    assert again.parse() == made
    assert again.request_id != raw.request_id
    page = client.vector_stores.with_raw_response.list(limit=1).parse()
    assert page.data == [made]


def test_a_download_is_streamed(client: OpenAI, tmp_path: Path) -> None:
    file = client.files.create(file=("a.bin", CONTENT), purpose="user_data")

    with client.files.with_streaming_response.content(file.id) as streamed:
        assert streamed.headers["content-length"] == str(len(CONTENT))
        assert streamed.headers["content-type"] == "application/octet-stream"
        pieces = list(streamed.iter_bytes())
    with client.files.with_streaming_response.content(file.id) as streamed:
        streamed.stream_to_file(tmp_path / "copy.bin")

    assert len(pieces) > 1
    assert b"".join(pieces) == CONTENT
    assert (tmp_path / "copy.bin").read_bytes() == CONTENT


def test_a_download_that_is_given_up_leaves_the_server_well(client: OpenAI) -> None:
    file = client.files.create(file=("a.bin", CONTENT * 8), purpose="user_data")

    with client.files.with_streaming_response.content(file.id) as streamed:
        assert next(streamed.iter_bytes(10)) == CONTENT[:10]

    assert client.files.content(file.id).read() == CONTENT * 8
    assert client.files.delete(file.id).deleted


def test_a_streamed_json_answer_is_parsed(client: OpenAI) -> None:
    with client.vector_stores.with_streaming_response.create(name="Streamed") as streamed:
        assert streamed.parse().name == "Streamed"
        assert streamed.request_id
