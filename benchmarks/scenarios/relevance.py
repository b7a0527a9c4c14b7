"""nDCG@10 on a folder of collections, through the public client.

A collection is a folder with `docs.jsonl` (`{id, title, text}`), `queries.jsonl` (`{id, text}`) and `qrels.tsv` (query, document,
relevance; a header). With `docs.minilm.npy` and `queries.minilm.npy`, unit vectors in file order, a semantic embedder is measured too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from oauth_codex import OAuthCodexClient

from benchmarks.bench import Bench
from benchmarks.product import BATCH, check, client
from benchmarks.report import Aim, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from oauth_codex.spi.embedder import Embedder

NAME = "relevance"
_AIMS = {"cacm": 0.47, "cosqa": 0.40, "cranfield": 0.38, "xquad_de": 0.935, "xquad_en": 0.968, "xquad_ru": 0.89}
_DEPTH = 10


@dataclass(frozen=True)
class Collection:
    """Documents, queries and which document is relevant to which query."""

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]] | None


def run(bench: Bench) -> Iterator[Row]:
    """Each collection with the default embedder, with text search alone and, if there are vectors, with a semantic one."""
    if bench.relevance is None:
        return
    folders = sorted(path.parent for path in bench.relevance.glob("*/qrels.tsv"))
    if not folders:
        raise ValueError("The folder of collections holds none: no */qrels.tsv.")
    for folder in folders:
        collection = _read(folder)
        if bench.quick and len(collection.documents) > 2_000:
            continue
        bench.say(f"relevance: {collection.name}")
        text, _ = _ndcg(collection, _TextAlone())
        with bench.folder() as storage, client(Path(storage) / "data") as opened:
            default, unread = _mean(collection, opened)
        count = f"{len(collection.documents):,} documents, {len(collection.relevant):,} queries"
        if unread:
            count += f"; {unread} documents without text"
        bound = _AIMS.get(collection.name)
        aim = None if bound is None else Aim(">=", bound, "value")
        yield Row(NAME, f"{collection.name}: nDCG@10, default", default, aim=aim, remark=count)
        yield Row(
            NAME,
            f"{collection.name}: the same over text alone",
            default,
            floor=text,
            ratio=default / text,
            aim=Aim(">=", 1.0),
            remark=f"floor: text search alone; difference {default - text:+.4f}",
        )
        if collection.vectors is not None:
            hybrid, _ = _ndcg(collection, _Looked(collection))
            remark = "a small sentence model, its vectors precomputed; floor: text search alone"
            yield Row(
                NAME,
                f"{collection.name}: nDCG@10, semantic embedder",
                hybrid,
                floor=text,
                ratio=hybrid / text,
                remark=remark,
            )


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = _DEPTH) -> float:
    """Normalised discounted cumulative gain: gains as given, discounted by log2(rank + 1), over the best order's sum."""
    gained = sum(relevant.get(name, 0) / math.log2(rank + 1) for rank, name in enumerate(ranking[:depth], 1))
    best = sorted(relevant.values(), reverse=True)[:depth]
    return gained / sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, 1))


def _ndcg(collection: Collection, embedder: Embedder) -> tuple[float, int]:
    """The mean with another embedder; in memory, since scores are the same on every driver."""
    with OAuthCodexClient(backend="memory", embedder=embedder) as opened:
        return _mean(collection, opened)


def _mean(collection: Collection, opened: OAuthCodexClient) -> tuple[float, int]:
    """The mean over all queries, and how many documents have no text."""
    names = list(collection.documents)
    empty = sum(not text.strip() for text in collection.documents.values())
    store = opened.vector_stores.create(name=collection.name).id
    for start in range(0, len(names), BATCH):
        files = [
            (f"{number}.txt", collection.documents[name].encode())
            for number, name in enumerate(names[start : start + BATCH], start)
        ]
        opened.vector_stores.file_batches.upload_and_poll(store, files=files)
    check(opened, store, len(names), failed=empty)
    total = 0.0
    for query, relevant in collection.relevant.items():
        hits = opened.vector_stores.search(store, query=collection.queries[query]).data
        # The best chunk of a document stands for it.
        ranking = dict.fromkeys(names[int(hit.filename.removesuffix(".txt"))] for hit in hits)
        total += ndcg(list(ranking), relevant)
    return total / len(collection.relevant), empty


def _read(folder: Path) -> Collection:
    documents = {
        found["id"]: f"{found.get('title') or ''}\n{found['text']}".strip() for found in _lines(folder / "docs.jsonl")
    }
    queries = {found["id"]: found["text"] for found in _lines(folder / "queries.jsonl")}
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, {})[document] = int(grade)
    arrays = [folder / f"{part}.minilm.npy" for part in ("docs", "queries")]
    vectors = None
    if all(path.exists() for path in arrays):
        rows, asked = (np.load(path).astype(np.float32) for path in arrays)
        if (len(rows), len(asked)) != (len(documents), len(queries)):
            raise ValueError(
                f"{folder.name}: {len(rows)} and {len(asked)} vectors for {len(documents)} and {len(queries)} texts."
            )
        vectors = (rows, asked)
    return Collection(folder.name, documents, queries, relevant, vectors)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


class _TextAlone:
    """An embedder that knows nothing: its vectors are zero, so only the keyword index scores."""

    name = "nothing"
    dimension = 8
    fingerprint = "nothing-1"
    semantic = False
    max_batch = 4096

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> NDArray[np.float32]:
        """Zeros."""
        return np.zeros((len(texts), self.dimension), dtype=np.float32)


class _Looked:
    """A semantic embedder whose vectors were made before; a chunk of a longer document has the document's."""

    name = "precomputed"
    fingerprint = "precomputed-1"
    semantic = True
    max_batch = 4096

    def __init__(self, collection: Collection) -> None:
        assert collection.vectors is not None
        rows, asked = collection.vectors
        self.dimension: int = rows.shape[1]
        self._documents: dict[str, NDArray[np.float32]] = dict(zip(collection.documents.values(), rows, strict=True))
        self._queries: dict[str, NDArray[np.float32]] = dict(zip(collection.queries.values(), asked, strict=True))

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> NDArray[np.float32]:
        """The rows of the texts."""
        return np.stack([self._queries[text] if kind == "query" else self._document(text) for text in texts])

    def _document(self, text: str) -> NDArray[np.float32]:
        found = self._documents.get(text)
        if found is None:
            (found, *_) = [row for whole, row in self._documents.items() if text in whole]
        return found
