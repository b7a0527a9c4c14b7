"""Medians, percentiles and fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def timed(call: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def series(call: Callable[[Any], object], arguments: Iterable[Any]) -> list[float]:
    """Milliseconds of one call for each argument."""
    clock = time.perf_counter
    found = []
    for argument in arguments:
        start = clock()
        call(argument)
        found.append((clock() - start) * 1e3)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Least and greatest."""
    return min(values), max(values)


def rounds_ratio(numbers: Sequence[float], floors: Sequence[float]) -> float:
    """Median over the rounds of a number over the mean of the floors before and after it (one floor more than numbers).

    A machine that others use changes speed within a run; neighbours in time see the same machine.
    """
    around = [(before + after) / 2 for before, after in pairwise(floors)]
    return median(number / floor for number, floor in zip(numbers, around, strict=True))


def ratio(numbers: Sequence[float], floors: Sequence[float]) -> float:
    """Median over median, for rounds that were interleaved."""
    return median(numbers) / median(floors)


def probe(name: str, *arguments: object) -> dict[str, Any]:
    """Run `benchmarks/probes/<name>.py` in a fresh process and return the JSON object that it prints.

    Raises:
        RuntimeError: It failed; the message holds what it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.probes.{name}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The probe {name} failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def until_first_line(module: str, *arguments: object) -> tuple[float, dict[str, Any]]:
    """Seconds from the start of a fresh process until it prints its first line, and that line's JSON object.

    Raises:
        RuntimeError: It failed; the message holds what it wrote.
    """
    command = [sys.executable, "-m", f"benchmarks.probes.{module}", *map(str, arguments)]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        rest = process.stderr.read()
    if process.returncode or not line:
        raise RuntimeError(f"The probe {module} failed:\n{rest[-4000:]}")
    found: dict[str, Any] = json.loads(line)
    return seconds, found


def peak_memory() -> int:
    """Most bytes of memory that this process has held so far, shared pages included."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with what the parent had when it started us
        return _status("VmHWM")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def private_memory() -> int | None:
    """Bytes of memory that this process holds for itself now: without mapped files; None where that is not known."""
    return _status("RssAnon") if Path("/proc/self/status").exists() else None


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}.")
