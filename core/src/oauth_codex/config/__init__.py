"""Which driver, with which options, and where each value came from: arguments, environment, file, defaults.

Nothing here imports pydantic; tomllib and platformdirs are imported only when a file or a default directory
is needed.
"""

from __future__ import annotations

from .redaction import display, looks_secret, redacted, redacted_text
from .resolving import resolve
from .settings import Selection, Setting, describe

__all__ = [
    "Selection",
    "Setting",
    "describe",
    "display",
    "looks_secret",
    "redacted",
    "redacted_text",
    "resolve",
]
