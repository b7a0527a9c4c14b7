"""The congruence program of the kit on sqlite, where small programs pass through all that large ones do.

Caches beside the catalog are written from the first rows on, and few views are kept: mapped files, tails, rebuilds, evictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule, run_state_machine_as_test
from oauth_codex import registry
from oauth_codex.local import matrix
from oauth_codex.local.search import engine, view
from oauth_codex.testing import DriverCase
from oauth_codex.testing.suites.congruence import Congruence, Pair

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class Audited(Congruence):
    """Looks behind the scenes as well."""

    support: Any

    @rule()
    def audit(self) -> None:
        for client in (self.pair.reference, *self.pair.clients):
            self.support.audit(client)


def test_memory_and_two_clients_of_one_directory_agree(
    support: Any, monkeypatch: pytest.MonkeyPatch, oauth_codex_portal: BlockingPortal
) -> None:
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 3)
    monkeypatch.setattr(engine, "_VIEWS", 1)
    embedder = registry.open_embedder("hashing", {})

    def open_pair(place: Any) -> Pair:
        return Pair(DriverCase("sqlite"), place, oauth_codex_portal, embedder)

    kind = type("Agreement", (Audited,), {"support": support, "open_pair": staticmethod(open_pair)})
    examples = settings(
        max_examples=12,
        stateful_step_count=30,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
