"""The parts of the context: parsers, chunker, reranker, rewriter and embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from ...errors import StorageError
from ..case import Storage
from ..marks import requires, rule
from ..semantic import SemanticEmbedder
from .base import DriverTests
from .support import attached, counts, filled, found, hits


class ScaledEmbedder(SemanticEmbedder):
    """An embedder whose vectors are longer or shorter when a test says so."""

    scale = 1.0

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> NDArray[np.float32]:
        """Vectors of the texts, scaled."""
        return super().embed(texts, kind=kind) * np.float32(self.scale)


class EmbedderTests(DriverTests):
    """Embedders need not scale their vectors."""

    @rule("R13")
    @pytest.mark.parametrize("scale", [7, 1e30, 1e-30])
    def test_vector_of_any_length_means_the_same(self, storage: Storage, scale: float, ranking: dict[str, Any]) -> None:
        storage.embedder = embedder = ScaledEmbedder()
        client = storage.open()
        texts = ["a car", "a red car", "an old boat"]
        plain, _ = filled(client, *texts)
        want = [(text, score) for _, text, score in hits(client, plain, "vehicle", **ranking)]
        embedder.scale = scale
        store, _ = filled(client, *texts)
        assert [(text, score) for _, text, score in hits(client, store, "vehicle", **ranking)] == want


class PartTests(DriverTests):
    """Plain callables in place of parts of the engine."""

    @rule("R24")
    def test_parser_reads_its_extension(self, storage: Storage) -> None:
        client = storage.open(parsers={".rot": lambda content, name: content.decode()[::-1]})
        store = client.vector_stores.create().id
        made = attached(client, store, "eldnac revlis", "A.ROT")
        assert found(client, store, "silver candle") == [made.id]
        assert attached(client, store, "eldnac revlis", "a.txt").status == "completed"

    @rule("R24")
    def test_chunker_decides_where_to_cut(self, storage: Storage) -> None:
        client = storage.open(chunker=lambda text, size, overlap: [(0, 6), (7, len(text))])
        store = client.vector_stores.create().id
        made = attached(client, store, "silver candle")
        assert [chunk.text for chunk in client.vector_stores.files.content(made.id, vector_store_id=store).data] == [
            "silver", "candle",
        ]  # fmt: skip

    @rule("R24")
    def test_reranker_has_the_last_word(self, storage: Storage) -> None:
        client = storage.open(reranker=lambda query, hits: [0.25 if "silver" in hit.text else 0.75 for hit in hits])
        store, files = filled(client, "silver candle", "copper candle")
        assert [(hit[0], hit[2]) for hit in hits(client, store, "silver candle")] == [
            (files[1], 0.75),
            (files[0], 0.25),
        ]

    @rule("R24")
    @requires("rewrite_query")
    def test_rewriter_is_used_when_asked(self, storage: Storage) -> None:
        client = storage.open(rewrite_query=lambda query: "candle")
        store, files = filled(client, "silver candle", "copper bridge")
        page = client.vector_stores.search(store, query="bridge", rewrite_query=True)
        assert (page.data[0].file_id, list(page.search_query or ())) == (files[0], ["candle"])
        assert found(client, store, "bridge")[0] == files[1]

    @rule("R24", "R2", "R20")
    @requires("rewrite_query")
    def test_failing_parts_are_errors(self, storage: Storage) -> None:
        def broken(*_: object) -> Any:
            raise RuntimeError("the part is broken")

        parts: dict[str, dict[str, Any]] = {
            "reranker that fails": {"reranker": broken},
            "reranker of too many": {"reranker": lambda query, hits: [0.5] * (len(hits) + 1)},
            "reranker beyond 1": {"reranker": lambda query, hits: [2.0] * len(hits)},
            "reranker of NaN": {"reranker": lambda query, hits: [float("nan")] * len(hits)},
            "rewriter that fails": {"rewrite_query": broken},
            "rewriter of nothing": {"rewrite_query": lambda query: " "},
        }
        wrong = []
        for name, part in parts.items():
            client = storage.open(**part)
            store, _ = filled(client, "a car")
            try:
                wrong.append(f"{name}: {client.vector_stores.search(store, query='car', rewrite_query=True)}")
            except storage.case.error(StorageError) as error:
                told = any(word in str(error) for word in ("the part is broken", "reranker", "rewriter"))
                if storage.case.local and not told:
                    wrong.append(f"{name}: does not say what failed: {error}")
            storage.close()
        assert not wrong, "\n".join(wrong)

    @rule("R24", "R23")
    def test_failing_parsers_fail_the_file(self, storage: Storage) -> None:
        def refusing(content: bytes, name: str | None) -> str:
            raise ValueError("page 3 is torn")

        client = storage.open(parsers={".bad": refusing, ".odd": lambda content, name: 5})
        store = client.vector_stores.create().id
        made = attached(client, store, "a car", "a.bad")
        assert made.last_error is not None
        assert (made.status, made.last_error.code) == ("failed", "invalid_file")
        assert "page 3 is torn" in made.last_error.message
        assert attached(client, store, "a car", "a.odd").status == "failed"
        assert counts(client, store) == {"failed": 2, "total": 2}
