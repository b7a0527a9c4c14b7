"""Runs the examples of one page in the current directory, in a process of its own, as a reader would.

Reads `[[kind, line, source], ...]` as JSON from standard input, `kind` being `python`, `console` or `server`. Writes what each of them
printed, as a JSON array, to the file that is the one argument. The blocks of Python share one namespace. A server runs until the
page ends, on a free port, which then stands for the one that the page names.
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
import time
from pathlib import Path
from typing import Any


def run(kind: str, line: int, source: str, namespace: dict[str, Any]) -> str:
    """What a block prints."""
    if kind == "python":
        printed = io.StringIO()
        code = compile("\n" * (line - 1) + source, "<page>", "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        return printed.getvalue()
    command = shlex.split(source)
    assert command[0] == "oauth-codex", source
    done = subprocess.run(
        [sys.executable, "-m", *("oauth_codex", *command[1:])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"line {line}: `{source}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def serve(source: str, port: int) -> subprocess.Popen[bytes]:
    """A server that listens."""
    name, *arguments = shlex.split(source)
    program = Path(sys.executable).with_name(name)
    server = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return server
        time.sleep(0.05)
    server.kill()
    raise SystemExit(f"`{source}` does not listen; it ended with {server.wait()}.")


def main() -> None:
    """Run all blocks."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free: int = probe.getsockname()[1]
    named: re.Match[str] | None = None
    printed: list[str] = []
    with contextlib.ExitStack() as until_the_end:
        for kind, line, source in json.load(sys.stdin):
            if kind == "server":
                named = re.search(r"(?<=--port )\d+", source)
            command = source if named is None else source.replace(named[0], str(free))
            if kind == "server":
                server = serve(command, free)
                until_the_end.callback(server.wait)
                until_the_end.callback(server.terminate)
                printed.append("")
            else:
                printed.append(run(kind, line, command, namespace))
    Path(sys.argv[1]).write_text(json.dumps(printed))


main()
