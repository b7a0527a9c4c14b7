"""`oauth-codex ingest`, on the real sqlite driver."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OAUTH_CODEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    for name, text in {
        "valve.txt": "The red valve opens the pump.",
        "deep/garden.md": "# Garden\n\nTomatoes need water in the morning.",
        "deep/sky.txt": "Stars are far away.",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def report(storage: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("ingest", *arguments, "--storage-dir", storage, "--json", code=code))
    return found


def stored(storage: Path) -> dict[str, list[tuple[str, str]]]:
    """Every store by name: names and contents of its files."""
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        return {
            str(store.name): sorted(
                (client.files.retrieve(file.id).filename, client.files.content(file.id).text)
                for file in client.vector_stores.files.list(store.id)
            )
            for store in client.vector_stores.list()
        }


def uploads(storage: Path) -> int:
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        return len(list(client.files.list()))


def test_a_folder_becomes_a_store_that_can_be_searched(storage: Path, folder: Path) -> None:
    done = report(storage, folder, "--store", "notes")
    assert done["created"] is True
    assert done["files"] == {"added": 3, "replaced": 0, "unchanged": 0, "failed": 0}
    assert done["chunks"] == 3
    assert done["bytes"] == sum(path.stat().st_size for path in folder.rglob("*.*"))
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        page = client.vector_stores.search(done["vector_store_id"], query="tomatoes")
    assert page.data[0].filename == "deep/garden.md"
    assert (page.data[0].attributes or {})["path"] == "deep/garden.md"


def test_running_it_again_changes_nothing(storage: Path, folder: Path) -> None:
    first = report(storage, folder, "--store", "notes")
    again = report(storage, folder, "--store", "notes")
    assert again["vector_store_id"] == first["vector_store_id"]
    assert again["created"] is False
    assert again["files"] == {"added": 0, "replaced": 0, "unchanged": 3, "failed": 0}
    assert uploads(storage) == 3


def test_a_changed_file_is_replaced_and_its_old_version_gone(storage: Path, folder: Path) -> None:
    report(storage, folder, "--store", "notes")
    (folder / "valve.txt").write_text("The blue valve opens the drain.", encoding="utf-8")
    (folder / "new.txt").write_text("Something new.", encoding="utf-8")
    done = report(storage, folder, "--store", "notes")
    assert done["files"] == {"added": 1, "replaced": 1, "unchanged": 2, "failed": 0}
    assert [name for name, _ in stored(storage)["notes"]] == ["deep/garden.md", "deep/sky.txt", "new.txt", "valve.txt"]
    assert ("valve.txt", "The blue valve opens the drain.") in stored(storage)["notes"]
    assert uploads(storage) == 4


def test_a_version_left_over_by_an_interrupted_run_is_removed(storage: Path, folder: Path) -> None:
    done = report(storage, folder, "--store", "notes")
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        newest = next(f for f in client.vector_stores.files.list(done["vector_store_id"]) if "sky" in str(f.attributes))
        copy = client.files.create(file=("deep/sky.txt", b"Stars are far away."), purpose="assistants")
        client.vector_stores.files.create(
            done["vector_store_id"], file_id=copy.id, attributes=dict(newest.attributes or {})
        )
    assert report(storage, folder, "--store", "notes")["files"]["unchanged"] == 3
    assert len(stored(storage)["notes"]) == uploads(storage) == 3


def test_files_of_someone_else_in_the_store_are_left_alone(storage: Path, folder: Path) -> None:
    done = report(storage, folder, "--store", "notes")
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        client.vector_stores.files.upload(done["vector_store_id"], file=("valve.txt", b"Another one of that name."))
    (folder / "valve.txt").write_text("Changed.", encoding="utf-8")
    report(storage, folder, "--store", "notes")
    assert [text for name, text in stored(storage)["notes"] if name == "valve.txt"] == [
        "Another one of that name.",
        "Changed.",
    ]


def test_a_file_that_cannot_be_read_is_reported_and_not_kept(storage: Path, folder: Path) -> None:
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    done = report(storage, folder, "--store", "notes")
    assert done["files"] == {"added": 3, "replaced": 0, "unchanged": 0, "failed": 1}
    assert done["failed"][0]["path"] == "picture.png"
    assert "PNG" in done["failed"][0]["reason"]
    assert uploads(storage) == 3
    printed = run("ingest", folder, "--store", "notes", "--storage-dir", storage)
    assert "3 unchanged, 1 failed" in printed
    assert "picture.png" in printed
    assert "PNG" in printed


def test_nothing_at_all_is_a_failure_and_leaves_no_store(storage: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "blank.txt").write_text("  \n\n")
    done = report(storage, empty, "--store", "nothing", code=1)
    assert done["error"]["message"].startswith("No file could be taken.")
    assert done["vector_store_id"] is None
    assert done["files"]["failed"] == 1
    assert stored(storage) == {}
    assert uploads(storage) == 0


def test_what_was_skipped_is_said(storage: Path, folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("text")
    printed = run("ingest", folder, "--store", "notes", "--storage-dir", storage)
    assert "Skipped 1: hidden (the name begins with a dot); --all takes them too." in printed
    assert report(storage, folder, "--store", "notes", "--all")["files"]["added"] == 1


def test_a_prefix_keeps_two_folders_apart(storage: Path, folder: Path) -> None:
    report(storage, folder, "--store", "notes")
    done = report(storage, folder, "--store", "notes", "--prefix", "copy/")
    assert done["files"]["added"] == 3
    assert [name for name, _ in stored(storage)["notes"]][:3] == [
        "copy/deep/garden.md",
        "copy/deep/sky.txt",
        "copy/valve.txt",
    ]


def test_the_newest_store_of_a_name_is_filled(storage: Path, folder: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        client.vector_stores.create(name="notes")
        newest = client.vector_stores.create(name="notes").id
    assert report(storage, folder, "--store", "notes")["vector_store_id"] == newest
    assert report(storage, folder, "--store", newest)["files"]["unchanged"] == 3


def test_more_files_than_one_group(storage: Path, tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(120):
        (root / f"{number:03}.txt").write_text(f"File number {number}.")
    assert report(storage, root, "--store", "many")["files"]["added"] == 120
    assert len(stored(storage)["many"]) == 120


def test_a_path_longer_than_an_attribute_is_still_recognised(storage: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    deep = root.joinpath(*["d" * 100] * 6)
    deep.mkdir(parents=True)
    for name in ("one.txt", "two.txt"):
        (deep / name).write_text(f"Deep down: {name}")
    assert report(storage, root, "--store", "deep")["files"]["added"] == 2
    assert report(storage, root, "--store", "deep")["files"]["unchanged"] == 2


def test_names_are_shown_not_obeyed(storage: Path, tmp_path: Path) -> None:
    root = tmp_path / "evil"
    root.mkdir()
    (root / "a\x1b[31m[bold]b.txt").write_text("harmless text")
    (root / "blank\x07.txt").write_text(" ")
    printed = run("ingest", root, "--store", "x[/bold]\x1b[2J", "--storage-dir", storage)
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert r"x[/bold]\x1b[2J" in printed
    assert r"blank\x07.txt" in printed
    listed = run("files", "x[/bold]\x1b[2J", "--storage-dir", storage)
    assert r"a\x1b[31m[bold]b.txt" in listed


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "--store", "x"],
        ["ingest", ".", "--stdlib", "--store", "x"],
        ["ingest", "."],
        ["ingest", "no such file", "--store", "x"],
        ["ingest", ".", "--store", " "],
    ],
)
def test_wrong_use_is_told_apart_from_failure(arguments: list[str], storage: Path) -> None:
    run(*arguments, "--storage-dir", storage, code=2)
    assert not storage.exists()


def test_an_unknown_id_is_not_the_name_of_a_new_store(storage: Path, folder: Path) -> None:
    found = report(storage, folder, "--store", "vs_0123456789abcdef0123456789abcdef", code=1)
    assert "No vector store has the id" in found["error"]["message"]
    assert stored(storage) == {}
