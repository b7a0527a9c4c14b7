"""`oauth-codex serve` as a process: what it prints, what it refuses, how it stops, and what a kill loses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from typer.testing import CliRunner

#: Before the command: searches take as long as the file `go` is missing, and write `begun` when they begin.
_SLOW = """
import pathlib, threading
from oauth_codex.local.vector_stores import LocalVectorStores
found = LocalVectorStores.search
def search(self, request, here=pathlib.Path({here!r})):
    (here / "begun").touch()
    while not (here / "go").exists():
        threading.Event().wait(0.005)
    return found(self, request)
LocalVectorStores.search = search
"""
_GRACE = "import oauth_codex.server.running as r; r.run.__kwdefaults__['grace_seconds'] = 0\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OAUTH_CODEX_", "OPENAI_"))}
    return {**kept, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")}


def command(*arguments: object, before: str = "") -> list[str]:
    script = f"import sys; sys.argv[0] = 'oauth-codex'\n{before}\nfrom oauth_codex.cli import main; main()"
    return [sys.executable, "-W", "error", "-c", script, "serve", *map(str, arguments)]


@contextmanager
def running(
    environment: dict[str, str], *arguments: object, before: str = ""
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server and the document that it prints."""
    process = subprocess.Popen(
        command("--json", "--port", 0, *arguments, before=before),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()  # one line, so that whoever started the server need not wait for its end
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: object) -> str:
    """What the command says when it does not begin; in this process, since that is all it does."""
    done = CliRunner().invoke(app, ["serve", *map(str, arguments)], terminal_width=500)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    return done.stderr


def test_it_prints_where_it_listens_and_stops_with_0(environment: dict[str, str], tmp_path: Path) -> None:
    with running(environment, "--storage-dir", tmp_path / "s") as (process, told):
        assert told["base_url"] == told["url"] + "/v1"
        assert (told["driver"], told["storage_dir"], told["keys"]) == ("sqlite", str(tmp_path / "s"), [])
        assert told["pid"] == process.pid
        made = httpx.post(f"{told['base_url']}/vector_stores", json={"name": "kept"}).json()["id"]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / "s") as client:
        assert client.vector_stores.retrieve(made).name == "kept", (
            "without keys it is the storage of the other commands"
        )


def test_what_is_cut_off_at_the_end_is_told_so(environment: dict[str, str]) -> None:
    with running(environment, "--backend", "memory", before=_GRACE) as (process, told):
        with socket.create_connection(("127.0.0.1", int(told["url"].rpartition(":")[2]))) as client:
            head = "POST /v1/vector_stores HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n".encode())
            assert b"100 Continue" in client.recv(1000), "the body is waited for"
            client.sendall(b'{"n')
            process.send_signal(signal.SIGINT)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        _, err = process.communicate(timeout=60)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "shutting_down"
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "Exception" not in err


def test_a_person_gets_lines_to_paste(environment: dict[str, str], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("ann:sk-ann\n")
    arguments = command("--port", 0, "--backend", "memory", "--api-key-file", keys)
    environment["PYTHONUNBUFFERED"] = "1"
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while "Ctrl+C" not in text:
            line = process.stdout.readline()
            assert line
            text += line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "Keys     ann\n" in text
    assert "sk-ann" not in text
    assert 'client = OpenAI(base_url="http://127.0.0.1:' in text


def test_it_refuses_with_a_remedy(clean_environment: None, tmp_path: Path) -> None:
    storage = ("--backend", "memory")
    assert "--api-key-file PATH" in refused(*storage, "--host", "0.0.0.0", "--port", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "--port 0" in refused(*storage, "--port", port)
    (tmp_path / "empty").touch(0o600)
    assert "NAME:KEY" in refused(*storage, "--port", 0, "--api-key-file", tmp_path / "empty")
    assert "NO_KEYS" in refused(*storage, "--port", 0, "--api-key-env", "NO_KEYS")
    assert "is no origin" in refused(*storage, "--port", 0, "--allow-origin", "*")


def test_with_keys_it_serves_every_interface(environment: dict[str, str]) -> None:
    environment["KEYS"] = "ann:sk-ann"
    arguments = ("--backend", "memory", "--host", "0.0.0.0", "--api-key-env", "KEYS", "--allow-host", "store.example")
    with running(environment, *arguments) as (_, told):
        assert told["keys"] == ["ann"]
        for host, key, status in (
            ("store.example", "sk-ann", 200),
            ("store.example", "sk-bob", 401),
            ("other.example", "sk-ann", 403),
        ):
            headers = {"host": host, "authorization": f"Bearer {key}"}
            assert httpx.get(f"{told['base_url']}/files", headers=headers).status_code == status


def test_without_its_libraries_it_names_the_command(environment: dict[str, str]) -> None:
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'starlette' else f(n, *a)"
    done = subprocess.run(
        command("--backend", "memory", before=hide),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "needs starlette" in done.stderr
    assert '".[server]"' in done.stderr


def in_flight(told: dict[str, Any], here: Path) -> tuple[threading.Thread, list[httpx.Response | Exception]]:
    """A search that has begun and does not end before `go` is there."""
    store = httpx.post(f"{told['base_url']}/vector_stores", json={}).json()["id"]
    outcome: list[httpx.Response | Exception] = []

    def search() -> None:
        try:
            outcome.append(
                httpx.post(f"{told['base_url']}/vector_stores/{store}/search", json={"query": "x"}, timeout=60)
            )
        except httpx.HTTPError as error:
            outcome.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    return thread, outcome


def test_what_is_in_flight_is_finished(environment: dict[str, str], tmp_path: Path, tools: Any) -> None:
    slow = _SLOW.format(here=str(tmp_path))
    with running(environment, "--storage-dir", tmp_path / "s", before=slow) as (process, told):
        thread, outcome = in_flight(told, tmp_path)
        tools.until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGTERM)
        tools.until(lambda: not listens(told))
        assert process.poll() is None
        (tmp_path / "go").touch()
        thread.join()
        assert [getattr(each, "status_code", each) for each in outcome] == [200]
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")


def listens(told: dict[str, Any]) -> bool:
    try:
        httpx.get(f"{told['url']}/healthz")
    except httpx.TransportError:
        return False
    return True


def test_what_never_ends_does_not_keep_the_process(environment: dict[str, str], tmp_path: Path, tools: Any) -> None:
    slow = _SLOW.format(here=str(tmp_path)) + _GRACE
    with running(environment, "--storage-dir", tmp_path / "s", before=slow) as (process, told):
        thread, outcome = in_flight(told, tmp_path)
        tools.until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        thread.join()
    assert process.returncode == 1
    assert "1 requests unfinished" in err
    assert not isinstance(outcome[0], httpx.Response) or outcome[0].status_code >= 500


def test_a_kill_under_load_loses_nothing_that_was_acknowledged(environment: dict[str, str], tmp_path: Path) -> None:
    acknowledged: dict[str, bytes] = {}
    with running(environment, "--storage-dir", tmp_path / "s") as (process, told):
        store = httpx.post(f"{told['base_url']}/vector_stores", json={}).json()["id"]
        enough = threading.Event()

        def load(worker: int) -> None:
            with httpx.Client(base_url=told["base_url"], timeout=60) as http:
                for number in range(10_000):
                    content = f"worker {worker} sends number {number} ".encode() * (1 + number % 3 * 20_000)
                    try:
                        made = http.post("/files", files={"file": ("a.txt", content)}, data={"purpose": "assistants"})
                        attached = http.post(f"/vector_stores/{store}/files", json={"file_id": made.json()["id"]})
                    except httpx.HTTPError:
                        return
                    assert (made.status_code, attached.status_code) == (200, 200)
                    acknowledged[made.json()["id"]] = content
                    if len(acknowledged) >= 20:
                        enough.set()

        threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        assert enough.wait(120)
        process.kill()
        for thread in threads:
            thread.join()
    with OAuthCodexClient("sqlite", storage_dir=tmp_path / "s") as client:
        attached = {file.id: file.status for file in client.vector_stores.files.list(store, limit=100)}
        for identifier, content in acknowledged.items():
            assert client.files.content(identifier) == content
            assert attached[identifier] == "completed"
        counts = client.vector_stores.retrieve(store).file_counts
        assert (counts.total, counts.in_progress) == (len(attached), 0), "nothing is half made"
        assert len(list(client.files.list())) - len(attached) <= 4, "uploads whose attaching was killed"
