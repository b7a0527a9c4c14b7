"""The whole suite for a `VectorIndexProvider`, without a client or a catalog."""

from __future__ import annotations

from .suites.index_machine import MachineTests
from .suites.index_reading import AmongTests, CosineTests, QueryTests
from .suites.index_recall import RecallTests
from .suites.index_writing import RefusalTests, ReopeningTests, UpsertTests


class IndexSuite(
    UpsertTests, RefusalTests, QueryTests, AmongTests, CosineTests, RecallTests, ReopeningTests, MachineTests
):
    """Tests of a vector index alone. Define the fixture `open_provider`, and nothing else.

    It returns a function that opens the provider, each time on the same storage: after everything was closed, calling it again
    is opening the storage anew.
    """
