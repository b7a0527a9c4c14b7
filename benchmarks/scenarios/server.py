"""What the server adds to a call: one client after the other, many at once, and a large file both ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from oauth_codex import OAuthCodexClient

from benchmarks.bench import Bench
from benchmarks.measure import probe, ratio, series, spread
from benchmarks.product import client
from benchmarks.report import Aim, Row
from benchmarks.served import Served, search, serving

NAME = "server"
_TASKS = 64
_SEARCHES = 2_000
_LARGE_BYTES = 500 * 1024 * 1024


def run(bench: Bench) -> Iterator[Row]:
    """All of it over the store that is searched elsewhere, and one large file in a storage of its own."""
    built = bench.built(large=False)
    with serving(built.directory) as served:
        bench.say("one search after the other")
        yield from _one_by_one(bench, served, built.directory, built.store)
        bench.say(f"{_TASKS} clients at once")
        yield _at_once(bench, served, built.directory, built.store)
    bench.say("a large file")
    with bench.folder() as folder:
        yield from _large_file(bench, Path(folder))


def _one_by_one(bench: Bench, served: Served, directory: Path, store: str) -> Iterator[Row]:
    path = f"/v1/vector_stores/{store}/search"
    here: list[float] = []
    plain: list[float] = []
    ours: list[float] = []
    connection = served.connection()
    with client(directory) as local, OAuthCodexClient(base_url=served.url, api_key="none") as remote:

        def ask_here(query: str) -> int:
            return len(local.vector_stores.search(store, query=query).data)

        def ask_remote(query: str) -> int:
            return len(remote.vector_stores.search(store, query=query).data)

        def ask_plain(query: str) -> int:
            return len(search(connection, path, query))

        for ask in (ask_here, ask_plain, ask_remote):
            series(ask, bench.queries)
        for _ in range(max(3, bench.rounds + 1)):
            here.append(median(series(ask_here, bench.queries)))
            plain.append(median(series(ask_plain, bench.queries)))
            ours.append(median(series(ask_remote, bench.queries)))
    connection.close()
    floor = median(here)
    for what, times, aim in (
        ("search over HTTP, p50", plain, Aim("<=", floor + 1.5, "value")),
        ("search by the openai driver, p50", ours, None),
    ):
        p50 = median(times)
        remark = f"{p50 - floor:.2f} ms more than in process; the client, too, has to write and read JSON"
        yield Row(NAME, what, p50, "ms", spread(times), floor=floor, ratio=ratio(times, here), aim=aim, remark=remark)


def _at_once(bench: Bench, served: Served, directory: Path, store: str) -> Row:
    count = _SEARCHES // (4 if bench.quick else 1)
    queries = [bench.queries[number % len(bench.queries)] for number in range(count)]
    here: list[float] = []
    over: list[float] = []
    for _ in range(bench.rounds):
        here += probe("concurrent", "in-process", directory, store, _TASKS, 1, *queries)["rates"]
        over += probe("concurrent", "served", served.url, store, _TASKS, 1, *queries)["rates"]
    return Row(
        NAME,
        f"{_TASKS} async clients, searches",
        median(over),
        "/s",
        spread(over),
        floor=median(here),
        ratio=ratio(over, here),
        aim=Aim(">=", 0.7),
        remark=f"{count:,} searches a round; the floor is {_TASKS} tasks in one process with the storage",
    )


def _large_file(bench: Bench, folder: Path) -> Iterator[Row]:
    size = _LARGE_BYTES // (4 if bench.quick else 1)
    source = folder / "large.bin"
    with source.open("wb") as target:
        for _ in range(size // 2**20):
            target.write(os.urandom(2**20))
    with serving(folder / "storage") as served:
        probe("large_file", served.url, _small(folder))
        before = served.peak()
        served.forget_peak()
        found = probe("large_file", served.url, source)
        added = max(0, served.peak() - before)
    mib = 2**20
    what = f"{size // mib} MiB"
    for way in ("upload", "download"):
        seconds = found[f"{way}_seconds"]
        yield Row(
            NAME,
            f"{way} of {what}: memory of the client",
            found[f"{way}_memory"] / mib,
            "MiB",
            aim=Aim("<=", 64, "value"),
            remark=f"{seconds:.1f} s; more than the same process held after small calls",
        )
    yield Row(
        NAME, f"{what} both ways: memory of the server", added / mib, "MiB", aim=Aim("<=", 64, "value"),
        remark="more than it held after a small file",
    )  # fmt: skip


def _small(folder: Path) -> Path:
    path = folder / "small.bin"
    path.write_bytes(b"small" * 100)
    return path
