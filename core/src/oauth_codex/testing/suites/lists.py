"""The four lists: order, pages and cursors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ...client import OAuthCodexClient
from ..case import Storage
from ..clock import FakeClock
from ..marks import requires, rule
from .base import DriverTests
from .support import raises_code, uploaded

Order = Literal["asc", "desc"]

_BATCH = pytest.param("batch files", marks=requires("file_batches"))
every_list = pytest.mark.parametrize("kind", ["files", "stores", "store files", _BATCH])
#: A batch gets no new files.
growing_list = pytest.mark.parametrize("kind", ["files", "stores", "store files"])
#: `files.list` has no `before`.
list_with_before = pytest.mark.parametrize("kind", ["stores", "store files", _BATCH])


@dataclass(frozen=True)
class Shelf:
    """One list with ten items: three of one second, four of the next, three of the one after.

    Attributes:
        ids: The items, oldest first.
        page: Lists a page.
        remove: Takes an item out of the list.
        add: Puts a new item into it, and returns its id.
    """

    ids: list[str]
    page: Callable[..., Any]
    remove: Callable[[str], object]
    add: Callable[[], str]

    def listed(self, order: Order) -> list[str]:
        """The items in an order."""
        return self.ids if order == "asc" else self.ids[::-1]

    def seen(self, **options: Any) -> list[str]:
        """Ids of one page."""
        return [item.id for item in self.page(**options).data]


class ListTests(DriverTests):
    """Listing files, stores, files of a store and files of a batch."""

    @pytest.fixture(
        params=["files", "stores", "store files", pytest.param("batch files", marks=requires("file_batches"))]
    )
    def kind(self, request: pytest.FixtureRequest) -> str:
        """Which list."""
        return str(request.param)

    @rule("R7")
    @every_list
    def test_order_is_that_of_creation_and_desc_its_reverse(
        self, client: OAuthCodexClient, clock: FakeClock, kind: str
    ) -> None:
        shelf = _shelf(client, clock, kind)
        assert shelf.seen(order="asc") == shelf.ids
        assert shelf.seen(order="desc") == shelf.seen() == shelf.ids[::-1]

    @rule("R7")
    @every_list
    def test_pages_are_disjoint_and_complete(self, client: OAuthCodexClient, clock: FakeClock, kind: str) -> None:
        shelf = _shelf(client, clock, kind)
        orders: tuple[Order, ...] = ("asc", "desc")
        for order in orders:
            for limit in (1, 3, 5, 10):
                seen: list[str] = []
                page = shelf.page(order=order, limit=limit)
                while True:
                    ids = [item.id for item in page.data]
                    assert 0 < len(ids) <= limit
                    assert (page.first_id, page.last_id) == (ids[0], ids[-1])
                    seen += ids
                    assert page.has_more == (len(seen) < 10)
                    if not page.has_more:
                        break
                    page = shelf.page(order=order, limit=limit, after=page.last_id)
                assert seen == shelf.listed(order)
                assert [item.id for item in shelf.page(order=order, limit=limit)] == shelf.listed(order)

    @rule("R7")
    @list_with_before
    def test_before_is_the_page_that_ends_there(self, storage: Storage, clock: FakeClock, kind: str) -> None:
        client = storage.open()
        shelf = _shelf(client, clock, kind)
        orders: tuple[Order, ...] = ("asc", "desc")
        for order in orders:
            listed = shelf.listed(order)
            for at, cursor in enumerate(listed):
                page = shelf.page(order=order, limit=3, before=cursor)
                assert [item.id for item in page.data] == listed[max(0, at - 3) : at]
                assert page.has_more == (at > 3)
            for low, high in ((0, 9), (2, 5), (4, 5), (6, 3)):
                seen = shelf.seen(order=order, limit=4, after=listed[low], before=listed[high])
                assert seen == listed[low + 1 : high][:4]

    @rule("R8")
    @every_list
    def test_list_goes_on_from_a_deleted_item(self, client: OAuthCodexClient, clock: FakeClock, kind: str) -> None:
        shelf = _shelf(client, clock, kind)
        page = shelf.page(limit=4)
        shelf.remove(page.last_id)
        assert shelf.seen(limit=4, after=page.last_id) == shelf.ids[::-1][4:8]
        following = page.get_next_page()
        assert [item.id for item in following.data][:3] == shelf.ids[::-1][4:7]

    @rule("R8")
    @every_list
    def test_deleting_while_iterating_reaches_every_item(
        self, client: OAuthCodexClient, clock: FakeClock, kind: str
    ) -> None:
        shelf = _shelf(client, clock, kind)
        seen = []
        for item in shelf.page(limit=3):
            seen.append(item.id)
            shelf.remove(item.id)
        assert seen == shelf.ids[::-1]
        assert shelf.seen() == []

    @rule("R7")
    @growing_list
    def test_new_items_shift_no_page(self, client: OAuthCodexClient, clock: FakeClock, kind: str) -> None:
        shelf = _shelf(client, clock, kind)
        page = shelf.page(limit=4)
        added = shelf.add()
        assert [item.id for item in page] == shelf.ids[::-1]
        assert shelf.seen(limit=1) == [added]

    @rule("R7", "R6")
    @every_list
    def test_unknown_cursor_is_refused(self, client: OAuthCodexClient, clock: FakeClock, kind: str) -> None:
        shelf = _shelf(client, clock, kind)
        foreign = client.vector_stores.create().id if kind != "stores" else "vs_none"
        for cursor in ("none", foreign):
            with raises_code("invalid_value"):
                shelf.page(after=cursor)
            if kind != "files":
                with raises_code("invalid_value"):
                    shelf.page(before=cursor)

    @rule("R7")
    @every_list
    def test_empty_list_has_no_ids_and_no_more(self, client: OAuthCodexClient, clock: FakeClock, kind: str) -> None:
        shelf = _shelf(client, clock, kind)
        for each in shelf.ids:
            shelf.remove(each)
        page = shelf.page()
        assert (page.data, page.has_more, page["first_id"], page["last_id"]) == ([], False, None, None)
        assert list(page) == []

    @rule("R7", "R14")
    @growing_list
    def test_clock_that_goes_back_breaks_no_list(self, storage: Storage, clock: FakeClock, kind: str) -> None:
        client = storage.open()
        shelf = _shelf(client, clock, kind)
        clock.advance(-3600)
        every = {*shelf.ids, *(shelf.add() for _ in range(3))}
        listed = [item.id for item in shelf.page(limit=2)]
        assert len(listed) == len(every)
        assert set(listed) == every
        assert [item.id for item in shelf.page(limit=5, order="asc")] == listed[::-1]

    @rule("R7", "R23")
    @pytest.mark.parametrize("where", ["store", pytest.param("batch", marks=requires("file_batches"))])
    def test_status_filter_comes_before_the_page(self, client: OAuthCodexClient, where: str) -> None:
        files = uploaded(client, *(b"\0bad" if number % 3 == 0 else b"good" for number in range(9)))
        store = client.vector_stores.create().id
        if where == "batch":
            batch = client.vector_stores.file_batches.create(store, file_ids=files).id

            def page(**options: Any) -> Any:
                return client.vector_stores.file_batches.list_files(
                    batch, vector_store_id=store, order="asc", **options
                )
        else:
            for file in files:
                client.vector_stores.files.create(store, file_id=file)

            def page(**options: Any) -> Any:
                return client.vector_stores.files.list(store, order="asc", **options)

        first = page(filter="failed", limit=2)
        assert [file.id for file in first.data] == [files[0], files[3]]
        assert first.has_more
        assert [file.id for file in first] == files[::3]
        assert [file.id for file in page(filter="completed", limit=4)] == [f for f in files if f not in files[::3]]
        assert [file.id for file in page(filter="failed", after=files[4]).data] == [files[6]]
        assert list(page(filter="cancelled")) == []

    @rule("R7")
    def test_page_is_a_dict_of_the_same(self, client: OAuthCodexClient) -> None:
        made = [client.vector_stores.create(name=str(number)).id for number in range(3)]
        page = client.vector_stores.list(limit=2)
        assert [item["id"] for item in page["data"]] == [item.id for item in page.data] == made[:0:-1]
        assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", True, made[2], made[1])


def _shelf(client: OAuthCodexClient, clock: FakeClock, kind: str) -> Shelf:
    stores = client.vector_stores
    ids: list[str] = []
    if kind == "stores":
        for count in (3, 4, 3):
            ids += [stores.create(name=str(number)).id for number in range(count)]
            clock.advance(1)
        return Shelf(ids, stores.list, stores.delete, lambda: stores.create().id)
    if kind == "files":
        for count in (3, 4, 3):
            ids += uploaded(client, *(f"{clock.now} {number}" for number in range(count)))
            clock.advance(1)
        return Shelf(ids, client.files.list, client.files.delete, lambda: uploaded(client, "new")[0])
    store = stores.create().id
    for count in (3, 4, 3):
        ids += [stores.files.upload(store, file=f"{clock.now} {number}".encode()).id for number in range(count)]
        clock.advance(1)

    def add() -> str:
        return stores.files.upload(store, file=b"new").id

    def remove(file: str) -> object:
        return stores.files.delete(store, file)

    if kind == "store files":
        return Shelf(ids, lambda **options: stores.files.list(store, **options), remove, add)
    batch = stores.file_batches.create(store, file_ids=ids).id
    return Shelf(
        ids, lambda **options: stores.file_batches.list_files(batch, vector_store_id=store, **options), remove, add
    )
