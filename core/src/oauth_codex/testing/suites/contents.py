"""Contents of every kind: read in full and in order, or failed with a reason."""

from __future__ import annotations

import gzip

import pytest

from ...client import OAuthCodexClient
from ..case import Storage
from ..marks import rule
from .base import DriverTests
from .support import attached, counts, found, uploaded

_FACE = "\U0001f642"

#: Content, name, and the code of the error.
UNREADABLE = {
    "empty": (b"", "a.txt", "invalid_file"),
    "blank": (b" \n\t\r\n ", "a.txt", "invalid_file"),
    "only a mark": ("\ufeff\n".encode(), "a.txt", "invalid_file"),
    "zeros": (b"words\0 and zeros", "a.txt", "unsupported_file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "a.txt", "unsupported_file"),
    "compressed": (gzip.compress(b"hidden words" * 100, mtime=0), "a.gz", "unsupported_file"),
    "controls": (bytes(range(128, 160)) * 30, "a.txt", "unsupported_file"),
}

#: Content, and a piece of the text that is found by `zanzibar`.
READABLE = {
    "special tokens": (b"before <|endoftext|> zanzibar <|fim_prefix|> after", "<|endoftext|> zanzibar <|fim_prefix|>"),
    "byte order mark": (b"\xef\xbb\xbfzanzibar with a mark", "zanzibar with a mark"),
    "utf-16": ("zanzibar in two bytes".encode("utf-16"), "zanzibar in two bytes"),
    "utf-16 big": ("zanzibar big end first".encode("utf-16-be"), "zanzibar big end first"),
    "latin-1": ("zanzibar: straße café grüße".encode("latin-1"), "straße café"),
    "line ends": (b"one\r\ntwo zanzibar\rthree\x0bfour\x0cfive", "two zanzibar"),
    "faces": ((_FACE * 1500 + " zanzibar " + _FACE * 1500).encode(), "zanzibar"),
    "accents": (("e\u0301" * 1000 + " zanzibar").encode(), "zanzibar"),
    "sql": (b"'); DROP TABLE chunks; -- zanzibar", "DROP TABLE chunks"),
    "one long line": (b"word " * 20_000 + b"zanzibar", "zanzibar"),
}


class ContentTests(DriverTests):
    """What becomes of the content of a file that is attached."""

    @rule("R23")
    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_what_cannot_be_read_fails_and_says_why(self, storage: Storage, kind: str) -> None:
        client = storage.open()
        content, name, code = UNREADABLE[kind]
        store = client.vector_stores.create().id
        file = attached(client, store, content, name)
        assert file.last_error is not None
        assert (file.status, file.last_error.code, file.usage_bytes) == ("failed", code, 0)
        assert len(file.last_error.message) > 10
        assert client.vector_stores.retrieve(store).status == "completed"
        assert counts(client, store) == {"failed": 1, "total": 1}
        assert found(client, store, "words") == []
        assert list(client.vector_stores.files.content(file.id, vector_store_id=store).data) == []
        assert bytes(client.files.content(file.id)) == content

    @rule("R23", "R9")
    @pytest.mark.parametrize("kind", READABLE)
    def test_what_can_be_read_is_found_word_for_word(self, storage: Storage, kind: str) -> None:
        client = storage.open()
        content, piece = READABLE[kind]
        store = client.vector_stores.create().id
        file = attached(client, store, content)
        assert (file.status, file.last_error) == ("completed", None)
        hits = client.vector_stores.search(store, query="zanzibar", max_num_results=50).data
        assert {hit.file_id for hit in hits} == {file.id}
        assert any(piece in hit.text for hit in hits)

    @rule("R23", "R11")
    def test_good_files_beside_a_bad_one(self, client: OAuthCodexClient) -> None:
        files = uploaded(client, "good words", b"\0bad words", "better words")
        store = client.vector_stores.create(file_ids=files).id
        assert counts(client, store) == {"completed": 2, "failed": 1, "total": 3}
        assert sorted(found(client, store, "words")) == sorted([files[0], files[2]])

    @rule("R23")
    @pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 50), (200, 30), (4096, 0)])
    def test_chunks_are_in_order_and_lose_nothing(self, storage: Storage, size: int, overlap: int) -> None:
        client = storage.open()
        text = " ".join(f"wörd{number}" for number in range(400))
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}
        store = client.vector_stores.create().id
        file = attached(client, store, text, chunking_strategy=strategy, attributes={"k": 1})
        assert file.chunking_strategy is not None
        assert file.chunking_strategy.to_dict() == strategy
        page = client.vector_stores.files.content(file.id, vector_store_id=store)
        assert (page.file_id, page.filename, page.attributes) == (file.id, "a.txt", {"k": 1})
        pieces = [chunk.text or "" for chunk in page.data]
        starts = [text.index(piece) for piece in pieces]
        ends = [start + len(piece) for start, piece in zip(starts, pieces, strict=True)]
        assert starts == sorted(set(starts))
        assert (starts[0], ends[-1]) == (0, len(text))
        if overlap == 0:
            assert "".join(pieces) == text
        else:
            assert all(start < end for start, end in zip(starts[1:], ends, strict=False))

    @rule("R23")
    def test_chunking_of_a_store_is_that_of_its_files(self, client: OAuthCodexClient) -> None:
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
        (file,) = uploaded(client, "word " * 500)
        store = client.vector_stores.create(file_ids=[file], chunking_strategy=strategy).id
        seen = client.vector_stores.files.retrieve(store, file).chunking_strategy
        assert seen is not None
        assert seen.to_dict() == strategy
        plain = client.vector_stores.create(file_ids=[file]).id
        seen = client.vector_stores.files.retrieve(plain, file).chunking_strategy
        assert seen is not None
        assert seen.to_dict()["static"] == {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}

    @rule("R23", "R9")
    def test_every_chunk_of_a_long_file_can_be_found(self, storage: Storage) -> None:
        client = storage.open()
        text = "\n".join(f"paragraph{number} " + "filler " * 60 for number in range(20))
        strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
        store = client.vector_stores.create().id
        attached(client, store, text, chunking_strategy=strategy)
        for number in range(20):
            best = client.vector_stores.search(store, query=f"paragraph{number}", max_num_results=1).data[0]
            assert f"paragraph{number} " in best.text
