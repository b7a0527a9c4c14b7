"""What patterns leave out of a folder, by the rules of `.gitignore`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .. import messages as say
from ..errors import ParameterValidationError
from .contents import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec

FILE = ".gitignore"


class Ignored:
    """Patterns that hold below one folder; those of its `.gitignore` files join them as folders are entered.

    The patterns that were given decide first; then the nearest `.gitignore`, and so on up to the root. Within one list the last
    pattern that matches decides. What lies in a folder that is left out is never looked at.

    Args:
        patterns: Patterns that hold below the root.
        files: Whether the `.gitignore` files on the way count.
    """

    def __init__(self, patterns: Iterable[str], *, files: bool = True) -> None:
        self._files = files
        self._given = _compiled(patterns)
        #: By folder, with a slash at its end; the root is the empty string.
        self._found: dict[str, GitIgnoreSpec] = {}

    def enter(self, path: Path, folder: str) -> None:
        """Read the `.gitignore` of a folder.

        Raises:
            OSError: There is one, and it cannot be read: then nobody knows what must be left out.
        """
        if not self._files:
            return
        try:
            with open_regular(path / FILE) as stream:
                lines = stream.read().decode("utf-8", "surrogateescape").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            self._found[folder] = _compiled(lines)
        except ParameterValidationError as error:
            raise OSError(None, f"its {FILE} has a pattern that is none ({error.user_message})") from error

    def leaves_out(self, name: str) -> bool:
        """Whether a path below the root is left out; that of a folder ends with a slash."""
        decision = self._given.check_file(name).include
        folder = name.rstrip("/").rpartition("/")[0]
        folder = f"{folder}/" if folder else ""
        while decision is None:
            spec = self._found.get(folder)
            if spec is not None:
                decision = spec.check_file(name[len(folder) :]).include
            if not folder:
                break
            folder = folder[:-1].rpartition("/")[0]
            folder = f"{folder}/" if folder else ""
        return bool(decision)


def checked(patterns: Any) -> Sequence[str]:
    """Patterns that were given.

    Raises:
        ParameterValidationError: They are no array of strings, or one of them is no pattern.
    """
    if isinstance(patterns, str) or not isinstance(patterns, Iterable):
        raise say.wrong_type("exclude", patterns, "an array of patterns")
    found = list(patterns)
    for each in found:
        if not isinstance(each, str):
            raise say.wrong_type("exclude", each, "a pattern")
    _compiled(found)
    return found


def _compiled(patterns: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # takes longer to load than a call that needs no patterns

    lines = list(patterns)
    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, TypeError) as error:
        raise ParameterValidationError(f"Invalid 'exclude': {error}", param="exclude") from error
