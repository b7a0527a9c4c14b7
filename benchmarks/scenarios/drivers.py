"""What the faiss and chroma drivers cost beside the engines below them: 50,000 chunks, the vectors of a language model's kind."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
from oauth_codex import OAuthCodexClient
from oauth_codex.local import caches
from oauth_codex.local.catalog import filters, stores
from oauth_codex.local.catalog.catalog import Catalog
from oauth_codex.types.filters import Comparison

from benchmarks import raw, vectors
from benchmarks.bench import Bench
from benchmarks.measure import probe, rounds_ratio, series, spread
from benchmarks.product import attach, engine_digest
from benchmarks.report import Aim, Row

NAME = "drivers"
#: The vector leg alone, so that a search does what the raw engine does, and then what users need.
VECTORS_ONLY = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}
_ONE_PERCENT = {"type": "eq", "key": "part", "value": 7}
_TEN_PERCENT = {"type": "lt", "key": "part", "value": 10}
_QUERIES = 200


def run(bench: Bench) -> Iterator[Row]:
    """Each driver on its own copy of one storage that the sqlite driver made."""
    bench.say("50,000 chunks with vectors")
    placed = vectors.build(bench.work, engine_digest(), vectors.FILES // (4 if bench.quick else 1))
    everything = raw.document_vectors(placed.texts)
    where = f"{len(everything):,} chunks"
    faiss.omp_set_num_threads(1)
    with bench.folder() as folder:
        for kind in ("flat", "hnsw"):
            bench.say(f"faiss {kind}")
            yield from _faiss(bench, kind, placed, everything, Path(folder), where)
        bench.say("chroma")
        yield from _chroma(bench, placed, everything, Path(folder), where)
        bench.say("ingest")
        yield _ingest(bench, Path(folder))


def _faiss(bench: Bench, kind: str, placed: Any, everything: Any, folder: Path, where: str) -> Iterator[Row]:
    path = bench.work / f"{placed.texts.stem}.{kind}.index"
    index = raw.faiss_index(kind, everything, path)
    options = {"index": kind}
    copy = _copy(placed.directory, folder / kind)
    queries = vectors.queries(_QUERIES)
    asked = vectors.PlacedEmbedder().embed(queries, kind="query")
    with vectors.client(copy, "faiss", **options) as opened:
        _settle(opened, placed.store, queries)
        if kind == "hnsw":
            _wait_for_graph(copy)
        floors, found = _rounds(
            bench,
            lambda: series(lambda vector: index.search(vector[None], raw.LIMIT), asked),
            lambda: _searches(opened, placed.store, queries),
        )
        p50, floor = median(map(median, found)), median(map(median, floors))
        title = f"faiss {kind}, {where}: vectors only, p50"
        against = rounds_ratio([median(times) for times in found], [median(times) for times in floors])
        if kind == "flat":
            yield Row(NAME, title, p50, "ms", _middle(found), floor=floor, ratio=against, aim=Aim("<=", 1.5))
        else:
            more = f"{p50 - floor:.2f} ms more than the raw graph"
            aim = Aim("<=", floor + 0.5, "value")
            yield Row(NAME, title, p50, "ms", _middle(found), floor=floor, ratio=against, aim=aim, remark=more)
        yield from _one_percent(opened, placed, everything, queries, asked, f"faiss {kind}, {where}")
    names = (kind, path, copy / "catalog.sqlite3")
    bare = [probe("raw_memory", *names, *queries) for _ in range(bench.rounds)]
    ours = [
        probe("driver_memory", "faiss", json.dumps(options), copy, placed.store, *queries) for _ in range(bench.rounds)
    ]
    yield _against(
        "open", f"faiss {kind}, {where}: opening to first search", ours, bare, 2.0, "mapped index and sqlite3"
    )
    yield _against(
        "peak", f"faiss {kind}, {where}: most memory of a process", ours, bare, 1.5, "the raw engine's process"
    )


def _one_percent(opened: Any, placed: Any, everything: Any, queries: Any, asked: Any, title: str) -> Iterator[Row]:
    sql = _filter_sql(placed)
    times = _searches(opened, placed.store, queries, _ONE_PERCENT)
    rows = np.flatnonzero(np.arange(len(everything)) // vectors.CHUNKS_A_FILE % vectors.PARTS == 7)
    texts = json.loads(placed.texts.read_text(encoding="utf-8"))
    shares = []
    for query, vector in zip(queries[:50], asked[:50], strict=True):
        best = {texts[row] for row in rows[np.argsort(-(everything[rows] @ vector))[: raw.LIMIT]]}
        hits = opened.vector_stores.search(
            placed.store, query=query, filters=_ONE_PERCENT, ranking_options=VECTORS_ONLY
        )
        shares.append(len(best & {hit.text for hit in hits.data}) / len(best))
    yield Row(
        NAME,
        f"{title}: a filter that keeps 1 %, p50",
        median(times),
        "ms",
        spread(times),
        aim=Aim("<=", 1.0 + sql, "value"),
        remark=f"of it the filter's SQL when it is new: {sql:.2f} ms; recall@10 {sum(shares) / len(shares):.3f}",
    )


def _chroma(bench: Bench, placed: Any, everything: Any, folder: Path, where: str) -> Iterator[Row]:
    kept = bench.work / f"{placed.texts.stem}.chroma"
    collection = raw.chroma_collection(kept, everything)
    copy = _copy(placed.directory, folder / "chroma")
    queries = vectors.queries(_QUERIES)
    asked = vectors.PlacedEmbedder().embed(queries, kind="query")

    def ask(vector: Any, **filters: Any) -> object:
        return collection.query(query_embeddings=vector[None], n_results=raw.LIMIT, include=["distances"], **filters)

    with vectors.client(copy, "chroma") as opened:
        _settle(opened, placed.store, queries)
        floors, found = _rounds(bench, lambda: series(ask, asked), lambda: _searches(opened, placed.store, queries))
        p50, floor = median(map(median, found)), median(map(median, floors))
        against = rounds_ratio([median(times) for times in found], [median(times) for times in floors])
        aim = Aim("<=", 1.3 * floor + 1, "value")
        title = f"chroma, {where}: vectors only, p50"
        yield Row(NAME, title, p50, "ms", _middle(found), floor=floor, ratio=against, aim=aim)
        own = series(lambda vector: ask(vector, where={"part": {"$lt": 10}}), asked[:50])
        ours = _searches(opened, placed.store, queries, _TEN_PERCENT)
        title = f"chroma, {where}: a filter that keeps 10 %, p50"
        against = median(ours) / median(own)
        yield Row(NAME, title, median(ours), "ms", spread(ours), floor=median(own), ratio=against, aim=Aim("<=", 0.2))
    bare = [probe("raw_memory", "chroma", kept, "-", *queries) for _ in range(bench.rounds)]
    ours_memory = [probe("driver_memory", "chroma", "{}", copy, placed.store, *queries) for _ in range(bench.rounds)]
    title = f"chroma, {where}: most memory of a process"
    yield _against("peak", title, ours_memory, bare, 1.5, "the raw engine's process")


def _ingest(bench: Bench, folder: Path) -> Row:
    """Files in one batch, then the search that brings the index up to date."""
    count = vectors.FILES // (16 if bench.quick else 4)
    paths = vectors.files(bench.work / "placed-texts", count)
    times: dict[str, list[float]] = {"sqlite": [], "faiss": []}
    for number in range(bench.rounds):
        for backend, taken in times.items():
            with vectors.client(folder / f"ingest-{backend}-{number}", backend) as opened:
                store = opened.vector_stores.create().id
                began = time.perf_counter()
                attach(opened, store, paths, 0, vectors.chunking())
                opened.vector_stores.search(store, query="query 1", ranking_options=VECTORS_ONLY)
                taken.append(count * vectors.CHUNKS_A_FILE / (time.perf_counter() - began))
    ours, floor = median(times["faiss"]), median(times["sqlite"])
    title = "faiss: ingest of one batch and the first search"
    remark = "floor: the sqlite driver"
    return Row(
        NAME,
        title,
        ours,
        "chunks/s",
        spread(times["faiss"]),
        floor=floor,
        ratio=ours / floor,
        aim=Aim(">=", 0.9),
        remark=remark,
    )


def _copy(directory: Path, target: Path) -> Path:
    shutil.copytree(directory, target)
    return target


def _settle(opened: OAuthCodexClient, store: str, queries: list[str]) -> None:
    """Fill the index from the catalog, and warm up."""
    if len(_searches(opened, store, queries)) != len(queries):
        raise RuntimeError("A search is missing.")


def _wait_for_graph(copy: Path) -> None:
    """A graph is made beside searches, and saved when it is whole."""
    deadline = time.monotonic() + 1800
    while not any((caches.read(folder) or ({}, None))[0].get("graph") for folder in (copy / "cache").glob("*.faiss")):
        if time.monotonic() > deadline:
            raise RuntimeError("The driver has made no graph in half an hour.")
        time.sleep(0.5)


def _searches(opened: OAuthCodexClient, store: str, queries: list[str], wanted: Any = None) -> list[float]:
    search = opened.vector_stores.search

    def ask(query: str) -> None:
        if len(search(store, query=query, filters=wanted, ranking_options=VECTORS_ONLY).data) != raw.LIMIT:
            raise RuntimeError("A search found too little.")

    return series(ask, queries)


def _rounds(
    bench: Bench, floor: Callable[[], list[float]], ours: Callable[[], list[float]]
) -> tuple[list[list[float]], list[list[float]]]:
    """Rounds of floor, product, ..., floor."""
    floor()
    floors, found = [], []
    for _ in range(max(3, bench.rounds + 1)):
        floors.append(floor())
        found.append(ours())
    floors.append(floor())
    return floors, found


def _middle(found: list[list[float]]) -> tuple[float, float]:
    return spread([median(times) for times in found])


def _against(field: str, title: str, ours: Any, bare: Any, aim: float, floor_is: str) -> Row:
    scale, unit = (1e3, "ms") if field == "open" else (1e-6, "MB")
    values = [found[field] * scale for found in ours]
    floor = median(found[field] * scale for found in bare)
    return Row(
        NAME,
        title,
        median(values),
        unit,
        spread(values),
        floor=floor,
        ratio=median(values) / floor,
        aim=Aim("<=", aim),
        remark=f"floor: {floor_is}",
    )


def _filter_sql(placed: Any) -> float:
    """Milliseconds of the statement that resolves the filter."""
    catalog = Catalog.open_file(placed.directory)
    wanted = Comparison("eq", "part", 7)
    with catalog.read() as connection:
        store = stores.require(connection, "default", placed.store)
        times = series(lambda _: filters.matching(connection, "default", store.id, wanted), range(50))
    catalog.close()
    return median(times)
