"""The driver and its index in the conformance kit of oauth-codex."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from acme_usearch_store.index import UsearchProvider
from oauth_codex.testing import DriverCase, DriverSuite, IndexSuite


class TestUsearchIndex(IndexSuite):
    @pytest.fixture
    def open_provider(self, tmp_path: Path) -> Callable[[], UsearchProvider]:
        return lambda: UsearchProvider(tmp_path)


class TestUsearchGraph(IndexSuite):
    """The graph, which small stores do not use."""

    @pytest.fixture
    def open_provider(self, tmp_path: Path) -> Callable[[], UsearchProvider]:
        return lambda: UsearchProvider(tmp_path, exact_below=0)


class TestUsearch(DriverSuite):
    @pytest.fixture
    def case(self) -> DriverCase:
        return DriverCase("usearch")
