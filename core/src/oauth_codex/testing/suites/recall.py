"""The vector leg through the client: that it finds what the vectors say, and what happens to vectors that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from ...client import OAuthCodexClient
from ...errors import StorageError
from ..case import DriverCase, Storage
from ..marks import requires, rule
from ..semantic import SYNONYMS, SemanticEmbedder
from .base import DriverTests

#: By vectors alone, so that no word helps.
_NEAREST: Final[dict[str, Any]] = {
    "ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}},
    "max_num_results": 10,
}
_SMALL: Final[dict[str, Any]] = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
}
_FILES = 100
_QUERIES = 20
#: Share of the ten nearest that must be found by a driver whose index is not exact.
_ENOUGH = 0.95
#: Vectors are kept as float16, so a cosine may be off by this much.
_ROUNDING = 2e-3
_OWN_EMBEDDER = "not a local driver, and the case starts no service: it has an embedder of its own"


class Passages:
    """A store of about a thousand chunks, and what they are."""

    def __init__(self, client: OAuthCodexClient) -> None:
        self.random = np.random.default_rng(5)
        self.words = [*(word for row in SYNONYMS for word in row), *(f"w{number}" for number in range(300))]
        self.store = client.vector_stores.create(name="passages").id
        self.files: list[str] = []
        for number in range(_FILES):
            made = client.vector_stores.files.upload_and_poll(
                self.store,
                file=(f"{number}.txt", self.text(540).encode()),
                attributes={"number": number, "tenth": number % 10},
                chunking_strategy=_SMALL,
            )
            self.files.append(made.id)
        self.chunks = {file: self._chunks(client, file) for file in self.files}
        assert sum(map(len, self.chunks.values())) >= 10 * _FILES

    def text(self, length: int) -> str:
        return " ".join(self.random.choice(self.words, size=length))

    def _chunks(self, client: OAuthCodexClient, file: str) -> list[str]:
        return [part.text or "" for part in client.vector_stores.files.content(file, vector_store_id=self.store)]

    def recall(self, client: OAuthCodexClient, among: Sequence[str], **options: Any) -> float:
        """Mean share of the ten nearest chunks that a search finds; the chunks of the files `among` are all that counts."""
        embedder = SemanticEmbedder()
        texts = [text for file in among for text in self.chunks[file]]
        vectors = embedder.embed(texts, kind="document").astype(np.float64)
        found = 0
        for query in (self.text(6) for _ in range(_QUERIES)):
            cosines = vectors @ embedder.embed([query], kind="query")[0]
            cosine_of = dict(zip(texts, cosines.tolist(), strict=True))
            hits = client.vector_stores.search(self.store, query=query, **_NEAREST, **options).data
            texts_found = ["".join(part.text for part in hit.content) for hit in hits]
            assert set(texts_found) <= set(texts), "a hit is not among what may be found"
            wanted = min(10, int(np.count_nonzero(cosines > _ROUNDING)))
            assert len(set(texts_found)) == len(hits) >= wanted, f"{len(hits)} hits of {wanted}"
            returned = np.array([cosine_of[text] for text in texts_found])
            assert (np.diff(returned) <= _ROUNDING).all(), "the nearest come first"
            tenth = np.sort(cosines)[-min(10, len(cosines))]
            found += int(np.count_nonzero(returned >= tenth - _ROUNDING)) + 10 - len(hits)
        return found / (10 * _QUERIES)


class RecallTests(DriverTests):
    """Nothing is lost on the way from the index to the hits."""

    @rule("R9", "R13")
    def test_a_synonym_is_found(self, storage: Storage, ranking: dict[str, Any]) -> None:
        """No word in common: only the vectors can tell."""
        if not storage.case.takes_parts:
            pytest.skip(_OWN_EMBEDDER)
        client = storage.open()
        store = client.vector_stores.create().id
        for row in SYNONYMS:
            client.vector_stores.files.upload_and_poll(store, file=(f"{row[0]}.txt", f"{row[0]} report".encode()))
        for row in SYNONYMS:
            for word in row[1:]:
                assert client.vector_stores.search(store, query=word, **ranking).data[0].filename == f"{row[0]}.txt"

    @rule("R9", "R10", "R12", "R13")
    @requires("hybrid_search")
    def test_the_nearest_are_found(self, storage: Storage, index_asked: None) -> None:
        """Of a thousand chunks; by filters of 10 % and of 1 %, where nothing may be missed; and after half are gone."""
        if not storage.case.takes_parts:
            pytest.skip(_OWN_EMBEDDER)
        client = storage.open()
        passages = Passages(client)
        assert passages.recall(client, passages.files) >= _ENOUGH
        if storage.capabilities().filters:
            tenth = {"filters": {"type": "eq", "key": "tenth", "value": 3}}
            assert passages.recall(client, passages.files[3::10], **tenth) == 1.0
            one = {"filters": {"type": "eq", "key": "number", "value": 41}}
            assert passages.recall(client, passages.files[41:42], **one) == 1.0
        for file in passages.files[::2]:
            client.vector_stores.files.delete(passages.store, file)
        assert passages.recall(client, passages.files[1::2]) >= _ENOUGH
        if storage.capabilities().persistent:
            assert passages.recall(storage.reopen(), passages.files[1::2]) >= _ENOUGH


class _Failing(SemanticEmbedder):
    """Returns something else than it declares, for documents or for queries, while `fails` is set."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.fails: Literal["document", "query", None] = None

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> NDArray[np.float32]:
        found = super().embed(texts, kind=kind)
        if kind != self.fails:
            return found
        if self.how == "raises":
            raise RuntimeError("the model is gone")
        if self.how in ("nan", "infinite"):
            found[-1, 3] = np.nan if self.how == "nan" else np.inf
        return {"short": found[:, :-1], "long": np.repeat(found, 2, axis=1), "too few": found[:-1]}.get(self.how, found)


class BadVectorTests(DriverTests):
    """What an embedder returns may be no vector: an error, never a wrong or an empty answer."""

    @pytest.fixture(params=["nan", "infinite", "short", "long", "too few", "raises"])
    def embedder(self, request: pytest.FixtureRequest) -> _Failing:
        """An embedder that fails in this way."""
        return _Failing(request.param)

    @pytest.fixture
    def failing(self, case: DriverCase, storage: Storage, embedder: _Failing) -> tuple[OAuthCodexClient, str]:
        """A client with this embedder, and a store with one good file."""
        if not case.takes_parts:
            pytest.skip(_OWN_EMBEDDER)
        client = storage.open(embedder=embedder)
        store = client.vector_stores.create().id
        client.vector_stores.files.upload_and_poll(store, file=("good.txt", b"the river"))
        return client, store

    @rule("R6", "R9")
    def test_a_file_without_vectors_fails_alone(
        self, failing: tuple[OAuthCodexClient, str], embedder: _Failing, ranking: dict[str, Any]
    ) -> None:
        client, store = failing
        embedder.fails = "document"
        bad = client.vector_stores.files.upload_and_poll(store, file=("bad.txt", b"the brook"))
        assert bad.status == "failed"
        assert bad.last_error is not None
        assert bad.last_error.message
        embedder.fails = None
        assert [hit.filename for hit in client.vector_stores.search(store, query="brook", **ranking)] == ["good.txt"]
        again = client.vector_stores.files.create_and_poll(bad.id, vector_store_id=store)
        assert again.status == "completed"
        found = {hit.filename for hit in client.vector_stores.search(store, query="brook", **ranking)}
        assert found == {"good.txt", "bad.txt"}

    @rule("R2", "R6")
    def test_a_query_without_a_vector_is_an_error(
        self, case: DriverCase, failing: tuple[OAuthCodexClient, str], embedder: _Failing, ranking: dict[str, Any]
    ) -> None:
        client, store = failing
        embedder.fails = "query"
        with pytest.raises(case.error(StorageError)):
            client.vector_stores.search(store, query="brook", **ranking)
        embedder.fails = None
        assert [hit.filename for hit in client.vector_stores.search(store, query="brook", **ranking)] == ["good.txt"]


class ZeroVectorTests(DriverTests):
    """A text without a word has the zero vector, which is near to nothing and no error."""

    @rule("R9", "R13")
    def test_a_chunk_without_direction_is_in_nobodys_way(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        for name, text in (("signs.txt", "?! ... !!"), ("words.txt", "the river"), ("more.txt", "-- ;; --")):
            made = client.vector_stores.files.upload_and_poll(store, file=(name, text.encode()))
            assert made.status == "completed"
        assert [hit.filename for hit in client.vector_stores.search(store, query="brook", **ranking)] == ["words.txt"]
        scores = [hit.score for hit in client.vector_stores.search(store, query="?!", **ranking)]
        assert all(0 <= score <= 1 for score in scores)
