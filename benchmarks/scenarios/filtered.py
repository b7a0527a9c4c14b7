"""Filtered search: how long it takes, and whether it finds exactly what it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from oauth_codex import OAuthCodexClient

from benchmarks.bench import Bench
from benchmarks.measure import ratio, series, spread
from benchmarks.product import PARTS, Built, client
from benchmarks.report import Aim, Row

NAME = "filtered"
_LIMIT = 10
_MOST = 50

#: A chunk and its score: file, number of the chunk in it, score.
Hit = tuple[str, int, float]


def run(bench: Bench) -> Iterator[Row]:
    """Interleaved rounds without a filter and with filters of 1 % and 10 % of the files; then the checks."""
    for large in bench.sizes:
        built = bench.built(large=large)
        bench.say("filtered search")
        with client(built.directory) as opened:
            where = f"{built.files:,} files"
            yield from _times(bench, opened, built, where)
            if not large:
                yield _recall_filtered(bench, opened, built, where)
                yield _recall_unfiltered(bench, opened, built, where)


def _one(part: int) -> dict[str, Any]:
    return {"type": "eq", "key": "part", "value": part}


def _search(
    opened: OAuthCodexClient, store: str, query: str, filters: Mapping[str, Any] | None, limit: int = _LIMIT
) -> list[Hit]:
    page = opened.vector_stores.search(store, query=query, filters=filters, max_num_results=limit)
    found = []
    for hit in page.data:
        assert hit.location is not None
        found.append((hit.file_id, hit.location.chunk, hit.score))
    return found


def _times(bench: Bench, opened: OAuthCodexClient, built: Built, where: str) -> Iterator[Row]:
    numbered = list(enumerate(bench.queries))
    kinds: dict[str, Any] = {
        "none": lambda _: None,
        "1 %": lambda number: _one(number % PARTS),
        "10 %": lambda number: {"type": "lt", "key": "part", "value": PARTS // 10},
    }
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for count in range(bench.rounds + 2):
        for kind, made in kinds.items():
            pairs = [(query, made(number)) for number, query in numbered]
            found = series(
                lambda pair: opened.vector_stores.search(built.store, query=pair[0], filters=pair[1]).data, pairs
            )
            if count:  # the first round warms up
                times[kind].append(median(found))
    none = median(times["none"])
    yield Row(NAME, f"{where}: no filter, p50", none, "ms", spread(times["none"]))
    for kind, aim in (("1 %", Aim("<=", 1.0)), ("10 %", None)):
        against = ratio(times[kind], times["none"])
        title = f"{where}: a filter that keeps {kind}, p50"
        yield Row(NAME, title, median(times[kind]), "ms", spread(times[kind]), floor=none, ratio=against, aim=aim)


def _recall_filtered(bench: Bench, opened: OAuthCodexClient, built: Built, where: str) -> Row:
    """Recall of the 1 % filter against a ranking made file by file.

    A score does not depend on the other hits, so the best of a part are the best of its files' own best, each found by a filter
    that keeps a single file: some chunks, all of which are scored.
    """
    queries = bench.queries[:: 10 if bench.quick else 4]
    files = range(built.files)
    shares = []
    short = 0
    for place, query in enumerate(queries):
        part = place * 7 % PARTS
        every = [
            hit
            for number in files[part::PARTS]
            for hit in _search(opened, built.store, query, {"type": "eq", "key": "number", "value": number}, _MOST)
        ]
        found = _search(opened, built.store, query, _one(part))
        shares.append(_recall(found, every))
        short += len(found) < min(_LIMIT, len(every))
    remark = f"{len(queries)} queries against rankings file by file; {short} with fewer hits than there are"
    return Row(NAME, f"{where}: recall@10 of the 1 % filter", _mean(shares), aim=Aim(">=", 1.0, "value"), remark=remark)


def _recall_unfiltered(bench: Bench, opened: OAuthCodexClient, built: Built, where: str) -> Row:
    """Recall of a search without filter against the best of all parts."""
    queries = bench.queries[1 :: 50 if bench.quick else 10]
    shares = []
    for query in queries:
        every = [hit for part in range(PARTS) for hit in _search(opened, built.store, query, _one(part))]
        shares.append(_recall(_search(opened, built.store, query, None), every))
    remark = f"{len(queries)} queries against the best of all {PARTS} parts"
    return Row(NAME, f"{where}: recall@10 without filter", _mean(shares), remark=remark)


def _recall(found: list[Hit], every: list[Hit]) -> float:
    """Share of the best `_LIMIT` of `every` that was found; a chunk of the same score as the last of them counts as well."""
    best = sorted((score for _, _, score in every), reverse=True)[:_LIMIT]
    if not best:
        return 1.0
    scores = {(file, chunk): score for file, chunk, score in every}
    right = sum(scores.get((file, chunk), -1.0) >= best[-1] for file, chunk, _ in found)
    return min(right, len(best)) / len(best)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
