"""A second process on a storage: it does what it is told, line by line, and may be killed in the middle of it.

`Worker` starts and tells it. The process itself is this module run as a program: it opens the storage that the JSON in its argument
describes, then reads one JSON object a line and answers with one or two.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import OAuthCodexError
from .case import DriverCase, Storage
from .clock import FakeClock, Ids
from .faults import Faults, KillingPoint, early_caches
from .story import WRITES, Holdings, Step, Story

#: A call that takes longer than this never returns; the process then says where it stands, and ends.
_STUCK_SECONDS = 60


@dataclass(frozen=True)
class Written:
    """What became of a write of another process.

    Attributes:
        before: What the storage held when it began.
        after: What it shall hold when it is done.
        died: The process died in the middle of it.
        refused: Type and message of the error that it met.
    """

    before: Holdings
    after: Holdings
    died: bool
    refused: list[str] | None


class Worker:
    """A process that has a storage open, as a context; leaving it closes the storage and waits for the end.

    Args:
        storage: The storage, of a driver that is known by its name.
        now: Time in the process.
        tag: Begins the ids that it makes, so that no other process makes the same.
        prefix: A command that runs the process, if it is not to be run as it is.

    Attributes:
        opening: None if the storage was opened, else the type and the message of the error.
    """

    def __init__(self, storage: Storage, *, now: float, tag: str, prefix: Sequence[str] = ()) -> None:
        task = {
            "driver": storage.case.driver,
            "options": dict(storage.options),
            "directory": str(storage.directory),
            "now": now,
            "tag": tag,
        }
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", __name__, json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self.opening: list[str] | None = None

    def __enter__(self) -> Worker:
        self.opening = self.answer()["refused"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        self.end()

    def end(self) -> None:
        """Close the storage and wait for the end; a second call does nothing."""
        if self._process.stdin is not None and self._process.stdin.closed:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it may have died while it was told something
            self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        with self._said:
            status = self._process.wait()
            assert status in (0, -signal.SIGKILL), f"it ended with {status}: {self.stderr()}"

    def send(self, do: str, **named: Any) -> None:
        """Tell the process to do something, and do not wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **named}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """The next thing that it says; None if it has died instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            assert self._process.wait() == -signal.SIGKILL, f"the process failed: {self.stderr()}"
            return None
        return json.loads(line)

    def ask(self, do: str, **named: Any) -> Any:
        """Tell it, and return its answer."""
        self.send(do, **named)
        return self.answer()

    def write(self, kind: str, name: str) -> Written:
        """Let it do a write of the story."""
        self.send("write", kind=kind, name=name)
        return self.written()

    def written(self) -> Written:
        """What became of a write that it was told with `send`."""
        before, after = (Holdings(**each) for each in self.answer())
        done = self.answer()
        return Written(before, after, died=done is None, refused=done and done["refused"])

    def look(self) -> tuple[Holdings, list[str]]:
        """What it sees in the storage, and what is not finished there; it must be allowed to."""
        seen = self.ask("look")
        assert seen["refused"] is None, seen["refused"]
        return Holdings(**seen["holdings"]), seen["unfinished"]

    def stderr(self) -> str:
        """What it wrote where errors go."""
        self._said.seek(0)
        return self._said.read()[-3000:]


class _Tagged(Ids):
    """Ids that no other process makes."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self._tag = tag

    def __call__(self, prefix: str) -> str:
        return super().__call__(f"{prefix}{self._tag}")


def _say(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _refusal(error: OAuthCodexError) -> dict[str, list[str]]:
    return {"refused": [type(error).__name__, str(error)]}


def main(task: dict[str, Any]) -> None:
    """The process: open the storage, say so, and do what the lines say until they end."""
    with Faults() as faults, early_caches():
        storage = Storage(
            DriverCase(task["driver"], task["options"]),
            Path(task["directory"]),
            clock=FakeClock(task["now"]),
            ids=_Tagged(task["tag"]),
        )
        try:
            story = Story(storage.open(), storage.capabilities())
        except OAuthCodexError as error:
            _say(_refusal(error))
            return
        _say({"refused": None})
        killing = KillingPoint(0)
        prepared: dict[str, Step] = {}
        for line in sys.stdin:
            faulthandler.dump_traceback_later(_STUCK_SECONDS, exit=True)
            told = json.loads(line)
            match told.pop("do"):
                case "kill":
                    killing = KillingPoint(**told)
                    _say({})
                case "limit":
                    _limit_files(told["size"])
                    _say({})
                case "look":
                    _look(story)
                case "prepare":
                    prepared[told["name"]] = WRITES[told["kind"]](story, told["name"])
                    _say({})
                case "write":
                    _write(story, faults, killing, prepared.pop(told["name"], None), **told)
                case unknown:
                    raise AssertionError(f"told to {unknown!r}")
            faulthandler.cancel_dump_traceback_later()
        storage.close()


def _look(story: Story) -> None:
    """Say what is there, and go on from it."""
    try:
        seen = story.look()
    except OAuthCodexError as error:
        _say(_refusal(error))
        return
    story.holds = seen.holdings
    _say({"refused": None, "holdings": asdict(seen.holdings), "unfinished": seen.unfinished})


def _write(story: Story, faults: Faults, killing: KillingPoint, step: Step | None, kind: str, name: str) -> None:
    """Prepare if that was not done before, say what will be, write, say that it is done."""
    try:
        step = step or WRITES[kind](story, name)
    except OAuthCodexError as error:  # not even what it needs could be written
        _say([asdict(story.holds)] * 2)
        _say(_refusal(error))
        return
    coming = deepcopy(story.holds)
    step.change(coming)
    _say([asdict(story.holds), asdict(coming)])
    try:
        with faults.watch(killing):
            step.act()
    except OAuthCodexError as error:
        _say(_refusal(error))
        return
    story.holds = coming
    _say({"refused": None})


def _limit_files(size: int | None) -> None:
    """Let no file grow beyond this many bytes, as on a disk that is full; None for no limit."""
    import resource

    soft = resource.RLIM_INFINITY if size is None else size
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main(json.loads(sys.argv[1]))
