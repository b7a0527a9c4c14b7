"""The driver suite on each driver of `storage_drivers.py`, which is installed when this runs."""

from __future__ import annotations

import pytest
from oauth_codex.testing import DriverCase, DriverSuite


def suite(name: str) -> type[DriverSuite]:
    def case(self: object) -> DriverCase:
        return DriverCase(name)

    return type("Suite", (DriverSuite,), {"case": pytest.fixture(case)})


TestRight = suite("right")
TestWritesAtClose = suite("writes_at_close")
TestTwoSteps = suite("two_steps")
TestLeavesWork = suite("leaves_work")
TestNeedsItsCache = suite("needs_its_cache")
TestRemembersLists = suite("remembers_lists")
TestClaimsToDelete = suite("claims_to_delete")
TestEmptyIfReadOnly = suite("empty_if_read_only")
TestLetsOthersIn = suite("lets_others_in")
