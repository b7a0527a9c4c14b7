"""Rules about headers: what can be sent, which are not for callers to set, and which may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from oauth_codex import messages as say
from oauth_codex.errors import ParameterValidationError

_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_FRAMING = "it follows from the body of the request"
#: Headers that a caller does not set, and what to use instead.
_GUARDED = {
    "authorization": "give the credentials to the client, by its argument api_key or auth",
    "chatgpt-account-id": "it belongs to the credentials: give the client an httpx.Auth as auth= that sets it",
    "content-type": _FRAMING,
    "content-length": _FRAMING,
    "transfer-encoding": _FRAMING,
    "host": "give the client another base_url=",
}
#: Headers whose values say nothing of anybody.
_PLAIN = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "openai-beta", "user-agent"}
    | {"openai-organization", "openai-project", "transfer-encoding", "x-stainless-retry-count"}
)
_SECRET = re.compile(r"auth|cookie|key|token|secret|pass|credential|signature|session|account", re.IGNORECASE)


def sendable(value: object) -> bool:
    """Whether a text can be a word of a header, as a key is."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable() and " " not in value


def well_formed(name: object, value: object) -> bool:
    """Whether a header can be sent as it stands."""
    if not (isinstance(name, str) and isinstance(value, str) and _TOKEN.fullmatch(name)):
        return False
    return value.isascii() and value.strip() == value and (value == "" or value.isprintable())


def guarded(name: str) -> str | None:
    """What to use instead of a header that callers do not set; None for all others."""
    return _GUARDED.get(name.lower())


def checked(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """The `extra_headers` of a call.

    Raises:
        ParameterValidationError: One cannot be sent, or is not for callers to set. No value is shown.
    """
    for name, value in (headers or {}).items():
        if not well_formed(name, value):
            raise ParameterValidationError(
                f"Invalid 'extra_headers': the header {say.shown(name)} cannot be sent. Expected an HTTP token as its name"
                " and printable ASCII without blanks at the ends as its value.",
                param="extra_headers",
            )
        if (instead := guarded(name)) is not None:
            raise ParameterValidationError(
                f"Invalid 'extra_headers': {name} cannot be one of them; {instead}.", param="extra_headers"
            )
    return headers or {}


def looks_secret(name: str) -> bool:
    """Whether a header or a query parameter of that name is likely to hold a secret."""
    return _SECRET.search(name) is not None


def plain(name: str) -> bool:
    """Whether the value of a header may be shown wherever it came from."""
    return name.lower() in _PLAIN
