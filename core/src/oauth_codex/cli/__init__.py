"""The command line, `oauth-codex`: see `oauth-codex --help`."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the process was started with; ends the process with 0 (done), 1 (failed) or 2 (wrong use)."""
    # Text that the terminal's encoding lacks is shown as an escape, it does not end the program.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from .app import app

    app(prog_name="oauth-codex")
