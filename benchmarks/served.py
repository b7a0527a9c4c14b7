"""A server of this package in a process of its own, and the plainest HTTP client that can ask it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measure import ROOT


@dataclass(frozen=True)
class Served:
    """A running server: the address that clients are given, and its process."""

    url: str
    pid: int

    def connection(self) -> http.client.HTTPConnection:
        """A connection that stays open."""
        address = urlsplit(self.url)
        assert address.hostname is not None
        return http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def forget_peak(self) -> None:
        """Begin to watch its memory; see `peak`."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """Most bytes that it has held since `forget_peak`."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("There is no VmHWM.")


@contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """Serve a storage directory of the `sqlite` driver on a free port of this machine.

    Raises:
        RuntimeError: It did not start; the message holds what it wrote.
    """
    command = [sys.executable, "-m", "oauth_codex", "serve", "--backend", "sqlite", "--json", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--storage-dir", str(directory)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The server did not start:\n{process.stderr.read()[-4000:]}")
        yield Served(json.loads(line)["base_url"], process.pid)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate()


def search(connection: http.client.HTTPConnection, path: str, query: str) -> list[Any]:
    """The hits of one search.

    Raises:
        RuntimeError: The answer is no page of hits.
    """
    connection.request("POST", path, json.dumps({"query": query}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {body}")
    hits: list[Any] = body["data"]
    return hits
