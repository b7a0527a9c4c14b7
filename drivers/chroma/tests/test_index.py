"""The index level on an embedded Chroma and on a server: what the contract says, and each trap of the engine."""

from __future__ import annotations

import inspect
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex.errors import NotSupportedError, StorageError
from oauth_codex.spi import IndexLost
from oauth_codex_chroma.index import ChromaProvider

from .conftest import DIMENSION, Open, Server, chroma_of, keys_of, spec_of, unit_rows


def nearest(rows: Any, vector: Any, limit: int) -> set[int]:
    return set((np.argsort(-(rows @ vector))[:limit] + 1).tolist())


def collection_of(provider: ChromaProvider, index_id: str) -> Any:
    client = chroma_of(provider)
    return client.get_collection(provider._name(index_id), embedding_function=None)


def test_writing_finding_and_removing(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    assert (index.watermark, index.count(), list(index.keys())) == (0, 0, [])
    rows = unit_rows(300)
    assert index.query(rows[0], limit=10).tolist() == []
    index.upsert(keys_of(300), rows)
    found = index.query(rows[7], limit=10)
    assert found.dtype == np.int64
    assert found[0] == 8
    assert len(set(found.tolist()) & nearest(rows, rows[7], 10)) >= 9
    index.delete(np.array([8, 9, 99_999]))
    assert index.count() == 298
    assert sorted(index.keys()) == [key for key in range(1, 301) if key not in (8, 9)]
    assert 8 not in index.query(rows[7], limit=298)


def test_writing_twice_replaces(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    rows = unit_rows(4)
    index.upsert(keys_of(2), rows[:2])
    index.upsert(keys_of(2), rows[2:])
    assert index.count() == 2
    assert index.query(rows[3], limit=1).tolist() == [2]


def test_large_keys_survive(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    rows = unit_rows(2)
    keys = np.array([2**53 + 1, 2**63 - 1])
    index.upsert(keys, rows)
    assert index.query(rows[0], limit=2).tolist() == keys.tolist()
    assert sorted(index.keys()) == keys.tolist()


def test_more_rows_than_one_call_takes(provider: ChromaProvider, spec: Any) -> None:
    """Chroma refuses more than 5461 rows a call, and SQLite 33,000 ids."""
    index = provider.open(spec)
    count = 12_000
    assert count > 2 * chroma_of(provider).get_max_batch_size()
    rows = unit_rows(count)
    index.upsert(keys_of(count), rows)
    assert index.count() == count
    assert len(set(index.keys())) == count
    found = index.query(rows[0], limit=400).tolist()  # far above the default effort of 100
    assert len(found) == len(set(found)) == 400
    index.delete(keys_of(count - 50))
    assert index.count() == 50
    assert set(index.query(rows[0], limit=200).tolist()) == set(range(count - 49, count + 1))


def test_nothing_to_write_and_nothing_to_remove(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    index.upsert(keys_of(0), np.zeros((0, DIMENSION), dtype=np.float32))
    index.upsert(keys_of(3), unit_rows(3))
    index.delete(keys_of(0))
    assert index.count() == 3


def test_zero_vectors(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    rows = unit_rows(3)
    rows[1] = 0
    index.upsert(keys_of(3), rows)
    found = index.query(rows[0], limit=3).tolist()
    assert found[0] == 1
    assert sorted(found) == [1, 2, 3]


@pytest.mark.parametrize(
    ("keys", "vectors"),
    [
        ([1], np.full((1, DIMENSION), np.nan, dtype=np.float32)),
        ([1], np.full((1, DIMENSION), np.inf, dtype=np.float32)),
        ([1], np.zeros((1, DIMENSION + 1), dtype=np.float32)),
        ([1, 2], np.zeros((1, DIMENSION), dtype=np.float32)),
        ([3, 3], np.zeros((2, DIMENSION), dtype=np.float32)),
    ],
    ids=["nan", "inf", "dimension", "count", "twice"],
)
def test_bad_vectors_are_refused_before_chroma(provider: ChromaProvider, spec: Any, keys: Any, vectors: Any) -> None:
    index = provider.open(spec)
    with pytest.raises(StorageError, match=r"shape|not finite|ascend"):
        index.upsert(np.array(keys), vectors)
    assert index.count() == 0


def test_bad_queries_are_refused(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    with pytest.raises(StorageError, match="not finite"):
        index.query(np.full(DIMENSION, np.nan, dtype=np.float32), limit=1)
    with pytest.raises(StorageError, match="shape"):
        index.query(np.zeros(3, dtype=np.float32), limit=1)
    with pytest.raises(NotSupportedError):
        index.query(unit_rows(1)[0], limit=1, among=keys_of(1))
    assert not provider.traits.among


def test_watermark_outlives_the_index(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    index.upsert(keys_of(5), unit_rows(5))
    index.flush(7)
    index.flush(2**60)
    index.close()
    again = provider.open(spec)
    assert (again.watermark, again.count()) == (2**60, 5)
    assert collection_of(provider, spec.id).metadata["stamp"] == "first"  # Chroma replaces metadata as a whole


def test_dropping(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    index.upsert(keys_of(5), unit_rows(5))
    index.flush(3)
    index.close()
    provider.drop(spec.id)
    provider.drop(spec.id)
    again = provider.open(spec)
    assert (again.watermark, again.count()) == (0, 0)


def test_made_anew_with_a_word(provider: ChromaProvider, spec: Any, caplog: pytest.LogCaptureFixture) -> None:
    index = provider.open(spec)
    index.upsert(keys_of(5), unit_rows(5))
    index.flush(3)
    other = provider.open(spec_of(spec.id, stamp="second"))
    assert (other.watermark, other.count()) == (0, 0)
    assert "another stamp" in caplog.text
    wide = provider.open(spec_of(spec.id, stamp="second", dimension=32))
    wide.upsert(keys_of(2), unit_rows(2, 32))
    assert wide.count() == 2


def test_another_distance_is_not_kept(provider: ChromaProvider, spec: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Chroma keeps the distance of a collection that exists, silently, and so would rank by another measure."""
    provider.open(spec)
    name = provider._name(spec.id)
    client = chroma_of(provider)
    metadata = collection_of(provider, spec.id).metadata
    client.delete_collection(name)
    client.create_collection(name, embedding_function=None, metadata=metadata, configuration={"hnsw": {"space": "l2"}})
    index = provider.open(spec)
    assert "space 'l2' instead of 'cosine'" in caplog.text
    assert collection_of(provider, spec.id).configuration_json["hnsw"]["space"] == "cosine"
    index.upsert(keys_of(1), unit_rows(1))


def test_a_collection_of_others_is_left_alone(provider: ChromaProvider, spec: Any) -> None:
    client = chroma_of(provider)
    foreign = client.create_collection(provider._name(spec.id), embedding_function=None, metadata={"mine": 1})
    foreign.add(ids=["a"], embeddings=unit_rows(1))
    with pytest.raises(StorageError, match="not made by oauth-codex"):
        provider.open(spec)
    with pytest.raises(StorageError, match="not made by oauth-codex"):
        provider.drop(spec.id)
    assert collection_of(provider, spec.id).count() == 1


def test_a_collection_that_was_deleted_is_lost(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    index.upsert(keys_of(5), unit_rows(5))
    chroma_of(provider).delete_collection(provider._name(spec.id))
    for call in (
        index.count,
        index.keys,
        lambda: index.query(unit_rows(1)[0], limit=1),
        lambda: index.upsert(keys_of(1), unit_rows(1)),
        lambda: index.delete(keys_of(1)),
    ):
        with pytest.raises(IndexLost, match="was deleted"):
            call()


def test_rows_of_others_are_not_taken_for_keys(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    collection_of(provider, spec.id).add(ids=["a"], embeddings=unit_rows(1))
    with pytest.raises(IndexLost, match="rows of others"):
        index.query(unit_rows(1)[0], limit=1)
    with pytest.raises(IndexLost, match="rows of others"):
        index.keys()


def test_collections_of_two_catalogs(provider: ChromaProvider, spec: Any) -> None:
    other = ChromaProvider(provider._connection, "f" * 32, logging.getLogger("test.chroma"))
    index = provider.open(spec)
    index.upsert(keys_of(5), unit_rows(5))
    assert other.open(spec).count() == 0
    other.drop(spec.id)
    assert index.count() == 5


def test_names_end_as_chroma_wants(provider: ChromaProvider) -> None:
    for index_id in ("x_", "x-", "y" * 100):
        assert provider.open(spec_of(index_id)).count() == 0
        provider.drop(index_id)


def test_eight_threads_read_at_once(provider: ChromaProvider, spec: Any) -> None:
    index = provider.open(spec)
    rows = unit_rows(500)
    index.upsert(keys_of(500), rows)
    start = threading.Barrier(8)

    def search(number: int) -> list[int]:
        start.wait()
        return [int(index.query(rows[row], limit=20)[0]) for row in range(number, 400, 8)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(search, range(8)))
    assert found == [[row + 1 for row in range(number, 400, 8)] for number in range(8)]


@pytest.mark.parametrize("where", ["embedded", "server"])
def test_graph_options(where: str, open_provider: Open, spec: Any, request: pytest.FixtureRequest, caplog: Any) -> None:
    at: dict[str, Any] = request.getfixturevalue("shared_server").options if where == "server" else {}

    def opened(**options: int) -> tuple[dict[str, Any], int]:
        provider = open_provider(**at, **options)
        index = provider.open(spec)
        index.upsert(keys_of(1), unit_rows(1))
        index.flush(4)
        graph = collection_of(provider, spec.id).configuration_json["hnsw"]
        provider.close()
        return {name: graph[name] for name in ("ef_search", "ef_construction", "max_neighbors")}, index.watermark

    opened(ef_search=50, ef_construction=60, max_neighbors=8)
    assert opened()[0] == {"ef_search": 50, "ef_construction": 60, "max_neighbors": 8}  # what is not asked for is kept
    assert not caplog.records
    assert opened(max_neighbors=8, ef_search=70)[0] == {"ef_search": 70, "ef_construction": 100, "max_neighbors": 8}
    assert "ef_search 50 instead of 70" in caplog.text


def test_two_clients_of_a_server_fill_one_collection(open_provider: Open, shared_server: Server, spec: Any) -> None:
    """The one that is behind writes a lower watermark: work is repeated then, and nothing is lost."""
    rows = unit_rows(30)
    ahead = open_provider(**shared_server.options).open(spec)
    behind = open_provider(**shared_server.options).open(spec)
    ahead.upsert(keys_of(30), rows)
    ahead.delete(keys_of(5))
    ahead.flush(9)
    behind.upsert(keys_of(20), rows[:20])
    behind.flush(6)
    assert behind.count() == 30  # with five strays, which the engine ignores
    late = open_provider(**shared_server.options).open(spec)
    assert late.watermark == 6
    assert set(range(6, 31)) <= set(late.keys())


def test_a_warm_search_is_one_call(
    provider: ChromaProvider, tmp_path: Path, open_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the client: nothing is counted, listed or read besides; in a small store, searched exactly, not even that."""
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

    options = provider._connection.options
    at = {} if options.host is None else {"host": options.host, "port": options.port}
    client = open_client(tmp_path / "searched", **at)
    store = client.vector_stores.create().id
    client.vector_stores.files.upload(store, file=("a.txt", b"the red fox"))
    vectors_only: Any = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}

    def search() -> list[str]:
        found = client.vector_stores.search(store, query="fox", ranking_options=vectors_only)
        return [hit.text for hit in found.data]

    assert search() == ["the red fox"]
    calls: list[str] = []

    def counted(kind: type, name: str) -> Any:
        real = getattr(kind, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            calls.append(f"{kind.__name__}.{name}")
            return real(*arguments, **keywords)

        return call

    for kind in (Client, Collection):
        for name, method in list(vars(kind).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                monkeypatch.setattr(kind, name, counted(kind, name))
    assert search() == ["the red fox"]
    assert not calls
    monkeypatch.setattr("oauth_codex.local.search.vectors.EXACT_ROWS", 0)
    assert search() == ["the red fox"]
    assert calls == ["Collection.query"]
    client.vector_stores.files.upload(store, file=("b.txt", b"another fox"))
    calls.clear()
    assert len(search()) == 2
    assert {"Collection.upsert", "Collection.modify"} < set(calls)  # so the calls are counted
