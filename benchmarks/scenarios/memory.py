"""Peak memory of processes that ingest and of processes that search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import probe
from benchmarks.report import Row

NAME = "memory"
_MB = 1e6


def run(bench: Bench) -> Iterator[Row]:
    """Fresh processes; the floor holds every text and vector, so it is no lower bound here."""
    folder = bench.corpus.paths[0].parent
    bench.say("memory")
    floor = probe("floor_ingest", folder, "words")["peak"] / _MB
    yield Row(NAME, "floor: ingest, everything in memory", floor, "MB")
    for way, title in (("files", "ingest, one file at a time"), ("batch", "ingest, one batch")):
        with bench.folder() as storage:
            peak = probe("ingest", folder, Path(storage) / "data", way)["peak"] / _MB
        yield Row(NAME, f"{title}, peak", peak, "MB", floor=floor, ratio=peak / floor)
    for large in bench.sizes:
        built = bench.built(large=large)
        found = probe("search_memory", built.directory, built.store, *bench.queries)
        remark = "mapped files included"
        if found["private"] is not None:
            remark += f"; private at the end {found['private'] / _MB:.0f} MB"
        title = f"{len(bench.queries)} searches, {'150,000 chunks' if large else f'{built.files:,} files'}, peak"
        yield Row(NAME, title, found["peak"] / _MB, "MB", remark=remark)
