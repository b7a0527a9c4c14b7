"""Ingestion of the whole corpus, one file at a time and in one batch, beside the floor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measure import probe, rounds_ratio, spread, timed
from benchmarks.report import Aim, Row

NAME = "ingest"
_WAYS = (("files", "one file at a time", 0.4), ("batch", "one batch", 0.55))


def run(bench: Bench) -> Iterator[Row]:
    """Every run in a fresh process, a floor before and after each."""
    folder, size = bench.corpus.paths[0].parent, bench.corpus.bytes
    floors = {way: [probe("floor_ingest", folder, "words")] for way, _, _ in _WAYS}
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in floors}
    for number in range(bench.rounds):
        for way, around in floors.items():
            bench.say(f"ingest, {way}, round {number + 1} of {bench.rounds}")
            with bench.folder() as storage:
                found[way].append(probe("ingest", folder, Path(storage) / "data", way))
            around.append(probe("floor_ingest", folder, "words"))
    texts = probe("floor_ingest", folder, "texts")

    every = [run for around in floors.values() for run in around]
    chunks = every[0]["chunks"]
    speeds = [chunks / run["seconds"] for run in every]
    remark = (
        f"{len(bench.corpus.paths):,} files, {size / 1e6:.1f} MB, {chunks:,} chunks of 800/400. {bench.corpus.remark}"
    )
    yield Row(NAME, "floor", median(speeds), "chunks/s", spread(speeds), remark=remark.rstrip())
    plain = chunks / texts["seconds"]
    remark = "for comparison, no reference; words of overlapping text counted twice"
    yield Row(NAME, "floor that embeds the text of each chunk", plain, "chunks/s", remark=remark)
    for way, title, bound in _WAYS:
        speeds = [chunks / run["seconds"] for run in found[way]]
        reference = [run["seconds"] for run in floors[way]]
        cpu = median(run["cpu"] for run in found[way]) / median(run["cpu"] for run in floors[way])
        disk = median(run["disk"] for run in found[way]) / size
        yield Row(
            NAME,
            title,
            median(speeds),
            "chunks/s",
            spread(speeds),
            floor=chunks / median(reference),
            ratio=1 / rounds_ratio([run["seconds"] for run in found[way]], reference),
            aim=Aim(">=", bound),
            remark=f"durable, one process; CPU {cpu:.1f}× of the floor, {disk:.1f} bytes on disk per byte of text",
        )
    syncs = [_synced(bench) for _ in range(50)]
    remark = "what the disk asks of whoever wants to be durable: one file at a time needs one a file"
    yield Row(NAME, "one write that reaches the disk", median(syncs), "ms", spread(syncs), remark=remark)


def _synced(bench: Bench) -> float:
    """Milliseconds of appending a page to a file and waiting until the disk has it."""
    with (bench.work / "synced").open("ab") as file:
        file.write(bytes(4096))
        file.flush()
        return timed(lambda: os.fsync(file.fileno())) * 1e3
