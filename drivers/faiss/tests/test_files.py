"""Index files: what is written and when, and what becomes of damaged ones."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from oauth_codex.errors import StorageError
from oauth_codex.local import caches

from .support import DIMENSION, Home, fill, nearest, units

ROW = 4 * DIMENSION + 8


def saved(home: Home, count: int = 5000, **options: Any) -> None:
    """An index on disk, complete to revision 2, with a removed vector and a last part."""
    index = home.open(**options)
    fill(index, count)
    index.delete(np.array([3]))
    index.upsert(np.array([100_001]), units(1, seed=4))
    index.flush(2)
    home.now += 60
    index.delete(np.arange(5, 2 * count // 8, 2))
    index.flush(2)
    index.close()
    assert home.files


def test_opening_maps_and_reads_no_vectors(home: Home) -> None:
    saved(home)
    index = home.open()
    assert (index.watermark, home.warnings) == (2, [])
    assert index.count() == 5000 - 624 + 1
    maps = Path("/proc/self/maps").read_text()
    assert str(home.file("part0.faiss")) in maps
    assert str(home.file("part0.keys.npy")) in maps
    assert index.query(units(5000)[4000], limit=1).tolist() == [8001]
    assert index.query(units(1, seed=4)[0], limit=1).tolist() == [100_001]


def test_bytes_written_do_not_grow_with_the_store(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    written, largest = 0, 0
    real = caches.write

    def write(cache: Path, fill: Any, facts: Any) -> Path:
        def counted(folder: Path) -> None:
            nonlocal written, largest
            fill(folder)
            here = sum(path.stat().st_size for path in folder.iterdir() if path.stat().st_nlink == 1)
            written += here
            largest = max(largest, here)

        return real(cache, counted, facts)

    monkeypatch.setattr(caches, "write", write)
    index = home.open(flush_seconds=30)
    fill(index, 20_000)
    base = written
    assert base >= 20_000 * ROW
    writes = 0
    for number in range(500):  # an attach every ten seconds, each searched for
        before = written
        home.now += 10
        index.upsert(np.arange(10) + 100_000 + 10 * number, units(10, seed=number))
        index.flush(number + 2)
        writes += written > before
    index.close()
    new = 500 * 10 * ROW
    assert 3 < writes < 60
    assert new / 2 < written - base < 9 * new
    assert largest == base  # what was there is never written again
    again = home.open()
    assert again.count() == 20_000 + 10 * (again.watermark - 1)
    assert again.count() > 24_000  # the rest comes from the catalog


def test_a_large_part_is_linked_not_written_again(home: Home) -> None:
    index = home.open()
    fill(index, 5000)
    first = home.file("part0.faiss").stat().st_ino
    for revision in (2, 3):
        index.upsert(np.arange(50) + 1_000_000 * revision, units(50, seed=revision))
        home.now += 31
        index.flush(revision)
        assert home.file("part0.faiss").stat().st_ino == first
    assert "part1.faiss" in home.files
    index.close()
    assert home.open().count() == 5100


def test_without_links(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    saved(home)
    index = home.open()
    assert (index.watermark, index.count(), home.warnings) == (2, 4377, [])


def test_small_changes_wait_and_closing_writes_them(home: Home) -> None:
    index = home.open(flush_seconds=30)
    fill(index, 10)
    assert home.files == {}
    home.now += 29
    index.flush(2)
    assert home.files == {}
    home.now += 1
    index.flush(3)
    assert "part0.faiss" in home.files
    index.upsert(np.arange(10) + 1000, units(10, seed=2))
    index.flush(4)
    assert home.open().watermark == 3
    index.close()
    again = home.open()
    assert (again.watermark, again.count()) == (4, 20)


def test_what_is_newer_than_the_watermark_is_not_saved(home: Home) -> None:
    index = home.open()
    fill(index, 10)
    index.upsert(np.array([1000]), units(1, seed=2))
    index.close()
    assert home.open().watermark in (0, 1)
    assert 1000 not in list(home.open().keys())


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [_cut, _empty, _scramble, _gone])
@pytest.mark.parametrize("ending", ["part0.faiss", "part0.keys.npy", "part0.removed.npy", "part1.faiss", "facts.json"])
def test_a_damaged_file_is_told_and_replaced(home: Home, ending: str, damage: Any) -> None:
    saved(home)
    damage(home.file(ending))
    index = home.open()
    if ending == "facts.json" and damage is _gone:
        assert not home.warnings  # then there is no index
    else:
        (warning,) = home.warnings
        assert "1.faiss" in warning
        assert "made anew from the catalog" in warning
    assert (index.watermark, index.count()) == (0, 0)
    keys, vectors = fill(index, 5000)
    assert index.query(vectors[9], limit=5).tolist() == nearest(keys, vectors, vectors[9], 5)
    index.close()
    home.warnings.clear()
    again = home.open()
    assert (again.watermark, again.count(), home.warnings) == (1, 5000, [])


def test_a_copy_is_as_good_unless_its_contents_differ(home: Home, tmp_path: Path) -> None:
    saved(home)
    for name, damaged in (("good", False), ("bad", True)):
        copy = Home(tmp_path / name)
        shutil.copytree(home.directory, copy.directory, copy_function=shutil.copyfile)
        if damaged:
            _scramble(copy.file("part0.faiss"))
        assert copy.open().watermark == (0 if damaged else 2)
        assert len(copy.warnings) == damaged


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"stamp": "b"}, "stamp"),
        ({"dimension": DIMENSION + 1}, "dimension"),
        ({"quantisation": "sq8"}, "quantisation"),
        ({"links": 8}, "links"),
        ({"index": "flat"}, "graph"),
    ],
)
def test_an_index_of_something_else_is_told_and_not_used(home: Home, change: dict[str, Any], says: str) -> None:
    saved(home, index="hnsw")
    index = home.open(**{"index": "hnsw", **change})
    assert (index.watermark, index.count()) == (0, 0)
    assert says in home.warnings[0]


def test_dropping(home: Home) -> None:
    saved(home)
    home.provider().drop("1")
    home.provider().drop("2")
    assert home.files == {}
    assert (home.open().watermark, home.warnings) == (0, [])


def test_a_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAISS tells of it by a RuntimeError; the index goes on in memory, waits before it tries again, and loses nothing."""
    saved(home)
    before = home.files
    index = home.open()
    real, tried = faiss.write_index, 0

    def full(made: Any, path: str) -> None:
        nonlocal tried
        tried += 1
        raise RuntimeError("write error: No space left on device")

    monkeypatch.setattr(faiss, "write_index", full)
    index.upsert(np.arange(6000) + 200_000, units(6000, seed=6))
    with pytest.raises(StorageError, match="No space left"):
        index.flush(3)
    index.flush(4)
    assert tried == 1
    assert (home.files, index.watermark, index.count()) == (before, 4, 10_377)
    home.now += 31
    monkeypatch.setattr(faiss, "write_index", real)
    index.flush(5)
    index.close()
    again = home.open()
    assert (again.watermark, again.count()) == (5, 10_377)


def test_two_indexes_on_one_folder(home: Home) -> None:
    """As two processes have them: each goes on with the files that it mapped, whatever the other writes."""
    saved(home)
    one, other = home.open(), home.open()
    one.upsert(np.arange(6000) + 200_000, units(6000, seed=6))
    one.flush(3)
    vector = units(5000)[4000]
    assert other.query(vector, limit=1).tolist() == [8001]
    other.upsert(np.arange(6000) + 200_000, units(6000, seed=6))
    other.flush(3)  # its first part is no longer on disk, so it is written
    one.close()
    other.close()
    last = home.open()
    assert (last.watermark, last.count(), home.warnings) == (3, 10_377, [])
    assert last.query(vector, limit=1).tolist() == [8001]


def test_two_indexes_do_not_write_the_large_part_in_turns(home: Home) -> None:
    saved(home)
    both = [home.open(), home.open()]
    seen = set()
    for revision in range(3, 23):
        home.now += 31
        for index in both:
            index.upsert(np.arange(10) + 100_000 * revision, units(10, seed=revision))
            index.flush(revision)
            seen.add(home.file("part0.faiss").stat().st_ino)
    assert len(seen) == 1
    assert home.open().watermark > 10


def test_files_are_private(home: Home) -> None:
    saved(home)
    for path in home.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
