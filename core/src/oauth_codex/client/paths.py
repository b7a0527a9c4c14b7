"""Addresses of the REST API, as `client.request` takes them, matched against the operations table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from .. import messages as say
from ..errors import NotSupportedError, ParameterValidationError
from ..spi.operations import OPERATIONS, Operation

#: For each method, the templates taken apart: `/files/{file_id}` is `("files", "{file_id}")`.
_ROUTES = [(operation.method, tuple(operation.path.strip("/").split("/")), operation) for operation in OPERATIONS]


def match(method: str, path: str) -> tuple[Operation, dict[str, object]]:
    """The operation that an address means, and the fields in its path and query string.

    Raises:
        ParameterValidationError: It is no path below the base address.
        NotSupportedError: There is no such path, or it does not take this method.
    """
    plain, _, query = path.partition("?")
    _check(plain)
    parts = [unquote(part) for part in plain.strip("/").split("/")]
    verb = method.upper()
    for route_method, template, operation in _ROUTES:
        if route_method != verb or len(template) != len(parts):
            continue
        if all(want.startswith("{") or want == have for want, have in zip(template, parts, strict=True)):
            fields: dict[str, object] = {
                want[1:-1]: have for want, have in zip(template, parts, strict=True) if want.startswith("{")
            }
            merge(fields, parse_qsl(query, keep_blank_values=True))
            return operation, fields
    raise NotSupportedError(
        f"{say.shown(verb)[1:-1]} {say.shown(plain)} is no operation of this API:"
        " it offers files, vector_stores, vector_stores.files and vector_stores.file_batches.",
        code="not_supported_on_codex_oauth",
    )


def _check(path: str) -> None:
    decoded = unquote(path)
    wrong = (
        "must begin with one '/'"
        if not path.startswith("/") or path.startswith("//") or decoded.startswith("//")
        else "must not contain '..' or '.' as a step"
        if {".", ".."} & set(decoded.split("/"))
        else "must not contain a backslash"
        if "\\" in decoded
        else "must not contain control characters"
        if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in decoded)
        else "must not contain a fragment"
        if "#" in path
        else None
    )
    if wrong is not None:
        raise ParameterValidationError(
            f"Invalid 'path': {say.shown(path)}. It {wrong}, for instance '/vector_stores/vs_123'.",
            param="path",
        )


def merge(fields: dict[str, object], more: Mapping[str, Any] | list[tuple[str, str]]) -> None:
    """Add fields; one that is there already, with another value, is an error, since one of the two would
    vanish.

    Raises:
        ParameterValidationError: A field is given twice.
    """
    for name, value in more.items() if isinstance(more, Mapping) else more:
        if name in fields and fields[name] != value:
            raise ParameterValidationError(
                f"Parameter {say.shown(name)} is given twice, as {say.shown(fields[name])} and {say.shown(value)}.",
                param=str(name)[:80],
            )
        fields[name] = value
