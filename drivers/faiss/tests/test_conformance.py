"""The conformance kit on the `faiss` driver, and on its indexes with thresholds so low that graphs and files are made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from oauth_codex.testing import DriverCase, DriverSuite, IndexSuite
from oauth_codex_faiss import index, parts
from oauth_codex_faiss.index import FaissProvider
from oauth_codex_faiss.options import FaissOptions

from .support import at_once


class TestFaiss(DriverSuite):
    @pytest.fixture
    def case(self) -> DriverCase:
        return DriverCase("faiss")


class TestFlatIndex(IndexSuite):
    options: ClassVar[dict[str, Any]] = {"index": "flat"}

    @pytest.fixture
    def open_provider(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], FaissProvider]:
        for name, low in (("_TAIL_FROM", 8), ("_GRAPH_FROM", 16), ("_SAVE_FROM", 4)):
            monkeypatch.setattr(index, name, low)
        monkeypatch.setattr(parts, "_WALK", 1)
        options = FaissOptions(**self.options)
        logger = logging.getLogger("tests")
        return lambda: FaissProvider(
            directory=tmp_path, options=options, clock=lambda: 0.0, logger=logger, start=at_once
        )


class TestGraphIndex(TestFlatIndex):
    options: ClassVar[dict[str, Any]] = {"index": "hnsw", "ef_construction": 40}


class TestQuantisedIndex(TestFlatIndex):
    options: ClassVar[dict[str, Any]] = {"index": "hnsw", "quantisation": "sq8"}
