"""A driver that is not local, in the kit: its service gets what the test brings, and is ended after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from oauth_codex.errors import ConflictError, EmbedderMismatchError, InternalServerError, StorageError
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.spi import LOCAL, Driver, DriverContext
from oauth_codex.testing import DriverCase, FakeClock, Storage
from pydantic import BaseModel

pytest_plugins = ["pytester"]


class Options(BaseModel):
    """Options of the driver `afar`."""

    address: str
    key: str = ""


#: Its services by address; what it was opened with; what happened, in order.
services: dict[str, LocalBackend] = {}
opened: list[tuple[Options, DriverContext]] = []
happened: list[str] = []

AFAR = Driver(
    name="afar",
    summary="Talks to a service in this process",
    interface=(1, 0),
    open=f"{__name__}:open_afar",
    capabilities=replace(LOCAL, namespaces=False),
    options=f"{__name__}:Options",
    local=False,
)


def open_afar(options: Options, context: DriverContext) -> Any:
    opened.append((options, context))
    backend = services[options.address]

    async def close_natively() -> None:
        happened.append(f"native part closed in {threading.current_thread().name}")

    return SimpleNamespace(
        name="afar",
        capabilities=AFAR.capabilities,
        files=backend.files,
        vector_stores=backend.vector_stores,
        batches=backend.batches,
        scoped=None,
        ping=backend.ping,
        close=lambda: happened.append("driver closed"),
        asynchronous=SimpleNamespace(close=close_natively),
    )


@contextmanager
def service(context: DriverContext) -> Iterator[dict[str, Any]]:
    address = f"afar:{len(services)}"
    services[address] = LocalBackend(
        Catalog.open_memory(), MatrixProvider(), context, name="service", capabilities=LOCAL
    )
    yield {"address": address}
    services.pop(address).close()
    happened.append("service ended")


@pytest.fixture(autouse=True)
def forgotten() -> None:
    opened.clear()
    happened.clear()


def test_service_gets_what_the_test_brings_and_the_driver_what_a_client_gives(tmp_path: Path) -> None:
    clock = FakeClock(5_000)
    storage = Storage(DriverCase(AFAR, options={"key": "k"}, service=service), tmp_path / "storage", clock=clock)
    client = storage.open(parsers={".rot": lambda content, name: content.decode()[::-1]})
    store = client.vector_stores.create()
    client.vector_stores.files.upload_and_poll(store.id, file=("a.rot", b"elibomotua"))
    (hit,) = client.vector_stores.search(store.id, query="car").data
    assert (store.id, store.created_at, hit.text) == ("vs_00000001", 5_000, "automobile")
    ((options, context),) = opened
    assert (options.key, dict(storage.options)) == ("k", {"key": "k", "address": options.address})
    assert (context.directory, context.embedder, context.parsers, context.clock) == (None, None, {}, clock)
    storage.close()


def test_service_is_ended_after_its_driver_and_what_belongs_to_the_event_loop_is_closed_there(tmp_path: Path) -> None:
    with start_blocking_portal(name="the loop") as portal:
        storage = Storage(DriverCase(AFAR, service=service), tmp_path, portal=portal)
        storage.open()
        storage.close()
    assert happened == ["native part closed in the loop", "driver closed", "service ended"]
    assert services == {}


def test_capabilities_are_asked_of_a_service_that_is_ended_again(tmp_path: Path) -> None:
    assert Storage(DriverCase(AFAR, service=service), tmp_path).capabilities() == AFAR.capabilities
    assert happened == ["driver closed", "service ended"]


def test_local_driver_with_a_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not local"):
        Storage(DriverCase("memory", service=service), tmp_path)


def test_errors_lose_their_kind_on_the_way_from_a_service_only() -> None:
    local, afar = DriverCase("memory"), DriverCase(AFAR)
    assert [local.error(kind) for kind in (StorageError, EmbedderMismatchError)] == [
        StorageError,
        EmbedderMismatchError,
    ]
    assert [afar.error(kind) for kind in (StorageError, EmbedderMismatchError)] == [InternalServerError, ConflictError]


@pytest.mark.parametrize(
    ("given", "passed", "skipped"), [("service=service", 2, 1), ("", 0, 3)], ids=["service", "none"]
)
def test_without_a_service_only_what_needs_none_is_tested(
    pytester: pytest.Pytester, given: str, passed: int, skipped: int
) -> None:
    """A synonym is found by the embedder of the kit alone; the files of a service may never be looked at."""
    pytester.makepyfile(
        test_it=f"""
import pytest
from oauth_codex.testing import DriverCase, DriverSuite, SemanticEmbedder
from oauth_codex.spi import DriverContext
from {__name__} import AFAR, service, services

class TestIt(DriverSuite):
    @pytest.fixture
    def case(self):
        return DriverCase(AFAR, options={{"address": "always"}}, {given})

@pytest.fixture(autouse=True)
def always():
    with service(DriverContext(directory=None, embedder=SemanticEmbedder())) as options:
        services["always"] = services[options["address"]]
        yield
        del services["always"]
"""
    )
    result = pytester.runpytest_inprocess(
        "-p", "oauth_codex.testing.plugin", "-k", "test_a_synonym_is_found or test_directory_of_another", "-rs"
    )
    result.assert_outcomes(passed=passed, skipped=skipped)
    result.stdout.fnmatch_lines(["*not a local driver: the files are its service's*"])
