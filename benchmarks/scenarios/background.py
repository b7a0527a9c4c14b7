"""Work in the background: the whole corpus, one small file, what the queue costs, and many stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from oauth_codex import OAuthCodexClient

from benchmarks.bench import Bench
from benchmarks.measure import percentile, probe, ratio, rounds_ratio, series, spread
from benchmarks.report import Aim, Row

NAME = "background"
_FEW, _MANY = 10, 1_000
_FLAT = 1.3


def run(bench: Bench) -> Iterator[Row]:
    """Each figure beside what it is held against, in the same run."""
    yield from _corpus(bench)
    yield from _one_file(bench)
    yield from _queue(bench)
    yield from _stores(bench)


def client(directory: Path) -> OAuthCodexClient:
    """A client that leaves the work to its workers."""
    return OAuthCodexClient(backend="sqlite", storage_dir=directory, ingest="background")


def _corpus(bench: Bench) -> Iterator[Row]:
    """Every run in a fresh process, a floor before and after each."""
    folder = bench.corpus.paths[0].parent
    ways = {"inline": ("ingest", "batch"), "warm": ("background", "warm"), "cold": ("background", "cold")}
    floors = {way: [probe("floor_ingest", folder, "words")] for way in ways}
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for number in range(bench.rounds):
        for way, (name, argument) in ways.items():
            bench.say(f"background, {way}, round {number + 1} of {bench.rounds}")
            with bench.folder() as storage:
                found[way].append(probe(name, folder, Path(storage) / "data", argument))
            floors[way].append(probe("floor_ingest", folder, "words"))
    chunks = floors["warm"][0]["chunks"]
    seconds = {way: [run["seconds"] for run in runs] for way, runs in found.items()}
    titles = {
        "warm": ("two worker processes", "durable; the processes have been started"),
        "cold": ("the same, processes not yet started", "what a program sees that begins with it"),
    }
    for way, (title, remark) in titles.items():
        reference = [run["seconds"] for run in floors[way]]
        speeds = [chunks / each for each in seconds[way]]
        yield Row(
            NAME,
            f"{len(bench.corpus.paths):,} files, {title}",
            median(speeds),
            "chunks/s",
            spread(speeds),
            floor=chunks / median(reference),
            ratio=1 / rounds_ratio(seconds[way], reference),
            aim=Aim(">=", 1.0) if way == "warm" else None,
            remark=remark,
        )
    yield Row(
        NAME,
        "two worker processes over inline",
        chunks / median(seconds["warm"]),
        "chunks/s",
        floor=chunks / median(seconds["inline"]),
        ratio=1 / ratio(seconds["warm"], seconds["inline"]),
        aim=Aim(">=", 1.5),
        remark="floor: one batch, inline",
    )


def _one_file(bench: Bench) -> Iterator[Row]:
    """From the call that attaches to the news that the file is completed."""
    with bench.folder() as folder, client(Path(folder) / "data") as opened:
        store = opened.vector_stores.create().id
        files = [
            opened.files.create(file=(f"{i}.txt", b"one small file, number %d" % i), purpose="assistants").id
            for i in range(60 if bench.quick else 300)
        ]

        def attach(file: str) -> None:
            opened.vector_stores.files.create(store, file_id=file)
            done = opened.vector_stores.files.poll(file, vector_store_id=store)
            if done.status != "completed":
                raise RuntimeError(f"It ended {done.status}.")

        series(attach, files[:10])
        found = series(attach, files[10:])
    yield Row(
        NAME,
        "one small file, attached to completed, p50",
        median(found),
        "ms",
        spread(found),
        aim=Aim("<=", 30, of="value"),
        remark=f"waiting for the news, not looking now and then; p99 {percentile(found, 0.99):.1f} ms",
    )


def _queue(bench: Bench) -> Iterator[Row]:
    number = 500 if bench.quick else 2_000
    found = []
    for _ in range(bench.rounds):
        with bench.folder() as folder:
            found.append(probe("queue", Path(folder) / "data", number))
    each = [run["seconds"] / number * 1e3 for run in found]
    announced = median(run["announced"] for run in found) / number * 1e3
    yield Row(
        NAME,
        f"the queue, a file of {number:,}",
        median(each),
        "ms",
        spread(each),
        aim=Aim("<=", 1, of="value"),
        remark=f"attaching, claiming and settling files whose content is not read; of it attaching {announced:.3f} ms",
    )


def _stores(bench: Bench) -> Iterator[Row]:
    """With 1,000 stores in the storage beside the same with 10."""
    with bench.folder() as folder:
        places = {_FEW: Path(folder) / "few", _MANY: Path(folder) / "many"}
        with client(places[_MANY]) as opened:
            series(lambda number: opened.vector_stores.create(name=f"store {number}"), range(_FEW))
        shutil.copytree(places[_MANY], places[_FEW])
        with client(places[_FEW]) as few, client(places[_MANY]) as many:
            series(lambda number: many.vector_stores.create(name=f"store {number}"), range(_FEW, _MANY))
            yield from _flat(bench, {_FEW: few, _MANY: many})


class _Calls:
    """What is measured on one of the two storages."""

    def __init__(self, opened: OAuthCodexClient) -> None:
        self._opened = opened
        self._store = ""

    def create(self, _: int) -> None:
        self._store = self._opened.vector_stores.create(name="more").id

    def attach(self, file: str) -> None:
        self._opened.vector_stores.files.create(self._store, file_id=file)
        self._opened.vector_stores.files.poll(file, vector_store_id=self._store)

    def page(self, _: int) -> None:
        self._opened.vector_stores.list(limit=20)

    def uploaded(self, number: int) -> list[str]:
        upload = self._opened.files.create
        return [upload(file=("a.txt", b"file %d" % i), purpose="assistants").id for i in range(number)]


def _flat(bench: Bench, clients: dict[int, OAuthCodexClient]) -> Iterator[Row]:
    titles = ("creating a store", "attaching a file, to completed", "the first page of 20 stores")
    times: dict[str, dict[int, list[float]]] = {title: {rows: [] for rows in clients} for title in titles}
    calls = {rows: _Calls(opened) for rows, opened in clients.items()}
    for _ in range(4 if bench.quick else 12):
        for rows, call in calls.items():  # in turn, so that both see the same machine
            found = (
                series(call.create, range(5)),
                series(call.attach, call.uploaded(10)),
                series(call.page, range(20)),
            )
            for title, each in zip(titles, found, strict=True):
                times[title][rows].append(median(each))
    for title, measured in times.items():
        yield Row(
            NAME,
            f"{title}, among {_MANY:,} stores",
            median(measured[_MANY]),
            "ms",
            spread(measured[_MANY]),
            floor=median(measured[_FEW]),
            ratio=ratio(measured[_MANY], measured[_FEW]),
            aim=Aim("<=", _FLAT),
            remark=f"floor: the same among {_FEW}",
        )
