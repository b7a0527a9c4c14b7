"""`oauth-codex worker`: another process does what programs leave to the background."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from oauth_codex.local.ingest import workers
from typer.testing import CliRunner

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this process leave the work to others; the command says how many threads it wants."""
    monkeypatch.setattr(workers, "THREADS", 0)


def attached(storage: Path, *contents: bytes) -> str:
    """A store with files that nobody works on."""
    with OAuthCodexClient("sqlite", storage_dir=storage, ingest="background") as client:
        files = [client.files.create(file=content, purpose="assistants").id for content in contents]
        store = client.vector_stores.create().id
        client.vector_stores.file_batches.create(store, file_ids=files)
        assert client.vector_stores.retrieve(store).status == "in_progress"
        return store


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["worker", *words])


def process(storage: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "oauth_codex", "worker", "--backend", "sqlite", "--storage-dir", str(storage), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_it_ends_when_nothing_is_left(tmp_path: Path) -> None:
    store = attached(tmp_path, *(b"garden %d" % i for i in range(60)), b"\0bad")
    done = run("--backend", "sqlite", "--storage-dir", str(tmp_path), "--until-empty", "--threads", "3")
    assert done.exit_code == 0, done.output
    assert "Working with 3 threads" in done.output
    assert "Done: 60 files completed, 1 failed, 0 left." in done.output
    with OAuthCodexClient("sqlite", storage_dir=tmp_path) as client:
        assert client.vector_stores.retrieve(store).file_counts.completed == 60


def test_the_report_for_programs(tmp_path: Path) -> None:
    attached(tmp_path, b"garden", b"\0bad")
    done = run("--backend", "sqlite", "--storage-dir", str(tmp_path), "--until-empty", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report.pop("seconds") >= 0
    assert report == {
        "object": "worker.report", "files": {"completed": 1, "failed": 1, "left": 0}, "left_to_other_embedders": 0,
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_works_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path, "--json") as worker:
        store = attached(tmp_path, b"garden", b"forest")
        with OAuthCodexClient("sqlite", storage_dir=tmp_path, ingest="background") as client:
            for file in client.vector_stores.files.list(store):
                client.vector_stores.files.poll(store, file.id, max_wait_seconds=60)
            worker.send_signal(number)
            said, error = worker.communicate(timeout=60)
    assert (worker.returncode, error) == (0, "")
    assert json.loads(said)["files"] == {"completed": 2, "failed": 0, "left": 0}


def test_two_workers_share_the_work(tmp_path: Path, audit: Callable[[Any], None]) -> None:
    store = attached(tmp_path, *(b"garden %d" % i for i in range(300)))
    with process(tmp_path, "--until-empty", "--json") as one, process(tmp_path, "--until-empty", "--json") as two:
        said = [worker.communicate(timeout=120) for worker in (one, two)]
    assert [error for _, error in said] == ["", ""]
    assert sum(json.loads(report)["files"]["completed"] for report, _ in said) == 300
    with OAuthCodexClient("sqlite", storage_dir=tmp_path) as client:
        assert client.vector_stores.retrieve(store).file_counts.completed == 300
        audit(client)


def test_stores_of_another_embedder_are_named(tmp_path: Path) -> None:
    from oauth_codex.embedders.hashing import HashingEmbedder

    with OAuthCodexClient("sqlite", storage_dir=tmp_path, embedder=HashingEmbedder(64), ingest="background") as client:
        client.vector_stores.files.upload(client.vector_stores.create().id, file=b"garden")
    done = run("--backend", "sqlite", "--storage-dir", str(tmp_path), "--until-empty")
    assert done.exit_code == 0, done.output
    assert "1 file waits for a worker with the embedder of its store" in done.output


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--backend", "memory"], 1, "keeps nothing that another process could have attached"),
        (["--backend", "sqlite", "--option", "ingest=inline"], 2, "works in the background"),
        (["--backend", "sqlite", "--threads", "0"], 2, "--threads"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: list[str], status: int, said: str) -> None:
    done = run(*words, "--storage-dir", str(tmp_path), "--json")
    assert done.exit_code == status, done.output
    assert said in json.loads(done.stdout)["error"]["message"]
