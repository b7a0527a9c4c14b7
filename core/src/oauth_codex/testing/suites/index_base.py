"""Fixtures of the tests of a `VectorIndexProvider` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from ...spi import VectorIndexProvider
from .base import Suite
from .index_data import IndexStorage


class IndexTests(Suite):
    """Each test has a storage of its own."""

    _for_authors = Suite._for_authors | {"open_provider"}

    @pytest.fixture
    def open_provider(self) -> Callable[[], VectorIndexProvider]:
        """Opens the provider, on the same storage each time; an author defines this."""
        pytest.fail(
            "An index suite needs a fixture 'open_provider' that returns a function, for example"
            " lambda: AcmeProvider(tmp_path)."
        )

    @pytest.fixture
    def storage(self, open_provider: Callable[[], VectorIndexProvider]) -> Iterator[IndexStorage]:
        """The storage of the test, closed after it."""
        storage = IndexStorage(open_provider)
        yield storage
        storage.close()

    @pytest.fixture(autouse=True)
    def facts(self, storage: IndexStorage) -> dict[str, Any]:
        """The provider and its traits."""
        provider = type(storage.provider)
        return {"provider": f"{provider.__module__}:{provider.__qualname__}", "traits": asdict(storage.traits)}
