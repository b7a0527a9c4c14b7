"""Bodies and queries as they arrive: received within limits of size and patience, then read into fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..errors import ParameterValidationError
from ..messages import shown
from ..spi.wire import unflatten
from . import messages as say
from .replies import ClientGone, Receive, Scope

#: Most bytes of a JSON body, and most parameters of a query or a form.
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_PARAMETERS = 1000


def header(scope: Scope, name: bytes) -> str:
    """The value of a header; empty without it.

    Raises:
        ParameterValidationError: It is there more than once.
    """
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) > 1:
        raise say.duplicate(name.decode())
    return found[0].decode("latin-1").strip() if found else ""


def announced(scope: Scope) -> int | None:
    """The length that the body is announced with."""
    text = header(scope, b"content-length")
    return int(text) if text.isdecimal() and len(text) < 20 else None


def has_body(scope: Scope) -> bool:
    """Whether a body is announced that is not empty."""
    return bool(announced(scope)) or bool(header(scope, b"transfer-encoding"))


async def pieces(receive: Receive, patience: float) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Args:
        receive: Of the request.
        patience: Seconds to wait for each piece.

    Raises:
        ClientGone: The connection ended before the body did.
        Refused: Nothing arrived for so long (408).
    """
    more = True
    while more:
        try:
            async with asyncio.timeout(patience):
                message = await receive()
        except TimeoutError:
            raise say.too_slow(patience) from None
        if message["type"] != "http.request":
            raise ClientGone
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def whole(scope: Scope, receive: Receive, patience: float) -> bytes:
    """A JSON body, received.

    Raises:
        Refused: It is too large (413) or stopped arriving (408).
        ClientGone: The connection ended before the body did.
    """
    if (announced(scope) or 0) > MAX_JSON_BYTES:
        raise say.too_large("The body", MAX_JSON_BYTES)
    held = bytearray()
    async for piece in pieces(receive, patience):
        held += piece
        if len(held) > MAX_JSON_BYTES:
            raise say.too_large("The body", MAX_JSON_BYTES)
    return bytes(held)


def read_json(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a JSON body; no body is no fields.

    Raises:
        BadRequestError: It is no JSON object in UTF-8, or a name stands twice in one of its objects.
    """
    if not body:
        return {}
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise say.wrong_content_type(content_type, "application/json")
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise say.malformed_body(f"it is not UTF-8 text (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise say.malformed_body(f"{error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise say.malformed_body("it is nested too deeply.") from None
    except ParameterValidationError:
        raise
    except ValueError:  # Python reads no integers of thousands of digits
        raise say.malformed_body("it has a number of too many digits.") from None
    if not isinstance(found, dict):
        raise say.malformed_body(f"expected a JSON object, but got {shown(found)}.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise say.duplicate(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _no_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no JSON value", name, 0)


def read_query(scope: Scope) -> dict[str, Any]:
    """The fields of the query.

    Raises:
        BadRequestError: It is not UTF-8 text, has too many parameters, or one of them twice.
    """
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise say.malformed_body("the query is not UTF-8 text, percent-encoded.") from None
    except ValueError:
        raise say.malformed_body(f"the query has more than {MAX_PARAMETERS} parameters.") from None
    return unflatten(pairs)


def add(fields: dict[str, Any], more: Mapping[str, Any], reserved: frozenset[str] = frozenset()) -> None:
    """Add the fields of another part of the request.

    Raises:
        ParameterValidationError: A field is given in two places, or belongs to no request.
    """
    for name, value in more.items():
        if name in fields:
            raise say.duplicate(name)
        if name in reserved:
            raise ParameterValidationError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        fields[name] = value
