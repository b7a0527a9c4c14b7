"""What an index answers is checked: it may be wrong, short, behind, ahead or gone, and the hits stay those of `memory`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex import ConfigurationError, OAuthCodexClient, StorageError
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider, saturated
from oauth_codex.spi import LOCAL, DriverContext, IndexLost, IndexSpec, IndexTraits

#: One place in all lists, so that hits depend on nothing but the vectors.
VECTORS_ONLY = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}
TEXTS = [f"plum number {number} of the orchard" for number in range(40)]


class Shared:
    """A provider whose indexes live on after they were closed, as those of a server do, with answers that a test may bend."""

    def __init__(self, **traits: Any) -> None:
        self.traits = IndexTraits(**{"exact": True, "among": True, "cosines": True, **traits})
        self.indexes: dict[str, Any] = {}
        self.bend: Callable[[Any], Any] = lambda keys: keys
        self.opened = 0
        self.asked: list[Any] = []

    def open(self, spec: IndexSpec) -> Any:
        self.opened += 1
        if spec.id not in self.indexes:
            self.indexes[spec.id] = _Index(self, MatrixProvider().open(spec))
        return self.indexes[spec.id]

    def drop(self, index_id: str) -> None:
        self.indexes.pop(index_id, None)

    def close(self) -> None:
        pass


class _Index:
    def __init__(self, provider: Shared, held: Any) -> None:
        self._provider = provider
        self.held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self.held, name)

    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        self._provider.asked.append(among)
        return self._provider.bend(self.held.query(vector, limit=limit, among=among))

    def close(self) -> None:
        pass


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., OAuthCodexClient]]:
    clients = []

    def open_client(provider: Any, **context: Any) -> OAuthCodexClient:
        catalog = Catalog.open_file(tmp_path / "storage")
        inside = DriverContext(directory=tmp_path, embedder=HashingEmbedder(), **context)
        clients.append(OAuthCodexClient(LocalBackend(catalog, provider, inside, name="shared", capabilities=LOCAL)))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


def fill(client: OAuthCodexClient) -> tuple[str, list[str]]:
    store = client.vector_stores.create().id
    return store, [client.vector_stores.files.upload(store, file=text.encode()).id for text in TEXTS]


def hits(client: OAuthCodexClient, store: str, **options: Any) -> list[tuple[str, float]]:
    found = client.vector_stores.search(store, query="plom nomber 7", ranking_options=VECTORS_ONLY, **options)
    return [(hit.text, hit.score) for hit in found.data]


@pytest.fixture
def right() -> list[tuple[str, float]]:
    with OAuthCodexClient(backend="memory") as client:
        return hits(client, fill(client)[0])


@pytest.fixture
def asked(monkeypatch: Any) -> None:
    """The engine asks the index however small the store is."""
    monkeypatch.setattr("oauth_codex.local.search.vectors.EXACT_ROWS", 0)


def test_a_small_store_is_searched_exactly_where_the_index_is_not(opened: Any, right: Any) -> None:
    provider = Shared(exact=False, cosines=False)
    provider.bend = BENT["another order"]
    client = opened(provider)
    assert hits(client, fill(client)[0]) == right
    assert not provider.asked


BENT = {
    "unknown keys": lambda keys: np.concatenate((keys + 1_000_000, keys)),
    "the same key again and again": lambda keys: np.repeat(keys, 3),
    "another order": lambda keys: keys[::-1],
    "nothing": lambda keys: keys[:0],
    "one too few": lambda keys: keys[:-1],
}


@pytest.mark.parametrize("name", BENT)
def test_an_index_that_answers_badly_makes_a_search_slower_and_not_wrong(
    name: str, opened: Any, right: Any, asked: None
) -> None:
    provider = Shared(exact=False, cosines=False)
    provider.bend = BENT[name]
    client = opened(provider)
    assert hits(client, fill(client)[0]) == right


def test_an_index_that_is_told_to_be_right_and_is_not_is_an_error(opened: Any) -> None:
    provider = Shared()
    provider.bend = BENT["nothing"]
    client = opened(provider)
    store, _ = fill(client)
    with pytest.raises(StorageError, match=f"The shared index of {store} returned 0 of 26 chunks that were asked for"):
        hits(client, store)
    assert provider.opened == 2  # made anew once


def test_candidates_are_never_asked_of_an_index_that_does_not_take_them(opened: Any, asked: None) -> None:
    client = opened(provider := Shared(exact=False, among=False, cosines=False))
    store, files = fill(client)
    for number, file in enumerate(files):
        client.vector_stores.files.update(store, file, attributes={"n": number})
    found = [text for text, _ in hits(client, store, filters={"type": "lt", "key": "n", "value": 20})]
    every = [text for text, _ in hits(client, store, max_num_results=40)]
    assert found == [text for text in every if TEXTS.index(text) < 20][:10]
    assert provider.asked == [None]


def test_candidates_are_scored_one_by_one_where_the_index_tells_cosines_and_takes_no_candidates(opened: Any) -> None:
    provider = Shared(exact=False, among=False)
    provider.bend = lambda keys: keys[:1]  # a graph that finds next to nothing
    client = opened(provider)
    store, files = fill(client)
    for number, file in enumerate(files):
        client.vector_stores.files.update(store, file, attributes={"n": number})
    with OAuthCodexClient(backend="memory") as reference:
        expected = fill(reference)[0]
        every = [text for text, _ in hits(reference, expected, max_num_results=40)]
    found = [text for text, _ in hits(client, store, filters={"type": "lt", "key": "n", "value": 20})]
    assert found == [text for text in every if TEXTS.index(text) < 20][:10]
    assert not provider.asked


def test_strays_and_gaps_of_an_index_are_mended_when_it_is_opened(opened: Any, right: Any, caplog: Any) -> None:
    provider = Shared()
    with opened(provider) as client:
        store, files = fill(client)
        assert hits(client, store) == right
    (index,) = provider.indexes.values()
    keys = np.fromiter(index.held.keys(), np.int64)
    index.held.delete(keys[::2])
    with opened(provider) as client, caplog.at_level(logging.WARNING):
        assert hits(client, store) == right
    assert "20 vectors were missing, 0 too many" in caplog.text
    assert index.count() == 40

    # A stray: the chunks of a file that was removed while the index was written, and has no vectors in the catalog any more.
    vectors = np.eye(2, 512, dtype=np.float32)
    with opened(provider) as client:
        client.vector_stores.files.delete(files[0], vector_store_id=store)
        assert len(hits(client, store)) == 10
        index.held.upsert(keys[:1], vectors[:1])
    caplog.clear()
    with opened(provider) as client, caplog.at_level(logging.WARNING):
        hits(client, store)
    assert "0 vectors were missing, 1 too many" in caplog.text
    assert index.count() == 39


def test_what_an_interrupted_replay_left_goes_when_its_file_has_gone(opened: Any) -> None:
    client = opened(provider := Shared())
    store, _ = fill(client)
    hits(client, store)
    (index,) = provider.indexes.values()
    last = client.vector_stores.files.upload(store, file=b"plum number 40").id
    flush, index.flush = index.held.flush, _interrupted
    with pytest.raises(StorageError, match="the lights went out"):
        hits(client, store)
    index.flush = flush
    client.vector_stores.files.delete(last, vector_store_id=store)
    hits(client, store)
    assert index.count() == 40


def _interrupted(watermark: int) -> None:
    raise RuntimeError("the lights went out")


def test_an_index_that_is_lost_is_made_anew_once(opened: Any, right: Any, caplog: Any) -> None:
    client = opened(provider := Shared())
    store, _ = fill(client)
    lost = [True, False]

    def once(keys: Any) -> Any:
        if lost.pop(0):
            raise IndexLost("Somebody deleted the collection.")
        return keys

    provider.bend = once
    with caplog.at_level(logging.WARNING):
        assert hits(client, store) == right
    assert "Somebody deleted the collection. It is made anew from the catalog." in caplog.text

    lost[:] = [True, True]
    with pytest.raises(
        StorageError, match=r"Somebody deleted the collection\. It was made anew from the catalog, and lost"
    ):
        hits(client, store, max_num_results=5)


def test_an_index_that_another_process_has_brought_further_is_no_reason_to_rebuild(opened: Any, right: Any) -> None:
    one, other = opened(provider := Shared()), opened(provider)
    store, _ = fill(one)
    assert hits(other, store) == right
    one.vector_stores.files.upload(store, file=b"pears and nothing else")
    hits(one, store)
    assert hits(other, store) == right
    assert len(provider.indexes) == 1
    assert provider.opened == 2


def test_an_index_that_is_ahead_of_a_catalog_that_was_put_back_is_made_anew(
    opened: Any, right: Any, caplog: Any
) -> None:
    client = opened(provider := Shared())
    store, _ = fill(client)
    hits(client, store)
    (index,) = provider.indexes.values()
    index.held.flush(2**50)  # later than now
    with opened(provider) as client, caplog.at_level(logging.WARNING):
        assert hits(client, store) == right
    assert "was replaced by an earlier one" in caplog.text


def test_an_embedder_of_too_many_dimensions_is_refused_when_the_storage_is_opened(opened: Any) -> None:
    with pytest.raises(ConfigurationError, match="at most 100 dimensions; those of the embedder 'hashing' have 512"):
        opened(Shared(max_dimension=100))


def test_filling_a_large_index_tells_how_far_it_is(opened: Any, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("oauth_codex.local.search.vectors._TELL_FROM", 40)
    monkeypatch.setattr("oauth_codex.local.search.vectors._GENERATIONS", 16)
    client = opened(Shared())
    store, _ = fill(client)
    with caplog.at_level(logging.INFO, logger="oauth_codex"):
        hits(client, store)
    assert [record.progress for record in caplog.records if hasattr(record, "progress")] == [
        (16, 40),
        (32, 40),
        (40, 40),
    ]


def test_an_index_is_filled_where_the_keyword_index_is_there_already(
    opened: Any, right: Any, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("oauth_codex.local.search.view._SAVE_FROM", 1)
    with opened(Shared()) as client:
        store, _ = fill(client)
        hits(client, store)
    caplog.clear()
    provider = Shared()
    with opened(provider) as client:
        assert hits(client, store) == right
    assert provider.opened == 1
    assert not caplog.records


def test_a_storage_says_that_another_driver_used_it_before(tmp_path: Path, caplog: Any) -> None:
    with OAuthCodexClient(storage_dir=tmp_path) as client:
        store, _ = fill(client)
        expected = hits(client, store)
    with OAuthCodexClient(storage_dir=tmp_path):
        assert not caplog.records
    inside = DriverContext(directory=tmp_path, embedder=HashingEmbedder())
    backend = LocalBackend(Catalog.open_file(tmp_path), Shared(), inside, name="other", capabilities=LOCAL)
    with OAuthCodexClient(backend) as client:
        assert hits(client, store) == expected
    assert "last used with the driver 'sqlite'" in caplog.text


@pytest.mark.parametrize(
    ("cosines", "ended_in_a_cluster"),
    [
        ([0.9, 0.8, 0.2, 0.2, 0.2, 0.2], True),
        ([0.2, 0.2, 0.2, 0.2, 0.9], True),
        ([0.9, 0.9, 0.9, 0.9, 0.2], False),
        ([0.9, 0.5, 0.4, 0.3, 0.2, 0.1], False),
        ([0.2, 0.2, 0.2], False),
        ([], False),
    ],
)
def test_a_walk_that_ended_in_a_cluster_of_equals_is_noticed(cosines: list[float], ended_in_a_cluster: bool) -> None:
    assert saturated(np.array(cosines, dtype=np.float32)) is ended_in_a_cluster


def test_nominees_that_end_in_equals_are_looked_up_exactly(opened: Any, asked: None) -> None:
    """A graph that walks into a cluster of equal chunks returns as many as it is asked for, and not the best."""
    provider = Shared(exact=False, cosines=False)
    with opened(provider) as client:
        store = client.vector_stores.create().id
        for text in [*["nothing of the kind, and again"] * 60, *TEXTS]:
            client.vector_stores.files.upload(store, file=text.encode())
        best = hits(client, store)
        provider.bend = np.sort  # the oldest first: the equal ones
        assert hits(client, store) == best
        assert best[0][0] == TEXTS[7]
