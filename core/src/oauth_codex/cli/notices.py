"""What the package logs, as the user of a command sees it: warnings as one line each, long work as a bar."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.text import Text

from .output import bar, stderr, visible

if TYPE_CHECKING:
    from rich.progress import Progress

_LOGGER = "oauth_codex"


@contextmanager
def shown() -> Iterator[None]:
    """Show on stderr what is logged while a command runs."""
    logger = logging.getLogger(_LOGGER)
    handler = _Handler()
    level = logger.level
    if level == logging.NOTSET or level > logging.INFO:
        logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


class _Handler(logging.Handler):
    """Warnings, and records that carry `progress`, a pair of what is done and the total."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._bar: Progress | None = None
        self._task: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if progress is not None:
            self._advance(*progress)
        elif record.levelno >= logging.WARNING:
            stderr().print(Text.assemble(("Note: ", "bold yellow"), visible(record.getMessage())), soft_wrap=True)

    def _advance(self, done: int, total: int) -> None:
        console = stderr()
        if not console.is_terminal:
            return
        if self._bar is None:
            self._bar = bar(console)
            self._bar.start()
            self._task = self._bar.add_task("Filling the index", total=total)
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def close(self) -> None:
        self._stop()
        super().close()
