"""The floor ingests a folder: `python -m benchmarks.probes.floor_ingest FOLDER words|texts`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.floor import Floor
from benchmarks.measure import peak_memory, private_memory


def main() -> None:
    """Ingest and report."""
    folder, way = sys.argv[1:]
    paths = sorted(path for path in Path(folder).iterdir() if path.name != "complete")
    Floor(words_once=way == "words").add_file(paths[0])  # loads what is loaded once
    floor = Floor(words_once=way == "words")
    cpu, start = time.process_time(), time.perf_counter()
    for path in paths:
        floor.add_file(path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": cpu,
                "chunks": len(floor.texts),
                "peak": peak_memory(),
                "private": private_memory(),
            }
        )
    )


main()
