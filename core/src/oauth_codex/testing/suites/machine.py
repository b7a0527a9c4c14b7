"""Random programs against a model of plain dicts and lists.

The model knows what the API promises and nothing of how it is kept: who is in which store, in which order, in which state, with
which attributes; which words each file has; what a filter selects (`types.filters.matches`); what a page holds.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)
from hypothesis.stateful import rule as step

from ...errors import BadRequestError, NotFoundError
from ...types.filters import matches, parse_filter
from ..case import DriverCase, Storage
from ..clock import FakeClock
from ..marks import rule
from .base import DriverTests
from .programs import program_settings

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

_WORDS = ("apple", "birch", "cedar", "dahlia", "elm", "fern")
_KEYS = ("lang", "year", "a.b", "x' OR 1=1 --")
_VALUES = st.one_of(
    st.sampled_from(["de", "en", "", "10", "9"]),
    st.sampled_from([0, 1, 2, 10, -1, 2**53, 2**53 + 1, 2**63 - 1]),
    st.sampled_from([0.0, 1.0, 1.5, -0.0, 1e300, 2.0**53, 2.0**63]),
    st.booleans(),
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=3)


def _comparison(types: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda t, k, v: {"type": t, "key": k, "value": v}, st.sampled_from(types), st.sampled_from(_KEYS), values
    )


_FILTER = st.recursive(
    st.one_of(
        _comparison(["eq", "ne"], _VALUES),
        _comparison(["gt", "gte", "lt", "lte"], _VALUES.filter(lambda value: not isinstance(value, bool))),
        _comparison(["in", "nin"], st.lists(_VALUES, max_size=4)),
    ),
    lambda part: st.builds(
        lambda t, f: {"type": t, "filters": f}, st.sampled_from(["and", "or"]), st.lists(part, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
#: What a file says, and the words that are found; None for what cannot be read.
_CONTENT = st.one_of(
    st.sets(st.sampled_from(_WORDS), min_size=1).map(
        lambda words: (" ".join(sorted(words)).encode(), frozenset(words))
    ),
    st.just((b"", None)),
    st.just((b"\0\1\2" * 50, None)),
)
_WINDOW = st.sampled_from([None, (100, 0), (800, 400), (100, 50)])

_Content = tuple[bytes, frozenset[str] | None]
_Window = tuple[int, int] | None


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


@dataclass
class File:
    """An uploaded file."""

    created: int
    number: int
    data: bytes
    words: frozenset[str] | None


class Program(RuleBasedStateMachine):
    """One client, and its model; `open_storage` is given by who runs it."""

    open_storage: ClassVar[Callable[[Path, FakeClock], Storage]]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.time = FakeClock()
        self.storage = type(self).open_storage(self.directory, self.time)
        self.client = self.storage.open()
        self.can = self.storage.capabilities()
        self.numbers = 0
        self.files: dict[str, File] = {}
        self.stores: dict[str, Store] = {}

    def teardown(self) -> None:
        self.storage.close()
        shutil.rmtree(self.directory)

    @property
    def api(self) -> Any:
        return self.client.vector_stores

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def pick(self, data: st.DataObject, among: Iterable[str]) -> str:
        return data.draw(st.sampled_from(sorted(among)))

    # -- files and stores ----------------------------------------------------------------------------------------------

    @initialize(contents=st.lists(_CONTENT, min_size=3, max_size=5))
    def begin(self, contents: list[_Content]) -> None:
        for content in contents:
            self.upload(content)
        self.create_store([])

    @step(content=_CONTENT)
    def upload(self, content: _Content) -> None:
        file = self.client.files.create(file=("file.txt", content[0]), purpose="assistants")
        self.files[file.id] = File(int(self.time.now), self.number(), *content)

    @step(data=st.data(), content=_CONTENT, attributes=st.none() | _ATTRIBUTES, window=_WINDOW)
    def upload_attached(
        self, data: st.DataObject, content: _Content, attributes: dict[str, Any] | None, window: _Window
    ) -> None:
        store = self.pick(data, self.stores)
        given = {} if attributes is None else {"attributes": attributes}
        upload = ("file.txt", content[0])
        attached = self.api.files.upload_and_poll(store, file=upload, **given, **self.strategy(window))
        self.files[attached.id] = File(int(self.time.now), self.number(), *content)
        self.note_attached(store, attached.id, window, attributes)
        assert attached.status == self.stores[store].files[attached.id].status

    @step(data=st.data())
    @precondition(lambda self: self.files)
    def create_store_with_files(self, data: st.DataObject) -> None:
        self.create_store(data.draw(st.lists(st.sampled_from(sorted(self.files)), max_size=4)))

    def create_store(self, file_ids: list[str]) -> None:
        store = self.api.create(file_ids=file_ids)
        self.stores[store.id] = Store(int(self.time.now), self.number())
        for file in dict.fromkeys(file_ids):
            self.note_attached(store.id, file, None, {})

    @step(seconds=st.sampled_from([0.4, 1, 100]))
    def time_passes(self, seconds: float) -> None:
        self.time.advance(seconds)

    @step(data=st.data())
    @precondition(lambda self: len(self.stores) > 1)
    def delete_store(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        assert self.api.delete(store).deleted
        del self.stores[store]
        with pytest.raises(NotFoundError):
            self.api.retrieve(store)

    @step(data=st.data())
    @precondition(lambda self: self.files)
    def delete_file(self, data: st.DataObject) -> None:
        file = self.pick(data, self.files)
        assert self.client.files.delete(file).deleted
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

    def note_attached(self, store_id: str, file: str, window: _Window, attributes: dict[str, Any] | None) -> None:
        store, old = self.stores[store_id], self.stores[store_id].files.get(file)
        if old is not None and old.status == "completed" and window in (None, old.window):
            old.attributes = old.attributes if attributes is None else attributes
            return
        if old is not None:
            window, attributes = window or old.window, old.attributes if attributes is None else attributes
            self.note_gone(store, file)
        status = "failed" if self.files[file].words is None else "completed"
        store.files[file] = Attached(int(self.time.now), self.number(), status, window or (800, 400), attributes or {})

    @staticmethod
    def strategy(window: _Window) -> dict[str, Any]:
        if window is None:
            return {}
        static = {"max_chunk_size_tokens": window[0], "chunk_overlap_tokens": window[1]}
        return {"chunking_strategy": {"type": "static", "static": static}}

    @step(data=st.data(), attributes=st.none() | _ATTRIBUTES, window=_WINDOW)
    @precondition(lambda self: self.files)
    def attach(self, data: st.DataObject, attributes: dict[str, Any] | None, window: _Window) -> None:
        store, file = self.pick(data, self.stores), self.pick(data, self.files)
        given = {} if attributes is None else {"attributes": attributes}
        attached = self.api.files.create_and_poll(file, vector_store_id=store, **given, **self.strategy(window))
        self.note_attached(store, file, window, attributes)
        expected = self.stores[store].files[file]
        assert (attached.status, attached.attributes) == (expected.status, expected.attributes)

    @step(data=st.data(), attributes=st.none() | _ATTRIBUTES, window=_WINDOW)
    @precondition(lambda self: self.files and self.can.file_batches)
    def attach_batch(self, data: st.DataObject, attributes: dict[str, Any] | None, window: _Window) -> None:
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

    @step(data=st.data())
    def cancel_a_finished_batch(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].batches:
            batch = self.pick(data, self.stores[store].batches)
            before = self.api.file_batches.retrieve(store, batch).file_counts
            cancelled = self.api.file_batches.cancel(store, batch)
            assert (cancelled.status, cancelled.file_counts) == ("cancelled", before)

    @step(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].files:
            file = self.pick(data, self.stores[store].files)
            assert self.api.files.delete(store, file).deleted
            self.note_gone(self.stores[store], file)
            with pytest.raises(NotFoundError):
                self.api.files.retrieve(store, file)

    @step(data=st.data(), attributes=_ATTRIBUTES)
    @precondition(lambda self: self.can.update_attributes)
    def update_attributes(self, data: st.DataObject, attributes: dict[str, Any]) -> None:
        store = self.pick(data, self.stores)
        if self.stores[store].files:
            file = self.pick(data, self.stores[store].files)
            assert self.api.files.update(store, file, attributes=attributes).attributes == attributes
            self.stores[store].files[file].attributes = attributes

    @step(data=st.data())
    @precondition(lambda self: self.can.replace_files)
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

    @step()
    @precondition(lambda self: self.can.persistent)
    def reopen(self) -> None:
        self.client = self.storage.reopen()

    # -- what must hold ------------------------------------------------------------------------------------------------

    @step(
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

    @step(limit=st.integers(1, 4), order=st.sampled_from(["asc", "desc"]))
    def pages_of_stores_and_files(self, limit: int, order: Any) -> None:
        def ordered(of: dict[str, Any]) -> list[str]:
            return sorted(of, key=lambda id: (of[id].created, of[id].number), reverse=order == "desc")

        assert [store.id for store in self.api.list(limit=limit, order=order)] == ordered(self.stores)
        assert [file.id for file in self.client.files.list(limit=limit, order=order)] == ordered(self.files)

    @step(
        data=st.data(),
        words=st.lists(st.sampled_from(_WORDS), min_size=1, max_size=2),
        wanted=st.none() | _FILTER,
        most=st.integers(1, 5),
    )
    def search(self, data: st.DataObject, words: list[str], wanted: Any, most: int) -> None:
        store = self.pick(data, self.stores)
        wanted = wanted if self.can.filters else None
        options: dict[str, Any] = {"max_num_results": most} | ({} if wanted is None else {"filters": wanted})
        hits = self.api.search(store, query=" ".join(words), **options).data
        here = self.stores[store].files
        may = {
            file
            for file, attached in here.items()
            if attached.status == "completed" and (wanted is None or matches(parse_filter(wanted), attached.attributes))
        }
        must = {file for file in may if (self.files[file].words or set()) & set(words)}
        found = [hit.file_id for hit in hits]
        assert set(found) <= may
        assert len(set(found)) == len(found)  # each of these files is one chunk
        assert must <= set(found) or len(found) == most
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)
        for hit in hits:
            assert hit.text.encode() == self.files[hit.file_id].data
            assert hit.attributes == here[hit.file_id].attributes

    @step(data=st.data())
    def unknown_cursors_are_refused(self, data: st.DataObject) -> None:
        store = self.pick(data, self.stores)
        for page in (self.api.list, self.client.files.list, lambda **o: self.api.files.list(store, **o)):
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
            assert seen.usage_bytes == sum(len(self.files[file].data) for file in done)
            assert seen.status == "completed"
            for batch_id, members in store.batches.items():
                files = [file for file, at in store.files.items() if at.number in members]
                batch = self.api.file_batches.retrieve(store_id, batch_id)
                assert (batch.file_counts.total, batch.file_counts.in_progress) == (len(files), 0)
                listed = self.api.file_batches.list_files(store_id, batch_id, limit=2)
                assert {file.id for file in listed} == set(files)


class MachineTests(DriverTests):
    """Any program of calls."""

    @rule("R4", "R7", "R9", "R10", "R11", "R12", "R13", "R14", "R17")
    def test_any_program_gives_what_the_model_says(
        self, case: DriverCase, oauth_codex_portal: BlockingPortal, oauth_codex_examples: int, index_asked: None
    ) -> None:
        def open_storage(directory: Path, clock: FakeClock) -> Storage:
            return Storage(case, directory, clock=clock, portal=oauth_codex_portal)

        if not case.takes_parts:
            pytest.skip("not a local driver, and the case starts no service: the model assumes a storage of its own")
        program = type("AnyProgram", (Program,), {"open_storage": staticmethod(open_storage)})
        examples = program_settings(oauth_codex_examples, steps=25, share=2)
        run_state_machine_as_test(program, settings=examples)
