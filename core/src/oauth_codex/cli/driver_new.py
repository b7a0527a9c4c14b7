"""`oauth-codex driver new`: a driver to start from, which works."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from .common import Failure
from .output import print_json, say, visible

#: Names of drivers of this project that are still to come.
_PLANNED = frozenset(("openai", "postgres"))
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40
#: File of the new folder, the template of which it is made, and what it is for.
_FILES = (
    ("pyproject.toml", "pyproject.toml", "name, requirements and the entry point that makes the driver known"),
    ("README.md", "README.md", "what its users read first"),
    ("src/{package}/__init__.py", "package.py", "the record: what the driver is called and can do"),
    ("src/{package}/options.py", "options.py", "what its users may set"),
    ("src/{package}/backend.py", "backend.py", "opens it"),
    ("src/{package}/index.py", "index.py", "finds the nearest vectors: the part to replace"),
    ("src/{package}/py.typed", None, "says that the package is typed"),
    ("tests/test_conformance.py", "conformance.py", "runs the conformance kit"),
)


@dataclass(frozen=True)
class _Driver:
    name: str

    @property
    def distribution(self) -> str:
        return f"oauth-codex-{self.name}"

    @property
    def package(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("-"))


def new(
    name: Annotated[str, typer.Argument(help="Name under which programs select it: backend=NAME.", metavar="NAME")],
    into: Annotated[Path, typer.Option(help="Where to make the folder.", metavar="DIR")] = Path(),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Write a new driver: a folder with a small, complete, tested package that you change step by step."""
    made = _Driver(_checked(name))
    folder = into / made.distribution
    written = _write(made, folder)
    where = shlex.quote(str(folder))
    commands = (
        f"python -m pip install --editable {shlex.quote(f'{folder}[test]' if folder.is_absolute() else f'./{folder}[test]')}",
        f"python -m pytest {where}",
        "oauth-codex drivers",
    )
    if json:
        print_json(
            {
                "object": "driver",
                "name": made.name,
                "distribution": made.distribution,
                "package": made.package,
                "folder": str(folder),
                "files": [path for path, _ in written],
                "next": list(commands),
            }
        )
        return
    say(f"New driver {made.name} in {visible(str(folder))}:")
    width = max(len(path) for path, _ in written)
    say(*(f"  {path.ljust(width)}  {purpose}" for path, purpose in written))
    say("", "It works already. Install it with the conformance kit, run the kit, and see it listed:")
    say(*(f"  {visible(command)}" for command in commands))


def _checked(name: str) -> str:
    """The name, if a driver may have it.

    Raises:
        typer.BadParameter: It cannot be a name.
        Failure: It is taken.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise typer.BadParameter(
            f"{name!r} cannot be the name of a driver. Expected lower-case letters and digits, a letter first, with single"
            f" hyphens between them, at most {_LONGEST} characters: 'acme' or 'acme-store'.",
            param_hint="NAME",
        )
    from ..registry import installed_drivers
    from ..registry.kinds import DRIVERS

    if name in DRIVERS.own or name in _PLANNED:
        raise Failure(f"{name!r} is the name of a driver of oauth-codex itself. Choose another.")
    for each in installed_drivers():
        if each.name == name and each.distribution != _Driver(name).distribution:
            raise Failure(
                f"A driver {name!r} is installed already, by {each.distribution} {each.version}. Choose another name."
            )
    return name


def _write(made: _Driver, folder: Path) -> Sequence[tuple[str, str]]:
    """Write all files, or leave nothing behind; their paths in the folder, and what each is for.

    Raises:
        Failure: The folder exists.
    """
    words = {"name": made.name, "distribution": made.distribution, "package": made.package, "title": made.title}
    templates = files(__package__) / "templates"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        raise Failure(f"{str(folder)!r} exists already. Remove it, or give another place with --into.") from None
    written = []
    try:
        for pattern, template, purpose in _FILES:
            path = pattern.format(package=made.package)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            text = (templates / f"{template}.txt").read_text(encoding="utf-8") if template else ""
            (folder / path).write_text(Template(text).substitute(words), encoding="utf-8")
            written.append((path, purpose))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written


app = typer.Typer(no_args_is_help=True, help="Write a driver of your own.")
app.command("new")(new)
