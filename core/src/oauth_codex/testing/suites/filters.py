"""Filters: exact, and before the limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...types.filters import COMPARISONS, matches, parse_filter
from ...types.vector_stores import AttributeValue
from ..case import Storage
from ..corpus import documents
from ..marks import requires, rule
from .base import DriverTests
from .support import found, uploaded

BIG = 2**53
#: Values that an index or a database may confuse with one another.
VALUES: tuple[AttributeValue, ...] = (
    *(True, False, 0, 1, -1, 1.0, 0.5, BIG, BIG + 1, float(BIG), 2**63 - 1, 1e300, -1e300, 5e-324),
    *(
        "",
        "1",
        "true",
        "a",
        "A",
        "ab",
        "é",
        "e\u0301",
        "\uffff",
        "\U00010000",
        "a\0b",
        "'); DROP",
        "2024-05-01",
        "2024-11-30",
    ),
)
#: Asked for, but too large to be stored.
BEYOND = (2**63, -(2**64), 10**300, 10**400, -(10**5000))


class FilterTests(DriverTests):
    """`search(filters=)`."""

    @rule("R12")
    @requires("filters")
    @pytest.mark.parametrize("operator", [each for each in COMPARISONS if each not in ("in", "nin")])
    def test_comparison_selects_what_the_reference_selects(self, storage: Storage, operator: str) -> None:
        client = storage.open()
        store, files = _labelled(client, [{"a": value} for value in VALUES] + [{"b": 1}, {}])
        for value in (*VALUES, *BEYOND):
            if operator in ("eq", "ne") or not isinstance(value, bool):
                _compare(client, store, files, {"type": operator, "key": "a", "value": value})

    @rule("R12")
    @requires("filters")
    @pytest.mark.parametrize("operator", ["in", "nin"])
    def test_list_selects_what_the_reference_selects(self, storage: Storage, operator: str) -> None:
        client = storage.open()
        store, files = _labelled(client, [{"a": value} for value in VALUES] + [{"b": 1}, {}])
        lists: list[list[Any]] = [
            [],
            [True],
            [1],
            [1.0, "1"],
            ["a", "A", "ab"],
            [BIG + 1, 2**63],
            list(VALUES),
            list(range(1000)),
        ]
        for value in lists:
            _compare(client, store, files, {"type": operator, "key": "a", "value": value})

    @rule("R12")
    @requires("filters")
    def test_compounds_select_what_the_reference_selects(self, storage: Storage) -> None:
        client = storage.open()
        store, files = _labelled(client, [each.attributes for each in documents(25)])
        odd = {"type": "eq", "key": "even", "value": False}
        late = {"type": "gte", "key": "number", "value": 12}
        car = {"type": "in", "key": "topic", "value": ["car", "ship", "stone"]}
        no_topic = {"type": "nin", "key": "topic", "value": [row.attributes.get("topic", "") for row in documents(25)]}
        nobody = {"type": "eq", "key": "missing", "value": 1}
        deep: dict[str, Any] = odd
        for _ in range(15):
            deep = {"type": "and", "filters": [deep]}
        wide = {"type": "or", "filters": [{"type": "eq", "key": "number", "value": number} for number in range(200)]}
        for parts in ([odd, late], [odd, car], [car, no_topic], [nobody, late], [late]):
            for kind in ("and", "or"):
                _compare(client, store, files, {"type": kind, "filters": parts})
        either = {"type": "or", "filters": [{"type": "and", "filters": [odd, late]}, no_topic]}
        for each in (deep, wide, either, {"type": "and", "filters": [either, car]}):
            _compare(client, store, files, each)

    @rule("R12")
    @requires("filters")
    def test_keys_of_every_kind(self, storage: Storage) -> None:
        client = storage.open()
        keys = ["c.d", 'it\'s "q"', "a b", "ключ", "'); DROP TABLE files; --", "$.x", "k" * 64, "file_id", "%"]
        store, files = _labelled(client, [{key: 1} for key in keys])
        for key in keys:
            _compare(client, store, files, {"type": "eq", "key": key, "value": 1})
            _compare(client, store, files, {"type": "ne", "key": key, "value": 1})

    @rule("R12")
    @requires("filters")
    @pytest.mark.parametrize("share", [1, 10, 50])
    def test_rare_matches_are_all_found(self, storage: Storage, share: int, ranking: dict[str, Any]) -> None:
        """Hundreds of chunks are nearer and do not match, so filtering after the search would find too few."""
        client = storage.open()
        near = ["car " * 10_000] * 3
        far = ["a bridge, a candle, a mirror, a violin and one car"] * share
        store, files = _labelled(client, [{"wanted": False}] * len(near) + [{"wanted": True}] * share, texts=near + far)
        wanted = {file for file, attributes in files.items() if attributes["wanted"]}
        given = {"type": "eq", "key": "wanted", "value": True}
        for limit in {1, min(share, 50), 50}:
            seen = found(client, store, "car", filters=given, max_num_results=limit, **ranking)
            assert len(seen) == min(limit, share)
            assert set(seen) <= wanted

    @rule("R12", "R13")
    @requires("filters")
    def test_filter_changes_no_score(self, client: OAuthCodexClient) -> None:
        texts = [each.text for each in documents(20)]
        store, files = _labelled(client, [{"n": number} for number in range(20)], texts=texts)
        every = {hit.file_id: hit.score for hit in _hits(client, store)}
        given = {"type": "lt", "key": "n", "value": 7}
        some = _hits(client, store, filters=given)
        assert [(hit.file_id, hit.score) for hit in some] == [
            (file, score) for file, score in every.items() if matches(parse_filter(given), files[file])
        ]

    @rule("R12")
    @requires("filters")
    def test_filter_that_nothing_matches_is_an_empty_answer(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = _labelled(client, [{"a": 1}] * 3)
        assert found(client, store, "label", filters={"type": "eq", "key": "a", "value": 2}, **ranking) == []

    @rule("R12", "R10")
    @requires("filters")
    def test_filter_follows_detaching_and_attaching(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = _labelled(client, [{"a": 1}, {"a": 1}, {"a": 2}])
        one, two, three = files
        given = {"type": "eq", "key": "a", "value": 1}
        client.vector_stores.files.delete(store, one)
        assert found(client, store, "label", filters=given, **ranking) == [two]
        client.vector_stores.files.create_and_poll(store, file_id=one, attributes={"a": 2})
        client.vector_stores.files.create_and_poll(store, file_id=three, attributes={"a": 1})
        assert sorted(found(client, store, "label", filters=given, **ranking)) == sorted([two, three])


def _labelled(
    client: OAuthCodexClient, attributes: list[Any], texts: list[str] | None = None
) -> tuple[str, dict[str, Mapping[str, AttributeValue]]]:
    """A store with one file for each set of attributes; the attributes by file."""
    files = uploaded(client, *(texts or ["label"] * len(attributes)))
    small = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    store = client.vector_stores.create(chunking_strategy=small).id
    if client.backend.capabilities.file_batches:
        entries = [{"file_id": file, "attributes": given} for file, given in zip(files, attributes, strict=True)]
        client.vector_stores.file_batches.create_and_poll(store, files=entries)
    else:
        for file, given in zip(files, attributes, strict=True):
            client.vector_stores.files.create_and_poll(store, file_id=file, attributes=given)
    return store, dict(zip(files, attributes, strict=True))


def _compare(client: OAuthCodexClient, store: str, files: dict[str, Any], given: Any) -> None:
    wanted = sorted(file for file, attributes in files.items() if matches(parse_filter(given), attributes))
    seen = sorted(found(client, store, "label", filters=given, max_num_results=50))
    assert seen == wanted, f"{given}: {[files[f] for f in {*seen} ^ {*wanted}]}"


def _hits(client: OAuthCodexClient, store: str, **options: Any) -> Iterator[Any]:
    page = client.vector_stores.search(store, query="car doctor winter", max_num_results=50, **options)
    return iter(page.data)
