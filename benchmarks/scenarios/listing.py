"""Pages of 20 among 200 and among 10,000 rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from oauth_codex import OAuthCodexClient

from benchmarks.bench import Bench
from benchmarks.measure import ratio, series, spread
from benchmarks.product import BATCH, client
from benchmarks.report import Aim, Row

NAME = "listing"
_FEW = 200
_PAGE = 20
#: "The same" within what a loaded machine lets one see.
_SAME = 1.3


def run(bench: Bench) -> Iterator[Row]:
    """The first page and one from the middle, of the files of a store and of all files."""
    many = 2_000 if bench.quick else 10_000
    with bench.folder() as small, bench.folder() as big:
        bench.say(f"listing: {many:,} files")
        with client(Path(small)) as few_client, client(Path(big)) as many_client:
            few, lots = _fill(few_client, _FEW), _fill(many_client, many)
            bench.say("listing")
            kinds: dict[str, Callable[[OAuthCodexClient, str, str], object]] = {
                "files of a store, first page": lambda c, store, _: c.vector_stores.files.list(store, limit=_PAGE).data,
                "files of a store, a page in the middle": lambda c, store, after: (
                    c.vector_stores.files.list(store, limit=_PAGE, after=after).data
                ),
                "all files, a page in the middle": lambda c, _, after: c.files.list(limit=_PAGE, after=after).data,
            }
            for title, page in kinds.items():
                times: dict[int, list[float]] = {_FEW: [], many: []}
                for count in range(7):
                    for rows, opened, (store, middle) in ((_FEW, few_client, few), (many, many_client, lots)):
                        found = median(series(lambda _: page(opened, store, middle), range(50)))  # noqa: B023
                        if count:
                            times[rows].append(found)
                yield Row(
                    NAME,
                    f"{title}, among {many:,}",
                    median(times[many]),
                    "ms",
                    spread(times[many]),
                    floor=median(times[_FEW]),
                    ratio=ratio(times[many], times[_FEW]),
                    aim=Aim("<=", _SAME),
                    remark=f"floor: the same among {_FEW}",
                )


def _fill(opened: OAuthCodexClient, count: int) -> tuple[str, str]:
    """A store of small files, and the id of the file in the middle."""
    store = opened.vector_stores.create(name="listing").id
    ids: list[str] = []
    for start in range(0, count, BATCH):
        new = [
            opened.files.create(file=(f"{number}.txt", f"note number {number}".encode()), purpose="assistants").id
            for number in range(start, min(count, start + BATCH))
        ]
        opened.vector_stores.file_batches.create_and_poll(store, file_ids=new)
        ids += new
    return store, ids[len(ids) // 2]
