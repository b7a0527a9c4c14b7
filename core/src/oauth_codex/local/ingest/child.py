"""The parent's side of a process that prepares files: started when it is first needed, killed when a file takes too long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .frames import read_frame, unpacked, write_frame

if TYPE_CHECKING:
    from sqlalchemy import Row

    from ...spi.embedder import Embedder
    from .prepare import Prepared, Refused

#: Seconds, and bytes of address space, that one file may take.
MOST_SECONDS = 300.0
MOST_MEMORY = 2 * 1024**3
MODULE = "oauth_codex.local.ingest.process"
#: Seconds that a process may take to become ready.
_START_SECONDS = 60.0
#: Bytes of what a process complained of that are shown.
_COMPLAINT = 300


class Failed(Exception):
    """A file could not be prepared this time; the message says why."""


class CannotStart(Exception):
    """There is no process, for a reason that no file is to blame for."""


class Stopped(Exception):
    """The process was stopped while it worked, in an orderly way."""


class Child:
    """One process, used by one thread at a time; `stop` may come from any."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        seconds: float = MOST_SECONDS,
        memory: int | None = MOST_MEMORY,
        module: str = MODULE,
    ) -> None:
        """Nothing is started before it is used.

        Args:
            embedder: Makes the vectors, if another process can make the same one.
            seconds: Time that one file may take.
            memory: Most bytes of address space; None for no limit. Windows has none.
            module: What is run, if it is not the built-in one.
        """
        recipe = getattr(embedder, "recipe", None)
        #: Whether the process makes the vectors too.
        self.embeds = recipe is not None
        self._options = json.dumps({"memory": memory, "embedder": recipe and [*recipe, embedder.fingerprint]})
        self._module = module
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: Any = None
        self._deadline: float | None = None
        self._late = False
        self._stopped = threading.Event()

    @property
    def possible(self) -> bool:
        """Whether this Python can be run once more; one that is frozen into a program cannot."""
        return bool(sys.executable) and not getattr(sys, "frozen", False)

    def prepare(self, rows: Sequence[Row[Any]], contents: Sequence[bytes]) -> Iterator[Prepared | Refused | Failed]:
        """Prepare files: one result each, in their order; `Failed` for one that took the process down, and the others go on.

        Raises:
            Stopped: `stop` was called.
            CannotStart: No process can be started.
        """
        done = 0
        while done < len(rows):
            process = self._running()
            try:
                for found in self._ask(process, rows[done:], contents[done:]):
                    done += 1
                    yield found
            except _Gone:
                done += 1
                yield self._why(process)

    def _begin(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a new process is ready."""
        assert process.stdout is not None
        self._deadline = time.monotonic() + _START_SECONDS
        frame = read_frame(process.stdout)  # type: ignore[arg-type]
        self._deadline = None
        if frame is None:
            raise CannotStart(f"No process that reads files can be started: {self._why(process)}")

    def _ask(
        self, process: subprocess.Popen[bytes], rows: Sequence[Row[Any]], contents: Sequence[bytes]
    ) -> Iterator[Prepared | Refused | Failed]:
        assert process.stdin is not None
        assert process.stdout is not None
        files = [(row.filename, row.chunk_tokens, row.overlap_tokens) for row in rows]
        try:
            write_frame(process.stdin, {"files": files}, contents)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise _Gone from None
        for content in contents:
            # Only while somebody waits: the process works ahead, and then waits itself until its answers are taken.
            self._deadline = time.monotonic() + self._seconds
            try:
                frame = read_frame(process.stdout)  # type: ignore[arg-type]
            finally:
                self._deadline = None
            if frame is None:
                raise _Gone
            if "failed" in frame[0]:
                yield Failed(f"The file could not be processed: {frame[0]['failed']}.")
                if frame[0].get("last"):
                    process.wait()
                    return
            else:
                yield unpacked(frame, content)

    def _why(self, process: subprocess.Popen[bytes]) -> Failed:
        """What became of a process that is gone."""
        process.kill()
        status = process.wait()
        said = self._complaint()
        self._let_go()
        if self._stopped.is_set():
            raise Stopped
        if self._late:
            return Failed(f"The file took longer than {self._seconds:g} seconds, and its process was stopped.")
        if status < 0:
            return Failed(f"The process that read the file was killed ({_signal_name(-status)}).")
        return Failed(f"The process that read the file ended with status {status}{said and f': {said}'}.")

    def _complaint(self) -> str:
        """The last line that the process wrote where errors go."""
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - 4 * _COMPLAINT))
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:_COMPLAINT] if lines else ""

    def make_ready(self) -> None:
        """Start the process before it is needed; if that is not possible, whoever needs it is told."""
        if self._process is None and self.possible:
            with suppress(CannotStart, Stopped):
                self._running()

    def stop(self) -> None:
        """Kill the process; what waits for it ends with `Stopped`."""
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()

    def rest(self) -> None:
        """Let the process end, because there is nothing to do; the next use starts another."""
        if self._process is not None:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
            self._let_go()

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, started if need be."""
        with self._lock:
            if self._stopped.is_set():
                raise Stopped
            process = self._process
            if process is not None and process.poll() is None:
                return process
            if process is not None:
                self._let_go()
            self._late = False
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _let_go
            command = [sys.executable, "-P", "-m", self._module, self._options]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._stderr}
            try:
                process = self._process = subprocess.Popen(command, **pipes, env=_environment())
            except OSError as error:
                self._stderr.close()
                raise CannotStart(f"No process that reads files can be started: {error}") from error
        watching = threading.Thread(target=self._watch, args=(process,), name="oauth-codex-time-limit", daemon=True)
        watching.start()
        self._begin(process)
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process when a file takes too long."""
        tick = min(1.0, self._seconds / 4)
        while True:
            try:
                process.wait(tick)
            except subprocess.TimeoutExpired:
                deadline = self._deadline
                if deadline is not None and time.monotonic() > deadline and process is self._process:
                    self._late = True
                    process.kill()
            else:
                return

    def _let_go(self) -> None:
        """Close what belonged to a process that has ended."""
        process, self._process = self._process, None
        assert process is not None
        streams: list[Any] = [process.stdin, process.stdout, self._stderr]
        for stream in streams:
            with suppress(BrokenPipeError):  # what was still to be written to a process that is gone
                stream.close()


class _Gone(Exception):
    """The process has ended."""


def _environment() -> dict[str, str]:
    """The environment of this process, in which another one imports what this one does; one thread a library is enough."""
    here = str(Path(__file__).resolve().parents[3])
    places = [here, *(place for place in sys.path if place)]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        found.setdefault(name, "1")
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
