"""From the start of a process to its first answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import spread, timed, until_first_line
from benchmarks.product import client
from benchmarks.report import Aim, Row

NAME = "opening"


def run(bench: Bench) -> Iterator[Row]:
    """Fresh processes, page cache warm, caches of the storage as an earlier search left them."""
    times = 3 if bench.quick else 7
    bare = [timed(lambda: subprocess.run([sys.executable, "-c", "import numpy"], check=True)) for _ in range(times)]
    remark = "what no process that searches can do without"
    yield Row(NAME, "floor: Python and numpy", median(bare), "s", spread(bare), remark=remark)
    for large in bench.sizes:
        built = bench.built(large=large)
        with client(built.directory) as opened:
            opened.vector_stores.search(built.store, query=bench.queries[0])
        bench.say("opening")
        until_first_line("first_answer", built.directory, built.store, bench.queries[0])
        found = [
            until_first_line("first_answer", built.directory, built.store, query) for query in bench.queries[:times]
        ]
        seconds = [took for took, _ in found]
        opening = median(parts["open"] for _, parts in found) * 1e3
        search = median(parts["search"] for _, parts in found) * 1e3
        yield Row(
            NAME,
            f"process start to first answer, {'150,000 chunks' if large else f'{built.files:,} files'}",
            median(seconds),
            "s",
            spread(seconds),
            floor=median(bare),
            ratio=median(seconds) / median(bare),
            aim=Aim("<=", 0.5, "value"),
            remark=f"of it: import and open {opening:.0f} ms, the search {search:.0f} ms",
        )
