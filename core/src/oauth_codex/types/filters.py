"""Attribute filters: their two shapes, how raw ones are read, and the reference semantics.

A driver or the catalog may evaluate a filter in any way, but it must select the same files as `matches`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from ..errors import ParameterValidationError
from ..messages import (
    lone_surrogate,
    missing,
    not_one_of,
    shown,
    string_too_long,
    unknown_parameter,
    wrong_type,
)
from .vector_stores import AttributeValue

ComparisonOperator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
COMPOUNDS = ("and", "or")
#: Bounds on what a filter may ask; deeper or larger ones are refused.
MAX_DEPTH = 16
MAX_NODES = 256


class ComparisonFilter(TypedDict):
    """`{"type": "eq", "key": "lang", "value": "de"}`."""

    type: ComparisonOperator
    key: str
    value: str | float | bool | Sequence[str | float | bool]


class CompoundFilter(TypedDict):
    """`{"type": "and", "filters": [...]}`."""

    type: Literal["and", "or"]
    filters: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of one attribute; `value` is a tuple for `in` and `nin`, else one value."""

    type: str
    key: str
    value: AttributeValue | tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """All (`and`) or at least one (`or`) of the filters."""

    type: str
    filters: tuple[Comparison | Compound, ...]


Filter = Comparison | Compound


def parse_filter(raw: object, param: str = "filters") -> Filter:
    """Read a filter as users write it.

    Raises:
        ParameterValidationError: It is malformed; the message names the place, the value and what is accepted.
    """
    budget = [MAX_NODES]
    return _parse(raw, param, 1, budget)


def _parse(raw: object, at: str, depth: int, budget: list[int]) -> Filter:
    if isinstance(raw, Comparison | Compound):
        raw = raw_filter(raw)
    if not isinstance(raw, Mapping):
        dump = getattr(raw, "model_dump", None)
        if dump is None:
            raise wrong_type(at, raw, "a filter object")
        raw = dump(exclude_unset=True)
        assert isinstance(raw, Mapping)
    if depth > MAX_DEPTH:
        raise ParameterValidationError(
            f"Invalid '{at[:40]}…': filters are nested deeper than {MAX_DEPTH} levels.", param="filters"
        )
    budget[0] -= 1
    if budget[0] < 0:
        raise ParameterValidationError(
            f"Invalid 'filters': more than {MAX_NODES} comparisons and compounds in all.", param="filters"
        )
    kind = raw.get("type")
    if kind is None:
        raise missing(f"{at}.type")
    if kind in COMPOUNDS if isinstance(kind, str) else False:
        return _compound(raw, at, depth, budget)
    if not isinstance(kind, str) or kind not in COMPARISONS:
        raise not_one_of(f"{at}.type", kind, (*COMPARISONS, *COMPOUNDS))
    return _comparison(raw, at)


def _compound(raw: Mapping[Any, Any], at: str, depth: int, budget: list[int]) -> Compound:
    _only(raw, ("type", "filters"), at)
    parts = raw.get("filters")
    if parts is None:
        raise missing(f"{at}.filters")
    if isinstance(parts, str | bytes | Mapping) or not isinstance(parts, Sequence):
        raise wrong_type(f"{at}.filters", parts, "an array of filters")
    if not parts:
        raise ParameterValidationError(
            f"Invalid '{at}.filters': '{raw['type']}' of no filters. Expected at least one filter.",
            param=f"{at}.filters",
        )
    return Compound(
        raw["type"], tuple(_parse(part, f"{at}.filters[{i}]", depth + 1, budget) for i, part in enumerate(parts))
    )


def _comparison(raw: Mapping[Any, Any], at: str) -> Comparison:
    _only(raw, ("type", "key", "value"), at)
    if "key" not in raw:
        raise missing(f"{at}.key")
    if "value" not in raw:
        raise missing(f"{at}.value")
    kind, key, value = raw["type"], raw["key"], raw["value"]
    if not isinstance(key, str):
        raise wrong_type(f"{at}.key", key, "a string")
    check_text(key, f"{at}.key")
    if kind in ("in", "nin"):
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise wrong_type(f"{at}.value", value, f"an array of strings, numbers or booleans for '{kind}'")
        if len(value) > 1000:
            raise ParameterValidationError(
                f"Invalid '{at}.value': {len(value)} values. Expected at most 1000.", param=f"{at}.value"
            )
        return Comparison(kind, key, tuple(_scalar(v, f"{at}.value[{i}]") for i, v in enumerate(value)))
    scalar = _scalar(value, f"{at}.value")
    if kind in ("gt", "gte", "lt", "lte") and isinstance(scalar, bool):
        raise wrong_type(f"{at}.value", scalar, f"a number or a string for '{kind}'")
    return Comparison(kind, key, scalar)


def _scalar(value: object, at: str) -> AttributeValue:
    if not isinstance(value, str | int | float):  # bool is an int
        raise wrong_type(at, value, "a string, number or boolean")
    if isinstance(value, str):
        check_text(value, at)
    elif isinstance(value, float) and not math.isfinite(value):
        raise wrong_type(at, value, "a finite number")
    return value


def check_text(value: str, at: str, limit: int | None = None) -> None:
    """Refuse text that is longer than `limit` characters or cannot be written as UTF-8."""
    if limit is not None and len(value) > limit:
        raise string_too_long(at, len(value), limit)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise lone_surrogate(at) from None


def _only(raw: Mapping[Any, Any], accepted: tuple[str, ...], at: str) -> None:
    for name in raw:
        if name not in accepted:
            if not isinstance(name, str):
                raise wrong_type(at, shown(name), "string keys")
            raise unknown_parameter(f"{at}.{name}", [f"{at}.{known}" for known in accepted])


def raw_filter(parsed: Filter) -> Mapping[str, Any]:
    """A filter as users write it."""
    if isinstance(parsed, Comparison):
        value = list(parsed.value) if isinstance(parsed.value, tuple) else parsed.value
        return {"type": parsed.type, "key": parsed.key, "value": value}
    return {"type": parsed.type, "filters": [raw_filter(part) for part in parsed.filters]}


def matches(wanted: Filter, attributes: Mapping[str, AttributeValue]) -> bool:
    """Whether a file with these attributes is selected: the reference that every driver must agree with.

    A missing key makes `eq gt gte lt lte in` false and `ne nin` true. A boolean never equals a number. Integers and floats compare
    by value. Ordering holds between two numbers or two strings (by code point), and is false between different kinds.
    """
    if isinstance(wanted, Compound):
        results = (matches(part, attributes) for part in wanted.filters)
        return all(results) if wanted.type == "and" else any(results)
    present = wanted.key in attributes
    have = attributes.get(wanted.key)
    match wanted.type:
        case "eq":
            return present and _equal(have, wanted.value)
        case "ne":
            return not (present and _equal(have, wanted.value))
        case "in" | "nin":
            assert isinstance(wanted.value, tuple)
            found = present and any(_equal(have, value) for value in wanted.value)
            return found if wanted.type == "in" else not found
    return present and _ordered(wanted.type, have, wanted.value)


def _equal(have: object, value: object) -> bool:
    return isinstance(have, bool) == isinstance(value, bool) and have == value


def _ordered(operator: str, have: Any, value: Any) -> bool:
    if isinstance(have, bool) or isinstance(value, bool) or isinstance(have, str) != isinstance(value, str):
        return False
    match operator:
        case "gt":
            return bool(have > value)
        case "gte":
            return bool(have >= value)
        case "lt":
            return bool(have < value)
    return bool(have <= value)
