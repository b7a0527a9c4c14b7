"""The conformance kit on the `memory` driver and on its index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from oauth_codex.local import MatrixProvider
from oauth_codex.spi import VectorIndexProvider
from oauth_codex.testing import DriverCase, DriverSuite, IndexSuite


class TestMemory(DriverSuite):
    @pytest.fixture
    def case(self) -> DriverCase:
        return DriverCase("memory")


class TestMemoryIndex(IndexSuite):
    @pytest.fixture
    def open_provider(self, tmp_path: Path) -> Callable[[], VectorIndexProvider]:
        return lambda: MatrixProvider()
