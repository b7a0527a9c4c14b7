"""Pages of files, stores, files of a store and files of a batch: order, cursors, and a cost that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from oauth_codex import ParameterValidationError
from oauth_codex.local.catalog import attachments, batches, files, stores
from oauth_codex.local.catalog.paging import Page, Paged
from oauth_codex.spi import Position
from oauth_codex.spi.limits import TOMBSTONE_DAYS
from oauth_codex.spi.requests import FileBatchListFiles, FileList, VectorStoreFileList, VectorStoreList

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "tests"


def page(room: Any, **given: Any) -> Page:
    with room.catalog.read() as connection:
        return files.page(connection, NAMESPACE, FileList(**given))


def ids(found: Page) -> list[str]:
    return [row.public_id for row in found.rows]


@pytest.fixture
def ten(room: Any) -> list[str]:
    """Ids of ten files, oldest first: three of one second, four of the next, three of the one after."""
    made = []
    for count in (3, 4, 3):
        made += [row.public_id for row in room.add_files(count)]
        room.time.now += 1
    return made


def test_items_of_one_second_come_in_the_order_of_insertion_and_desc_is_the_exact_reverse(
    room: Any, ten: list[str]
) -> None:
    assert ids(page(room, order="asc")) == ten
    assert ids(page(room, order="desc")) == ten[::-1]
    assert ids(page(room)) == ten[::-1]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 10, 11])
def test_walking_by_after_visits_every_item_once(room: Any, ten: list[str], order: str, limit: int) -> None:
    seen: list[str] = []
    found = page(room, order=order, limit=limit)
    while True:
        seen += ids(found)
        assert found.has_more == (len(seen) < 10)
        if not found.has_more:
            break
        found = page(room, order=order, limit=limit, after=seen[-1])
    assert seen == (ten if order == "asc" else ten[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_before_is_the_page_that_ends_just_before_its_item(room: Any, ten: list[str], order: str) -> None:
    listed = ten if order == "asc" else ten[::-1]
    for at, cursor in enumerate(listed):
        found = page(room, order=order, limit=3, before=cursor)
        assert ids(found) == listed[max(0, at - 3) : at]
        assert found.has_more == (at > 3)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_after_and_before_give_the_window_between(room: Any, ten: list[str], order: str) -> None:
    listed = ten if order == "asc" else ten[::-1]
    for low in range(10):
        for high in range(10):
            found = page(room, order=order, limit=4, after=listed[low], before=listed[high])
            assert ids(found) == listed[low + 1 : high][:4]
            assert found.has_more == (len(listed[low + 1 : high]) > 4)


def test_an_empty_page_has_no_position_and_nothing_after_it(room: Any, ten: list[str]) -> None:
    assert page(room, after=ten[0]) == Page([], has_more=False, last=None)


def test_resume_takes_the_place_of_after(room: Any, ten: list[str]) -> None:
    first = page(room, limit=4)
    assert first.last == Position(1_000_001, 7)
    assert ids(page(room, limit=4, after="nothing", resume=first.last)) == ten[::-1][4:8]


def test_an_unknown_cursor_is_refused_and_named(room: Any, ten: list[str]) -> None:
    for param in ("after", "before"):
        with pytest.raises(ParameterValidationError) as caught:
            page(room, **{param: "file-never"})
        assert caught.value.param == param
        assert caught.value.code == "invalid_value"
        assert "file-never" in str(caught.value)


def test_a_cursor_of_another_list_or_namespace_is_unknown(room: Any, ten: list[str]) -> None:
    store = room.add_store()
    with pytest.raises(ParameterValidationError), room.catalog.read() as connection:
        attachments.page(
            connection, NAMESPACE, store.id, VectorStoreFileList(vector_store_id=store.public_id, after=ten[0])
        )
    with pytest.raises(ParameterValidationError), room.catalog.read() as connection:
        files.page(connection, "other", FileList(after=ten[0]))


def test_deleting_while_paging_loses_nothing(room: Any, ten: list[str]) -> None:
    """The loop of a user who deletes what a page shows and goes on from its last id."""
    seen: list[str] = []
    found = page(room, limit=3)
    while found.rows:
        seen += ids(found)
        with room.catalog.write() as connection:
            files.delete(connection, NAMESPACE, found.rows, room.now)
        found = page(room, limit=3, after=seen[-1])
    assert seen == ten[::-1]
    assert room.count("files") == 0


def test_the_cursor_of_a_deleted_store_and_of_a_detached_file_lives_on(room: Any) -> None:
    made = [room.add_store() for _ in range(3)]
    with room.catalog.write() as connection:
        stores.delete(connection, NAMESPACE, made[1], room.now)
        found = stores.page(connection, NAMESPACE, VectorStoreList(after=made[1].public_id))
    assert ids(found) == [made[0].public_id]
    rows = room.add_files(3)
    attached = room.attach(made[0], rows)
    request = VectorStoreFileList(vector_store_id=made[0].public_id, after=rows[1].public_id)
    with room.catalog.write() as connection:
        attachments.detach(connection, NAMESPACE, made[0].id, [attached[1]], room.now)
        assert ids(attachments.page(connection, NAMESPACE, made[0].id, request)) == [rows[0].public_id]
    room.attach(made[0], [rows[1]])  # again in the list, at its newest end
    with room.catalog.read() as connection:
        found = attachments.page(connection, NAMESPACE, made[0].id, request)
    assert ids(found) == [rows[2].public_id, rows[0].public_id]
    assert room.query("SELECT public_id FROM tombstones WHERE scope LIKE 'store:%'") == []


def test_old_tombstones_go_when_new_ones_come(room: Any) -> None:
    rows = room.add_files(4)
    with room.catalog.write() as connection:
        files.delete(connection, NAMESPACE, rows[:2], room.now)
    room.time.now += TOMBSTONE_DAYS * 86400
    with room.catalog.write() as connection:
        files.delete(connection, NAMESPACE, rows[2:3], room.now)
    assert room.count("tombstones") == 3  # thirty days are not over yet
    room.time.now += 1
    with room.catalog.write() as connection:
        files.delete(connection, NAMESPACE, rows[3:], room.now)
    assert [row[0] for row in room.query("SELECT public_id FROM tombstones ORDER BY 1")] == [
        rows[2].public_id,
        rows[3].public_id,
    ]


def test_the_status_filter_applies_before_paging(room: Any) -> None:
    store = room.add_store()
    rows = room.add_files(9)
    attached = room.attach(store, rows)
    room.settle(store, attached[::3])
    request = VectorStoreFileList(vector_store_id=store.public_id, filter="completed", limit=2, order="asc")
    with room.catalog.read() as connection:
        found = attachments.page(connection, NAMESPACE, store.id, request)
        assert ids(found) == [rows[0].public_id, rows[3].public_id]
        assert found.has_more
        # A cursor may name a file of another status: what counts is where it stands.
        request = request.model_copy(update={"after": rows[4].public_id})
        assert ids(attachments.page(connection, NAMESPACE, store.id, request)) == [rows[6].public_id]


def test_a_batch_lists_its_own_files(room: Any) -> None:
    store = room.add_store()
    rows = room.add_files(6)
    attached = room.attach(store, rows)
    batch = room.add_batch(store, attached[1:5])
    request = FileBatchListFiles(vector_store_id=store.public_id, batch_id=batch.public_id, limit=3)
    with room.catalog.read() as connection:
        found = batches.page(connection, NAMESPACE, batch, request)
        assert ids(found) == [rows[4].public_id, rows[3].public_id, rows[2].public_id]
        assert found.has_more
        request = request.model_copy(update={"after": rows[2].public_id})
        assert ids(batches.page(connection, NAMESPACE, batch, request)) == [rows[1].public_id]
        with pytest.raises(ParameterValidationError):
            batches.page(connection, NAMESPACE, batch, request.model_copy(update={"after": rows[0].public_id}))


def test_a_page_is_one_statement_and_one_more_for_each_cursor(room: Any, ten: list[str]) -> None:
    page(room, limit=2)
    for given, expected in (
        ({}, 1),
        ({"after": ten[3]}, 2),
        ({"before": ten[3]}, 2),
        ({"after": ten[8], "before": ten[1]}, 3),
        ({"resume": Position(1_000_001, 5)}, 1),
    ):
        with room.statements() as seen:
            page(room, limit=2, **given)
        assert len(seen) == expected


@pytest.mark.parametrize(
    "paged",
    [
        pytest.param(files._LIST, id="files"),
        pytest.param(files._LIST_PURPOSE, id="files of a purpose"),
        pytest.param(stores._LIST, id="stores"),
        pytest.param(attachments._LIST, id="files of a store"),
        pytest.param(attachments._LIST_STATUS, id="files of a store by status"),
        pytest.param(batches._LIST, id="files of a batch"),
        pytest.param(batches._LIST_STATUS, id="files of a batch by status"),
    ],
)
def test_every_page_is_read_from_an_index_in_order(room: Any, paged: Paged) -> None:
    shapes = [(d, a, b) for d in (True, False) for a in (True, False) for b in (True, False)]
    for statement in (*(paged._statement(*shape) for shape in shapes), paged._place):
        steps = room.plan(statement)
        assert not [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step], steps


def test_a_page_reads_no_more_rows_when_thousands_share_one_second(
    room: Any, steps_of: Callable[[Callable[[], object]], int]
) -> None:
    few = room.add_files(50)
    cheap = steps_of(lambda: page(room, limit=10, after=few[25].public_id))
    many = room.add_files(3000)
    dear = steps_of(lambda: page(room, limit=10, after=many[1500].public_id))
    assert dear < 2 * cheap
    assert steps_of(lambda: page(room, limit=10, before=many[1500].public_id)) < 2 * cheap


@pytest.fixture
def steps_of(room: Any) -> Callable[[Callable[[], object]], int]:
    """Counts the steps, in tens, of SQLite's virtual machine during a call: work, independent of time."""

    def measure(call: Callable[[], object]) -> int:
        steps = 0

        def tick() -> int:
            nonlocal steps
            steps += 1
            return 0

        with room.catalog.read() as connection:
            raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_progress_handler(tick, 10)
        try:
            call()
        finally:
            raw.set_progress_handler(None, 0)
        return steps

    return measure
