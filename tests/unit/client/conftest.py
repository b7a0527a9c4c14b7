"""The fake backend and clients on it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient


def _load() -> ModuleType:
    # With --import-mode=importlib the folder of a test is not on the path.
    spec = importlib.util.spec_from_file_location("client_fake_backend", Path(__file__).parent / "fake_backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """The module of the fake backend."""
    return _load()


@pytest.fixture
def backend(fake: ModuleType) -> Any:
    """A backend that can do everything."""
    return fake.FakeBackend()


@pytest.fixture
def client(backend: Any) -> Iterator[OAuthCodexClient]:
    """A sync client on `backend`."""
    with OAuthCodexClient(backend) as made:
        yield made


@pytest.fixture
def aclient(backend: Any) -> AsyncOAuthCodexClient:
    """An async client on `backend`."""
    return AsyncOAuthCodexClient(backend)


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests marked `anyio`."""
    return "asyncio"
