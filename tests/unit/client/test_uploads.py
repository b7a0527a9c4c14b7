"""What an upload may be."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient, ParameterValidationError, StorageError
from oauth_codex.client.uploads import opened
from oauth_codex.spi import requests as r


@pytest.fixture
def up(client: OAuthCodexClient) -> Any:
    """Upload, and return name and content as stored."""

    def upload(file: Any) -> tuple[str, bytes]:
        made = client.files.create(file=file, purpose="assistants")
        return made.filename, client.files.content(made.id)

    return upload


class Reads:
    """Something with `read` and nothing else."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)

    def read(self, size: int = -1) -> Any:
        return self.pieces.pop(0) if self.pieces else b""


def test_bytes_in_memory(up: Any) -> None:
    assert up(b"abc") == ("upload", b"abc")
    assert up(bytearray(b"abc")) == ("upload", b"abc")
    assert up(memoryview(b"xabcx")[1:4]) == ("upload", b"abc")
    assert up(memoryview(b"a-b-c")[::2]) == ("upload", b"abc")
    assert up(b"") == ("upload", b"")


def test_paths(up: Any, tmp_path: Path) -> None:
    path = tmp_path / "größe.txt"
    path.write_bytes(b"abc")
    assert up(path) == ("größe.txt", b"abc")
    assert up(str(path)) == ("größe.txt", b"abc")


def test_open_files_are_read_from_where_they_stand_and_stay_open(up: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x00\xffabc")
    with path.open("rb") as handle:
        handle.seek(2)
        assert up(handle) == ("a.bin", b"abc")
        assert not handle.closed
        handle.seek(0)
        assert handle.read(2) == b"\x00\xff"
    with open(os.open(path, os.O_RDONLY), "rb") as nameless:  # its name is a number
        assert up(nameless) == ("upload", b"\x00\xffabc")
    with tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(b"abc")
        spooled.seek(1)
        assert up(spooled) == ("upload", b"bc")


def test_what_can_go_back_lets_a_driver_go_back(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    with path.open("rb") as handle:
        handle.read(2)
        for file in (handle, bytearray(b"23456789"), b"23456789"):
            with opened(file) as source:
                stream = source.stream
                start = stream.tell()
                assert stream.read(3) == b"234"
                assert stream.tell() - start == 3
                assert stream.seek(0, io.SEEK_END) - start == 8
                assert stream.seek(start) == start
                assert stream.read() == b"23456789"
    for other in (io.StringIO("text"), Reads(b"a")):
        with opened(other) as source:
            assert not source.stream.seekable()
            with pytest.raises(io.UnsupportedOperation):
                source.stream.seek(0)


def test_text_becomes_utf8(up: Any, tmp_path: Path) -> None:
    assert up(io.StringIO("grün" * 100_000)) == ("upload", "grün".encode() * 100_000)
    path = tmp_path / "latin.txt"
    path.write_bytes("grün".encode("latin-1"))
    with path.open(encoding="latin-1") as handle:
        assert up(handle) == ("latin.txt", "grün".encode())


def test_anything_that_reads(up: Any) -> None:
    assert up(Reads(b"ab", bytearray(b"c"), b"d" * 100_000)) == ("upload", b"abc" + b"d" * 100_000)
    assert up(Reads("ä", "ö")) == ("upload", "äö".encode())


def test_tuples_name_what_they_hold(up: Any, client: OAuthCodexClient, backend: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes(b"abc")
    assert up(("a.txt", b"abc")) == ("a.txt", b"abc")
    assert up((None, path)) == ("own.txt", b"abc")
    assert up(("given.txt", str(path))) == ("given.txt", b"abc")
    client.files.create(file=("a.txt", b"abc", "text/x"), purpose="assistants")
    assert backend.calls[-1].content_type == "text/x"
    client.files.create(file=("a.txt", io.BytesIO(b"x"), None, {"Content-Type": "text/y"}), purpose="assistants")
    assert backend.calls[-1].content_type == "text/y"


@pytest.mark.parametrize(
    "file",
    [
        *(None, 5, {"a": 1}, ["a"], object(), iter([b"x"])),
        *(("a",), ("a", b"", None, None, None), (5, b"x"), ("a", 5), ("a", ("b", b"x")), ("a", b"x", 5)),
    ],
    ids=lambda value: type(value).__name__ if " at 0x" in repr(value) else repr(value),
)
def test_other_kinds_are_type_errors_before_anything_happens(client: OAuthCodexClient, backend: Any, file: Any) -> None:
    store = client.vector_stores.create()
    backend.calls.clear()
    for call in (
        lambda: client.files.create(file=file, purpose="assistants"),
        lambda: client.vector_stores.files.upload(store.id, file=file),
        lambda: client.vector_stores.file_batches.upload_and_poll(store.id, files=[b"good", file]),
    ):
        with pytest.raises(TypeError):
            call()
    assert backend.calls == []


def test_errors_of_the_file_system_pass(client: OAuthCodexClient, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.files.create(file=tmp_path / "absent", purpose="assistants")
    with pytest.raises(IsADirectoryError):
        client.files.create(file=tmp_path, purpose="assistants")
    for path in ("a\0b", "a\ud800b"):
        with pytest.raises(ParameterValidationError, match="path of a file"):
            client.files.create(file=path, purpose="assistants")
    locked = tmp_path / "locked"
    locked.write_bytes(b"x")
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        with pytest.raises(PermissionError):
            client.files.create(file=str(locked), purpose="assistants")


def test_text_that_is_no_text(client: OAuthCodexClient, backend: Any, tmp_path: Path) -> None:
    with pytest.raises(ParameterValidationError, match="lone surrogate") as caught:
        client.files.create(file=io.StringIO("a\ud800"), purpose="assistants")
    assert caught.value.param == "file"
    path = tmp_path / "a.bin"
    path.write_bytes(b"\xff\xfe\xff")
    with path.open(encoding="utf-8") as handle, pytest.raises(ParameterValidationError, match="mode 'rb'"):
        client.files.create(file=handle, purpose="assistants")
    assert backend._files == {}


def test_a_handle_that_fails_is_not_the_fault_of_the_driver(client: OAuthCodexClient) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError("the caller's own stream")

    with pytest.raises(ConnectionResetError):
        client.files.create(file=Broken(), purpose="assistants")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="returned int"):
        client.files.create(file=Reads(5), purpose="assistants")  # type: ignore[arg-type]


def test_a_driver_that_fails_during_an_upload_is(client: OAuthCodexClient, backend: Any) -> None:
    def fail(request: object) -> None:
        raise OSError("no space left")

    backend.before = fail
    with pytest.raises(StorageError, match="no space left"):
        client.files.create(file=io.BytesIO(b"x"), purpose="assistants")


def test_an_upload_that_cannot_be_attached_leaves_no_file(client: OAuthCodexClient, backend: Any) -> None:
    with pytest.raises(KeyError):
        client.vector_stores.files.upload("vs_unknown", file=b"x")
    assert not any(isinstance(call, r.FileCreate) for call in backend.calls)  # an unknown store is seen before
    store = client.vector_stores.create()

    def fail(request: object) -> None:
        if isinstance(request, r.VectorStoreFileCreate):
            raise RuntimeError("just expired")

    backend.before = fail
    with pytest.raises(StorageError, match="just expired"):
        client.vector_stores.files.upload(store.id, file=b"x")
    assert backend._files == {}
    assert any(isinstance(call, r.FileDelete) for call in backend.calls)
    backend.calls.clear()
    with pytest.raises(ParameterValidationError):
        client.vector_stores.files.upload("vs_unknown", file=b"x", attributes={"a": [1]})  # type: ignore[dict-item]
    assert backend.calls == []  # nothing is uploaded for arguments that are wrong


def test_content_has_the_members_of_the_sdk(client: OAuthCodexClient, tmp_path: Path) -> None:
    file = client.files.create(file=b'{"a": "\xc3\xa4"}', purpose="assistants")
    content = client.files.retrieve_content(file.id)
    assert content == content.content == content.read() == b"".join(content.iter_bytes(3))
    assert content.json() == {"a": "ä"}
    assert content.text == '{"a": "ä"}'
    content.write_to_file(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content
