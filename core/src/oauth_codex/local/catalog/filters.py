"""Attribute filters over the `attributes` table, with exactly the meaning of `types.filters.matches`.

Each comparison is one indexed statement of a fixed shape; the sets that they give are combined here. So nesting never becomes
nested SQL, the database compiles each shape once, and it is always the index that is read. `ne` and `nin` are complements, kept as
the set that they exclude. Where one part of a conjunction selects few files, only the attributes of those are looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeGuard

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, select

from ...types.filters import Comparison, Compound, Filter, matches
from ...types.vector_stores import AttributeValue
from .attachments import kind_of
from .catalog import as_json, each, gathered, unindexed
from .tables import attachments
from .tables import attributes as table

#: Up to this many files are looked at one by one.
FEW = 500
#: Values of one `IN`; longer lists take several statements.
_AT_ONCE = 500
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1

Bound = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Matches:
    """A set of attachments, or (`complement`) all of a store but those."""

    ids: set[int]
    complement: bool = False


def matching(connection: Connection, namespace: str, store_id: int, wanted: Filter) -> Matches:
    """The attachments of a store whose attributes a filter selects, whatever their status."""
    here = {"namespace": namespace, "store_id": store_id}
    few = _few(connection, here, wanted)
    if few is None:
        return _evaluate(connection, here, wanted)
    if isinstance(wanted, Compound):
        rows = connection.execute(_ATTRIBUTES, {**here, "ids": as_json(list(few))}).all()
        return Matches(
            {row.id for row in rows if matches(wanted, json.loads(row.attributes) if row.attributes else {})}
        )
    return Matches(few)


def _few(connection: Connection, here: dict[str, Any], wanted: Filter) -> set[int] | None:
    """A superset, of at most `FEW` attachments, of what a filter selects; None if no part of the filter gives one at once."""
    for part in sorted(_conjuncts(wanted), key=lambda part: _LIKELY_FEW[part.type]):
        if part.type in ("ne", "nin"):
            continue
        found: set[int] = set()
        for ids in _leaf(connection, here, part, FEW + 1):
            found.update(ids)
            if len(found) > FEW:
                break
        else:
            return found
    return None


def _conjuncts(wanted: Filter) -> Iterator[Comparison]:
    """The comparisons that must all hold."""
    if isinstance(wanted, Comparison):
        yield wanted
    elif wanted.type == "and" or len(wanted.filters) == 1:
        for part in wanted.filters:
            yield from _conjuncts(part)


def _evaluate(connection: Connection, here: dict[str, Any], wanted: Filter) -> Matches:
    if isinstance(wanted, Comparison):
        ids: set[int] = set()
        for found in _leaf(connection, here, wanted, -1):
            ids.update(found)
        return Matches(ids, wanted.type in ("ne", "nin"))
    parts = [_evaluate(connection, here, part) for part in wanted.filters]
    if wanted.type == "and":
        return _all(parts)
    return _not(_all([_not(part) for part in parts]))


def _not(part: Matches) -> Matches:
    return Matches(part.ids, not part.complement)


def _all(parts: Sequence[Matches]) -> Matches:
    excluded: set[int] = set().union(*(part.ids for part in parts if part.complement))
    included = sorted((part.ids for part in parts if not part.complement), key=len)
    if not included:
        return Matches(excluded, complement=True)
    return Matches(included[0].intersection(*included[1:]) - excluded)


def _leaf(connection: Connection, here: dict[str, Any], wanted: Comparison, most: int) -> Iterator[list[int]]:
    """Attachments whose attribute compares as wanted, or for `ne` and `nin` as not wanted; of each part at most `most`."""
    values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
    operator = wanted.type if wanted.type in _ORDERS else "in"
    for kind in ("s", "n", "b"):
        same = [value for value in values if kind_of(value) == kind]
        if not same:
            continue
        common = {**here, "key": wanted.key, "kind": kind, "most": most}
        if operator == "in":
            exact = _storable(same)
            for start in range(0, len(exact), _AT_ONCE):
                chosen = exact[start : start + _AT_ONCE]
                if len(chosen) == 1:
                    yield _ids(connection, _compare(kind, "eq"), {**common, "value": chosen[0]})
                else:
                    yield _ids(connection, _compare(kind, "in"), {**common, "values": chosen})
        else:
            order, value = _bound(operator, same[0])
            yield _ids(connection, _compare(kind, order), {**common, "value": value})


def _ids(connection: Connection, statement: Select[Any], values: dict[str, Any]) -> list[int]:
    found: list[int] = json.loads(connection.execute(statement, values).scalar_one())
    return found


def _storable(values: Iterable[AttributeValue]) -> list[AttributeValue]:
    """The values that a stored one can equal: an integer beyond 64 bits equals at most a float."""
    found: dict[AttributeValue, None] = {}
    for value in values:
        if not _is_beyond(value):
            found[value] = None
        elif _nearest(value) == value:
            found[_nearest(value)] = None
    return list(found)


def _is_beyond(value: AttributeValue) -> TypeGuard[int]:
    """Whether a value is an integer that does not fit into 64 bits."""
    return isinstance(value, int) and not _SMALLEST <= value <= _LARGEST


def _bound(operator: str, value: AttributeValue) -> Bound:
    """A comparison that holds for the same stored values as `operator value`, and whose value fits the database.

    Beyond 64 bits only floats are stored, so an integer there is replaced by the nearest float, on the side that keeps the meaning.
    """
    if not _is_beyond(value):
        return operator, value
    near = _nearest(value)
    if near > value:
        operator = "gte" if operator in ("gt", "gte") else "lt"
    elif near < value:
        operator = "gt" if operator in ("gt", "gte") else "lte"
    return operator, near


def _nearest(value: int) -> float:
    """The float that is nearest to an integer; infinite for one beyond all floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@cache
def _compare(kind: str, operator: str) -> Select[Any]:
    column: ColumnElement[Any] = table.c.text_value if kind == "s" else table.c.number_value
    value = bindparam("value", type_=column.type)
    statement = select(table.c.attachment_id).where(
        table.c.namespace == bindparam("namespace"),
        table.c.store_id == bindparam("store_id"),
        table.c.key == bindparam("key"),
    )
    if kind != "s":
        statement = statement.where(table.c.kind == bindparam("kind"))
    condition: ColumnElement[bool]
    match operator:
        case "in":
            condition = column.in_(bindparam("values", expanding=True, type_=column.type))
        case "eq":
            condition = column == value
        case "gt":
            condition = column > value
        case "gte":
            condition = column >= value
        case "lt":
            condition = column < value
        case _:
            condition = column <= value
    return gathered(statement.where(condition).limit(bindparam("most", type_=Integer)))


_ORDERS = ("gt", "gte", "lt", "lte")
#: Which comparison of a conjunction is tried first.
_LIKELY_FEW = {"eq": 0, "in": 1, "gt": 2, "gte": 2, "lt": 2, "lte": 2, "ne": 3, "nin": 3}
_ATTRIBUTES = select(attachments.c.id, attachments.c.attributes).where(
    attachments.c.id.in_(each("ids")),
    unindexed(attachments.c.namespace) == bindparam("namespace"),
    unindexed(attachments.c.store_id) == bindparam("store_id"),
)
