"""Real Chroma servers, and storages on every kind of Chroma."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.spi import IndexSpec
from oauth_codex_chroma.connection import Connection
from oauth_codex_chroma.index import ChromaProvider
from oauth_codex_chroma.options import Options

DIMENSION = 16
CATALOG = "0123456789abcdef" * 2


class Server:
    """`chroma run` on a free port of this machine; it can be killed, and started again on the same port and files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.start()

    @property
    def options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port}

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--path", str(self.path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.path.parent,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/heartbeat", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        os.kill(self.process.pid, how)
        self.process.wait()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that no test stops."""
    server = Server(tmp_path_factory.mktemp("chroma") / "server")
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test, which may stop it."""
    server = Server(tmp_path / "server")
    yield server
    if server.process.returncode is None:
        server.stop()


def provider_on(directory: Path, catalog_id: str = CATALOG, **options: Any) -> ChromaProvider:
    """A provider on a storage directory, to be closed."""
    logger = logging.getLogger("test.chroma")
    return ChromaProvider(Connection(Options(**options), directory, logger), catalog_id, logger)


Open = Callable[..., ChromaProvider]


@pytest.fixture
def open_provider(tmp_path: Path) -> Iterator[Open]:
    """Opens providers on a storage directory; they are closed after the test."""
    opened: list[ChromaProvider] = []

    def make(directory: Path | None = None, **options: Any) -> ChromaProvider:
        directory = directory or tmp_path / "storage"
        directory.mkdir(exist_ok=True)
        opened.append(provider_on(directory, **options))
        return opened[-1]

    yield make
    for provider in opened:
        provider.close()


@pytest.fixture(params=["embedded", "server"])
def provider(request: pytest.FixtureRequest, open_provider: Open) -> ChromaProvider:
    """A provider on an embedded Chroma and on a server. The server is shared: give each index an id of its own."""
    if request.param == "embedded":
        return open_provider()
    return open_provider(**request.getfixturevalue("shared_server").options)


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> IndexSpec:
    """An index that no other test has."""
    return spec_of(str(abs(hash(request.node.nodeid))))


def chroma_of(provider: ChromaProvider) -> Any:
    """chromadb's own client."""
    with provider._connection.call("a test") as client:
        return client


def spec_of(index_id: str, stamp: str = "first", dimension: int = DIMENSION) -> IndexSpec:
    return IndexSpec(id=index_id, dimension=dimension, stamp=stamp)


def unit_rows(count: int, dimension: int = DIMENSION, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def keys_of(count: int, first: int = 1) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(first, first + count, dtype=np.int64)


@pytest.fixture
def open_client() -> Iterator[Callable[..., OAuthCodexClient]]:
    """Opens clients; they are closed after the test."""
    opened: list[OAuthCodexClient] = []

    def make(directory: Path, backend: str = "chroma", **options: Any) -> OAuthCodexClient:
        opened.append(OAuthCodexClient(backend=backend, storage_dir=directory, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()
