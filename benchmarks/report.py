"""What a scenario finds, and how it is shown: on the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

_LIBRARIES = (
    "oauth-codex",
    "chromadb",
    "faiss-cpu",
    "numpy",
    "pydantic",
    "sqlalchemy",
    "tiktoken",
    "pystemmer",
)
_BEGIN, _END = "<!-- results -->", "<!-- /results -->"


@dataclass(frozen=True)
class Aim:
    """What a figure ought to be.

    Attributes:
        sign: Whether at least or at most.
        bound: The bound.
        of: Whether it bounds the value itself or its ratio to the floor.
    """

    sign: Literal["<=", ">="]
    bound: float
    of: Literal["value", "ratio"] = "ratio"

    def met(self, number: float) -> bool:
        """Whether a number reaches it."""
        return number <= self.bound if self.sign == "<=" else number >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.sign == '<=' else '≥'} {self.bound:.3g}{'×' if self.of == 'ratio' else ''}"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        scenario: Which scenario found it.
        name: What was measured.
        value: The figure, a median where it was measured more than once.
        unit: Its unit; empty for shares and counts.
        spread: Least and greatest of the rounds.
        floor: The reference that was measured in the same run.
        ratio: `value` over `floor`.
        aim: What it ought to be.
        remark: What else the reader should know.
    """

    scenario: str
    name: str
    value: float
    unit: str = ""
    spread: tuple[float, float] | None = None
    floor: float | None = None
    ratio: float | None = None
    aim: Aim | None = None
    remark: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the aim is met; None without an aim."""
        if self.aim is None:
            return None
        number = self.value if self.aim.of == "value" else self.ratio
        return number is not None and self.aim.met(number)


_HEAD = ("scenario", "what", "value", "min – max", "floor", "ratio", "aim", "", "remark")


def _plain(value: float, unit: str) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if isinstance(value, float) and not unit else f"{value:.3g}"


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_plain(value, unit)} {unit}".rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    passed = row.passed
    return (
        row.scenario,
        row.name,
        _number(row.value, row.unit),
        "" if row.spread is None else " – ".join(_plain(value, row.unit) for value in row.spread),
        _number(row.floor, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}×",
        "" if row.aim is None else str(row.aim),
        "" if passed is None else "PASS" if passed else "MISS",
        row.remark,
    )


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def show(rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """Print a table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(title="oauth-codex benchmark", caption=summary(facts), caption_justify="left", title_justify="left")
    for name in _HEAD:
        table.add_column(name, justify="right" if name in ("value", "min – max", "floor", "ratio", "aim") else "left")
    last = None
    for row in rows:
        if last is not None and row.scenario != last:
            table.add_section()
        cells = list(_cells(row))
        cells[0] = row.scenario if row.scenario != last else ""
        cells[7] = {"PASS": "[green]PASS[/green]", "MISS": "[red]MISS[/red]"}.get(cells[7], "")
        table.add_row(*cells)
        last = row.scenario
    console.print(table)
    aims = [row.passed for row in rows if row.passed is not None]
    console.print(f"{sum(aims)} of {len(aims)} aims met")


def facts(**more: Any) -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine or its folders."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "libraries": {name: version(name) for name in _LIBRARIES},
        **more,
    }


def summary(facts: dict[str, Any]) -> str:
    """The facts in one line."""
    libraries = ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())
    machine = f"{facts['cpus']} CPUs, load {facts['load']} at the start, {facts['system']}"
    line = f"{facts['date']}, {machine}, Python {facts['python']}; {libraries}."
    return line + (" A quick run: smaller and shorter than what the aims are for." if facts["quick"] else "")


def write_json(path: Path, rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """Write everything as one JSON document."""
    found = [asdict(row) | {"aim": None if row.aim is None else str(row.aim), "passed": row.passed} for row in rows]
    path.write_text(json.dumps(facts | {"rows": found}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_readme(path: Path, rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """Put the table into the marked place of a document.

    Raises:
        ValueError: The document has no such place.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{path.name} has no place between {_BEGIN} and {_END}.")
    path.write_text(f"{before}{_BEGIN}\n{summary(facts)}\n\n{markdown(rows)}\n{_END}{after}", encoding="utf-8")
