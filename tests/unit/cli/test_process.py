"""The program as a process: exit status, streams, signals, terminals, and what it imports."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from oauth_codex import OAuthCodexClient

#: Runs the command line after a preparation.
_RUN = "import sys; sys.argv[0] = 'oauth-codex'\n{before}\nfrom oauth_codex.cli import main; main()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OAUTH_CODEX_")}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "PYTHONUNBUFFERED"):
        kept.pop(name, None)
    return {**kept, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(60):
        (root / f"{number:03}.txt").write_text(f"File number {number} speaks of valves.")
    return root


def call(
    environment: dict[str, str], *arguments: object, before: str = "pass", code: int = 0
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", _RUN.format(before=before), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_module_is_the_command(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "oauth_codex", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "oauth-codex 5.0.0\n"


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["ingest", "--help"], ["search", "--help"]])
def test_help_fits_80_columns_and_loads_no_heavy_library(arguments: list[str], environment: dict[str, str]) -> None:
    heavy = {"numpy", "sqlalchemy", "httpx", "tiktoken", "stevedore", "oauth_codex.client", "oauth_codex.spi"}
    if len(arguments) == 1:
        heavy.add("pydantic")  # newer versions of typer load it to describe the options of a command
    report = f"import atexit; atexit.register(lambda: print({heavy} & set(sys.modules), file=sys.stderr))"
    done = call({**environment, "COLUMNS": "80"}, *arguments, before=report)
    assert done.stderr == "set()\n"
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_failure_is_one_sentence_on_stderr(environment: dict[str, str], tmp_path: Path) -> None:
    done = call(environment, "search", "nowhere", "x", "--storage-dir", tmp_path / "s", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: No vector store has the id or name 'nowhere'")
    assert "oauth-codex ingest" in done.stderr


def test_a_failure_as_json_is_one_document_on_stdout(environment: dict[str, str], tmp_path: Path) -> None:
    done = call(environment, "stores", "--backend", "nonesuch", "--json", code=1)
    assert done.stderr == ""
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "DriverError"
    assert "nonesuch" in error["message"]


def test_an_error_of_the_system_names_the_path(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = call(environment, "stores", "--storage-dir", tmp_path / "file" / "below", code=1)
    assert done.stderr.startswith("Error: ")
    assert str(tmp_path / "file") in done.stderr


def test_wrong_use_is_2_in_both_forms(environment: dict[str, str]) -> None:
    assert "Usage:" in call(environment, "search", "only-a-store", code=2).stderr
    assert json.loads(call(environment, "search", "only-a-store", "--json", code=2).stdout)["error"]["type"] == "usage"
    assert json.loads(call(environment, "nonesuch", "--json", code=2).stdout)["error"]["type"] == "usage"


def stored(directory: Path, name: str, text: str) -> None:
    """A store `x` with one file."""
    with OAuthCodexClient("sqlite", storage_dir=directory) as client:
        client.vector_stores.files.upload(client.vector_stores.create(name="x").id, file=(name, text.encode()))


def test_a_query_may_look_like_an_option(environment: dict[str, str], tmp_path: Path) -> None:
    stored(tmp_path / "s", "a.txt", "The flag is json.")
    done = call(environment, "search", "x", "--storage-dir", tmp_path / "s", "--", "--json")
    assert done.stdout.startswith("1. ")


def test_a_reader_that_is_gone_is_no_reason_to_complain(environment: dict[str, str], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", _RUN.format(before="pass"), "drivers", "--json"]
    done = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


def test_an_interrupt_ends_with_130_and_leaves_whole_groups(
    environment: dict[str, str], tmp_path: Path, folder: Path
) -> None:
    # The signal arrives while the second group of files is being uploaded.
    before = (
        "import signal, oauth_codex.client._sync.files as f\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job of a shell ignores it
        "real, count = f.Files.create, [0]\n"
        "def create(*a, **k):\n"
        "    count[0] += 1\n"
        "    if count[0] == 55: signal.raise_signal(signal.SIGINT)\n"
        "    return real(*a, **k)\n"
        "f.Files.create = create\n"
    )
    storage = tmp_path / "storage"
    done = call(environment, "ingest", folder, "-s", "x", "--storage-dir", storage, before=before, code=130)
    assert done.stderr == "Error: Interrupted.\n"
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        (store,) = client.vector_stores.list().data
        assert store.file_counts.completed == store.file_counts.total == len(client.files.list().data) == 50
    again = call(environment, "ingest", folder, "-s", "x", "--storage-dir", storage, "--json")
    assert json.loads(again.stdout)["files"] == {"added": 10, "replaced": 0, "unchanged": 50, "failed": 0}


def terminal(environment: dict[str, str], *arguments: object) -> str:
    """What the command shows on a terminal."""
    primary, secondary = pty.openpty()
    command = [sys.executable, "-c", _RUN.format(before="pass"), *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdin=secondary, stdout=secondary, stderr=secondary)
    os.close(secondary)
    shown = b""
    while True:
        try:
            piece = os.read(primary, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(primary)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode()


def test_a_terminal_gets_a_bar_and_colours(environment: dict[str, str], tmp_path: Path, folder: Path) -> None:
    arguments = ["ingest", folder, "--store", "x", "--storage-dir", tmp_path / "s"]
    shown = terminal({**environment, "TERM": "xterm-256color"}, *arguments)
    assert "Reading into x" in shown
    assert "60/60" in shown
    search = ["search", "x", "valve", "--storage-dir", tmp_path / "s"]
    assert "\x1b[1;33mvalve" in terminal({**environment, "TERM": "xterm-256color"}, *search)
    plain = terminal({**environment, "TERM": "xterm-256color", "NO_COLOR": "1"}, *search)
    assert "valve" in plain
    assert "\x1b[1;33m" not in plain
    assert "33m" not in plain


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_is_no_terminal_gets_neither(
    flags: list[str], environment: dict[str, str], tmp_path: Path, folder: Path
) -> None:
    done = call(environment, "ingest", folder, "--store", "x", "--storage-dir", tmp_path / "s", *flags)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    if flags:
        assert json.loads(done.stdout)["files"]["added"] == 60


def test_ids_are_whole_on_80_columns(environment: dict[str, str], tmp_path: Path) -> None:
    stored(tmp_path / "s", "a.txt", "text")
    narrow = {**environment, "TERM": "dumb", "COLUMNS": "80"}
    for command, prefix in (["stores"], "vs_"), (["files"], "file-"):
        lines = terminal(narrow, *command, "--storage-dir", tmp_path / "s").splitlines()
        assert len(lines) == 2
        assert all(len(line) <= 80 for line in lines)
        (found,) = [word for word in lines[1].split() if word.startswith(prefix)]
        assert len(found) == len(prefix) + 32


def test_a_driver_that_cannot_be_used_is_listed_with_the_reason(environment: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "broken_driver-1.2.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-driver\nVersion: 1.2\n")
    (record / "entry_points.txt").write_text("[oauth_codex.drivers]\nbroken = no_such_module:driver\n")
    search_path = os.pathsep.join(filter(None, [str(tmp_path), environment.get("PYTHONPATH")]))
    with_broken = {**environment, "PYTHONPATH": search_path}
    data = json.loads(call(with_broken, "drivers", "--json").stdout)["data"]
    (broken,) = [driver for driver in data if driver["name"] == "broken"]
    assert broken["usable"] is False
    assert broken["version"] == "1.2"
    assert "no_such_module" in broken["problem"]
    printed = call(with_broken, "drivers").stdout
    assert "broken  broken-driver 1.2  not usable" in printed
    assert "no_such_module" in printed


def test_json_is_pure_ascii(environment: dict[str, str], tmp_path: Path) -> None:
    stored(tmp_path / "s", "n\u00e4me\x9b31m.txt", "Gr\u00fc\u00dfe \x1b[31m")
    done = call(environment, "search", "x", "gr\u00fc\u00dfe", "--storage-dir", tmp_path / "s", "--json")
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["data"][0]["filename"] == "n\u00e4me\x9b31m.txt"


def test_a_terminal_without_unicode_shows_escapes(environment: dict[str, str], tmp_path: Path) -> None:
    stored(tmp_path / "s", "a.txt", "Gr\u00fc\u00dfe from the valve")
    ascii_only = {**environment, "PYTHONIOENCODING": "ascii"}
    assert r"Gr\xfc\xdfe" in call(ascii_only, "search", "x", "valve", "--storage-dir", tmp_path / "s").stdout
