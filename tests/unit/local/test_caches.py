"""A cache is read as it was written, or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from oauth_codex.errors import StorageError
from oauth_codex.local import caches


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    _write(tmp_path / "cache", b"numbers" * 1000)
    return tmp_path / "cache"


def _write(cache: Path, data: bytes, **facts: object) -> Path:
    def fill(folder: Path) -> None:
        (folder / "data").write_bytes(data)

    return caches.write(cache, fill, {"watermark": 7, **facts})


def _file(cache: Path) -> Path:
    (found,) = cache.glob("*/data")
    return found


def _turn_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _put_anothers(path: Path) -> None:
    other = path.parents[2] / "other"
    _write(other, b"letters" * 1000)
    shutil.copyfile(_file(other), path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one bit": _turn_a_bit,
    "another's": _put_anothers,
    "gone": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def test_facts_and_files_come_back(cache: Path) -> None:
    found = caches.read(cache)
    assert found is not None
    facts, folder = found
    assert facts["watermark"] == 7
    assert (folder / "data").read_bytes() == b"numbers" * 1000
    assert caches.read(cache.with_name("none")) is None


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_told(name: str, cache: Path) -> None:
    DAMAGES[name](_file(cache))
    with pytest.raises(caches.Torn, match="data"):
        caches.read(cache)


@pytest.mark.parametrize("name", ["cut", "zeroed", "one bit"])
def test_damaged_facts_are_told(name: str, cache: Path) -> None:
    DAMAGES[name](cache / "facts.json")
    with pytest.raises(caches.Torn, match=r"facts\.json"):
        caches.read(cache)


def test_facts_that_somebody_changed_are_told(cache: Path) -> None:
    path = cache / "facts.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "watermark": 8}))
    with pytest.raises(caches.Torn, match=r"facts\.json"):
        caches.read(cache)


def test_a_copy_is_as_good_whatever_its_times_are(cache: Path) -> None:
    shutil.copytree(cache, cache.with_name("copy"), copy_function=shutil.copyfile)
    assert caches.read(cache.with_name("copy")) is not None


def test_contents_are_not_read_where_nothing_was_changed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_checksum", None)
    assert caches.read(cache) is not None


def test_what_is_taken_over_is_not_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _file(cache)
    known = json.loads((cache / "facts.json").read_text())["files"]
    monkeypatch.setattr(caches, "_checksum", None)

    def fill(folder: Path) -> dict[str, list[int]]:
        os.link(before, folder / "data")
        found: dict[str, list[int]] = known
        return found

    caches.write(cache, fill, {"watermark": 8})
    assert caches.read(cache) is not None


def test_a_file_in_the_place_of_a_cache_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("something else")
    assert caches.read(tmp_path / "cache" / "1.matrix") is None
    with pytest.raises(StorageError, match="could not be written"):
        _write(tmp_path / "cache" / "1.matrix", b"data")


def test_a_cache_that_is_being_removed_is_not_torn(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files go one by one, in any order, while another process reads it."""
    remove = shutil.rmtree

    def half(folder: Path, **given: bool) -> None:
        remove(_file(cache).parent)
        assert caches.read(cache) is None
        caches.check(cache)
        remove(folder, **given)

    monkeypatch.setattr(shutil, "rmtree", half)
    caches.remove(cache)
    assert not cache.exists()
