"""What is secret, and how a value is shown without its secrets.

Redaction errs on the side of hiding: a message that hides too much is still a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..messages import shown

HIDDEN = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
#: `api_key_env` and `token_file` say where a secret is; they are not secrets.
_POINTERS = frozenset({"env", "file", "path"})
_SECRET_WORDS = frozenset(
    {"password", "passwd", "pwd", "secret", "secrets", "credential", "credentials"}
    | {"authorization", "cookie", "apikey", "passphrase"}
)
#: Secret only at the end: `api_key` and `access_token`, but not `key_column` and `token_limit`.
_SECRET_ENDINGS = frozenset({"key", "keys", "token"})
_HEADER_WORDS = frozenset({"header", "headers"})

_USER_PART = re.compile(r"://\S*@")
_ASSIGNMENT = re.compile(
    r"""(?ix) \b ([\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key)) \s*=\s*
    ('[^']*' | "[^"]*" | [^\s&;,'"]+)"""
)
_TOKEN = re.compile(r"(?:\b(?:sk|pk|rk|ghp|gho|xox[a-z])[-_]|\beyJ)[\w.-]{8,}|\b(?:Bearer|Basic)\s+\S+")


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def looks_secret(name: str) -> bool:
    """Whether an option of that name holds a secret: `api_key` does, `api_key_env` and `max_tokens` not."""
    words = _words(name)
    if not words or words[-1] in _POINTERS:
        return False
    return words[-1] in _SECRET_ENDINGS or not _SECRET_WORDS.isdisjoint(words)


def redacted(name: str, value: Any) -> Any:
    """The value of an option with its secrets replaced, nested tables and lists included."""
    if looks_secret(name):
        return HIDDEN
    if not _HEADER_WORDS.isdisjoint(_words(name)) and isinstance(value, str | bytes | Mapping):
        return dict.fromkeys(value, HIDDEN) if isinstance(value, Mapping) else HIDDEN
    if isinstance(value, Mapping):
        return {key: redacted(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(name, item) for item in value]
    return redacted_text(value) if isinstance(value, str) else value


def redacted_text(text: str) -> str:
    """Text without the user part of addresses, `password=...` and what is plainly a token."""
    text = _USER_PART.sub(f"://{HIDDEN}@", text)
    text = _ASSIGNMENT.sub(rf"\1={HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)


def has_password(text: str) -> bool:
    """Whether an address or a connection string carries a password."""
    return re.search(r"://[^\s/@:]*:\S+@", text) is not None or _ASSIGNMENT.search(text) is not None


def display(name: str, value: Any) -> str:
    """The value of an option as it may stand in a message: without secrets, and short."""
    return HIDDEN if looks_secret(name) else redacted_text(shown(redacted(name, value)))
