"""What all suites have in common, and the fixtures of those that test a driver through the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ...client import OAuthCodexClient
from ...spi import Capabilities
from ..case import DriverCase, Face, Storage
from ..clock import FakeClock

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class Suite:
    """A suite of tests that an author subclasses and never overrides.

    Attributes:
        expected_failures: Tests that fail for a known reason: name of the test, with or without its parameters, to the reason.
            A test that passes nevertheless fails the suite.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}

    #: What a subclass may define; anything else of the kit is left alone.
    _for_authors: ClassVar[frozenset[str]] = frozenset({"expected_failures"})

    @pytest.fixture(autouse=True)
    def facts(self) -> dict[str, Any]:
        """What a report says about the subject; `capabilities` or `traits` decide which tests apply."""
        raise NotImplementedError


class DriverTests(Suite):
    """Fixtures of the tests that go through the client; each test has a storage of its own."""

    _for_authors = Suite._for_authors | {"case"}

    @pytest.fixture
    def case(self) -> DriverCase:
        """The driver; an author defines this."""
        pytest.fail(
            "A driver suite needs a fixture 'case' that returns a DriverCase, for example DriverCase('sqlite')."
        )

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The time of the test."""
        return FakeClock()

    @pytest.fixture
    def storage(
        self, case: DriverCase, tmp_path: Path, clock: FakeClock, oauth_codex_portal: BlockingPortal
    ) -> Iterator[Storage]:
        """The storage of the test, closed after it."""
        storage = Storage(case, tmp_path / "storage", clock=clock, portal=oauth_codex_portal)
        yield storage
        storage.close()

    @pytest.fixture(params=["sync", "async"])
    def face(self, request: pytest.FixtureRequest) -> Face:
        """Which of the two clients is used."""
        found: Face = request.param
        return found

    @pytest.fixture
    def client(self, storage: Storage, face: Face) -> OAuthCodexClient:
        """A client on the storage of the test."""
        return storage.open(face)

    @pytest.fixture(autouse=True)
    def facts(self, request: pytest.FixtureRequest, storage: Storage) -> dict[str, Any]:
        """The driver and its capabilities, found out once for each class, and for each parameter of its `case`."""
        known: dict[str, dict[str, Any]] = vars(request.cls).get("_facts", {})
        request.cls._facts = known
        callspec = getattr(request.node, "callspec", None)
        key = repr(callspec.params.get("case")) if callspec else ""
        if key not in known:
            known[key] = storage.facts()
        return known[key]

    @pytest.fixture
    def capabilities(self, facts: dict[str, Any]) -> Capabilities:
        """What the driver declares."""
        return Capabilities(**facts["capabilities"])

    @pytest.fixture
    def local_files(self, case: DriverCase) -> None:
        """Only for drivers whose files a test may look at and break."""
        if not case.local:
            pytest.skip("not a local driver: the files are its service's")

    @pytest.fixture
    def index_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The engine asks the index also where a store is so small that it would search by itself."""
        monkeypatch.setattr("oauth_codex.local.search.vectors.EXACT_ROWS", 0)

    @pytest.fixture(params=["vector", "hybrid"])
    def ranking(self, request: pytest.FixtureRequest, capabilities: Capabilities, index_asked: None) -> dict[str, Any]:
        """Keywords for `search`: by vectors alone, so that all depends on the index, and as users search."""
        if request.param == "hybrid":
            return {}
        if not capabilities.hybrid_search:
            pytest.skip("hybrid_search is not declared, so the legs cannot be weighted")
        return {"ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}}
