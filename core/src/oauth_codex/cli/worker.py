"""`oauth-codex worker`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Common, Failure, with_common
from .output import counted, print_json, say, stderr

if TYPE_CHECKING:
    from ..spi.backends import BackgroundWork

#: Seconds between two looks at what is left, and at least between two lines about it where there is no terminal.
_LOOK, _LINE = 0.2, 10.0


@dataclass(frozen=True)
class _Seen:
    """What was done, and what there is to do."""

    completed: int
    failed: int
    left: int
    others: int

    @classmethod
    def of(cls, work: BackgroundWork) -> _Seen:
        left, others = work.left()
        return cls(work.completed, work.failed, left, others)

    def __str__(self) -> str:
        parts = [f"{counted(self.completed, 'file')} completed", f"{self.failed:,} failed", f"{self.left:,} left"]
        return ", ".join(parts)


@with_common
def worker(
    common: Common,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Files that are worked on at the same time.")] = 2,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing is left to do.")] = False,
) -> None:
    """Process what programs attach with ingest="background".

    Run as many as you like on one storage; each file is processed once. It
    goes on until it is interrupted or gets SIGTERM. What it has not finished
    then is left to other workers, or waits for the next one.
    """
    if common.options.get("ingest", "background") != "background":
        raise typer.BadParameter("A worker works in the background.", param_hint="--option")
    begun = time.monotonic()
    with _until_told() as told, replace(common, options={**common.options, "ingest": "background"}).client() as client:
        work = _work_of(client.backend)
        work.start(threads)
        if not common.json:
            say(f"Working with {counted(threads, 'thread')}. Stop with Ctrl-C.")
        with _shown(quiet=common.json) as show:
            seen = _Seen.of(work)
            while not (until_empty and seen.left == 0):
                show(seen)
                if told.wait(_LOOK):
                    break
                seen = _Seen.of(work)
    # Closing has waited for what was being published.
    settled = work.completed + work.failed - seen.completed - seen.failed
    seen = replace(seen, completed=work.completed, failed=work.failed, left=max(0, seen.left - settled))
    _report(seen, begun, common.json)


def _work_of(backend: Any) -> BackgroundWork:
    work: BackgroundWork | None = getattr(backend, "background", None)
    if work is None:
        raise Failure(f"The driver {backend.name!r} has nothing to be done here: its service processes the files.")
    if not backend.capabilities.persistent:
        raise Failure(
            f"The driver {backend.name!r} keeps nothing that another process could have attached."
            " Choose the storage with --backend and --storage-dir."
        )
    return work


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, in place of ending the process."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[_Seen], None]]:
    """Shows what goes on: one line that changes on a terminal, else a line now and then."""
    console = stderr()
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with console.status("") as status:
            yield lambda seen: status.update(str(seen))
    else:
        last: tuple[float, _Seen | None] = -_LINE, None

        def line(seen: _Seen) -> None:
            nonlocal last
            now = time.monotonic()
            if seen != last[1] and now - last[0] >= _LINE:
                last = now, seen
                say(f"{seen}.")

        yield line


def _report(seen: _Seen, begun: float, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "object": "worker.report",
                "files": {"completed": seen.completed, "failed": seen.failed, "left": seen.left},
                "left_to_other_embedders": seen.others,
                "seconds": round(time.monotonic() - begun, 3),
            }
        )
        return
    say(f"Done: {seen}.")
    if seen.others:
        waits, theirs = ("waits", "its store") if seen.others == 1 else ("wait", "their stores")
        files = counted(seen.others, "file")
        say(f"{files} {waits} for a worker with the embedder of {theirs}; choose it with --option embedder=NAME.")


COMMANDS = {"worker": worker}
