"""Filters over the catalog select what the reference selects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oauth_codex.local.catalog import attachments, filters, tables
from oauth_codex.types.filters import MAX_DEPTH, Filter, matches, parse_filter
from oauth_codex.types.vector_stores import AttributeValue
from sqlalchemy import select

NAMESPACE = "tests"
BIG = 2**53


def fill(room: Any, given_attributes: Sequence[Mapping[str, AttributeValue]]) -> tuple[Any, dict[int, Any]]:
    """A store of completed files with these attributes; the attributes by attachment."""
    store = room.add_store()
    rows = room.add_files(len(given_attributes), content=b"same")
    ids = room.attach(store, rows, attributes=given_attributes)
    room.settle(store, ids)
    return store, dict(zip(ids, given_attributes, strict=True))


def selected(room: Any, store: Any, wanted: Any) -> list[int]:
    parsed: Filter = parse_filter(wanted)
    with room.catalog.read() as connection:
        found = filters.matching(connection, NAMESPACE, store.id, parsed)
        here = tables.attachments.c.store_id == store.id
        everything = set(connection.execute(select(tables.attachments.c.id).where(here)).scalars())
    assert found.ids <= everything
    return sorted(everything - found.ids if found.complement else found.ids)


# Few keys and values that are easily confused: true, 1, 1.0 and "1"; neighbours beyond 2**53; strings around the surrogates.
numbers = st.one_of(
    st.sampled_from(
        [0, 1, -1, 1.0, -0.0, 0.1, 1.5, BIG, BIG + 1, float(BIG), 2**63 - 1, -(2**63) + 1, 1e300, -1e300, 5e-324]
    ),
    st.integers(-3, 3),
    st.floats(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(
    st.sampled_from(
        [
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
            "a\x00b",
            "a\x00",
            "'); DROP",
            "2024-05-01",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
values = st.one_of(st.booleans(), numbers, texts)
keys = st.sampled_from(["a", "b", "c.d", 'it\'s "q"'])
beyond = st.sampled_from([2**63, 2**64 + 1, -(2**63) - 1, 2**200, -(2**200), 10**300, -(10**300)])
asked = st.one_of(values, beyond)


def comparison(draw: Any) -> dict[str, Any]:
    operator = draw(st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]))
    if operator in ("in", "nin"):
        value: Any = draw(st.lists(asked, max_size=6))
    elif operator in ("eq", "ne"):
        value = draw(asked)
    else:
        value = draw(st.one_of(numbers, texts, beyond))
    return {"type": operator, "key": draw(keys), "value": value}


comparisons = st.composite(comparison)()
filter_trees = st.recursive(
    comparisons,
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or"]), "filters": st.lists(inner, min_size=1, max_size=4)}
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("few", [0, 2, 1000])
@given(
    files=st.lists(st.dictionaries(keys, values, max_size=3), min_size=1, max_size=8),
    wanted=st.lists(filter_trees, min_size=1, max_size=5),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_catalog_selects_what_the_reference_selects(
    room: Any, monkeypatch: pytest.MonkeyPatch, few: int, files: list[dict[str, Any]], wanted: list[Any]
) -> None:
    """`few` switches between the two ways: looking at candidates one by one, and combining sets."""
    monkeypatch.setattr(filters, "FEW", few)
    store, by_attachment = fill(room, files)  # beside the stores of the examples before
    for each in wanted:
        parsed = parse_filter(each)
        assert selected(room, store, each) == [i for i, found in by_attachment.items() if matches(parsed, found)]


@pytest.mark.parametrize("few", [0, 500])
@pytest.mark.parametrize("operator", ["eq", "ne", "gt", "gte", "lt", "lte"])
def test_every_pair_of_awkward_values_compares_as_in_the_reference(
    room: Any, monkeypatch: pytest.MonkeyPatch, operator: str, few: int
) -> None:
    monkeypatch.setattr(filters, "FEW", few)
    have: list[Any] = [
        True, False, 1, 0, 1.0, "1", "true", "True", 0.1, 0.1 + 1e-17, math.nextafter(0.1, 1), BIG, BIG + 1, float(BIG),
        float(BIG + 2), 2**63 - 1, float(2**63), -(2**63) + 1, float(2**70), -float(2**70), 1e308, -1e308, "\uffff",
        "\U00010000", "a\x00", "a\x00b", "a",
    ]  # fmt: skip
    store, by_attachment = fill(room, [{"k": value} for value in have])
    for value in [*have, 2**63, -(2**63), -(2**63) - 1, 2**70, 2**70 + 1, 2**70 - 1, 10**300, -(10**300), 5e-324]:
        if isinstance(value, bool) and operator not in ("eq", "ne"):
            continue
        wanted = {"type": operator, "key": "k", "value": value}
        parsed = parse_filter(wanted)
        expected = [i for i, found in by_attachment.items() if matches(parsed, found)]
        assert selected(room, store, wanted) == expected, value


def test_a_long_list_of_values_is_exact(room: Any) -> None:
    have: list[Any] = [number / 7 for number in range(1200)] + [str(number) for number in range(50)] + [True, 3, 4]
    store, by_attachment = fill(room, [{"k": value} for value in have])
    wanted = [value for at, value in enumerate(have) if at % 2][:1000]
    expected = [
        i
        for i, found in by_attachment.items()
        if matches(parse_filter({"type": "in", "key": "k", "value": wanted}), found)
    ]
    assert len(expected) > 600
    assert selected(room, store, {"type": "in", "key": "k", "value": wanted}) == expected
    rest = selected(room, store, {"type": "nin", "key": "k", "value": wanted})
    assert sorted(rest + expected) == list(by_attachment)


def test_an_empty_list_selects_nothing_and_its_complement_everything(room: Any) -> None:
    store, by_attachment = fill(room, [{"k": 1}, {}])
    assert selected(room, store, {"type": "in", "key": "k", "value": []}) == []
    assert selected(room, store, {"type": "nin", "key": "k", "value": []}) == list(by_attachment)


def test_only_files_of_the_store_and_the_namespace_are_selected(room: Any) -> None:
    store, by_attachment = fill(room, [{"k": 1}])
    fill(room, [{"k": 1}])
    wanted = {"type": "eq", "key": "k", "value": 1}
    assert selected(room, store, wanted) == list(by_attachment)
    with room.catalog.read() as connection:
        for filter in (wanted, {"type": "and", "filters": [wanted, wanted]}):
            assert filters.matching(connection, "other", store.id, parse_filter(filter)).ids == set()


def test_attributes_that_were_replaced_or_detached_select_nothing(room: Any) -> None:
    store, by_attachment = fill(room, [{"k": 1}, {"k": 1}])
    first, second = by_attachment
    with room.catalog.write() as connection:
        attachments.set_attributes(connection, NAMESPACE, store.id, first, {"k": "1"})
        attachments.detach(connection, NAMESPACE, store.id, [second], room.now)
    assert selected(room, store, {"type": "eq", "key": "k", "value": 1}) == []
    assert selected(room, store, {"type": "eq", "key": "k", "value": "1"}) == [first]


@pytest.mark.parametrize("few", [0, 500])
def test_the_deepest_and_the_largest_filter_are_evaluated(room: Any, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(filters, "FEW", few)
    store, by_attachment = fill(room, [{"k": number} for number in range(40)])
    deep: dict[str, Any] = {"type": "eq", "key": "k", "value": 3}
    for level in range(MAX_DEPTH - 1):
        other = {"type": "ne", "key": "k", "value": level % 2}
        deep = {"type": "and" if level % 2 else "or", "filters": [deep, other] if level % 2 else [deep]}
    assert selected(room, store, deep) == [list(by_attachment)[3]]
    wide = {"type": "or", "filters": [{"type": "eq", "key": "k", "value": number} for number in range(0, 510, 2)]}
    assert selected(room, store, wide) == list(by_attachment)[::2]


def test_a_selective_part_spares_reading_the_others(room: Any) -> None:
    store, by_attachment = fill(room, [{"user": number, "year": 2024} for number in range(1500)])
    wanted = {
        "type": "and",
        "filters": [
            {"type": "gte", "key": "year", "value": 2000},
            {"type": "ne", "key": "year", "value": 1999},
            {"type": "eq", "key": "user", "value": 7},
        ],
    }
    with room.statements() as seen:
        assert selected(room, store, wanted) == [list(by_attachment)[7]]
    assert len(seen) == 2 + 1  # the last one is that of `selected`


def test_equal_shapes_share_their_statements(room: Any) -> None:
    store, _ = fill(room, [{"k": 1}])
    with room.statements() as first:
        selected(room, store, {"type": "in", "key": "k", "value": [1, 2]})
    with room.statements() as second:
        selected(room, store, {"type": "in", "key": "other", "value": [5, 6]})
    assert first == second
    assert not [statement for statement in first if "'k'" in statement]


def test_comparisons_are_read_from_their_index(room: Any) -> None:
    for kind, column in (("s", "text_value"), ("n", "number_value"), ("b", "number_value")):
        for operator, sign in (("eq", "="), ("gt", ">"), ("lt", "<")):
            steps = room.plan(filters._compare(kind, operator))
            assert any("COVERING INDEX" in step and f"{column}{sign}?" in step for step in steps)
            assert not any("SCAN attributes" in step for step in steps)


def test_reading_is_not_disturbed_by_values_that_look_like_sql(room: Any) -> None:
    hostile = "x'); DROP TABLE attributes; --"
    store, by_attachment = fill(room, [{hostile: hostile}, {"a": "b"}])
    assert selected(room, store, {"type": "eq", "key": hostile, "value": hostile}) == list(by_attachment)[:1]
    assert room.count("attributes") == 2
