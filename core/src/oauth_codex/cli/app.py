"""The application: its commands, and what happens when one of them fails.

Exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted, 141 the reader of the output is gone.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from .. import __version__
from ..errors import OAuthCodexError
from . import notices
from .common import Failure
from .output import print_json, stderr, stdout, visible

# The class lies in typer or in click, as typer's version has it.
UsageError: Any = typer.BadParameter.__mro__[1]

INTERRUPTED, READER_GONE = 130, 141


class Commands(TyperGroup):
    """All commands, each with the same answer to failure: one sentence, or one JSON document, and never a traceback."""

    _as_json = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember whether the answer is to be JSON, even if the rest of the line turns out to be wrong."""
        self._as_json = "--json" in (args[: args.index("--")] if "--" in args else args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            typer.Exit: It failed.
        """
        try:
            with notices.shown():
                answer = super().invoke(ctx)
            sys.stdout.flush()
            return answer
        except KeyboardInterrupt:
            self._report("Interrupted.", {"type": "interrupted"})
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _drop_stdout()
            raise typer.Exit(READER_GONE) from None
        except UsageError as error:
            if not self._as_json:
                raise
            print_json({"error": {"message": error.format_message(), "type": "usage"}})
            raise typer.Exit(2) from None
        except (OAuthCodexError, OSError, Failure) as error:
            self._report(sentence(error), fields(error))
            raise typer.Exit(1) from None

    def _report(self, text: str, details: dict[str, Any]) -> None:
        if self._as_json:
            print_json({"error": {"message": text, **details}})
        else:
            stderr().print(Text.assemble(("Error: ", "bold red"), (visible(text), "red")), soft_wrap=True)


def sentence(error: Exception) -> str:
    """What went wrong and, where that is known, what mends it."""
    if isinstance(error, OAuthCodexError):
        text = str(getattr(error, "user_message", error))
        return " ".join([text, *getattr(error, "__notes__", [])])
    if isinstance(error, OSError) and error.strerror:
        where = f" {os.fsdecode(error.filename)!r}" if isinstance(error.filename, str | bytes) else ""
        return f"Cannot read or write{where}: {error.strerror}."
    return str(error)


def fields(error: Exception) -> dict[str, Any]:
    """The details of an error that a program may act on."""
    details = {"type": type(error).__name__}
    for name in ("code", "param", "status_code", "key", "request_id"):
        value = getattr(error, name, None)
        if value is not None:
            details[name] = value
    return details


def _drop_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: oauth-codex demo",
)


def _version(wanted: bool) -> None:
    if wanted:
        stdout().print(f"oauth-codex {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Search your files with the OpenAI vector store API, on your own machine.

    Without options everything is kept in one SQLite file in your data directory, offline.
    """


def _register() -> None:
    from . import demo, driver_new, drivers, ingest, maintenance, migrate, reembed, search, serve, stores, sync, worker

    for module in (demo, ingest, search, stores, serve, worker, sync, maintenance, migrate, reembed, drivers):
        for name, function in module.COMMANDS.items():
            app.command(name)(function)
    app.add_typer(driver_new.app, name="driver")


_register()
