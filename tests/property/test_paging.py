"""Auto-paging while the list changes under it: it ends, gives nothing twice, and skips nothing that was there all the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oauth_codex import BadRequestError, OAuthCodexClient

pytestmark = pytest.mark.usefixtures("client")

#: Between two items: attach a new file, detach or delete one of those that are there, attach one anew, let a second pass, nothing.
CHANGE = st.tuples(st.sampled_from(["new", "detach", "delete", "again", "second", "none", "none"]), st.integers(0, 30))
EXAMPLES = settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))


class List:
    """A store whose files change while somebody pages through them. A file that is attached anew is another item, at the newest end."""

    def __init__(self, client: OAuthCodexClient, clock: Any, size: int) -> None:
        self.client, self.clock = client, clock
        self.store = client.vector_stores.create().id
        self.files = [self.upload() for _ in range(size)]
        if self.files:
            client.vector_stores.file_batches.create(self.store, file_ids=self.files)
        self.lasting = set(self.files)
        self.anew: set[str] = set()

    def upload(self) -> str:
        return self.client.files.create(file=b"text", purpose="assistants").id

    def change(self, what: str, chosen: int) -> None:
        if what == "second":
            self.clock.advance(1)
        elif what == "new":
            self.files.append(self.upload())
            self.client.vector_stores.files.create(self.store, file_id=self.files[-1])
        elif what != "none" and self.files:
            file = self.files[chosen % len(self.files)]
            self.lasting.discard(file)
            if what == "delete":
                self.files.remove(file)
                self.client.files.delete(file)
                return
            self.client.vector_stores.files.delete(self.store, file)
            if what == "detach":
                self.files.remove(file)
            else:
                self.anew.add(file)
                self.client.vector_stores.files.create(self.store, file_id=file)


def _walk(items: Iterator[Any], changes: list[tuple[str, int]], change: Callable[..., None], most: int) -> list[str]:
    """The ids that paging gives, with one change after each item."""
    coming = iter(changes)
    seen: list[str] = []
    for item in items:
        seen.append(item.id)
        assert len(seen) <= most, "paging does not end"
        change(*next(coming, ("none", 0)))
    return seen


@EXAMPLES
@given(
    size=st.integers(0, 9),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    changes=st.lists(CHANGE, max_size=12),
)
def test_files_of_a_store(
    client: OAuthCodexClient, clock: Any, size: int, limit: int, order: str, changes: list[Any]
) -> None:
    there = List(client, clock, size)
    pages = client.vector_stores.files.list(there.store, limit=limit, order=order)
    seen = _walk(iter(pages), changes, there.change, most=size + 2 * len(changes) + 1)
    assert there.lasting <= set(seen)
    twice = {file for file in seen if seen.count(file) > 1}
    assert twice <= there.anew
    assert order == "asc" or not twice  # what is attached anew stands behind whoever goes towards the oldest


@EXAMPLES
@given(
    size=st.integers(1, 9),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    changes=st.lists(CHANGE, max_size=12),
)
def test_files_of_a_batch(
    client: OAuthCodexClient, clock: Any, size: int, limit: int, order: str, changes: list[Any]
) -> None:
    there = List(client, clock, 0)
    there.files = [there.upload() for _ in range(size)]
    batch = client.vector_stores.file_batches.create(there.store, file_ids=there.files)
    there.lasting = set(there.files)
    pages = client.vector_stores.file_batches.list_files(there.store, batch.id, limit=limit, order=order)
    seen = _walk(iter(pages), changes, there.change, most=size)
    assert there.lasting <= set(seen)
    assert len(seen) == len(set(seen))


@EXAMPLES
@given(
    size=st.integers(0, 9),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    changes=st.lists(CHANGE, max_size=12),
)
def test_by_the_last_id_as_over_http(
    client: OAuthCodexClient, clock: Any, size: int, limit: int, order: str, changes: list[Any]
) -> None:
    """Only an id is known of where the reader stands, and its item may be gone by then."""
    there = List(client, clock, size)
    changes = [change for change in changes if change[0] != "again"]
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(size + len(changes) + 1):
        page = client.vector_stores.files.list(there.store, limit=limit, order=order, **after)
        seen += [file.id for file in page.data]
        if not page.has_more:
            break
        assert page.data, "an empty page that says there is more"
        after = {"after": str(page.last_id)}
        for change in changes[:2]:
            there.change(*change)
        changes = changes[2:]
    else:
        raise AssertionError("paging does not end")
    assert there.lasting <= set(seen)
    assert len(seen) == len(set(seen))


@EXAMPLES
@given(
    size=st.integers(0, 9),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    deleting=st.lists(st.integers(0, 9), max_size=9),
)
def test_stores_and_uploads(
    client: OAuthCodexClient, clock: Any, size: int, limit: int, order: str, deleting: list[int]
) -> None:
    """The clean-up loop of the SDK's documents deletes what it is given, and others besides."""
    lists: list[tuple[Callable[..., Any], Callable[[], str], Callable[[str], Any]]] = [
        (client.vector_stores.list, lambda: client.vector_stores.create().id, client.vector_stores.delete),
        (client.files.list, lambda: client.files.create(file=b"", purpose="assistants").id, client.files.delete),
    ]
    for list_, make, delete in lists:
        for old in list(list_(limit=100)):
            delete(old.id)
        ids = [make() for _ in range(size)]
        lasting, chosen, seen = set(ids), iter(deleting), []
        for item in list_(limit=limit, order=order):
            seen.append(item.id)
            for gone in {item.id, ids[next(chosen, 0) % size]} & lasting:
                lasting.discard(gone)
                delete(gone)
            clock.advance(1)
            if len(seen) < size:
                make()  # a new one, which comes last or not at all
            assert len(seen) <= 2 * size
        assert len(seen) == len(set(seen))
        assert {item for item in ids if item not in seen} <= set(ids) - lasting


@EXAMPLES
@given(
    size=st.integers(1, 8),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    a=st.integers(0, 7),
    b=st.integers(0, 7),
)
def test_any_window_is_a_slice_even_of_deleted_ends(
    client: OAuthCodexClient, clock: Any, size: int, limit: int, order: str, a: int, b: int
) -> None:
    there = List(client, clock, size)
    every = [file.id for file in client.vector_stores.files.list(there.store, limit=100, order=order)]
    first, last = a % size, b % size
    left = [file for file in every if file not in (every[first], every[last])]
    for file in {every[first], every[last]}:
        client.vector_stores.files.delete(there.store, file)
    listed = client.vector_stores.files.list
    between = [file for file in every[first + 1 : last] if file in left]
    page = listed(there.store, after=every[first], before=every[last], limit=limit, order=order)
    assert ([file.id for file in page.data], page.has_more) == (between[:limit], len(between) > limit)
    ahead = [file for file in every[first + 1 :] if file in left]
    page = listed(there.store, after=every[first], limit=limit, order=order)
    assert ([file.id for file in page.data], page.has_more) == (ahead[:limit], len(ahead) > limit)
    behind = [file for file in every[:last] if file in left]
    page = listed(there.store, before=every[last], limit=limit, order=order)
    assert ([file.id for file in page.data], page.has_more) == (behind[-limit:], len(behind) > limit)


def test_the_cursor_of_a_batch_outlives_attaching_its_file_anew(client: OAuthCodexClient) -> None:
    files = [client.files.create(file=b"text %d" % i, purpose="assistants").id for i in range(3)]
    store = client.vector_stores.create().id
    batch = client.vector_stores.file_batches.create(store, file_ids=files).id
    listed = client.vector_stores.file_batches.list_files
    (first,) = listed(store, batch, limit=1, order="asc").data
    client.vector_stores.files.delete(store, first.id)
    assert [file.id for file in listed(store, batch, after=first.id, order="asc")] == files[1:]
    client.vector_stores.files.create(store, file_id=first.id)
    try:
        assert [file.id for file in listed(store, batch, after=first.id, order="asc")] == files[1:]
    except BadRequestError as error:
        pytest.fail(f"a cursor that was given out is refused: {error}")


def test_a_clock_that_goes_back_breaks_no_list(client: OAuthCodexClient, clock: Any) -> None:
    store = client.vector_stores.create().id
    for step in (0, -50, 100, -200, 10):
        clock.advance(step)
        file = client.files.create(file=b"text", purpose="assistants").id
        client.vector_stores.files.create(store, file_id=file)
    for order in ("asc", "desc"):
        whole = [file.id for file in client.vector_stores.files.list(store, limit=100, order=order)]
        for limit in (1, 2):
            assert [file.id for file in client.vector_stores.files.list(store, limit=limit, order=order)] == whole
        assert len(set(whole)) == 5
