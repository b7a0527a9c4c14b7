"""Clients as the two documents make them: without arguments, so the environment says which driver and where.

`S0` in the names of the tests is the document of this package's own methods, `S1` the one of the OpenAI SDK.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oauth_codex
import pytest
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.client import module_level


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the driver that every client of the test opens, in a directory of the test."""
    for name in list(os.environ):
        if name.startswith(("OAUTH_CODEX_", "CODEX_COMPAT_", "OPENAI_")):
            monkeypatch.delenv(name)
    name = str(request.param)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OAUTH_CODEX_BACKEND", name)
    monkeypatch.setenv("OAUTH_CODEX_STORAGE_DIR", str(tmp_path / "storage"))
    return name


@pytest.fixture
def client(backend: str) -> Iterator[OAuthCodexClient]:
    with OAuthCodexClient() as opened:
        yield opened


@pytest.fixture
async def async_client(backend: str, anyio_backend: str) -> AsyncIterator[AsyncOAuthCodexClient]:
    async with AsyncOAuthCodexClient() as opened:
        yield opened


@pytest.fixture
def fresh_module(backend: str) -> Iterator[Any]:
    """`oauth_codex`, whose hidden client is made anew for this test and closed after it."""
    module_level._reset_client()
    yield oauth_codex
    module_level._reset_client()


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed_client(backend: str, clock: Clock) -> Iterator[OAuthCodexClient]:
    """A client whose time is `clock`."""
    with OAuthCodexClient(clock=clock) as opened:
        yield opened


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with text files in place of the PDFs that the documents name."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in {
        "document.txt": "How to install the SDK: run pip install in a shell.",
        "doc1.txt": "The first chapter explains stores.",
        "doc2.txt": "The second chapter explains files.",
        "doc3.md": "# Third\n\nThe third chapter explains batches.",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def new_file(client: OAuthCodexClient) -> Callable[..., str]:
    """Uploads a text with `client` and returns the id of the file."""

    def upload(text: str | bytes = "How do I install the SDK? With pip.", name: str = "note.txt") -> str:
        content = text.encode() if isinstance(text, str) else text
        return client.files.create(file=(name, content), purpose="assistants").id

    return upload


@dataclass(frozen=True)
class World:
    """One of the three ways in that S0 describes: `api` has `files` and `vector_stores`."""

    name: str
    api: Any

    async def __call__(self, answer: Any) -> Any:
        """The answer of a call, awaited where the way in is the async one, and only there."""
        assert inspect.isawaitable(answer) == (self.name == "async")
        return await answer if self.name == "async" else answer


@pytest.fixture(params=["sync", "async", "module"])
async def world(request: pytest.FixtureRequest, backend: str, anyio_backend: str) -> AsyncIterator[World]:
    if request.param == "sync":
        with OAuthCodexClient() as opened:
            yield World("sync", opened)
    elif request.param == "async":
        async with AsyncOAuthCodexClient() as opened_async:
            yield World("async", opened_async)
    else:
        module_level._reset_client()
        yield World("module", oauth_codex)
        module_level._reset_client()
