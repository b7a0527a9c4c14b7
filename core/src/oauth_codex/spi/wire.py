"""A validated request as it stands on the wire: path, query, JSON body or form. Only what the caller gave is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from .. import messages as say
from ..errors import ParameterValidationError
from ..types.filters import Comparison, Compound
from ..types.vector_stores import StaticChunking
from .operations import Operation
from .requests import FileCreate, Request
from .values import BatchFile, RankingOptions

#: Fields of requests that belong to the call, or to the part of a form that holds the file.
_NOT_SENT: Final = frozenset({"options", "resume", "brief", "content", "filename", "content_type"})
_BRACKETED: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
#: Brackets in one name of a form or a query.
MAX_BRACKETS: Final = 4
#: Beyond every number that an attribute may have, and short enough for every library to write and read.
_BEYOND: Final = 10**309


def path(operation: Operation, values: Request | Mapping[str, object]) -> str:
    """The path below the base address, its ids percent-encoded."""
    found = values if isinstance(values, Mapping) else vars(values)
    parts = operation.path.split("/")
    return "/".join(quote(str(found[part[1:-1]]), safe="") if part.startswith("{") else part for part in parts)


def query(operation: Operation, request: Request) -> dict[str, str]:
    """The query of a GET or DELETE; empty for other methods."""
    if operation.method == "POST":
        return {}
    return {name: text(value) for name, value in _given(operation, request).items() if value is not None}


def body(operation: Operation, request: Request) -> dict[str, Any] | None:
    """The JSON body of a POST; None where the operation has no fields beside its path, or sends a form."""
    if operation.method != "POST" or operation.multipart:
        return None
    known = set(type(request).model_fields) - _NOT_SENT - _in_path(operation)
    return _given(operation, request) if known else None


def form(operation: Operation, request: Request) -> dict[str, str]:
    """The text fields of a multipart body, nested ones as `expires_after[anchor]`; the file is not among them."""
    return dict(_flat(_given(operation, request)))


def unflatten(pairs: Iterable[tuple[str, object]]) -> dict[str, Any]:
    """The fields that a form or a query string stands for: `a[b]` is a field of an object, `a[]` an entry of an array.

    Raises:
        ParameterValidationError: A name is malformed, given twice, or means two things.
    """
    fields: dict[str, Any] = {}
    for name, value in pairs:
        found = _BRACKETED.fullmatch(name)
        keys = re.findall(r"\[([^\[\]]*)\]", found[2]) if found else []
        if found is None or len(keys) > MAX_BRACKETS or "" in keys[:-1]:
            raise ParameterValidationError(
                f"Invalid name of a parameter: {say.shown(name)}. Expected 'name', 'name[]' or 'name[key]'.",
                param=name[:80],
            )
        _put(fields, [found[1], *keys], value, name)
    return fields


def _put(fields: dict[str, Any], keys: list[str], value: object, name: str) -> None:
    *outer, last = keys
    repeated = ParameterValidationError(
        f"Duplicate parameter: {say.shown(name)} is given more than once, or as two kinds of value.",
        param=name[:80],
        code="duplicate_parameter",
    )
    at: Any = fields
    if last == "":
        *outer, last = outer
    for key in outer:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise repeated
    if keys[-1] == "":
        entries = at.setdefault(last, [])
        if not isinstance(entries, list):
            raise repeated
        entries.append(value)
    elif last in at:
        raise repeated
    else:
        at[last] = value


def _in_path(operation: Operation) -> set[str]:
    return {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}


def _given(operation: Operation, request: Request) -> dict[str, Any]:
    """The fields of query or body that were given, as JSON values."""
    in_path = _in_path(operation)
    return {
        name: _plain(request, name, getattr(request, name))
        for name in (*type(request).model_fields, *(request.model_extra or ()))
        if name in request.model_fields_set and name not in _NOT_SENT and name not in in_path
    }


def _plain(request: Request, name: str, value: Any) -> Any:
    """A value of a request as it was before validation gave it its own shape."""
    match name, value:
        case "chunking_strategy", None:
            return {"type": "auto"}
        case "expires_after", int():
            if isinstance(request, FileCreate):
                return {"anchor": "created_at", "seconds": value}
            return {"anchor": "last_active_at", "days": value}
        case "query", (only,):
            return only
        case _, StaticChunking():
            return {"type": "static", "static": value.model_dump()}
        case _, Comparison() | Compound():
            return _filter(value)
        case _, RankingOptions():
            return value.model_dump(exclude_defaults=True)
        case _, tuple():
            return [_entry(request, entry) for entry in value]
    return value


def _filter(found: Comparison | Compound) -> dict[str, Any]:
    """A filter as users write it. An integer of thousands of digits is sent as a shorter one, which selects the same."""
    if isinstance(found, Compound):
        return {"type": found.type, "filters": [_filter(part) for part in found.filters]}
    value = [_short(each) for each in found.value] if isinstance(found.value, tuple) else _short(found.value)
    return {"type": found.type, "key": found.key, "value": value}


def _short(value: Any) -> Any:
    return max(-_BEYOND, min(value, _BEYOND)) if type(value) is int else value


def _entry(request: Request, entry: Any) -> Any:
    if not isinstance(entry, BatchFile):
        return entry
    fields = {name: getattr(entry, name) for name in BatchFile.model_fields}
    return {name: _plain(request, name, value) for name, value in fields.items() if value is not None}


def _flat(fields: Mapping[str, Any], outer: str = "") -> Iterable[tuple[str, str]]:
    for key, value in fields.items():
        name = f"{outer}[{key}]" if outer else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif isinstance(value, list | tuple):
            raise say.wrong_type(name, value, "a text, a number, a boolean or an object of these: it is sent in a form")
        elif value is not None:
            yield name, text(value)


def text(value: object) -> str:
    """A value as it stands in a query or a form."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
