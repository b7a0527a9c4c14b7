"""Random programs against a model of plain dicts and lists, on every built-in driver.

On sqlite the storage is also closed and reopened.

The model knows what the API promises and nothing of how it is kept: who is in which store, in which order, in which state, with which
attributes; which words each file has; what a filter selects (`types.filters.matches`); what a page holds.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from oauth_codex import BadRequestError, NotFoundError
from oauth_codex.local.catalog import filters
from oauth_codex.types.filters import matches, parse_filter

WORDS = ("apple", "birch", "cedar", "dahlia", "elm", "fern")
KEYS = ("lang", "year", "a.b", "x' OR 1=1 --")
VALUES = st.one_of(
    st.sampled_from(["de", "en", "", "10", "9"]),
    st.sampled_from([0, 1, 2, 10, -1, 2**53, 2**53 + 1, 2**63 - 1]),
    st.sampled_from([0.0, 1.0, 1.5, -0.0, 1e300, 2.0**53, 2.0**63]),
    st.booleans(),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)
COMPARISON = st.one_of(
    st.builds(
        lambda t, k, v: {"type": t, "key": k, "value": v}, st.sampled_from(["eq", "ne"]), st.sampled_from(KEYS), VALUES
    ),
    st.builds(
        lambda t, k, v: {"type": t, "key": k, "value": v},
        st.sampled_from(["gt", "gte", "lt", "lte"]),
        st.sampled_from(KEYS),
        VALUES.filter(lambda value: not isinstance(value, bool)),
    ),
    st.builds(
        lambda t, k, v: {"type": t, "key": k, "value": v},
        st.sampled_from(["in", "nin"]),
        st.sampled_from(KEYS),
        st.lists(VALUES, max_size=4),
    ),
)
FILTER = st.recursive(
    COMPARISON,
    lambda part: st.builds(
        lambda t, f: {"type": t, "filters": f}, st.sampled_from(["and", "or"]), st.lists(part, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
#: What a file says, and what becomes of it when it is attached.
CONTENT = st.one_of(
    st.sets(st.sampled_from(WORDS), min_size=1).map(lambda words: (" ".join(sorted(words)).encode(), frozenset(words))),
    st.just((b"", None)),
    st.just((b"\0\1\2" * 50, None)),
)
WINDOW = st.sampled_from([None, (100, 0), (800, 400), (100, 50)])


@dataclass
class Attached:
    """A file in a store."""

    created: int
    number: int
    status: str
    window: tuple[int, int]
    attributes: dict[str, Any]


@dataclass
class Store:
    """A vector store."""

    created: int
    number: int
    files: dict[str, Attached] = field(default_factory=dict)
    batches: dict[str, list[int]] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """One client, and its model."""

    support: Any
    driver = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.time = self.support.Clock()
        self.made = self.support.Ids()
        self.opened = self.support.OpenClient(self.driver, self.directory, self.time, self.made)
        self.numbers = 0
        self.files: dict[str, tuple[int, int, bytes, frozenset[str] | None]] = {}
        self.stores: dict[str, Store] = {}

    def teardown(self) -> None:
        self.opened.close()
        shutil.rmtree(self.directory)

    @property
    def api(self) -> Any:
        return self.opened.client.vector_stores

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def pick(self, data: st.DataObject, among: Any) -> str:
        return data.draw(st.sampled_from(sorted(among)))

    # -- files and stores ----------------------------------------------------------------------------------------------

    @initialize(contents=st.lists(CONTENT, min_size=3, max_size=5))
    def begin(self, contents: list[Any]) -> None:
        for content in contents:
            self.upload(content)
        self.create_store([])

    @rule(content=CONTENT)
    def upload(self, content: tuple[bytes, frozenset[str] | None]) -> None:
        data, words = content
        file = self.opened.client.files.create(file=("file.txt", data), purpose="assistants")
        self.files[file.id] = (int(self.time.now), self.number(), data, words)

    @rule(data=st.data(), content=CONTENT, attributes=st.none() | ATTRIBUTES, window=WINDOW)
    def upload_attached(
        self,
        data: st.DataObject,
        content: tuple[bytes, frozenset[str] | None],
        attributes: dict[str, Any] | None,
        window: tuple[int, int] | None,
    ) -> None:
        store = self.pick(data, self.stores)
        given = {} if attributes is None else {"attributes": attributes}
        upload = ("file.txt", content[0])
        attached = self.api.files.upload_and_poll(store, file=upload, **given, **self.strategy(window))
        self.files[attached.id] = (int(self.time.now), self.number(), *content)
        self.note_attached(store, attached.id, window, attributes)
        assert attached.status == self.stores[store].files[attached.id].status

    @rule(data=st.data())
    @precondition(lambda self: self.files)
    def create_store_with_files(self, data: st.DataObject) -> None:
        self.create_store(data.draw(st.lists(st.sampled_from(sorted(self.files)), max_size=4)))

    def create_store(self, file_ids: list[str]) -> None:
        store = self.api.create(file_ids=file_ids)
        self.stores[store.id] = Store(int(self.time.now), self.number())
        for file in dict.fromkeys(file_ids):
            self.note_attached(store.id, file, None, {})

    @rule(seconds=st.sampled_from([0.4, 1, 100]))
    def time_passes(self, seconds: float) -> None:
        self.time.advance(seconds)

    @rule(data=st.data())
    @precondition(lambda self: len(self.stores) > 1)
    def delete_store(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        assert self.api.delete(store).deleted
        del self.stores[store]
        with pytest.raises(NotFoundError):
            self.api.retrieve(store)

    @rule(data=st.data())
    @precondition(lambda self: self.files)
    def delete_file(self, data: st.DataObject) -> None:
        file = self.pick(data, self.files)
        assert self.opened.client.files.delete(file).deleted
        del self.files[file]
        for store in self.stores.values():
            self.note_gone(store, file)

    # -- attaching -----------------------------------------------------------------------------------------------------

    def note_gone(self, store: Store, file: str) -> None:
        gone = store.files.pop(file, None)
        if gone is not None:
            for members in store.batches.values():
                if gone.number in members:
                    members.remove(gone.number)

    def note_attached(
        self, store_id: str, file: str, window: tuple[int, int] | None, attributes: dict[str, Any] | None
    ) -> None:
        store, old = self.stores[store_id], self.stores[store_id].files.get(file)
        if old is not None and old.status == "completed" and window in (None, old.window):
            old.attributes = old.attributes if attributes is None else attributes
            return
        if old is not None:
            window, attributes = window or old.window, old.attributes if attributes is None else attributes
            self.note_gone(store, file)
        status = "failed" if self.files[file][3] is None else "completed"
        store.files[file] = Attached(int(self.time.now), self.number(), status, window or (800, 400), attributes or {})

    @staticmethod
    def strategy(window: tuple[int, int] | None) -> dict[str, Any]:
        if window is None:
            return {}
        static = {"max_chunk_size_tokens": window[0], "chunk_overlap_tokens": window[1]}
        return {"chunking_strategy": {"type": "static", "static": static}}

    @rule(data=st.data(), attributes=st.none() | ATTRIBUTES, window=WINDOW)
    @precondition(lambda self: self.files)
    def attach(self, data: st.DataObject, attributes: dict[str, Any] | None, window: tuple[int, int] | None) -> None:
        store, file = self.pick(data, self.stores), self.pick(data, self.files)
        given = {} if attributes is None else {"attributes": attributes}
        attached = self.api.files.create(store, file_id=file, **given, **self.strategy(window))
        self.note_attached(store, file, window, attributes)
        expected = self.stores[store].files[file]
        assert (attached.status, attached.attributes) == (expected.status, expected.attributes)

    @rule(data=st.data(), attributes=st.none() | ATTRIBUTES, window=WINDOW)
    @precondition(lambda self: self.files)
    def attach_batch(
        self, data: st.DataObject, attributes: dict[str, Any] | None, window: tuple[int, int] | None
    ) -> None:
        store = self.pick(data, self.stores)
        files = data.draw(st.lists(st.sampled_from(sorted(self.files)), min_size=1, max_size=4))
        given = {} if attributes is None else {"attributes": attributes}
        batch = self.api.file_batches.create_and_poll(store, file_ids=files, **given, **self.strategy(window))
        unique = list(dict.fromkeys(files))
        for file in unique:
            self.note_attached(store, file, window, attributes)
        here = self.stores[store].files
        self.stores[store].batches[batch.id] = [here[file].number for file in unique]
        assert batch.status == ("failed" if all(here[file].status == "failed" for file in unique) else "completed")

    @rule(data=st.data())
    def cancel_a_finished_batch(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].batches:
            batch = self.pick(data, self.stores[store].batches)
            before = self.api.file_batches.retrieve(store, batch).file_counts
            cancelled = self.api.file_batches.cancel(store, batch)
            assert (cancelled.status, cancelled.file_counts) == ("cancelled", before)

    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].files:
            file = self.pick(data, self.stores[store].files)
            assert self.api.files.delete(store, file).deleted
            self.note_gone(self.stores[store], file)
            with pytest.raises(NotFoundError):
                self.api.files.retrieve(store, file)

    @rule(data=st.data(), attributes=ATTRIBUTES)
    def update_attributes(self, data: st.DataObject, attributes: dict[str, Any]) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].files:
            file = self.pick(data, self.stores[store].files)
            assert self.api.files.update(store, file, attributes=attributes).attributes == attributes
            self.stores[store].files[file].attributes = attributes

    @rule(data=st.data())
    def replace_files(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        wanted = data.draw(st.lists(st.sampled_from(sorted(self.files)), max_size=3)) if self.files else []
        found = self.api.update(store, file_ids=wanted)
        for file in list(self.stores[store].files):
            if file not in wanted:
                self.note_gone(self.stores[store], file)
        for file in dict.fromkeys(wanted):
            if file not in self.stores[store].files:
                self.note_attached(store, file, None, {})
        assert set(found.file_ids) == set(wanted)

    @rule()
    @precondition(lambda self: self.driver == "sqlite")
    def reopen(self) -> None:
        self.opened.close()
        self.opened = self.support.OpenClient(self.driver, self.directory, self.time, self.made)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        limit=st.integers(1, 4),
        order=st.sampled_from(["asc", "desc"]),
        status=st.sampled_from([None, "completed", "failed"]),
    )
    def pages(self, data: st.DataObject, limit: int, order: str, status: str | None) -> None:
        store = self.pick(data, self.stores)
        here = self.stores[store].files
        expected = sorted(
            (file for file in here if status in (None, here[file].status)),
            key=lambda file: (here[file].created, here[file].number),
            reverse=order == "desc",
        )
        options = {"limit": limit, "order": order, **({} if status is None else {"filter": status})}
        assert [file.id for file in self.api.files.list(store, **options)] == expected
        if not expected:
            return
        cursor = data.draw(st.sampled_from(expected))
        at = expected.index(cursor)
        page = self.api.files.list(store, after=cursor, **options)
        assert ([file.id for file in page.data], page.has_more) == (
            expected[at + 1 :][:limit],
            len(expected) > at + 1 + limit,
        )
        page = self.api.files.list(store, before=cursor, **options)
        assert ([file.id for file in page.data], page.has_more) == (expected[max(0, at - limit) : at], at > limit)

    @rule(limit=st.integers(1, 4), order=st.sampled_from(["asc", "desc"]))
    def pages_of_stores_and_files(self, limit: int, order: str) -> None:
        down = order == "desc"
        stores = sorted(self.stores, key=lambda s: (self.stores[s].created, self.stores[s].number), reverse=down)
        files = sorted(self.files, key=lambda f: self.files[f][:2], reverse=down)
        assert [store.id for store in self.api.list(limit=limit, order=order)] == stores
        assert [file.id for file in self.opened.client.files.list(limit=limit, order=order)] == files

    @rule(
        data=st.data(),
        words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
        wanted=st.none() | FILTER,
        most=st.integers(1, 5),
    )
    def search(self, data: st.DataObject, words: list[str], wanted: Any, most: int) -> None:
        store = self.pick(data, self.stores)
        options: dict[str, Any] = {"max_num_results": most} | ({} if wanted is None else {"filters": wanted})
        hits = self.api.search(store, query=" ".join(words), **options).data
        here = self.stores[store].files
        may = {
            file
            for file, attached in here.items()
            if attached.status == "completed" and (wanted is None or matches(parse_filter(wanted), attached.attributes))
        }
        must = {file for file in may if (self.files[file][3] or set()) & set(words)}
        found = [hit.file_id for hit in hits]
        assert set(found) <= may
        assert len(set(found)) == len(found)  # each of these files is one chunk
        assert len(set(found) & must) >= min(len(must), most) or len(found) == most
        assert must <= set(found) or len(found) == most
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)
        for hit in hits:
            assert hit.text.encode() == self.files[hit.file_id][2]
            assert hit.attributes == here[hit.file_id].attributes

    @rule(data=st.data())
    def unknown_cursors_are_refused(self, data: st.DataObject) -> None:
        for page in (
            self.api.list,
            self.opened.client.files.list,
            lambda **o: self.api.files.list(self.pick(data, self.stores), **o),
        ):
            with pytest.raises(BadRequestError):
                page(after="file-unknown")

    @invariant()
    def counts(self) -> None:
        for store_id, store in self.stores.items():
            seen = self.api.retrieve(store_id)
            done = [file for file, at in store.files.items() if at.status == "completed"]
            counts = seen.file_counts
            assert (counts.completed, counts.failed) == (len(done), len(store.files) - len(done))
            assert (counts.in_progress, counts.cancelled, counts.total) == (0, 0, len(store.files))
            assert seen.usage_bytes == sum(len(self.files[file][2]) for file in done)
            assert seen.status == "completed"
            for batch_id, members in store.batches.items():
                files = [file for file, at in store.files.items() if at.number in members]
                batch = self.api.file_batches.retrieve(store_id, batch_id)
                assert (batch.file_counts.total, batch.file_counts.in_progress) == (len(files), 0)
                listed = self.api.file_batches.list_files(store_id, batch_id, limit=2)
                assert {file.id for file in listed} == set(files)

    @invariant()
    def rows(self) -> None:
        self.support.audit(self.opened.client)


@pytest.mark.parametrize(("driver", "few"), [("memory", None), ("memory", 0), ("sqlite", 2)])
def test_any_program_gives_what_the_model_says(
    driver: str, few: int | None, support: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`few`: how many files a filter looks at one by one; with less than by default, small stores pass for large ones."""
    if few is not None:
        monkeypatch.setattr(filters, "FEW", few)
    kind = type("Program", (Machine,), {"driver": driver, "support": support})
    examples = settings(
        max_examples=20,
        stateful_step_count=25,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
