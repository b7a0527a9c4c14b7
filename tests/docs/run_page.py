"""Runs the examples of one page in the current directory, in a process of its own, as a reader would.

Reads `[[kind, line, source], ...]` as JSON from standard input, `kind` being `python`, `console` or `server`. Writes what each of them
printed, as a JSON array, to the file that is the one argument. The blocks of Python share one namespace. A server runs until the
page ends, on a free port, which stands for the one that the page names, in all that follows and in what is printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Where a server listens that is not told.
DEFAULT_PORT = "8000"


def program(source: str) -> list[str]:
    """A command line of the page, with the programs of this environment."""
    name, *arguments = shlex.split(source)
    if name == "oauth-codex":
        return [sys.executable, "-m", "oauth_codex", *arguments]
    return [str(Path(sys.executable).with_name(name)), *arguments]


def run(kind: str, line: int, source: str, namespace: dict[str, Any]) -> str:
    """What a block prints."""
    if kind == "python":
        printed = io.StringIO()
        code = compile("\n" * (line - 1) + source, "<page>", "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        return printed.getvalue()
    done = subprocess.run(program(source), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"line {line}: `{source}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Ports:
    """Free ports for those that the page names."""

    def __init__(self) -> None:
        self._free: dict[str, str] = {}

    def reserve(self, source: str) -> str:
        """The free port for the one that a server is to listen on."""
        named = re.search(r"--port (\d+)", source)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = str(probe.getsockname()[1])
        return self._free.setdefault(named[1] if named else DEFAULT_PORT, free)

    def real(self, text: str) -> str:
        """A text of the page, with the free ports."""
        return _replaced(text, self._free)

    def named(self, text: str) -> str:
        """What was printed, with the ports of the page."""
        return _replaced(text, {free: named for named, free in self._free.items()})


def _replaced(text: str, words: dict[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(words)})\b", lambda found: words[found[0]], text) if words else text


def serve(source: str, port: str, until_the_end: contextlib.ExitStack) -> Callable[[], str]:
    """Start a server and wait until it listens.

    Returns:
        A function that tells what it printed, once it has been stopped.
    """
    command = program(source)
    if "--port" not in command:
        command += ["--port", port]
    output = tempfile.TemporaryFile("w+")  # noqa: SIM115  (read when the server has stopped)
    server = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
    until_the_end.callback(server.wait)
    until_the_end.callback(server.terminate)

    def printed() -> str:
        with output:
            output.seek(0)
            return output.read()

    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
            return printed
        time.sleep(0.05)
    server.kill()
    raise SystemExit(f"`{source}` does not listen; it ended with {server.wait()}.")


def main() -> None:
    """Run all blocks."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    ports = Ports()
    printed: list[str | Callable[[], str]] = []
    with contextlib.ExitStack() as until_the_end:
        for kind, line, source in json.load(sys.stdin):
            if kind == "server":
                port = ports.reserve(source)
                printed.append(serve(ports.real(source), port, until_the_end))
            else:
                printed.append(run(kind, line, ports.real(source), namespace))
    told = [ports.named(each if isinstance(each, str) else each()) for each in printed]
    Path(sys.argv[1]).write_text(json.dumps(told))


main()
