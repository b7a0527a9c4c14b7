"""Runs the examples of one page in the current directory, in a process of its own, as a reader would.

Reads `[[kind, line, source], ...]` as JSON from standard input, `kind` being `python` or `console`. Writes what each of them printed,
as a JSON array, to the file that is the one argument. The blocks of Python share one namespace.
"""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import subprocess
import sys
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


def main() -> None:
    """Run all blocks."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = [run(kind, line, source, namespace) for kind, line, source in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(printed))


main()
