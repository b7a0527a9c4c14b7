"""50,000 chunks with vectors that resemble those of a language model, for measuring drivers against their raw engines.

A text's vector follows from the text alone: a point in a space of few latent dimensions, near one of some hundred centres, with
noise. So neighbours are real, as with a model, and no model is needed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from oauth_codex import OAuthCodexClient

from benchmarks.product import PARTS, attach, check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

DIMENSION = 384
FILES = 2_000
CHUNKS_A_FILE = 25
_TOKENS = 100
_LATENT = 48
_CENTRES = 400
#: Frequent words of one token each.
_WORDS = (
    "time",
    "people",
    "way",
    "water",
    "day",
    "man",
    "part",
    "place",
    "case",
    "week",
    "point",
    "home",
    "hand",
    "night",
)


class PlacedEmbedder:
    """Vectors that follow from a hash of the text; queries are remembered, so that a search pays nothing for them."""

    name = "placed"
    dimension = DIMENSION
    fingerprint = f"placed-{DIMENSION}-1"
    semantic = True
    max_batch = 1024

    def __init__(self) -> None:
        shape = np.random.default_rng(1)
        self._basis = shape.standard_normal((_LATENT, DIMENSION))
        self._centres = shape.standard_normal((_CENTRES, _LATENT))
        self._queries: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> Vectors:
        if kind == "document":
            return np.stack([self._place(text) for text in texts])
        for text in texts:
            if text not in self._queries:
                self._queries[text] = self._place(text)
        return np.stack([self._queries[text] for text in texts])

    def _place(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.blake2b(text.strip().encode(), digest_size=8).digest())
        chance = np.random.Generator(np.random.PCG64(seed))
        latent = self._centres[chance.integers(_CENTRES)] + 0.5 * chance.standard_normal(_LATENT)
        found = latent @ self._basis + 0.5 * chance.standard_normal(DIMENSION)
        placed: Vectors = (found / np.linalg.norm(found)).astype(np.float32)
        return placed


@dataclass(frozen=True)
class Placed:
    """A storage with one store of placed vectors.

    Attributes:
        directory: The storage directory, made with the `sqlite` driver.
        store: The id of the store.
        texts: File with the text of every chunk, as JSON, in the order of their keys.
    """

    directory: Path
    store: str
    texts: Path


def client(directory: Path, backend: str, **options: object) -> OAuthCodexClient:
    """A client with the embedder of this module."""
    return OAuthCodexClient(backend=backend, storage_dir=directory, embedder=PlacedEmbedder(), **options)  # type: ignore[arg-type]


def files(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Files of `CHUNKS_A_FILE` chunks each."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(first, first + count):
        path = folder / f"{number:05d}.txt"
        chance = random.Random(number)
        path.write_text(" ".join(chance.choices(_WORDS, k=_TOKENS * CHUNKS_A_FILE)), encoding="utf-8")
        made.append(path)
    return made


def chunking() -> dict[str, object]:
    """The chunking under which such a file has `CHUNKS_A_FILE` chunks."""
    return {"type": "static", "static": {"max_chunk_size_tokens": _TOKENS, "chunk_overlap_tokens": 0}}


def queries(count: int) -> list[str]:
    """Texts that are in no file."""
    return [f"query {number}" for number in range(count)]


def build(folder: Path, engine: str, count: int = FILES) -> Placed:
    """The storage; taken from `folder` if the same engine has made it there."""
    name = f"placed-{engine[:16]}-{count}"
    note = folder / f"{name}.json"
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        return Placed(Path(found["directory"]), found["store"], Path(found["texts"]))
    with client(folder / name, "sqlite") as opened:
        store = opened.vector_stores.create(name="placed").id
        paths = files(folder / "placed-texts", count)
        attach(opened, store, paths, 0, chunking())
        check(opened, store, count)
        texts = []
        for item in opened.vector_stores.files.list(store, order="asc", limit=100):
            texts += [part.text for part in opened.vector_stores.files.content(item.id, vector_store_id=store)]
        opened.vector_stores.search(store, query="once")  # the caches of the engine
    written = folder / f"{name}-texts.json"
    written.write_text(json.dumps(texts), encoding="utf-8")
    made = Placed(folder / name, store, written)
    note.write_text(json.dumps({key: str(value) for key, value in asdict(made).items()}), encoding="utf-8")
    return made


__all__ = ["PARTS", "Placed", "PlacedEmbedder", "build", "chunking", "client", "files", "queries"]
