"""Durability without one of the things that it rests on: for each there is a test that fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONG = float(os.environ.get("LONG_TEST_SECONDS", "4")) > 10
_POINTS = "tests/crash/test_crash.py::test_at_every_commit_and_file_operation"
_PROCESSES = (
    "tests/concurrency/test_shared_storage.py::test_four_processes_that_work_in_the_background_do_every_file_once"
)
_FULL = "tests/errors/test_background.py::test_a_full_disk_stops_no_reading_and_workers_go_on_when_there_is_room"

#: What is taken out (see `sabotages.py`), the test that must fail, and whether that is quick enough for a short run.
CAUGHT_BY = [
    ("content_is_not_synced", f"{_POINTS}[power-sqlite-inline]", False),
    ("folder_is_not_synced", f"{_POINTS}[power-sqlite-inline]", False),
    ("catalog_is_not_synced", f"{_POINTS}[power-sqlite-inline]", True),
    ("publish_and_settle_apart", f"{_POINTS}[kill-sqlite-inline]", True),
    ("counters_apart", f"{_POINTS}[kill-sqlite-inline]", False),
    ("old_content_goes_before_the_new_is_there", f"{_POINTS}[kill-sqlite-inline]", False),
    ("content_is_deleted_before_the_commit", f"{_POINTS}[kill-sqlite-inline]", False),
    ("content_is_named_after_the_commit", f"{_POINTS}[kill-sqlite-inline]", False),
    ("jobs_are_announced_after_the_commit", f"{_POINTS}[kill-sqlite-background]", False),
    ("leases_never_run_out", f"{_POINTS}[kill-sqlite-inline]", False),
    ("publishing_asks_for_no_fence", f"{_POINTS}[freeze-sqlite-background]", False),
    ("publishing_asks_for_no_fence", f"{_PROCESSES}[jumps]", True),
    ("transactions_begin_by_reading", f"{_PROCESSES}[steady]", False),
    ("nobody_waits_for_another_process", f"{_PROCESSES}[steady]", False),
    (
        "leases_are_never_renewed",
        "tests/unit/local/test_jobs_workers.py::test_leases_are_renewed_while_work_goes_on",
        False,
    ),
    (
        "clocks_only_go_forward",
        "tests/errors/test_background.py"
        "::test_a_clock_that_jumps_delays_what_a_dead_process_held_by_no_more_than_a_lease[-86400]",
        False,
    ),
    ("a_full_disk_is_not_told", _FULL, True),
    ("errors_of_the_database_are_not_translated", _FULL, False),
    ("workers_end_with_an_error", _FULL, False),
]


@pytest.mark.parametrize(
    ("sabotage", "test"),
    [
        pytest.param(sabotage, test, id=f"{sabotage}-{test.rpartition('::test_')[2].partition('[')[0]}")
        for sabotage, test, quick in CAUGHT_BY
        if quick or LONG
    ],
)
def test_every_sabotage_is_caught_by_the_test_made_for_it(sabotage: str, test: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OAUTH_CODEX_")}
    place = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(HERE))))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "sabotages", "-p", "no:cacheprovider", "-q", "-rfE", "--tb=line", test],
        capture_output=True, text=True, check=False, cwd=HERE.parents[1],
        env={**environment, "PYTHONPATH": place, "SABOTAGE": sabotage},
    )  # fmt: skip
    if re.search(r"\d+ skipped", done.stdout):
        pytest.skip("this system does not allow that test")
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    assert (done.returncode, failed) == (1, [test]), done.stdout[-3000:] + done.stderr[-1000:]
