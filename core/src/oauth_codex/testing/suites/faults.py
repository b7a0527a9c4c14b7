"""Writes that fail, processes that die, files that are lost: nothing acknowledged is gone, and nothing is half there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import OAuthCodexError, StorageError
from ...spi import Capabilities
from ..case import DriverCase, Storage
from ..clock import FakeClock
from ..faults import CopyingPoint, FailingPoint, Faults, early_caches
from ..marks import requires, rule
from ..story import NEEDS, WRITES, Story, answers, fill, look
from .base import DriverTests

#: By then every lease has run out.
_LATER = 1000
#: A write that passes more points than this never ends.
_MOST_POINTS = 200
#: Over a network these may take several requests. One that fails in between is completed by repeating it.
_SEVERAL_REQUESTS = ("replace_files",)


class FaultTests(DriverTests):
    """The storage fails at every point of every kind of write, once each."""

    @pytest.fixture
    def faults(self) -> Iterator[Faults]:
        """Watches the points of all storages that are opened after it."""
        with Faults() as faults:
            yield faults

    @pytest.fixture(params=list(WRITES))
    def write(self, request: pytest.FixtureRequest, capabilities: Capabilities) -> str:
        """A kind of write."""
        name: str = request.param
        if name in NEEDS and not getattr(capabilities, NEEDS[name]):
            pytest.skip(f"not declared: {NEEDS[name]}")
        return name

    @pytest.fixture
    def story(self, faults: Faults, storage: Storage, capabilities: Capabilities) -> Story:
        """A storage that holds something, opened where faults can be injected."""
        story = Story(storage.open(), capabilities)
        story.begin()
        return story

    @rule("R20", "R11")
    def test_write_that_fails_at_any_point_changes_nothing_and_can_be_repeated(
        self, story: Story, write: str, faults: Faults, case: DriverCase, clock: FakeClock
    ) -> None:
        for at in range(1, _MOST_POINTS):
            step = WRITES[write](story, f"{write} {at}")
            failing = FailingPoint(at)
            refusal: OAuthCodexError | None = None
            with faults.watch(failing), _caches_of(write):
                try:
                    step.act()
                except case.error(StorageError) as error:
                    refusal = error
            where = f"{write}, failed {failing.hit}"
            if refusal is None:
                step.change(story.holds)
                # Accepted, whatever failed behind it: what is not finished is taken up when somebody looks at it.
                clock.advance(_LATER)
                for store in story.client.vector_stores.list(limit=100).data:
                    story.client.vector_stores.retrieve(store.id)
                seen = story.look()
                assert (seen.holdings, seen.unfinished) == (story.holds, []), where
                if failing.hit is None:
                    return
                continue
            assert failing.hit is not None, f"{write} raised {refusal!r} although nothing failed"
            seen = story.look()
            if seen.holdings == story.holds or (write in _SEVERAL_REQUESTS and not case.local):
                story.finish(step)
            else:
                assert failing.hit.kind == "index", f"{where}: {refusal!r} was raised, but something has changed"
                step.change(story.holds)
                assert seen.holdings == story.holds, where
            assert seen.unfinished == [], where
        pytest.fail(f"{write} passes more than {_MOST_POINTS} points")

    @rule("R18", "R9", "R11")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_process_that_dies_at_any_point_of_a_write_leaves_all_of_it_or_nothing(
        self, story: Story, write: str, faults: Faults, storage: Storage, tmp_path: Path, clock: FakeClock
    ) -> None:
        directory = _own_directory(storage)
        step = WRITES[write](story, write)
        allowed = [deepcopy(story.holds)]
        copying = CopyingPoint(directory, tmp_path / "copies")
        with faults.watch(copying), _caches_of(write):
            story.finish(step)
        last = copying.acknowledged()
        clock.advance(_LATER)
        for point, copy in copying.copies:
            left = Storage(storage.case, copy, clock=clock)
            seen = look(left.open(), story.capabilities)
            left.close()
            if copy == last:
                allowed.clear()
            assert seen.holdings in [*allowed, story.holds], f"died {point}"
            assert seen.unfinished == [], f"died {point}"

    @rule("R18", "R11")
    @requires("persistent", "file_batches")
    @pytest.mark.usefixtures("local_files")
    def test_work_of_a_dead_process_is_taken_up_when_its_lease_has_run_out(
        self, story: Story, faults: Faults, storage: Storage, tmp_path: Path, clock: FakeClock
    ) -> None:
        copying = CopyingPoint(_own_directory(storage), tmp_path / "copies")
        step = WRITES["batch"](story, "late")
        with faults.watch(copying):
            story.finish(step)
        storage.close()
        begun = False
        for _, copy in copying.copies:
            left = Storage(storage.case, copy, clock=FakeClock(clock.now))
            client = left.open()
            first = look(client, story.capabilities)
            if first.unfinished:
                begun = True
                assert all(each.endswith(": in_progress") for each in first.unfinished)
                left.clock.advance(_LATER)  # type: ignore[attr-defined]
                for store in first.stores.values():  # what a program does that waits, and opens nothing anew
                    client.vector_stores.retrieve(store)
                later = look(client, story.capabilities)
                assert (later.holdings, later.unfinished) == (story.holds, [])
            left.close()
        assert begun, "no batch was accepted before it was done, so nobody could take it over"

    @rule("R21", "R13")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_storage_whose_caches_are_lost_or_torn_gives_the_same_answers(
        self, faults: Faults, storage: Storage, capabilities: Capabilities, tmp_path: Path
    ) -> None:
        expected = _filled(storage, capabilities)
        directory = _own_directory(storage)
        wrong = {}
        for number, path in enumerate(_beside(directory)):
            for how, damage in _DAMAGES.items():
                copy = shutil.copytree(directory, tmp_path / f"{number}-{how}")
                damage(copy / path)
                try:
                    found = _answers_of(storage.case, copy, capabilities)
                except StorageError as error:
                    wrong[f"{path} {how}"] = str(error)
                else:
                    if found != expected:
                        wrong[f"{path} {how}"] = "other answers"
        assert wrong == {}

    @rule("R21", "R13")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_storage_whose_caches_are_all_lost_gives_the_same_answers(
        self, faults: Faults, storage: Storage, capabilities: Capabilities, tmp_path: Path
    ) -> None:
        expected = _filled(storage, capabilities)
        copy = _without_caches(_own_directory(storage), tmp_path / "copy")
        assert _answers_of(storage.case, copy, capabilities) == expected

    @rule("R21", "R13")
    @requires("persistent")
    @pytest.mark.parametrize("older", ["caches", "catalog"])
    @pytest.mark.usefixtures("local_files")
    def test_storage_of_which_a_part_was_restored_from_an_older_copy(
        self, older: str, faults: Faults, storage: Storage, capabilities: Capabilities, tmp_path: Path
    ) -> None:
        early = _filled(storage, capabilities)
        directory = _own_directory(storage)
        old = shutil.copytree(directory, tmp_path / "old")
        client = storage.open()
        for file in client.files.list(limit=1000).data[::3]:
            client.files.delete(file.id)
        fill(client, 12, "new")
        with early_caches():
            late = answers(client, capabilities)
            storage.close()
        assert late != early
        truth, caches = (directory, old) if older == "caches" else (old, directory)
        mixed = _without_caches(truth, tmp_path / "mixed")
        for path in _beside(caches):
            (mixed / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(caches / path, mixed / path)
        assert _answers_of(storage.case, mixed, capabilities) == (late if older == "caches" else early)


def _caches_of(write: str) -> AbstractContextManager[None]:
    """A search also writes caches; they are only in the way of the other points of the other writes."""
    return early_caches() if write == "search_what_changed" else nullcontext()


def _own_directory(storage: Storage) -> Path:
    """The directory of a storage whose catalog lies there."""
    if not (storage.directory / "catalog.sqlite3").exists():
        pytest.skip("this driver does not keep its catalog in the directory of the storage")
    return storage.directory


def _is_truth(path: Path) -> bool:
    """Whether a path, relative to the storage, is of the catalog or of content, and no cache."""
    return path.parts[0].startswith("catalog.sqlite3") or path.parts[0] == "blobs"


def _beside(directory: Path) -> list[Path]:
    """Files beside the catalog, relative to the storage."""
    files = (path.relative_to(directory) for path in sorted(directory.rglob("*")) if path.is_file())
    return [path for path in files if not _is_truth(path)]


def _without_caches(directory: Path, target: Path) -> Path:
    """A copy of what must not be lost."""
    target.mkdir(mode=0o700)
    for path in directory.iterdir():
        if _is_truth(path.relative_to(directory)):
            shutil.copytree(path, target / path.name) if path.is_dir() else shutil.copy2(path, target / path.name)
    return target


def _filled(storage: Storage, capabilities: Capabilities) -> list[Any]:
    """Fill a storage, close it, and return what it had answered."""
    client: OAuthCodexClient = storage.open()
    fill(client, 20, "old")
    with early_caches():
        found = answers(client, capabilities)
        storage.close()
    return found


def _answers_of(case: DriverCase, directory: Path, capabilities: Capabilities) -> list[Any]:
    storage = Storage(case, directory)
    try:
        return answers(storage.open(), capabilities)
    finally:
        storage.close()


def _truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


#: What may happen to a file.
_DAMAGES: dict[str, Callable[[Path], object]] = {
    "is missing": Path.unlink,
    "is truncated": _truncate,
    "has one bit turned": _turn_a_bit,
    "is overwritten with zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}
