"""The driver suite is worth something: every driver that is wrong in one way fails the test that is made for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Failures = Callable[..., set[tuple[str, str]]]

SUITES = Path(__file__).with_name("sabotaged_drivers.py")

#: The suite in `sabotaged_drivers.py`, and the test that it must fail.
CAUGHT_BY = {
    "EmptySearch": "test_a_synonym_is_found",
    "OneHitTooFew": "test_as_many_hits_as_asked_for",
    "OneHitTooMany": "test_as_many_hits_as_asked_for",
    "WrongOrder": "test_scores_are_ordered_and_between_0_and_1",
    "DuplicateHits": "test_several_queries_are_one_search",
    "RelativeScores": "test_a_larger_store_gives_the_hits_of_memory",
    "RoundedScores": "test_a_larger_store_gives_the_hits_of_memory",
    "LostAttributes": "test_hit_tells_file_name_text_and_attributes",
    "SwallowedError": "test_a_query_without_a_vector_is_an_error",
    "IgnoredFilter": "test_filter_that_nothing_matches_is_an_empty_answer",
    "FilteredAfterwards": "test_rare_matches_are_all_found",
    "IgnoredRanking": "test_threshold_is_met_by_the_score",
    "FirstQueryOnly": "test_several_queries_are_one_search",
    "ForgottenDetach": "test_detached_file_is_not_found_and_stays",
    "ForgottenDelete": "test_deleted_file_leaves_every_store",
    "ForgottenUpdate": "test_update_replaces_the_attributes",
    "SwallowedWriteError": "test_write_that_fails_at_any_point_changes_nothing_and_can_be_repeated",
    "KeyError": "test_unknown_file_is_named",
    "CutContent": "test_file_comes_back_byte_for_byte",
    "UploadsInAnotherOrder": "test_uploads_of_a_batch_keep_their_order",
    "EqualUploadsAreOne": "test_uploads_of_a_batch_keep_their_order",
    "IgnoredOrder": "test_order_is_that_of_creation_and_desc_its_reverse",
    "StatusAfterwards": "test_status_filter_comes_before_the_page",
    "CountsOnceSeen": "test_attached_file_is_complete_and_found",
    "OneNamespace": "test_views_never_see_each_other",
    "OwnClock": "test_time_of_a_file_is_the_clock",
    "OwnIds": "test_ids_come_from_the_context",
    "StaleAfterReopening": "test_every_kind_of_write_is_there_after_reopening",
    "Talkative": "test_contents_are_not_logged",
    "Farthest": "test_the_nearest_are_found",
    "ShortSight": "test_the_nearest_are_found",
    "WrongCosines": "test_a_larger_store_gives_the_hits_of_memory",
}
#: Seconds each; the sqlite driver, which is the sound one, runs them anyhow.
SLOW = {
    "test_a_larger_store_gives_the_hits_of_memory",
    "test_the_nearest_are_found",
    "test_write_that_fails_at_any_point_changes_nothing_and_can_be_repeated",
}


def test_every_wrong_driver_fails_the_test_made_for_it(failures: Failures) -> None:
    assert CAUGHT_BY.items() - failures(SUITES, CAUGHT_BY) == set()


def test_every_sabotaged_driver_is_in_the_table() -> None:
    made = set(re.findall(r"^Test(\w+) = ", SUITES.read_text(), re.MULTILINE))
    assert made - {"Sound"} == set(CAUGHT_BY)


def test_a_sound_driver_passes_these_tests(failures: Failures) -> None:
    """As it is opened here, so that a failure above is the sabotage and nothing else."""
    tests = sorted(set(CAUGHT_BY.values()) - SLOW)
    assert failures(SUITES, [("Sound", test) for test in tests]) == set()
