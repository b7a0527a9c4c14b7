"""The index suite is worth something: every index that is wrong in one way fails the test that is made for it."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from oauth_codex.testing import DriverSuite, IndexSuite
from oauth_codex.testing.suites.index_data import IndexStorage
from oauth_codex.testing.suites.index_machine import IndexProgram

Failures = Callable[..., set[tuple[str, str]]]

SUITES = Path(__file__).with_name("sabotaged_indexes.py")

#: The suite in `sabotaged_indexes.py`, and the test that it must fail.
CAUGHT_BY = {
    "EmptyQuery": "test_query_gives_as_many_as_asked_or_all",
    "OneTooFew": "test_query_gives_as_many_as_asked_or_all",
    "OneTooMany": "test_query_gives_as_many_as_asked_or_all",
    "DuplicateRows": "test_query_gives_as_many_as_asked_or_all",
    "ListAnswer": "test_query_of_an_empty_index_finds_nothing",
    "WrongOrder": "test_query_gives_the_nearest_best_first",
    "Farthest": "test_query_gives_the_nearest_best_first",
    "TiesBackwards": "test_equal_vectors_come_in_the_order_of_their_keys",
    "PositiveOnly": "test_vectors_far_away_count_as_well",
    "FloatKeys": "test_keys_are_numbers_not_texts",
    "TextKeys": "test_keys_are_numbers_not_texts",
    "IgnoredAmong": "test_only_these_count",
    "FilteredAfterwards": "test_the_farthest_are_found_when_they_alone_count",
    "AmongAsGiven": "test_absent_keys_are_skipped",
    "UndeclaredAmong": "test_only_these_count",
    "HalfSeen": "test_recall",
    "SwallowedError": "test_a_bad_query_is_refused",
    "ForgottenDelete": "test_what_was_deleted_is_not_found",
    "DeleteOfAbsentFails": "test_deleting_absent_keys_changes_nothing",
    "UpsertThatAdds": "test_upsert_replaces_what_is_there",
    "UpsertThatKeeps": "test_upsert_replaces_what_is_there",
    "CallersArrays": "test_upsert_copies_what_it_is_given",
    "NothingRefused": "test_a_bad_upsert_is_refused_as_a_whole",
    "HalfRefused": "test_a_bad_upsert_is_refused_as_a_whole",
    "FirstRowsOnly": "test_every_vector_of_many_can_be_asked_for",
    "IncompleteKeys": "test_upsert_adds_to_what_is_there",
    "NumpyKeys": "test_upsert_adds_to_what_is_there",
    "CountThatOnlyGrows": "test_what_was_deleted_is_not_found",
    "SingleCosines": "test_cosines_are_exact",
    "SortedCosines": "test_cosines_are_in_the_order_of_the_keys",
    "ZeroForAbsent": "test_the_cosine_of_an_absent_key_is_no_number",
    "LostFlush": "test_what_was_lost_is_told_by_the_watermark",
    "LostFlushOfMany": "test_many_small_flushes_lose_nothing",
    "WritesEverything": "test_small_flushes_do_not_write_the_whole_index",
    "WatermarkTooHigh": "test_watermark_is_what_flush_was_told",
    "UnflushedClaimed": "test_watermark_is_what_flush_was_told",
    "StaleAfterReopen": "test_what_was_deleted_stays_deleted_when_reopened",
    "StampIgnored": "test_an_index_of_another_stamp_is_worthless",
    "DimensionIgnored": "test_an_index_of_another_dimension_is_worthless",
    "DropThatKeeps": "test_drop_forgets_an_index",
    "DropThatFails": "test_drop_of_an_absent_index_is_no_error",
    "SharedFolder": "test_indexes_do_not_touch_each_other",
    "DropOfAll": "test_indexes_do_not_touch_each_other",
}
#: What any program of writes and reopenings brings to light, whatever the tests above think of.
CAUGHT_BY_THE_MACHINE = ("ForgottenDelete", "UpsertThatKeeps", "LostFlush", "StaleAfterReopen", "TiesBackwards")


def test_every_wrong_index_fails_the_test_made_for_it(failures: Failures) -> None:
    assert CAUGHT_BY.items() - failures(SUITES, CAUGHT_BY) == set()


@pytest.mark.parametrize("suite", CAUGHT_BY_THE_MACHINE)
def test_a_wrong_index_fails_a_random_program(suite: str, tmp_path: Path) -> None:
    """Found without shrinking, which takes a while."""
    suites = runpy.run_path(str(SUITES))
    storage = IndexStorage(lambda: suites["Provider"](tmp_path, suites[suite]))
    found = settings(
        max_examples=25,
        stateful_step_count=30,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(type("Program", (IndexProgram,), {"storage": storage}), settings=found)


def test_every_sabotaged_index_is_in_the_table() -> None:
    made = set(re.findall(r"^class (\w+)\((?:Sound|Provider)\)", SUITES.read_text(), re.MULTILINE))
    assert made == set(CAUGHT_BY)


def test_a_sound_index_passes_everything(failures: Failures) -> None:
    """With all traits, and with none."""
    assert failures(SUITES, {"Sound": None, "SoundWithoutTraits": None}, "--oauth-codex-examples=5") == set()


def test_a_mark_on_a_class_of_the_kit_would_hold_for_every_test() -> None:
    """pytest hands the marks of a class down to its subclasses, so one `requires` there would switch off the whole suite."""
    for suite in (DriverSuite, IndexSuite):
        assert [each.__name__ for each in suite.__mro__ if vars(each).get("pytestmark")] == []
