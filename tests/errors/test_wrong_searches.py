"""Wrong searches and filters are refused by name; hard queries are none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from oauth_codex import BadRequestError
from oauth_codex.types.filters import COMPARISONS, matches, parse_filter


def _nested(levels: int) -> Any:
    found: Any = {"type": "eq", "key": "a", "value": 1}
    for _ in range(levels):
        found = {"type": "and", "filters": [found]}
    return found


def _deep() -> Any:
    found: list[Any] = []
    for _ in range(50_000):
        found = [found]
    return found


#: Python refuses to write it down.
_HUGE = 10**5000


def _eq(**changes: Any) -> dict[str, Any]:
    return {"type": "eq", "key": "year", "value": 2020, **changes}


def _search(**options: Any) -> Callable[[Any], Any]:
    return lambda world: world.stores.search(world.store, **{"query": "a", **options})


#: What is done, the error, its code if the contract names one, and words that its message must have.
Case = tuple[Callable[[Any], Any], type[BaseException] | tuple[type[BaseException], ...], str | None, tuple[str, ...]]

Bad = BadRequestError
CASES: dict[str, Case] = {
    # -- search
    "blank query": (_search(query=" \n"), Bad, "invalid_value", ("'query'", "blank")),
    "no query": (_search(query=[]), Bad, "array_below_min_length", ("'query'",)),
    "query of numbers": (_search(query=[1]), Bad, "invalid_type", ("'query'", "a string")),
    "query with a lone surrogate": (_search(query="a\ud800"), Bad, None, ("'query'", "surrogate")),
    "query nested without end": (_search(query=_deep()), Bad, "invalid_type", ("'query'",)),
    "0 results": (_search(max_num_results=0), Bad, "integer_below_min_value", (">= 1",)),
    "51 results": (_search(max_num_results=51), Bad, "integer_above_max_value", ("<= 50",)),
    "misspelt option of search": (
        _search(max_num_result=5), Bad, "unknown_parameter",
        ("'max_num_result'", "'max_num_results'"),
    ),
    "misspelt option of list": (lambda w: w.stores.list(limits=5), Bad, "unknown_parameter", ("'limits'", "'limit'")),
    "threshold above 1": (
        _search(ranking_options={"score_threshold": 1.1}), Bad, None, ("<= 1", "1.1"),
    ),
    "threshold of 400 digits": (
        _search(ranking_options={"score_threshold": 10**400}), Bad, None, ("score_threshold",),
    ),
    "unknown ranker": (
        _search(ranking_options={"ranker": "best"}), Bad, "invalid_value",
        ("'best'", "'auto'"),
    ),
    "unknown ranking option": (
        _search(ranking_options={"treshold": 0}), Bad, "unknown_parameter",
        ("treshold", "score_threshold"),
    ),
    "weights that are both 0": (
        _search(ranking_options={"hybrid_search": {"embedding_weight": 0, "text_weight": 0}}), Bad, None, ("hybrid_search", "above 0"),
    ),
    # -- filters
    "unknown operator": (
        _search(filters=_eq(type="like")), Bad, "invalid_value", ("'like'", "'eq'", "'or'"),
    ),
    "filter without type": (
        _search(filters={"key": "a", "value": 1}), Bad, None, ("filters.type",),
    ),
    "filter without key": (
        _search(filters={"type": "eq", "value": 1}), Bad, None, ("filters.key",),
    ),
    "filter without value": (
        _search(filters={"type": "eq", "key": "a"}), Bad, None, ("filters.value",),
    ),
    "misspelt part of a filter": (
        _search(filters=_eq(vaule=1)), Bad, "unknown_parameter", ("vaule", "filters.value"),
    ),
    "filter that is a string": (_search(filters="year"), Bad, "invalid_type", ("'year'",)),
    "in without a list": (
        _search(filters=_eq(type="in", value="x")), Bad, "invalid_type", ("an array", "'x'"),
    ),
    "eq with a list": (
        _search(filters=_eq(value=[1])), Bad, "invalid_type", ("filters.value", "[1]"),
    ),
    "gt with a boolean": (
        _search(filters=_eq(type="gt", value=True)), Bad, "invalid_type", ("'gt'",),
    ),
    "filter value None": (
        _search(filters=_eq(value=None)), Bad, "invalid_type", ("None",),
    ),
    "filter value NaN": (
        _search(filters=_eq(value=float("nan"))), Bad, "invalid_type", ("finite",),
    ),
    "empty and": (
        _search(filters={"type": "and", "filters": []}), Bad, None, ("at least one",),
    ),
    "filters 100 deep": (_search(filters=_nested(100)), Bad, None, ("16",)),
    "filters 50000 deep": (_search(filters=_nested(50_000)), Bad, None, ("16",)),
    "257 parts": (
        _search(filters={"type": "or", "filters": [_eq()] * 257}), Bad, None, ("256",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_names_value_and_accepted_and_changes_nothing(shared: Any, refused: Callable[..., None], name: str) -> None:
    refused(shared, *CASES[name])


@pytest.mark.parametrize("operator", COMPARISONS)
@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000], ids=["large", "small", "huge"])
def test_a_filter_value_beyond_every_float_is_compared_as_the_number_it_is(
    shared: Any, operator: str, value: int
) -> None:
    given = {"type": operator, "key": "year", "value": [value] if operator in ("in", "nin") else value}
    found = shared.stores.search(shared.store, query="apples", filters=given)
    assert bool(found.data) == matches(parse_filter(given), {"year": 2020})


HARD_QUERIES = [
    *(
        '"',
        "'",
        "AND",
        "NEAR(",
        "a AND (b OR NOT",
        "*",
        "^apples",
        "-apples",
        "apples:",
        "col:apples",
        "\\",
        "%",
        "_",
        "C++",
        "don't",
    ),
    *(
        "'; DROP TABLE files; --",
        "<|endoftext|>",
        "\0",
        "apples\0pears",
        "的",
        "\U0001f642",
        "\u200b",
        "\ufeff",
        "a" * 100_000,
        "?" * 10_000,
    ),
    " ".join(f"term{i}" for i in range(2000)),
]


@pytest.mark.parametrize("query", HARD_QUERIES, ids=lambda query: ascii(query[:20]))
def test_no_query_is_a_syntax_error(shared: Any, query: str) -> None:
    found = shared.stores.search(shared.store, query=query)
    assert found["search_query"] == [query]
    assert all(0 <= hit.score <= 1 for hit in found.data)


def test_operators_and_quotes_around_words_do_not_hide_them(shared: Any) -> None:
    for query in (
        '"apples"',
        "(apples)",
        "apples*",
        "+apples",
        "title:apples",
        "apples AND",
        '"apples" NEAR("',
        "<|apples|>",
    ):
        assert shared.stores.search(shared.store, query=query).data[0].file_id == shared.file, query


def test_a_word_among_2000_is_found(shared: Any) -> None:
    query = " ".join([f"unheard{i}" for i in range(2000)] + ["apples"])
    assert shared.stores.search(shared.store, query=query).data[0].score > 0
    assert shared.file in {hit.file_id for hit in shared.stores.search(shared.store, query=query)}


def test_the_bounds_of_a_search_are_accepted(shared: Any) -> None:
    options = {"max_num_results": 50, "ranking_options": {"score_threshold": 1, "ranker": "none"}}
    assert shared.stores.search(shared.store, query=["about"] * 32, filters=_nested(15), **options).data == []
