"""Files with content that breaks others: each gets a status that says what is wrong, or can be found; never an exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient


def _attached(client: OAuthCodexClient, content: bytes, name: str = "note.txt") -> tuple[str, Any]:
    store = client.vector_stores.create()
    file = client.files.create(file=(name, content), purpose="assistants")
    return store.id, client.vector_stores.files.create_and_poll(store.id, file_id=file.id)


def test_bytes_of_a_lone_surrogate_become_no_lone_surrogate(client: OAuthCodexClient) -> None:
    store, file = _attached(client, "before \ud800 zanzibar".encode("utf-8", "surrogatepass"))
    for hit in client.vector_stores.search(store, query="zanzibar").data:
        hit.text.encode()
    assert file.status in ("completed", "failed")
    assert (file.last_error is None) == (file.status == "completed")


@pytest.mark.parametrize("unit", [b"word ", b"x", "\u6f22\u5b57".encode()], ids=["words", "one word", "no spaces"])
def test_one_line_of_a_megabyte(client: OAuthCodexClient, unit: bytes) -> None:
    line = unit * (1_000_000 // len(unit))
    store, file = _attached(client, line + b" zanzibar")
    assert (file.status, file.usage_bytes) == ("completed", len(line) + 9)
    (hit, *_) = client.vector_stores.search(store, query="zanzibar").data
    assert hit.text.endswith(" zanzibar")
    assert hit.location["line_start"] == hit.location["line_end"] == 1


def test_50_megabytes_of_text_are_found_at_both_ends(
    open_client: Callable[..., Any], tmp_path: Path, audit: Callable[[Any], None]
) -> None:
    client = open_client("sqlite", tmp_path).client
    line = b"the quick brown fox jumps over the lazy dog and runs away from it\n"
    body = b"aardvark at the beginning\n" + line * (50 * 1024 * 1024 // len(line)) + b"zanzibar at the end\n"
    store, file = _attached(client, body, "book.txt")
    assert (file.status, file.usage_bytes) == ("completed", len(body))
    for word in ("aardvark", "zanzibar"):
        assert word in client.vector_stores.search(store, query=word, max_num_results=1).data[0].text
    assert client.files.content(file.id).read() == body
    audit(client)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b.txt",
        ".hidden",
        "c:\\x.txt",
        "n" * 1024,
        "<script>.txt",
        "\u202etxt.exe",
    ],
)
def test_a_name_is_text_and_never_a_path(client: OAuthCodexClient, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "storage" not in path.parts}
    file = client.files.create(file=(name, b"x" * 2_000_000), purpose="assistants")
    assert client.files.retrieve(file.id).filename == name
    assert client.files.content(file.id).read() == b"x" * 2_000_000
    assert {path for path in tmp_path.rglob("*") if "storage" not in path.relative_to(tmp_path).parts} <= before
    storage = tmp_path / "storage"
    if storage.exists():
        assert sorted(path.name for path in storage.iterdir() if not path.name.startswith("catalog.sqlite3")) == [
            "blobs"
        ]
        assert {path.stat().st_mode & 0o077 for path in [storage, *storage.rglob("*")]} == {0}
