"""Search with the default settings, everything included, beside the floor."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import percentile, rounds_ratio, series, spread
from benchmarks.product import client
from benchmarks.report import Aim, Row

NAME = "search"


def run(bench: Bench) -> Iterator[Row]:
    """Rounds of all queries: floor, product, ..., floor; percentiles over all rounds of a kind."""
    for large in bench.sizes:
        floor, built = bench.floor(large=large), bench.built(large=large)
        bench.say("search")
        vectors = [floor.embed(query) for query in bench.queries]
        floors: list[list[float]] = []
        embedding: list[list[float]] = []
        found: list[list[float]] = []
        with client(built.directory) as opened:

            def ask(query: str) -> int:
                return len(opened.vector_stores.search(built.store, query=query).data)  # noqa: B023

            for query in bench.queries:
                if not ask(query):
                    raise RuntimeError("A search found nothing.")
            series(floor.search, vectors)
            for _ in range(max(3, bench.rounds + 1)):
                floors.append(series(floor.search, vectors))
                found.append(series(ask, bench.queries))
                embedding.append(series(lambda query: floor.search(floor.embed(query)), bench.queries))  # noqa: B023
            floors.append(series(floor.search, vectors))

        where = f"{len(floor.texts):,} chunks"
        reference = [median(times) for times in floors]
        medians = [median(times) for times in found]
        p50, p99 = median(medians), percentile([time for times in found for time in times], 0.99)
        count = sum(map(len, found))
        tail = percentile([time for times in floors for time in times], 0.99)
        remark = f"index search and lookup of texts, p99 {tail:.2f} ms"
        yield Row(NAME, f"{where}: floor, p50", median(reference), "ms", spread(reference), remark=remark)
        whole = [median(times) for times in embedding]
        yield Row(NAME, f"{where}: floor with embedding, p50", median(whole), "ms", spread(whole))
        yield Row(
            NAME,
            f"{where}: p50",
            p50,
            "ms",
            spread(medians),
            floor=median(reference),
            ratio=rounds_ratio(medians, reference),
            aim=Aim("<=", 0.3 if large else 1.5),
            remark=f"{count} searches; {p50 / median(whole):.2f}× the floor with embedding",
        )
        yield Row(NAME, f"{where}: p99 over p50", p99 / p50, aim=Aim("<=", 4, "value"), remark=f"p99 {p99:.2f} ms")
