"""Uploaded files."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...spi import requests as r
from ...types.params import FileExpiresAfterParam
from ..clock import FakeClock
from ..marks import requires, rule
from .base import DriverTests
from .support import DAY, assert_counts, assert_missing, attached, filled, found, uploaded

#: Names that must stay names: none of them may be taken for a path.
NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b.txt",
    ".hidden",
    "c:\\x.txt",
    "n" * 1024,
    "<b>.txt",
    "\u202etxt.exe",
    "ü 漢.txt",
]

AN_HOUR: FileExpiresAfterParam = {"anchor": "created_at", "seconds": 3600}


class FileTests(DriverTests):
    """`client.files`."""

    @rule("R4")
    @pytest.mark.parametrize(
        "content", [b"", b"x", bytes(range(256)) * 5, b"\0" * 3_000_000], ids=["empty", "one", "all", "large"]
    )
    def test_file_comes_back_byte_for_byte(self, client: OAuthCodexClient, content: bytes) -> None:
        made = client.files.create(file=("a.bin", content), purpose="assistants")
        assert made.bytes == len(content)
        assert bytes(client.files.content(made.id)) == content

    @rule("R4")
    def test_upload_is_read_from_its_position_and_left_open(self, client: OAuthCodexClient) -> None:
        stream = io.BytesIO(b"skipped, and kept")
        stream.seek(9)
        made = client.files.create(file=("a.txt", stream), purpose="assistants")
        assert bytes(client.files.content(made.id)) == b"and kept"
        assert not stream.closed

    @rule("R4", "R22")
    def test_fields_of_a_file_are_kept(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        made = client.files.create(file=("notes.md", b"12345"), purpose="user_data")
        clock.advance(100)
        seen = client.files.retrieve(made.id)
        assert (seen.filename, seen.bytes, seen.purpose, seen.object) == ("notes.md", 5, "user_data", "file")
        assert seen.status in ("uploaded", "processed")
        assert seen == made

    @rule("R14")
    def test_time_of_a_file_is_the_clock(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        clock.advance(1234)
        (made,) = uploaded(client, "now")
        assert client.files.retrieve(made).created_at == int(clock.now)

    @rule("R4")
    def test_equal_contents_are_two_files(self, client: OAuthCodexClient) -> None:
        one, two = uploaded(client, "twins", "twins")
        assert one != two
        client.files.delete(one)
        assert bytes(client.files.content(two)) == b"twins"

    @rule("R4")
    def test_name_is_text_and_never_a_path(self, client: OAuthCodexClient) -> None:
        for name in NAMES:
            made = client.files.create(file=(name, b"x" * 300_000), purpose="assistants")
            assert client.files.retrieve(made.id).filename == name
            assert bytes(client.files.content(made.id)) == b"x" * 300_000, ascii(name)

    @rule("R5")
    def test_content_is_a_stream_and_an_unknown_file_fails_at_the_call(self, client: OAuthCodexClient) -> None:
        (made,) = uploaded(client, "in two parts")
        stream = client.backend.files.content(r.FileContent(file_id=made))
        with stream:
            assert (stream.read(6), stream.read()) == (b"in two", b" parts")
        backend = client.backend.files
        assert_missing({"content": lambda: backend.content(r.FileContent(file_id="file-none"))}, "file-none")

    @rule("R5")
    def test_stream_that_is_open_outlives_its_file_or_fails(self, client: OAuthCodexClient) -> None:
        (made,) = uploaded(client, b"y" * 2_000_000)
        with client.backend.files.content(r.FileContent(file_id=made)) as stream:
            first = stream.read(10)
            client.files.delete(made)
            assert first + stream.read() == b"y" * 2_000_000

    @rule("R6")
    def test_unknown_file_is_named(self, client: OAuthCodexClient) -> None:
        (made,) = uploaded(client, "here")
        client.files.delete(made)
        calls: dict[str, Any] = {}
        for each in ("file-none", made):
            calls |= {
                f"retrieve {each}": lambda each=each: client.files.retrieve(each),
                f"content {each}": lambda each=each: client.files.content(each),
                f"delete {each}": lambda each=each: client.files.delete(each),
            }
        assert_missing(calls, "file-none", made)

    @rule("R25", "R10", "R11")
    def test_deleted_file_leaves_every_store(self, client: OAuthCodexClient) -> None:
        one, two = uploaded(client, "a car on the road", "a car in the garage")
        stores = [client.vector_stores.create(file_ids=[one, two]).id for _ in range(2)]
        answer = client.files.delete(one)
        assert (answer.id, answer.deleted, answer.object) == (one, True, "file")
        for store in stores:
            assert [file.id for file in client.vector_stores.files.list(store)] == [two]
            assert found(client, store, "vehicle") == [two]
        assert_counts(client)

    @rule("R7")
    def test_files_are_listed_by_purpose(self, client: OAuthCodexClient) -> None:
        purposes = ["assistants", "user_data", "assistants", "vision"]
        made = [client.files.create(file=("a.txt", b"a"), purpose=purpose).id for purpose in purposes]
        assert [file.id for file in client.files.list(purpose="assistants", order="asc")] == [made[0], made[2]]
        assert list(client.files.list(purpose="evals")) == []

    @rule("R22")
    def test_fields_beside_the_parameters_are_kept(self, client: OAuthCodexClient) -> None:
        made = client.files.create(file=("a.txt", b"a"), purpose="assistants", origin="scan", page=4)
        assert client.files.retrieve(made.id) == made
        assert "scan" in str(made.to_dict())


class FileExpiryTests(DriverTests):
    """`expires_after` of files."""

    @rule("R14", "R10", "R11")
    @requires("file_expiry")
    def test_expired_file_is_gone_everywhere(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        gone = client.files.create(file=("gone.txt", b"the ship of old"), purpose="assistants", expires_after=AN_HOUR)
        store, (kept,) = filled(client, "the ship of today")
        client.vector_stores.files.create_and_poll(store, file_id=gone.id)
        clock.advance(3599)
        assert client.files.retrieve(gone.id).expires_at == gone.created_at + 3600
        assert sorted(found(client, store, "vessel")) == sorted([gone.id, kept])
        clock.advance(1)
        assert found(client, store, "vessel") == [kept]
        assert_missing(
            {
                "retrieve": lambda: client.files.retrieve(gone.id),
                "content": lambda: client.files.content(gone.id),
                "attach": lambda: client.vector_stores.files.create(store, file_id=gone.id),
                "in the store": lambda: client.vector_stores.files.retrieve(store, gone.id),
            },
            gone.id,
        )
        assert [file.id for file in client.files.list()] == [kept]
        assert_counts(client)

    @rule("R14")
    @requires("file_expiry")
    def test_files_for_batches_live_for_thirty_days(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        made = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        assert made.expires_at == made.created_at + 30 * DAY
        clock.advance(30 * DAY)
        assert list(client.files.list()) == []

    @rule("R14")
    @requires("file_expiry")
    def test_expired_file_takes_no_other_with_it(self, client: OAuthCodexClient, clock: FakeClock) -> None:
        store = client.vector_stores.create().id
        kept = attached(client, store, "same words")
        gone = client.files.create(file=("b.txt", b"same words"), purpose="assistants", expires_after=AN_HOUR)
        client.vector_stores.files.create_and_poll(store, file_id=gone.id)
        clock.advance(3600)
        assert bytes(client.files.content(kept.id)) == b"same words"
        assert found(client, store, "words") == [kept.id]
