"""The same program on `memory` and on the driver gives the same answers, hit by hit and score by score.

Ids, times, hits, scores, counters, pages and errors are compared as they stand. The driver is used through the sync and the async
client in turn; where several processes may share a storage, these are two backends, each with its own caches. Where objects
outlive the process, they are closed and opened again in between.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, run_state_machine_as_test
from hypothesis.stateful import rule as step

from ... import registry
from ...client import OAuthCodexClient
from ...errors import BadRequestError, ConflictError, NotFoundError
from ...spi import Embedder
from ..case import DriverCase, Storage
from ..clock import FakeClock
from ..marks import rule
from ..semantic import SYNONYMS, SemanticEmbedder
from .base import DriverTests
from .programs import program_settings

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

#: What a call may answer instead of a result. Any other error is a failure, on whichever side it happens.
_REFUSALS = (BadRequestError, ConflictError, NotFoundError)

Call = Callable[[OAuthCodexClient], Any]


class Pair:
    """`memory` and the driver on one clock, with ids that count alike."""

    def __init__(self, case: DriverCase, place: Path, portal: BlockingPortal, embedder: Embedder) -> None:
        self.clock = FakeClock()

        def storage(case: DriverCase, name: str) -> Storage:
            return Storage(case, place / name, clock=self.clock, portal=portal, embedder=embedder)

        self._memory = storage(DriverCase("memory"), "memory")
        self._tested = storage(case, "storage")
        self.reference = self._memory.open()
        self.clients = self._open()
        self.can = self._tested.capabilities()
        self.local = case.local

    def _open(self) -> list[OAuthCodexClient]:
        """The sync and the async client."""
        first = self._tested.open("sync")
        if self._tested.capabilities().multi_process:
            second = self._tested.open("async")
        else:
            second = self._tested.client(self._tested.backends[0], "async")
        self._owners = list(self._tested.backends)
        return [first, second]

    def reopen(self, who: int) -> None:
        """Close one client of the driver and open it again; the other one stays open if it has a backend of its own."""
        if len(self._owners) == 1:
            self._tested.close()
            self.clients = self._open()
            return
        self._tested.shut(self._owners[who])
        self.clients[who] = self._tested.open("async" if who else "sync")
        self._owners[who] = self._tested.backends[-1]

    def close(self) -> None:
        self._tested.close()
        self._memory.close()

    def do(self, who: int, call: Call) -> Any:
        """Call `memory` and one client of the driver, and return what both gave; None for a refusal."""
        expected = _outcome(self.reference, call)
        found = _outcome(self.clients[who], call)
        assert _plain(found) == _plain(expected)
        return None if isinstance(expected, tuple) else expected

    def read(self, call: Call) -> None:
        """Compare both clients of the driver with `memory`."""
        for who in range(len(self.clients)):
            self.do(who, call)


def _outcome(client: OAuthCodexClient, call: Call) -> Any:
    try:
        return call(client)
    except _REFUSALS as error:
        return type(error), str(error)


def _plain(answer: Any) -> Any:
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


# -- any program -------------------------------------------------------------------------------------------------------

_WORDS = (
    *(word for row in SYNONYMS[:5] for word in row),
    *(
        "rivers",
        "bank",
        "banker",
        "flow",
        "flows",
        "the",
        "and",
        "of",
        "\u6cb3\u5ddd",
        "\u0440\u0435\u043a\u0430",
        "C++",
        "x86_64",
    ),
)
_TEXT = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=60).map(" ".join)
#: Some files are one chunk, some are several dozen, many of them equal.
_CONTENT = st.one_of(
    _TEXT,
    st.tuples(_TEXT, st.integers(5, 60)).map(lambda pair: "\n".join([pair[0]] * pair[1])),
    st.sampled_from(["", "   \n", "\0\1"]),
)
_QUERY = st.one_of(
    st.lists(st.sampled_from((*_WORDS, "rivr", "bnak", "unheard")), min_size=1, max_size=4).map(" ".join),
    st.sampled_from(["the and of", "?", "\u6cb3", "\0"]),
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["n", "kind"]), st.integers(0, 3) | st.sampled_from(["a", "b"]), max_size=2
)
_FILTERS = st.builds(
    lambda t, v: {"type": t, "key": "n", "value": v}, st.sampled_from(["eq", "ne", "gt"]), st.integers(0, 3)
)
_WHO = st.integers(0, 1)
_STORE = st.integers(0, 3)
_FILE = st.integers(0, 50)


class Congruence(RuleBasedStateMachine):
    """A program that runs on a `Pair`; `open_pair` is given by who runs it."""

    open_pair: ClassVar[Callable[[Path], Pair]]

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.pair = type(self).open_pair(self.place)
        self.can = self.pair.can
        self.stores: list[str] = []
        self.files: list[str] = []

    def teardown(self) -> None:
        self.pair.close()
        shutil.rmtree(self.place)

    def file(self, chosen: int) -> str:
        return self.files[chosen % len(self.files)]

    def store(self, chosen: int) -> str:
        return self.stores[chosen % len(self.stores)]

    # -- writing -------------------------------------------------------------------------------------------------------

    @initialize(contents=st.lists(_CONTENT, min_size=4, max_size=8))
    def begin(self, contents: list[str]) -> None:
        for content in contents:
            self.upload(0, content)
        self.create_store(0, list(range(len(contents))))

    @step(who=_WHO, content=_CONTENT)
    def upload(self, who: int, content: str) -> None:
        made = self.pair.do(who, lambda c: c.files.create(file=("a.txt", content.encode()), purpose="assistants"))
        self.files.append(made.id)

    @step(who=_WHO, s=_STORE, content=_CONTENT)
    @precondition(lambda self: self.can.upload_files)
    def upload_attached(self, who: int, s: int, content: str) -> None:
        upload = ("b.txt", content.encode())
        made = self.pair.do(
            who, lambda c: c.vector_stores.files.upload(self.store(s), file=upload, attributes={"n": 1})
        )
        self.files.append(made.id)

    @step(who=_WHO, chosen=st.lists(_FILE, max_size=6))
    def create_store(self, who: int, chosen: list[int]) -> None:
        wanted = list(dict.fromkeys(self.file(i) for i in chosen))
        self.stores.append(self.pair.do(who, lambda c: c.vector_stores.create(name="s", file_ids=wanted)).id)

    @step(who=_WHO, s=_STORE, f=_FILE, attributes=_ATTRIBUTES, small=st.booleans())
    def attach(self, who: int, s: int, f: int, attributes: dict[str, Any], small: bool) -> None:
        chunking: dict[str, Any] = {"type": "auto"}
        if small:
            chunking = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
        self.pair.do(
            who,
            lambda c: c.vector_stores.files.create(
                self.store(s), file_id=self.file(f), attributes=attributes, chunking_strategy=chunking
            ),
        )

    @step(who=_WHO, s=_STORE, chosen=st.lists(_FILE, min_size=1, max_size=5))
    @precondition(lambda self: self.can.file_batches)
    def attach_batch(self, who: int, s: int, chosen: list[int]) -> None:
        files = [self.file(i) for i in chosen]
        self.pair.do(who, lambda c: c.vector_stores.file_batches.create(self.store(s), file_ids=files))

    @step(who=_WHO, s=_STORE, f=_FILE)
    def detach(self, who: int, s: int, f: int) -> None:
        self.pair.do(who, lambda c: c.vector_stores.files.delete(self.store(s), self.file(f)))

    @step(who=_WHO, s=_STORE, kept=st.integers(0, 2))
    @precondition(lambda self: self.can.replace_files and self.pair.local)
    def detach_most(self, who: int, s: int, kept: int) -> None:
        """So many that indexes are made anew. Over a network it may take requests that use ids up, which then differ."""
        self.pair.do(who, lambda c: c.vector_stores.update(self.store(s), file_ids=self.files[:kept]))

    @step(who=_WHO, f=_FILE)
    @precondition(lambda self: len(self.files) > 4)
    def delete_file(self, who: int, f: int) -> None:
        file = self.file(f)
        self.files.remove(file)
        self.pair.do(who, lambda c: c.files.delete(file))
        self.pair.read(lambda c: c.files.retrieve(file))

    @step(who=_WHO, s=_STORE)
    @precondition(lambda self: len(self.stores) > 1)
    def delete_store(self, who: int, s: int) -> None:
        store = self.store(s)
        self.stores.remove(store)
        self.pair.do(who, lambda c: c.vector_stores.delete(store))
        self.pair.read(lambda c: c.vector_stores.search(store, query="river"))

    @step(who=_WHO, s=_STORE, f=_FILE, attributes=_ATTRIBUTES)
    @precondition(lambda self: self.can.update_attributes)
    def update(self, who: int, s: int, f: int, attributes: dict[str, Any]) -> None:
        self.pair.do(who, lambda c: c.vector_stores.files.update(self.store(s), self.file(f), attributes=attributes))

    @step(seconds=st.integers(1, 50))
    def time_passes(self, seconds: int) -> None:
        self.pair.clock.advance(seconds)

    @step(who=_WHO)
    @precondition(lambda self: self.can.persistent)
    def reopen(self, who: int) -> None:
        self.pair.reopen(who)

    # -- reading -------------------------------------------------------------------------------------------------------

    @step(
        s=_STORE,
        query=_QUERY | st.lists(_QUERY, min_size=1, max_size=3),
        most=st.sampled_from([1, 3, 10, 50]),
        threshold=st.sampled_from([0.0, 0.2, 0.6]),
        weights=st.none() | st.sampled_from([(1, 1), (0, 1), (1, 0), (0.3, 0.7)]),
        wanted=st.none() | _FILTERS,
    )
    def search_with(self, s: int, query: Any, most: int, threshold: float, weights: Any, wanted: Any) -> None:
        options: dict[str, Any] = {"max_num_results": most, "ranking_options": {"score_threshold": threshold}}
        if weights is not None and self.can.hybrid_search:
            hybrid = {"embedding_weight": weights[0], "text_weight": weights[1]}
            options["ranking_options"]["hybrid_search"] = hybrid
        if wanted is not None and self.can.filters:
            options["filters"] = wanted
        self.pair.read(lambda c: c.vector_stores.search(self.store(s), query=query, **options))

    @step(s=st.integers(0, 1), query=_QUERY)
    def search_simply(self, s: int, query: str) -> None:
        """Often, so that half of the steps are searches."""
        self.pair.read(lambda c: c.vector_stores.search(self.store(s), query=query))

    @step(s=st.integers(0, 1), query=_QUERY, who=_WHO)
    def search_one_side(self, s: int, query: str, who: int) -> None:
        """So that the other one falls behind."""
        self.pair.do(who, lambda c: c.vector_stores.search(self.store(s), query=query))

    @step(s=_STORE, f=_FILE)
    def read(self, s: int, f: int) -> None:
        store, file = self.store(s), self.file(f)
        self.pair.read(lambda c: c.vector_stores.list(limit=100))
        self.pair.read(lambda c: c.vector_stores.files.list(store, limit=100))
        self.pair.read(lambda c: c.vector_stores.files.content(file, vector_store_id=store))
        self.pair.read(lambda c: c.files.list())


class CongruenceTests(DriverTests):
    """Local drivers give the answers of `memory`, to the last digit."""

    @pytest.fixture
    def open_pair(self, case: DriverCase, oauth_codex_portal: BlockingPortal) -> Callable[[Path, Embedder], Pair]:
        """Opens `memory` and the driver."""
        if not case.takes_parts:
            pytest.skip("not a local driver, and the case starts no service: its scores are its own")
        return lambda place, embedder: Pair(case, place, oauth_codex_portal, embedder)

    @rule("R9", "R10", "R11", "R13", "R16", "R17")
    @pytest.mark.parametrize(("embedder", "share"), [("semantic", 3), ("hashing", 6)])
    def test_any_program_gives_the_answers_of_memory(
        self,
        open_pair: Callable[[Path, Embedder], Pair],
        embedder: str,
        share: int,
        oauth_codex_examples: int,
        index_asked: None,
    ) -> None:
        """With vectors that count, and with those of the default embedder, whose queries are sparse."""
        found = SemanticEmbedder() if embedder == "semantic" else registry.open_embedder(embedder, {})
        program = type("Program", (Congruence,), {"open_pair": staticmethod(lambda place: open_pair(place, found))})
        examples = program_settings(oauth_codex_examples, steps=30, share=share)
        run_state_machine_as_test(program, settings=examples)

    @rule("R9", "R10", "R12", "R13", "R17")
    def test_a_larger_store_gives_the_hits_of_memory(
        self, open_pair: Callable[[Path, Embedder], Pair], tmp_path: Path, index_asked: None
    ) -> None:
        """Some hundred chunks: found, filtered, half of them taken away, others added, and opened again."""
        pair = open_pair(tmp_path, SemanticEmbedder())
        random = np.random.default_rng(7)
        words = [*(word for row in SYNONYMS for word in row), *(f"word{n}" for n in range(60))]

        def text(length: int) -> str:
            return " ".join(random.choice(words, size=length))

        try:
            store = pair.do(0, lambda c: c.vector_stores.create(name="larger")).id
            files: list[str] = []

            def add(count: int) -> None:
                for _ in range(count):
                    content, number = text(int(random.integers(3, 40))).encode(), len(files)
                    upload = {
                        "file": ("t.txt", content),
                        "attributes": {"tenth": number % 10, "hundredth": number % 100},
                    }
                    made = pair.do(number % 2, lambda c, u=upload: c.vector_stores.files.upload(store, **u))  # type: ignore[misc]
                    files.append(made.id)

            def compare() -> None:
                for number in range(8):
                    query = text(1 + number % 4)
                    for filters in (None, "tenth", "hundredth") if pair.can.filters else (None,):
                        for weights in (None, (1, 0)) if pair.can.hybrid_search else (None,):
                            options: dict[str, Any] = {"max_num_results": 1 + 7 * (number % 4)}
                            if filters:
                                options["filters"] = {"type": "eq", "key": filters, "value": number}
                            if weights:
                                hybrid = {"embedding_weight": weights[0], "text_weight": weights[1]}
                                options["ranking_options"] = {"hybrid_search": hybrid}
                            pair.read(lambda c, o=options, q=query: c.vector_stores.search(store, query=q, **o))  # type: ignore[misc]

            add(150)
            compare()
            for file in files[::2]:
                pair.do(0, lambda c, f=file: c.vector_stores.files.delete(store, f))  # type: ignore[misc]
            compare()
            add(40)
            if pair.can.persistent:
                for who in (0, 1):
                    pair.reopen(who)
            compare()
        finally:
            pair.close()
