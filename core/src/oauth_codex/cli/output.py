"""How things are printed: harmless text, tables, one JSON document, a progress bar.

Names, texts and ids come from files and from other programs. They are never parsed as markup, and every character that could
move the cursor, colour the terminal or reorder the line is shown as its escape.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

_T = TypeVar("_T")

#: Harmless and needed: spaces of all widths, the joiners of Persian, Indic and emoji sequences, soft hyphens.
_KEPT = re.compile("[\u00a0\u00ad\u1680\u2000-\u200a\u200c\u200d\u202f\u205f\u3000]")
#: Wide enough for any table: what is not a terminal gets whole lines, for `grep` and `cut`.
_UNBOUNDED = 100_000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise


def stdout() -> Console:
    """Where results go."""
    return _Console(markup=False, emoji=False, highlight=False)


def stderr() -> Console:
    """Where errors, advice and progress go."""
    return _Console(stderr=True, markup=False, emoji=False, highlight=False)


def visible(text: str) -> str:
    """Text on one line, with control and formatting characters shown as escapes: `\\x1b[31m`, `\\u202e`, `\\n`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or _KEPT.match(c) else c.encode("unicode_escape").decode() for c in text)


def say(*lines: RenderableType) -> None:
    """Print to stdout; a str is text, never markup."""
    console = stdout()
    for line in lines:
        console.print(line, soft_wrap=not console.is_terminal)


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one document of `--json`; pure ASCII, so no character of it can be obeyed by a terminal."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def is_narrow() -> bool:
    """Whether stdout is a terminal on which a table with ids has room for little else."""
    console = stdout()
    return console.is_terminal and console.width < 100


def print_table(columns: Sequence[str | tuple[str, Mapping[str, Any]]], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print a table; a column is its title, or title and Rich's options for it. Cells of type str are made harmless."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        title, options = (column, {}) if isinstance(column, str) else column
        table.add_column(title, **{"overflow": "fold", **options})
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    console = stdout()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(table)


def print_failures(failed: Sequence[tuple[str, str]], *, most: int = 20) -> None:
    """Print which files failed and why, at most `most` of them."""
    say("", Text(f"{counted(len(failed), 'file')} failed", style="red"))
    print_table(["File", ("Why", {"min_width": 24})], failed[:most])
    if len(failed) > most:
        say(f"... and {len(failed) - most:,} more; --json lists all of them.")


def size(count: int) -> str:
    """Bytes for people: `512 B`, `1.5 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counted(number: int, noun: str) -> str:
    """`1 file`, `1,512 files`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}"


def ago(moment: int | None, now: float | None = None) -> str:
    """A time in Unix seconds for people: `3 min ago`; a date when it is long past."""
    if moment is None:
        return "-"
    seconds = (time.time() if now is None else now) - moment
    if seconds < 60:
        return "just now"
    for unit, length, limit in (("min", 60, 3600), ("h", 3600, 86_400), ("d", 86_400, 30 * 86_400)):
        if seconds < limit:
            return f"{int(seconds // length)} {unit} ago"
    return time.strftime("%Y-%m-%d", time.localtime(moment))


@contextmanager
def progress(label: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr if that is a terminal and `shown` is true, else nothing.

    Args:
        label: What is going on.
        total: How many steps there are.
        shown: False keeps it quiet, as for `--json`.

    Yields:
        Call it with the number of steps done since the last call.
    """
    console = stderr()
    if not (shown and console.is_terminal and total):
        yield lambda _: None
        return
    with bar(console) as shown_bar:
        task = shown_bar.add_task(label, total=total)
        yield lambda steps: shown_bar.advance(task, steps)


def bar(console: Console) -> Progress:
    """A bar that vanishes when it is full."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def collected(pages: Any, limit: int | None) -> list[Any]:
    """The first `limit` items of a list that pages itself, or all of them."""
    found: list[Any] = []
    for item in pages:
        if limit is not None and len(found) >= limit:
            break
        found.append(item)
    return found
