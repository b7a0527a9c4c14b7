"""`search`, `stores`, `files` and `drivers`, on the real sqlite driver."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from oauth_codex.cli.search import _MOST, filters
from oauth_codex.spi.limits import MAX_RESULTS
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OAUTH_CODEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Two stores: `engine` with three files, and a younger one without."""
    directory = tmp_path / "storage"
    with OAuthCodexClient("sqlite", storage_dir=directory) as client:
        store = client.vector_stores.create(name="engine")
        for number, text in enumerate(("The red valve opens the pump.", "The blue valve is shut.", "Oil is black.")):
            client.vector_stores.files.upload(
                store.id,
                file=(f"{number}.txt", f"First line.\n{text}\n".encode()),
                attributes={"number": number, "text": str(number), "liquid": number == 2},
            )
        client.vector_stores.create(name="empty")
    return directory


def run(storage: Path, *arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments), "--storage-dir", str(storage)])
    assert result.exit_code == code, result.output
    return result.stdout


def document(storage: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(storage, *arguments, "--json", code=code))
    return found


# -- search ------------------------------------------------------------------------------------------------------------


def test_search_prints_rank_score_file_lines_and_passage(storage: Path) -> None:
    lines = run(storage, "search", "engine", "red valve").splitlines()
    assert lines[0].startswith("1. ")
    assert lines[0].endswith("  0.txt  lines 1-2")
    assert 0 < float(lines[0].split()[1]) <= 1
    assert "   The red valve opens the pump." in lines


def test_search_takes_the_id_of_a_store_too(storage: Path) -> None:
    by_name = document(storage, "stores")["data"]
    ids = {store["name"]: store["id"] for store in by_name}
    assert run(storage, "search", ids["engine"], "oil") == run(storage, "search", "engine", "oil")


def test_search_as_json_is_the_page_of_the_api(storage: Path) -> None:
    page = document(storage, "search", "engine", "valve", "-n", 1)
    assert page["object"] == "vector_store.search_results.page"
    assert page["search_query"] == ["valve"]
    assert len(page["data"]) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["number=1"], {"1.txt"}),
        (["text=1"], {"1.txt"}),
        (["liquid=true"], set()),
        (["liquid=false"], {"0.txt", "1.txt"}),
        (["number=1", "liquid=true"], set()),
        (["number=7"], set()),
    ],
)
def test_a_filter_compares_text_numbers_and_truth_values(storage: Path, given: list[str], expected: set[str]) -> None:
    pairs = [part for each in given for part in ("--filter", each)]
    page = document(storage, "search", "engine", "valve", "--threshold", "0.05", *pairs)
    assert {hit["filename"] for hit in page["data"]} == expected


def test_a_value_that_is_only_text_is_compared_as_text() -> None:
    assert filters(["a=b=c"]) == {"type": "eq", "key": "a", "value": "b=c"}
    assert filters(["a=1e999"]) == {"type": "eq", "key": "a", "value": "1e999"}
    assert filters(["a=[1]"]) == {"type": "eq", "key": "a", "value": "[1]"}


def test_a_threshold_leaves_weak_passages_out(storage: Path) -> None:
    assert document(storage, "search", "engine", "red valve", "--threshold", "1")["data"] == []


def test_the_limit_is_that_of_the_api(storage: Path) -> None:
    assert _MOST == MAX_RESULTS
    assert document(storage, "search", "engine", "valve", "-n", MAX_RESULTS)["data"]
    assert document(storage, "search", "engine", "valve", "-n", MAX_RESULTS + 1, code=2)["error"]["type"] == "usage"


def test_finding_nothing_is_no_failure(storage: Path) -> None:
    assert document(storage, "search", "empty", "anything")["data"] == []
    run(storage, "search", "empty", "anything")


def test_an_unknown_store_is_answered_with_the_nearest_name(storage: Path) -> None:
    found = document(storage, "search", "engin", "valve", code=1)
    assert set(found) == {"error"}
    assert "Did you mean 'engine'?" in found["error"]["message"]


def test_an_expired_store_gives_way_to_one_that_is_not(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    with OAuthCodexClient("sqlite", storage_dir=tmp_path, clock=lambda: now) as client:
        alive = client.vector_stores.create(name="twice").id
        client.vector_stores.create(name="twice", expires_after={"anchor": "last_active_at", "days": 1})
    assert run(tmp_path, "files", "twice", "--json")
    assert document(tmp_path, "files", "twice")["vector_store_id"] == alive


# -- stores and files --------------------------------------------------------------------------------------------------


def test_stores_lists_all_newest_first(storage: Path) -> None:
    header, *rows = run(storage, "stores").splitlines()
    assert header.split() == ["Name", "Id", "Status", "Files", "Size", "Active"]
    assert [row.split()[0] for row in rows] == ["empty", "engine"]
    assert rows[1].split()[2:4] == ["completed", "3"]


def test_stores_pages_through_all_of_them(storage: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        for number in range(110):
            client.vector_stores.create(name=f"s{number}")
    assert len(document(storage, "stores")["data"]) == 112
    assert len(document(storage, "stores", "--limit", 105)["data"]) == 105
    assert len(document(storage, "stores", "-n", 1)["data"]) == 1


def test_lines_are_whole_when_the_output_is_no_terminal(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "name " * 40
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        store = client.vector_stores.create(name=long.strip())
    (row,) = [line for line in run(storage, "stores").splitlines() if store.id in line]
    assert row.startswith(long)


def test_files_of_a_store_have_names_sizes_attributes_and_errors(storage: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        store = next(store for store in client.vector_stores.list() if store.name == "engine")
        client.vector_stores.files.upload(store.id, file=("blank.txt", b"   "))
    header, failed, *others = run(storage, "files", "engine").splitlines()
    assert header.split()[:4] == ["Name", "Id", "Status", "Size"]
    assert failed.startswith("blank.txt")
    assert "failed" in failed
    assert "white space" in failed
    assert "number=2 text=2 liquid=True" in others[0]
    data = document(storage, "files", "engine")["data"]
    assert [file["filename"] for file in data] == ["blank.txt", "2.txt", "1.txt", "0.txt"]
    assert data[0]["bytes"] == 3


def test_names_of_many_files_are_found_too(tmp_path: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=tmp_path) as client:
        ids = [client.files.create(file=(f"{n}.txt", b"text"), purpose="assistants").id for n in range(105)]
        client.files.create(file=("elsewhere.txt", b"text"), purpose="assistants")
        store = client.vector_stores.create(name="many", file_ids=ids)
    data = document(tmp_path, "files", store.id)["data"]
    assert {file["filename"] for file in data} == {f"{n}.txt" for n in range(105)}


def test_files_without_a_store_are_all_uploads(storage: Path) -> None:
    assert [file["filename"] for file in document(storage, "files")["data"]] == ["2.txt", "1.txt", "0.txt"]
    assert run(storage, "files", "-n", 2).count(".txt") == 2


# -- drivers -----------------------------------------------------------------------------------------------------------


def test_drivers_tells_which_one_is_used_and_why(storage: Path) -> None:
    printed = run(storage, "drivers")
    assert "sqlite  oauth-codex-sqlite" in printed
    assert "usable  in use (default)" in printed
    found = document(storage, "drivers", "--backend", "memory")
    assert found["default"] == {"name": "memory", "origin": "argument"}
    used = {driver["name"]: driver["default"] for driver in found["data"]}
    assert used["memory"] is True
    assert used["sqlite"] is False
    assert all(driver["usable"] for driver in found["data"] if driver["name"] in ("memory", "sqlite"))


def test_drivers_opens_no_storage(storage: Path, tmp_path: Path) -> None:
    run(tmp_path / "untouched", "drivers")
    assert not (tmp_path / "untouched").exists()


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    ["novalue", "=x", "backend=memory", "storage-dir=x", "clock=1", "parsers=x"],
)
def test_an_option_that_text_cannot_stand_for_is_wrong_use(storage: Path, wrong: str) -> None:
    error = document(storage, "stores", "--option", wrong, code=2)["error"]
    assert error["type"] == "usage"
    assert "--option" in error["message"]


def test_an_option_that_the_driver_does_not_have_is_a_failure(storage: Path) -> None:
    error = document(storage, "stores", "--option", "wal=off", code=1)["error"]
    assert error["type"] == "ConfigurationError"
    assert "'wal'" in error["message"]


def test_an_option_of_the_client_is_passed_on(storage: Path) -> None:
    error = document(storage, "stores", "--option", "embedder=nonesuch", code=1)["error"]
    assert "nonesuch" in error["message"]
    assert document(storage, "stores", "--option", "ingest=inline", "--option", "embedder=hashing")["data"]


def test_the_limit_of_a_call_is_an_option(storage: Path) -> None:
    assert "engine" in run(storage, "stores", "--option", "timeout=30")
    result = CliRunner().invoke(app, ["stores", "--option", "timeout=soon", "--storage-dir", str(storage)])
    assert result.exit_code == 2
    assert "'timeout' is 'soon'" in result.output
