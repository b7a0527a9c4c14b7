"""10,000 stores in one storage: creating, listing and opening."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import probe, ratio, series, spread
from benchmarks.product import client
from benchmarks.report import Aim, Row

NAME = "stores"
_FEW = 200
_FLAT = 1.3


def run(bench: Bench) -> Iterator[Row]:
    """Each figure with many stores beside the same with 200."""
    many = 2_000 if bench.quick else 10_000
    with bench.folder() as folder:
        few_folder, many_folder = Path(folder) / "few", Path(folder) / "many"
        bench.say(f"{many:,} stores")
        with client(many_folder) as opened:
            store = opened.vector_stores.create(name="searched").id
            opened.vector_stores.files.upload_and_poll(store, file=("a.txt", b"one store of many"))
            opened.vector_stores.search(store, query="store")
            first = series(lambda number: opened.vector_stores.create(name=f"store {number}"), range(1, _FEW))
        shutil.copytree(many_folder, few_folder)
        with client(many_folder) as opened, client(few_folder) as beside:
            series(lambda number: opened.vector_stores.create(name=f"store {number}"), range(_FEW, many))
            times: dict[int, list[float]] = {_FEW: [], many: []}
            pages: dict[int, list[float]] = {_FEW: [], many: []}
            for _ in range(6):
                # Both at a time, a few at a time, so that both see the same disk.
                for rows, current in ((_FEW, beside), (many, opened)):
                    times[rows].append(median(series(lambda _: current.vector_stores.create(name="more"), range(30))))  # noqa: B023
                    pages[rows].append(median(series(lambda _: current.vector_stores.list(limit=20).data, range(30))))  # noqa: B023
        for title, found in (("creating one more", times), ("the first page of 20", pages)):
            yield Row(
                NAME,
                f"{title}, among {many:,}",
                median(found[many]),
                "ms",
                spread(found[many]),
                floor=median(found[_FEW]),
                ratio=ratio(found[many], found[_FEW]),
                aim=Aim("<=", _FLAT),
                remark=f"floor: the same among {_FEW} (the very first took {median(first):.2f} ms each)"
                if found is times
                else f"floor: the same among {_FEW}",
            )
        opens: dict[int, list[float]] = {_FEW: [], many: []}
        for _ in range(3 if bench.quick else 5):
            for rows, place in ((_FEW, few_folder), (many, many_folder)):
                opens[rows].append(probe("open_list", place, store)["seconds"] * 1e3)
        yield Row(
            NAME,
            f"opening, listing 20, searching one, among {many:,}",
            median(opens[many]),
            "ms",
            spread(opens[many]),
            floor=median(opens[_FEW]),
            ratio=ratio(opens[many], opens[_FEW]),
            aim=Aim("<=", _FLAT),
            remark=f"fresh process, imports included; floor: the same among {_FEW}",
        )
