"""Crashes, other processes and failing disks: every driver that does not stand them fails the test that is made for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

Failures = Callable[..., set[tuple[str, str]]]

HERE = Path(__file__).parent
SUITES = HERE / "sabotaged_storages.py"

#: The suite in `sabotaged_storages.py`, and the tests that it must fail.
CAUGHT_BY = [
    ("WritesAtClose", "test_process_that_dies_at_any_point_of_a_write_leaves_all_of_it_or_nothing[attach]"),
    ("WritesAtClose", "test_killed_process_leaves_all_of_a_write_or_nothing"),
    ("TwoSteps", "test_process_that_dies_at_any_point_of_a_write_leaves_all_of_it_or_nothing[upload_and_attach]"),
    ("TwoSteps", "test_write_that_fails_at_any_point_changes_nothing_and_can_be_repeated[upload_and_attach]"),
    ("LeavesWork", "test_work_of_a_dead_process_is_taken_up_when_its_lease_has_run_out"),
    ("NeedsItsCache", "test_storage_whose_caches_are_lost_or_torn_gives_the_same_answers"),
    ("NeedsItsCache", "test_storage_whose_caches_are_all_lost_gives_the_same_answers"),
    ("RemembersLists", "test_processes_see_what_others_were_told_is_done_and_lose_nothing"),
    ("ClaimsToDelete", "test_full_disk_refuses_writes_and_keeps_everything"),
    ("EmptyIfReadOnly", "test_storage_that_may_only_be_read_is_refused_or_read_and_never_changed"),
    ("LetsOthersIn", "test_second_process_is_refused_where_several_are_not_declared"),
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points for the drivers, as an installer writes them."""
    facts = tmp_path / "sabotaged_storages-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: sabotaged-storages\nVersion: 1.0\n")
    names = re.findall(r"^def (\w+)\(context: DriverContext\)", (HERE / "storage_drivers.py").read_text(), re.MULTILINE)
    lines = ["[oauth_codex.drivers]", *(f"{name} = storage_drivers:records.{name}" for name in names)]
    (facts / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tmp_path, HERE))))


@pytest.mark.usefixtures("installed")
def test_every_wrong_storage_fails_the_test_made_for_it(failures: Failures) -> None:
    caught = failures(SUITES, CAUGHT_BY)
    assert [(suite, test) for suite, test in CAUGHT_BY if (suite, test.partition("[")[0]) not in caught] == []


@pytest.mark.usefixtures("installed")
def test_a_sound_storage_passes_these_tests(failures: Failures) -> None:
    """Opened as the wrong ones are, so that a failure above is the sabotage and nothing else; sqlite runs all of them."""
    tests = [
        "test_killed_process_leaves_all_of_a_write_or_nothing",
        "test_process_that_dies_at_any_point_of_a_write_leaves_all_of_it_or_nothing[upload_and_attach]",
        "test_storage_whose_caches_are_all_lost_gives_the_same_answers",
    ]
    assert failures(SUITES, [("Right", test) for test in tests]) == set()
