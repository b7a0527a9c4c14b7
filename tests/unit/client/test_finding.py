"""Which files of a folder are taken, and what is said about the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from oauth_codex.client.contents import open_regular
from oauth_codex.client.finding import EMPTY, ENVIRONMENT, GENERATED, HIDDEN, LINK, SPECIAL, survey


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(found: object) -> list[str]:
    return [file.name for file in found.files]  # type: ignore[attr-defined]


def test_names_are_paths_below_the_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "a.txt"):
        write(tmp_path / "root" / name)
    assert names(survey([tmp_path / "root"])) == ["a.txt", "b.txt", "a/z.txt", "a/b/c.txt"]


def test_one_file_has_its_own_name(tmp_path: Path) -> None:
    assert names(survey([write(tmp_path / "deep" / "note.md")])) == ["note.md"]


def test_several_folders_stay_apart(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        write(root / "README.md")
    found = survey([*roots, write(tmp_path / "single.txt")])
    assert names(found) == ["one/README.md", "two/README.md", "single.txt"]
    assert not found.failed


def test_two_files_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "x.txt"), write(tmp_path / "b" / "x.txt")
    found = survey([first, second, first])
    assert [file.path for file in found.files] == [first]
    ((path, why),) = found.failed
    assert path == str(second)
    assert str(first) in why


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    write(tmp_path / ".git" / "config")
    write(tmp_path / ".env")
    write(tmp_path / "pkg" / "__pycache__" / "m.pyc")
    write(tmp_path / "pkg" / "old.pyc")
    write(tmp_path / "build" / "CACHEDIR.TAG")
    write(tmp_path / "env" / "pyvenv.cfg")
    write(tmp_path / "env" / "lib" / "thing.py")
    write(tmp_path / "pkg" / "__init__.py", "")
    write(tmp_path / "kept.txt")
    found = survey([tmp_path])
    assert names(found) == ["kept.txt"]
    assert found.skipped == {HIDDEN: 2, GENERATED: 3, ENVIRONMENT: 1, EMPTY: 1}


def test_everything_takes_hidden_and_generated_files(tmp_path: Path) -> None:
    write(tmp_path / ".git" / "config")
    write(tmp_path / "__pycache__" / "m.txt")
    write(tmp_path / "env" / "pyvenv.cfg")
    assert names(survey([tmp_path], everything=True)) == [".git/config", "__pycache__/m.txt", "env/pyvenv.cfg"]


@pytest.mark.parametrize("everything", [False, True])
def test_no_link_leads_out_of_the_folder_or_into_a_loop(tmp_path: Path, everything: bool) -> None:
    write(tmp_path / "outside" / "secret.txt")
    root = tmp_path / "root"
    write(root / "kept.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "loop").symlink_to(root)
    (root / "dangling").symlink_to(root / "nowhere")
    found = survey([root], everything=everything)
    assert names(found) == ["kept.txt"]
    assert found.skipped == {LINK: 4}


def test_a_link_given_by_name_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real" / "note.txt")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(survey([tmp_path / "link"])) == ["note.txt"]


def test_a_pipe_is_skipped_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert survey([tmp_path]).skipped == {SPECIAL: 1}
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path / "pipe")


def test_a_link_that_took_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path / "secret.txt"))
    with pytest.raises(OSError):  # noqa: PT011  (ELOOP, which every system words in its own way)
        open_regular(tmp_path / "link")


def test_a_name_that_is_not_utf8_can_be_stored(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert names(survey([tmp_path])) == [r"caf\xe9.txt"]


def test_what_vanished_is_reported(tmp_path: Path) -> None:
    found = survey([tmp_path / "gone.txt"])
    assert found.failed == [("gone.txt", "No such file or directory.")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    found = survey([tmp_path])
    locked.chmod(0o700)
    assert found.failed == [("locked/", "Permission denied.")]
