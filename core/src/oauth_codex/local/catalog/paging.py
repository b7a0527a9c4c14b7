"""Keyset pages: a page costs the same wherever it lies in a list, and however long the list is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    tuple_,
    union_all,
)

from ...messages import unknown_cursor
from ...spi.backends import Listing
from ...spi.paging import Position
from ...spi.requests import ListRequest
from . import tombstones

Model = TypeVar("Model")
if TYPE_CHECKING:
    Statement = Select[Any] | CompoundSelect[Any]


class Page(NamedTuple):
    """Rows in the requested order, whether there are more in the direction of travel, and the position of the last."""

    rows: Sequence[Row[Any]]
    has_more: bool
    last: Position | None

    def listing(self, model: Callable[[Row[Any]], Model]) -> Listing[Model]:
        """The page as the interface knows it."""
        return Listing([model(row) for row in self.rows], self.has_more, self.last)


class Paged:
    """A list that can be paged. Made once; its statements are made at first use.

    Args:
        rows: Selects the items, without order; has the columns `created_at` and `id`.
        key: What the list is ordered by: `(created_at, id)`, or `(id,)` where the two orders are the same.
        live: Selects `created_at` and `id` of the item that the parameter `cursor` names.
    """

    def __init__(self, rows: Select[Any], key: Sequence[Column[int]], live: Select[Any]) -> None:
        self._rows = rows
        self._key = key
        self._place: CompoundSelect[Any] = union_all(live, tombstones.PLACE)
        self._pages: dict[tuple[bool, bool, bool], Statement] = {}

    def page(
        self,
        connection: Connection,
        request: ListRequest,
        *,
        default_limit: int,
        namespace: str,
        scope: str,
        values: dict[str, Any] | None = None,
    ) -> Page:
        """One page: one statement, and one for each cursor that is an id.

        `after` gives the items behind it in the requested order, `before` the page that ends just before it, both the window
        between. `has_more` looks in the direction of travel: forward, or backward when there is only `before`.

        Args:
            scope: Scope of the tombstones of this list.
            values: Parameters of the statements that the list was made from.

        Raises:
            ParameterValidationError: A cursor is no item of this list and never was.
        """
        values = {**(values or {}), "namespace": namespace}
        after, before = request.resume, None
        if after is None and request.after is not None:
            after = self._position(connection, "after", request.after, scope, values)
        if request.before is not None:
            before = self._position(connection, "before", request.before, scope, values)
        limit = request.limit or default_limit
        backward = before is not None and after is None
        descending = (request.order or "desc") == "desc"
        for name, position in (("after", after), ("before", before)):
            if position is not None:
                values |= {f"{name}_created_at": position.created_at, f"{name}_id": position.sequence}
        statement = self._statement(descending, after is not None, before is not None)
        rows = connection.execute(statement, {**values, "page_limit": limit + 1}).all()
        has_more = len(rows) > limit
        rows = rows[:limit]
        if backward:
            rows = rows[::-1]
        return Page(rows, has_more, Position(rows[-1].created_at, rows[-1].id) if rows else None)

    def _statement(self, descending: bool, after: bool, before: bool) -> Statement:
        shape = descending, after, before
        found = self._pages.get(shape)
        if found is None:
            rows = self._rows
            if after and before:
                names = ("before_created_at", "before_id")[-len(self._key) :]
                edge, key = tuple_(*(bindparam(name, type_=Integer) for name in names)), tuple_(*self._key)
                rows = rows.where(key > edge if descending else key < edge)
            if before and not after:
                descending = not descending
            if after or before:
                found = self._from(rows, "after" if after else "before", descending)
            else:
                found = self._ordered(rows, self._key, descending)
            self._pages[shape] = found
        return found

    def _from(self, rows: Select[Any], start: str, descending: bool) -> Statement:
        """The rows beyond a position. Of those of its very second, which may be many, only the ones beyond it are read.

        That is why two parts are merged: SQLite serves `(created_at, id) < (?, ?)` by `created_at` alone when `id` is the row id.
        """
        *whole, sequence = self._key
        place = bindparam(f"{start}_id", type_=Integer)
        beyond = sequence < place if descending else sequence > place
        if not whole:
            return self._ordered(rows.where(beyond), self._key, descending)
        (created_at,) = whole
        moment = bindparam(f"{start}_created_at", type_=Integer)
        merged = union_all(
            rows.where(created_at == moment, beyond),
            rows.where(created_at < moment if descending else created_at > moment),
        )
        columns = merged.selected_columns
        return self._ordered(merged, (columns["created_at"], columns["id"]), descending)

    @staticmethod
    def _ordered(rows: Any, key: Sequence[ColumnElement[int]], descending: bool) -> Statement:
        order = [column.desc() if descending else column.asc() for column in key]
        ordered: Statement = rows.order_by(*order).limit(bindparam("page_limit", type_=Integer))
        return ordered

    def _position(
        self, connection: Connection, param: str, cursor: str, scope: str, values: dict[str, Any]
    ) -> Position:
        row = connection.execute(self._place, {**values, "scope": scope, "cursor": cursor}).first()
        if row is None:
            raise unknown_cursor(param, cursor)
        return Position(row.created_at, row.id)
