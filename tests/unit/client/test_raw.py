"""`with_raw_response` and `with_streaming_response`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from oauth_codex import AsyncOAuthCodexClient, NotFoundError, OAuthCodexClient, StorageError


def test_a_raw_response_tells_what_surrounds_an_answer(client: OAuthCodexClient, backend: Any) -> None:
    store = client.vector_stores.create(name="a")
    raw = client.vector_stores.with_raw_response.retrieve(store.id, extra_query={"q": "1"}, extra_headers={"x-a": "b"})
    assert raw.parse().id == store.id
    assert raw.request_id == raw.parse()._request_id == raw.headers["X-Request-ID"]
    assert (raw.status_code, raw.method, raw.retries_taken, raw.is_closed) == (200, "GET", 0, True)
    assert raw.url == f"http://localhost/vector_stores/{store.id}"
    assert raw.json()["name"] == "a"
    assert raw.json()["id"] in raw.text
    assert raw.elapsed.total_seconds() >= 0
    assert raw.http_request.headers["x-a"] == "b"
    assert str(raw.http_request.url).endswith("?q=1")
    assert raw.http_response.json() == raw.json()
    page = client.vector_stores.with_raw_response.list(limit=1)
    assert page.json()["object"] == "list"
    assert [found.id for found in page.parse()] == [store.id]


def test_every_resource_and_style(client: OAuthCodexClient) -> None:
    stores = client.vector_stores
    store = stores.create()
    up = stores.files.with_raw_response.upload_and_poll(store.id, file=b"abc")
    file_id = up.parse().id
    assert up.url.endswith("/files")
    assert client.files.with_raw_response.content(file_id).content == b"abc"
    assert stores.files.with_raw_response.content(store.id, file_id).content == b"abc"
    assert stores.files.with_raw_response.content(file_id, vector_store_id=store.id).json()["data"][0]["text"] == "abc"
    batch = stores.file_batches.with_raw_response.create(store.id, file_ids=[file_id])
    assert batch.json()["file_counts"]["total"] == 1
    assert stores.files.with_raw_response.delete(store.id, file_id).json()["deleted"] is True
    with pytest.raises(NotFoundError):
        stores.with_raw_response.retrieve("vs_unknown")
    with pytest.raises(AttributeError, match="retreive"):
        stores.with_raw_response.retreive  # noqa: B018
    assert client.files.with_raw_response is client.files.with_raw_response


def test_content_is_streamed_and_the_stream_is_closed(client: OAuthCodexClient, backend: Any, tmp_path: Path) -> None:
    file = client.files.create(file="grün\r\nrot\n".encode() * 3, purpose="assistants")
    streams = []
    content = backend.files.content

    def kept(request: Any) -> Any:
        streams.append(content(request))
        return streams[-1]

    backend.files.content = kept
    streaming = client.files.with_streaming_response
    with streaming.content(file.id) as response:
        assert next(iter(response.iter_bytes(4))) == "grü".encode()
        assert streams[0].tell() == 4
        assert not response.is_closed
    assert streams[0].closed
    assert response.is_closed
    with streaming.content(file.id) as response:
        assert "".join(response.iter_text(3)) == "grün\r\nrot\n" * 3
    with streaming.content(file.id) as response:
        assert list(response.iter_lines()) == ["grün", "rot"] * 3
    with streaming.content(file.id) as response:
        response.stream_to_file(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == client.files.content(file.id)
    with streaming.content(file.id) as response:
        assert response.parse() == client.files.content(file.id)
    with streaming.retrieve(file.id) as response:
        assert response.parse().id == response.json()["id"] == file.id


def test_a_driver_that_fails_in_the_middle(client: OAuthCodexClient, backend: Any) -> None:
    class Torn:
        def read(self, size: int) -> bytes:
            raise OSError("disk gone")

        def close(self) -> None:
            pass

    backend.files.content = lambda request: Torn()
    with client.files.with_streaming_response.content("file-1") as response, pytest.raises(StorageError):
        response.read()


def test_async(aclient: AsyncOAuthCodexClient) -> None:
    async def main() -> None:
        file = await aclient.files.create(file=b"abc" * 100, purpose="assistants")
        raw = await aclient.files.with_raw_response.retrieve(file.id)
        assert raw.parse().id == file.id
        page = await aclient.files.with_raw_response.list()
        assert page.json()["data"][0]["id"] == file.id
        async with aclient.files.with_streaming_response.content(file.id) as response:
            assert [len(piece) async for piece in response.iter_bytes(200)] == [200, 100]
        assert response.is_closed

    anyio.run(main)
