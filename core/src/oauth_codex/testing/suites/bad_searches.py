"""Wrong searches and filters: refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...client import OAuthCodexClient
from ...errors import BadRequestError, NotFoundError
from ..case import Storage
from ..marks import requires, rule
from .bad_input import deep
from .base import DriverTests
from .support import Wrong, assert_refused, attached, filled, found

Bad = BadRequestError


def nested(levels: int) -> Any:
    """An `and` within an `and`, and so on."""
    made: Any = {"type": "eq", "key": "a", "value": 1}
    for _ in range(levels):
        made = {"type": "and", "filters": [made]}
    return made


def _eq(**changes: Any) -> dict[str, Any]:
    return {"type": "eq", "key": "year", "value": 2020, **changes}


class BadSearchTests(DriverTests):
    """What no search may accept."""

    @rule("R6")
    def test_wrong_searches(self, client: OAuthCodexClient) -> None:
        search = _search(client)
        cases: dict[str, Wrong] = {
            "blank": (search(query=" \n"), Bad, "invalid_value", ["'query'", "blank"]),
            "none": (search(query=[]), Bad, "array_below_min_length", ["'query'"]),
            "blank among others": (search(query=["a", ""]), Bad, None, ["query"]),
            "numbers": (search(query=[1]), Bad, "invalid_type", ["'query'", "a string"]),
            "33 queries": (search(query=["a"] * 33), Bad, "array_above_max_length", ["32", "33"]),
            "surrogate": (search(query="a\ud800"), Bad, None, ["'query'", "surrogate"]),
            "endless": (search(query=deep()), Bad, "invalid_type", ["'query'"]),
            "0 results": (search(max_num_results=0), Bad, "integer_below_min_value", [">= 1"]),
            "51 results": (search(max_num_results=51), Bad, "integer_above_max_value", ["<= 50"]),
            "True results": (search(max_num_results=True), Bad, "invalid_type", ["an integer"]),
            "misspelt": (search(max_num_result=5), Bad, "unknown_parameter", ["'max_num_result'", "'max_num_results'"]),
            "unknown store": (lambda: client.vector_stores.search("vs_none", query="a"), NotFoundError, None, ["vs_none"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_rankings(self, storage: Storage) -> None:
        client = storage.open()
        search = _search(client)
        cases: dict[str, Wrong] = {
            "threshold 1.1": (search(ranking_options={"score_threshold": 1.1}), Bad, None, ["<= 1", "1.1"]),
            "threshold -0.1": (search(ranking_options={"score_threshold": -0.1}), Bad, None, [">= 0", "-0.1"]),
            "threshold NaN": (search(ranking_options={"score_threshold": float("nan")}), Bad, None, ["score_threshold"]),
            "huge threshold": (search(ranking_options={"score_threshold": 10**400}), Bad, None, ["score_threshold"]),
            "ranker": (search(ranking_options={"ranker": "best"}), Bad, "invalid_value", ["'best'", "'auto'"]),
            "option": (search(ranking_options={"treshold": 0}), Bad, "unknown_parameter", ["treshold", "score_threshold"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    @requires("hybrid_search")
    def test_wrong_weights(self, storage: Storage) -> None:
        client = storage.open()
        search = _search(client)
        search(ranking_options={"hybrid_search": {"embedding_weight": 1, "text_weight": 1}})()

        def weighed(*weights: Any) -> Callable[[], object]:
            options = dict(zip(("embedding_weight", "text_weight"), weights, strict=False))
            return search(ranking_options={"hybrid_search": options})

        cases: dict[str, Wrong] = {
            "both 0": (weighed(0, 0), Bad, None, ["hybrid_search", "above 0"]),
            "one only": (weighed(1), Bad, None, ["text_weight"]),
            "negative": (weighed(-1, 1), Bad, None, ["embedding_weight"]),
            "infinite": (weighed(1, float("inf")), Bad, None, ["text_weight"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6", "R12")
    @requires("filters")
    def test_wrong_filters(self, storage: Storage) -> None:
        client = storage.open()
        search = _search(client)
        search(filters=_eq())()
        cases: dict[str, Wrong] = {
            "operator": (search(filters=_eq(type="like")), Bad, "invalid_value", ["'like'", "'eq'", "'or'"]),
            "no type": (search(filters={"key": "a", "value": 1}), Bad, None, ["filters.type"]),
            "no key": (search(filters={"type": "eq", "value": 1}), Bad, None, ["filters.key"]),
            "no value": (search(filters={"type": "eq", "key": "a"}), Bad, None, ["filters.value"]),
            "misspelt": (search(filters=_eq(vaule=1)), Bad, "unknown_parameter", ["vaule", "filters.value"]),
            "string": (search(filters="year"), Bad, "invalid_type", ["'year'"]),
            "in of one": (search(filters=_eq(type="in", value="x")), Bad, "invalid_type", ["an array", "'x'"]),
            "eq of many": (search(filters=_eq(value=[1])), Bad, "invalid_type", ["filters.value", "[1]"]),
            "gt of a boolean": (search(filters=_eq(type="gt", value=True)), Bad, "invalid_type", ["'gt'"]),
            "None": (search(filters=_eq(value=None)), Bad, "invalid_type", ["None"]),
            "NaN": (search(filters=_eq(value=float("nan"))), Bad, "invalid_type", ["finite"]),
            "empty and": (search(filters={"type": "and", "filters": []}), Bad, None, ["at least one"]),
            "deep": (search(filters=nested(100)), Bad, None, ["16"]),
            "endless": (search(filters=nested(50_000)), Bad, None, ["16"]),
            "257 parts": (search(filters={"type": "or", "filters": [_eq()] * 257}), Bad, None, ["256"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6", "R12")
    @requires("filters")
    def test_filters_at_their_bounds(self, client: OAuthCodexClient) -> None:
        store = client.vector_stores.create().id
        file = attached(client, store, "apples", attributes={"a": 1, "year": 2020}).id
        for given in (
            nested(15),
            {"type": "or", "filters": [_eq()] * 255},
            _eq(type="in", value=list(range(2020, 3020))),
        ):
            assert found(client, store, "apples", filters=given) == [file]


def _search(client: OAuthCodexClient) -> Callable[..., Callable[[], object]]:
    """Searches in a new store, for later."""
    store, _ = filled(client, "apples")
    search: Any = client.vector_stores.search
    return lambda **options: lambda: search(store, **{"query": "a", **options})
