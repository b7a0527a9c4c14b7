"""The model program of the kit with a look behind the scenes, where small stores pass for large ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from oauth_codex.local.catalog import filters
from oauth_codex.testing import DriverCase, FakeClock, Storage
from oauth_codex.testing.suites.machine import Program


class Audited(Program):
    """Every counter, membership and index row is recounted after each step."""

    support: Any

    @invariant()
    def rows(self) -> None:
        self.support.audit(self.client)


@pytest.mark.parametrize(("driver", "few"), [("memory", 0), ("sqlite", 2)])
def test_any_program_gives_what_the_model_says(
    driver: str, few: int, support: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`few`: how many files a filter looks at one by one."""
    monkeypatch.setattr(filters, "FEW", few)

    def open_storage(directory: Path, clock: FakeClock) -> Storage:
        return Storage(DriverCase(driver), directory, clock=clock)

    kind = type("AuditedProgram", (Audited,), {"support": support, "open_storage": staticmethod(open_storage)})
    examples = settings(
        max_examples=20,
        stateful_step_count=25,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
