"""The conformance kit on the `chroma` driver and its indexes, embedded and on a server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from oauth_codex.testing import DriverCase, DriverSuite, IndexSuite
from oauth_codex.testing.suites.attaching import AttachingTests
from oauth_codex.testing.suites.congruence import CongruenceTests
from oauth_codex.testing.suites.durability import DurabilityTests
from oauth_codex.testing.suites.filters import FilterTests
from oauth_codex.testing.suites.processes import ProcessTests
from oauth_codex.testing.suites.recall import RecallTests, ZeroVectorTests
from oauth_codex.testing.suites.search import SearchTests
from oauth_codex_chroma.index import ChromaProvider

from .conftest import Server, provider_on


class TestChroma(DriverSuite):
    @pytest.fixture
    def case(self) -> DriverCase:
        return DriverCase("chroma")


class TestChromaServer(
    AttachingTests,
    SearchTests,
    FilterTests,
    RecallTests,
    ZeroVectorTests,
    CongruenceTests,
    DurabilityTests,
    ProcessTests,
):
    """What reaches Chroma; the rest of the suite is the same for it embedded."""

    @pytest.fixture
    def case(self, shared_server: Server) -> DriverCase:
        return DriverCase("chroma", options=shared_server.options)


class TestChromaIndex(IndexSuite):
    @pytest.fixture
    def open_provider(self, tmp_path: Path) -> Callable[[], ChromaProvider]:
        return lambda: provider_on(tmp_path)


class TestChromaServerIndex(IndexSuite):
    @pytest.fixture
    def open_provider(self, tmp_path: Path, shared_server: Server) -> Callable[[], ChromaProvider]:
        catalog_id = uuid.uuid4().hex  # the server is that of all tests
        return lambda: provider_on(tmp_path, catalog_id=catalog_id, **shared_server.options)
