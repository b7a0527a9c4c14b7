"""The embedder against a service that really answers: order, batches, both encodings, and what is refused."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from oauth_codex import OAuthCodexClient, registry
from oauth_codex.errors import (
    APIResponseValidationError,
    AuthenticationError,
    AuthRequiredError,
    ConfigurationError,
    EmbedderMismatchError,
)
from oauth_codex.spi import Embedder
from oauth_codex_openai.embeddings import OpenAIEmbedder

from .conftest import KEY
from .service import Received, Reply, Service

Make = Callable[..., OpenAIEmbedder]


def vector(text: str, length: int) -> list[float]:
    """A vector that tells its text."""
    row = [float(len(text)), float(sum(map(ord, text)) % 997), *([0.0] * length)]
    return row[:length]


def embedding(request: Received, *, encoded: bool = True) -> Reply:
    """What the endpoint answers, in an order that is not the order of the texts."""
    body = request.json
    data = []
    for index, text in enumerate(body["input"]):
        row = vector(text, body.get("dimensions", 4))
        value: Any = base64.b64encode(np.array(row, dtype="<f4").tobytes()).decode() if encoded else row
        data.append({"object": "embedding", "index": index, "embedding": value})
    return Reply({"object": "list", "data": data[::-1], "model": body["model"]})


@pytest.fixture
def make(service: Service, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    service.always = embedding
    return lambda **options: OpenAIEmbedder(**{"base_url": service.url, "api_key": KEY, "model": "own", **options})


@pytest.mark.parametrize("encoded", [True, False])
def test_rows_are_in_the_order_of_the_texts(make: Make, service: Service, encoded: bool) -> None:
    service.always = lambda request: embedding(request, encoded=encoded)
    embedder = make()
    texts = ["fox", "", "日本語", "a" * 50]
    found = embedder.embed(texts, kind="document")
    assert found.dtype == np.float32
    assert found.tolist() == [vector(text, 4) if text else [0.0] * 4 for text in texts]
    assert service.last.json == {"input": ["fox", "日本語", "a" * 50], "model": "own", "encoding_format": "base64"}
    assert service.last.path == "/v1/embeddings"
    assert service.last.headers["authorization"] == f"Bearer {KEY}"
    assert "openai-beta" not in service.last.headers
    assert embedder.embed([], kind="query").shape == (0, 4)


def test_batches_keep_to_what_a_request_may_hold(make: Make, service: Service) -> None:
    embedder = make(dimensions=2)
    texts = ["x" * 100_000, "é" * 100_000, "z" * 99_999, "z"] + ["w"] * 5000
    found = embedder.embed(texts, kind="document")
    assert found.tolist() == [vector(text, 2) for text in texts]
    inputs = [request.json["input"] for request in service.received]
    assert max(map(len, inputs)) == 2048
    assert max(sum(len(text.encode()) for text in batch) for batch in inputs) == 300_000
    assert len(inputs) == 4
    assert service.last.json["dimensions"] == 2


def test_what_a_store_is_pinned_to(make: Make, service: Service) -> None:
    """Model and length, not the address; the length of an unknown model is asked for, once."""
    small = OpenAIEmbedder(api_key=KEY)
    assert (small.dimension, small.fingerprint) == (1536, "openai/text-embedding-3-small/1536")
    assert make(model="text-embedding-3-small").fingerprint == small.fingerprint
    assert make(model="text-embedding-3-large").fingerprint != small.fingerprint
    assert make(model="text-embedding-3-small", dimensions=8).fingerprint != small.fingerprint
    assert service.received == []
    own = make()
    assert (own.dimension, own.dimension, own.fingerprint) == (4, 4, "openai/own/own")
    assert len(service.received) == 1
    assert isinstance(own, Embedder)
    assert own.semantic


def entry(value: Any, index: Any = 0) -> dict[str, Any]:
    return {"data": [{"index": index, "embedding": value}]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (entry([1.0, 2.0, 3.0]), "has 3 numbers where the model 'own' has 4"),
        (entry([1.0, math.nan, 0.0, 0.0]), "not finite"),
        (entry([1e39, 0.0, 0.0, 0.0]), "not finite"),
        (entry(base64.b64encode(b"12345").decode()), "neither numbers nor base64"),
        (entry("no base64!"), "neither numbers nor base64"),
        (entry(["a", "b", "c", "d"]), "neither numbers nor base64"),
        (entry([[1.0, 2.0, 3.0, 4.0]]), "neither numbers nor base64"),
        (entry(None), "neither numbers nor base64"),
        (entry([1.0, 2.0, 3.0, 4.0], 1), "out of range"),
        ({"data": ["x"]}, "out of range"),
        ({"data": []}, "0 embeddings for 1 texts"),
        ({"data": 5}, "no embeddings for 1 texts"),
        (b"garbage", "no JSON"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_answers_that_are_no_embeddings(make: Make, service: Service, body: Any, said: str) -> None:
    embedder = make()
    assert embedder.dimension == 4
    service.reply(body)
    with pytest.raises(APIResponseValidationError, match=said):
        embedder.embed(["fox"], kind="query")


def test_a_repeated_index(make: Make, service: Service) -> None:
    service.reply({"data": [entry([1.0])["data"][0]] * 2})
    with pytest.raises(APIResponseValidationError, match="repeated"):
        make(dimensions=1).embed(["a", "b"], kind="query")


def test_refusals_and_repeats(make: Make, service: Service) -> None:
    service.reply({"error": {"message": f"Wrong key {KEY}"}}, 401)
    with pytest.raises(AuthenticationError, match=r"Wrong key \*\*\*"):
        make(dimensions=2).embed(["fox"], kind="query")
    service.reply(status=503)
    assert make(dimensions=2).embed(["fox"], kind="query").tolist() == [vector("fox", 2)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": ""}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"base_url": "http://me:s3cret@h/v1"}, "user part"),
        ({"api_key": "s3cret\n"}, "api_key"),
        ({"api_key": "s3cret", "auth": httpx.Auth()}, "leave one out"),
        ({"max_retries": -1}, "max_retries"),
        ({"modle": "s3cret"}, "modle"),
    ],
)
def test_options_are_checked_and_not_shown(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        registry.open_embedder("openai", {"api_key": KEY, **options})
    assert "modle" in options or "s3cret" not in str(caught.value)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(AuthRequiredError, match="OPENAI_API_KEY is not set"):
        registry.open_embedder("openai", {})


def test_a_local_store_searched_with_it(make: Make, service: Service, tmp_path: Path) -> None:
    embedder = make()
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path, embedder=embedder) as client:
        store = client.vector_stores.create(name="n")
        client.vector_stores.files.upload(store.id, file=("a.txt", b"a red fox"))
        assert client.vector_stores.search(store.id, query="fox").data[0].text == "a red fox"
    with (
        OAuthCodexClient(backend="sqlite", storage_dir=tmp_path, embedder=make(dimensions=3)) as other,
        pytest.raises(EmbedderMismatchError),
    ):
        other.vector_stores.search(store.id, query="fox")
