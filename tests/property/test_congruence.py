"""The same program on memory and on sqlite gives the same answers, hit by hit and score by score.

On sqlite two clients of one directory take turns, each with its own caches, and either may be closed and opened again.
Caches beside the catalog are written from the first rows on, and few views are kept, so that small programs pass
through all that large ones do: mapped files, tails, rebuilds, evictions.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from oauth_codex import OAuthCodexError
from oauth_codex.local import matrix
from oauth_codex.local.search import engine, view

WORDS = (
    "river",
    "rivers",
    "bank",
    "banker",
    "money",
    "flow",
    "flows",
    "the",
    "and",
    "of",
    "\u6cb3\u5ddd",
    "\u0440\u0435\u043a\u0430",
    "C++",
    "x86_64",
)
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join)
#: Some files are one chunk, some are several dozen.
CONTENT = st.one_of(TEXT, st.tuples(TEXT, st.integers(5, 60)).map(lambda pair: "\n".join([pair[0]] * pair[1])))
QUERY = st.one_of(
    st.lists(st.sampled_from((*WORDS, "rivr", "bnak", "moneys", "unheard")), min_size=1, max_size=4).map(" ".join),
    st.sampled_from(["the and of", "?", "\u6cb3", "\0"]),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["n", "kind"]), st.integers(0, 3) | st.sampled_from(["a", "b"]), max_size=2
)


class Congruence(RuleBasedStateMachine):
    """A client in memory, and two on one directory that take turns."""

    support: Any

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = self.support.Clock()
        ids = self.support.Ids()
        self.disk_ids = self.support.Ids()
        self.memory = self.support.OpenClient("memory", None, self.clock, ids)
        self.disk = [self.open(), self.open()]
        self.stores: list[str] = []
        self.files: list[str] = []

    def open(self) -> Any:
        return self.support.OpenClient("sqlite", self.directory, self.clock, self.disk_ids)

    def teardown(self) -> None:
        for each in (self.memory, *self.disk):
            each.close()
        shutil.rmtree(self.directory)

    def both(self, who: int, call: Any) -> Any:
        """What a call gives, after comparing the two; an error is an answer too."""

        def outcome(client: Any) -> Any:
            try:
                return call(client)
            except OAuthCodexError as error:
                return type(error), str(error)

        expected = outcome(self.memory.client)
        assert _plain(outcome(self.disk[who].client)) == _plain(expected)
        return expected

    # -- writing -------------------------------------------------------------------------------------------------------

    @initialize(contents=st.lists(CONTENT, min_size=4, max_size=8))
    def begin(self, contents: list[str]) -> None:
        for content in contents:
            self.upload(0, content)
        self.create_store(0, list(range(len(contents))))

    @rule(who=st.integers(0, 1), content=CONTENT)
    def upload(self, who: int, content: str) -> None:
        made = self.both(who, lambda c: c.files.create(file=("a.txt", content.encode()), purpose="assistants"))
        self.files.append(made.id)

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), content=CONTENT)
    def upload_attached(self, who: int, s: int, content: str) -> None:
        upload = ("b.txt", content.encode())
        made = self.both(who, lambda c: c.vector_stores.files.upload(self.store(s), file=upload, attributes={"n": 1}))
        self.files.append(made.id)

    @rule(who=st.integers(0, 1), chosen=st.lists(st.integers(0, 50), max_size=6))
    def create_store(self, who: int, chosen: list[int]) -> None:
        wanted = list(dict.fromkeys(self.file(i) for i in chosen))
        self.stores.append(self.both(who, lambda c: c.vector_stores.create(name="s", file_ids=wanted)).id)

    def file(self, chosen: int) -> str:
        return self.files[chosen % len(self.files)]

    def store(self, chosen: int) -> str:
        return self.stores[chosen % len(self.stores)]

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), f=st.integers(0, 50), attributes=ATTRIBUTES, small=st.booleans())
    def attach(self, who: int, s: int, f: int, attributes: dict[str, Any], small: bool) -> None:
        chunking: dict[str, Any] = {"type": "auto"}
        if small:
            chunking = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
        self.both(
            who,
            lambda c: c.vector_stores.files.create(
                self.store(s), file_id=self.file(f), attributes=attributes, chunking_strategy=chunking
            ),
        )

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), chosen=st.lists(st.integers(0, 50), min_size=1, max_size=5))
    def attach_batch(self, who: int, s: int, chosen: list[int]) -> None:
        files = [self.file(i) for i in chosen]
        self.both(who, lambda c: c.vector_stores.file_batches.create(self.store(s), file_ids=files))

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), f=st.integers(0, 50))
    def detach(self, who: int, s: int, f: int) -> None:
        self.both(who, lambda c: c.vector_stores.files.delete(self.store(s), self.file(f)))

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), kept=st.integers(0, 2))
    def detach_most(self, who: int, s: int, kept: int) -> None:
        """So many that the views are made anew."""
        self.both(who, lambda c: c.vector_stores.update(self.store(s), file_ids=self.files[:kept]))

    @rule(who=st.integers(0, 1), f=st.integers(0, 50))
    @precondition(lambda self: len(self.files) > 4)
    def delete_file(self, who: int, f: int) -> None:
        file = self.file(f)
        self.files.remove(file)
        self.both(who, lambda c: c.files.delete(file))
        self.both(1 - who, lambda c: c.files.delete(file))

    @rule(who=st.integers(0, 1), s=st.integers(0, 3))
    @precondition(lambda self: len(self.stores) > 1)
    def delete_store(self, who: int, s: int) -> None:
        store = self.store(s)
        self.stores.remove(store)
        self.both(who, lambda c: c.vector_stores.delete(store))
        self.both(1 - who, lambda c: c.vector_stores.search(store, query="river"))

    @rule(who=st.integers(0, 1), s=st.integers(0, 3), f=st.integers(0, 50), attributes=ATTRIBUTES)
    def update(self, who: int, s: int, f: int, attributes: dict[str, Any]) -> None:
        self.both(who, lambda c: c.vector_stores.files.update(self.store(s), self.file(f), attributes=attributes))

    @rule(seconds=st.integers(1, 50))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(who=st.integers(0, 1))
    def reopen(self, who: int) -> None:
        self.disk[who].close()
        self.disk[who] = self.open()

    # -- reading -------------------------------------------------------------------------------------------------------

    @rule(
        s=st.integers(0, 3),
        query=QUERY | st.lists(QUERY, min_size=1, max_size=3),
        most=st.sampled_from([1, 3, 10, 50]),
        threshold=st.sampled_from([0.0, 0.2, 0.6]),
        weights=st.none() | st.sampled_from([(1, 1), (0, 1), (1, 0), (0.3, 0.7)]),
        wanted=st.none()
        | st.builds(
            lambda t, v: {"type": t, "key": "n", "value": v}, st.sampled_from(["eq", "ne", "gt"]), st.integers(0, 3)
        ),
    )
    def search_with(self, s: int, query: Any, most: int, threshold: float, weights: Any, wanted: Any) -> None:
        self.search(s, query, most, threshold, weights, wanted)

    def search(self, s: int, query: Any, most: int, threshold: float, weights: Any, wanted: Any) -> None:
        ranking: dict[str, Any] = {"score_threshold": threshold}
        if weights is not None:
            ranking["hybrid_search"] = {"embedding_weight": weights[0], "text_weight": weights[1]}
        options = {
            "max_num_results": most,
            "ranking_options": ranking,
            **({} if wanted is None else {"filters": wanted}),
        }
        for who in (0, 1):
            self.both(who, lambda c: c.vector_stores.search(self.store(s), query=query, **options))

    @rule(s=st.integers(0, 1), query=QUERY)
    def search_simply(self, s: int, query: str) -> None:
        """Often, so that half of the steps are searches."""
        self.search(s, query, 10, 0.0, None, None)

    @rule(s=st.integers(0, 1), query=QUERY, who=st.integers(0, 1))
    def search_one_side(self, s: int, query: str, who: int) -> None:
        """So that the other one's view falls behind."""
        self.both(who, lambda c: c.vector_stores.search(self.store(s), query=query))

    @rule(s=st.integers(0, 3), f=st.integers(0, 50))
    def read(self, s: int, f: int) -> None:
        store, file = self.store(s), self.file(f)
        for who in (0, 1):
            self.both(who, lambda c: c.vector_stores.list(limit=100))
            self.both(who, lambda c: c.vector_stores.files.list(store, limit=100))
            self.both(who, lambda c: c.vector_stores.files.content(file, vector_store_id=store))
            self.both(who, lambda c: c.files.list())
        for each in (self.memory, *self.disk):
            self.support.audit(each.client)


def _plain(answer: Any) -> Any:
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


def test_memory_and_two_clients_of_one_directory_agree(support: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 3)
    monkeypatch.setattr(engine, "_VIEWS", 1)
    kind = type("Agreement", (Congruence,), {"support": support})
    examples = settings(
        max_examples=12,
        stateful_step_count=30,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
