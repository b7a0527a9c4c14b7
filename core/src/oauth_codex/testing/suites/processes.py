"""Several processes on one storage: those that share it, and those that are killed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from ...client import OAuthCodexClient
from ...spi import Capabilities
from ..case import DriverCase, Storage
from ..clock import FakeClock
from ..marks import requires, rule
from ..story import NEEDS, WRITES, Holdings, Look, Story, look
from ..worker import Worker
from .base import DriverTests

#: By then the lease of a dead process has run out.
_LATER = 1000
#: A process is killed at these points: the write, what is passed, and how often. Between them lies what was announced and not done,
#: what was done and not acknowledged, content without a row, and an index that is behind.
_KILLS = (
    ("batch", "after commit", 1),
    ("search_what_changed", "", 3),
    ("large upload", "before replace", 1),
    ("attach", "before commit", 1),
    ("upload_and_attach", "after commit", 1),
    ("large attach", "before commit", 2),
    ("change_attributes", "before commit", 1),
    ("delete_file", "after commit", 1),
    ("delete_store", "after commit", 1),
    ("search_what_changed", "", 1),
)
#: A process takes a second to start, so all of them die only where many examples are asked for.
_FEW_KILLS = 2
_ALL_KILLS_FROM = 100
_SHARED_WRITES = ("upload_and_attach", "batch", "change_attributes", "create_filled_store", "detach", "delete_file")

StartWorker = Callable[..., Worker]


class ProcessTests(DriverTests):
    """Other processes are real ones; they are told what to do, so that everything happens in a known order."""

    @pytest.fixture
    def start(self, case: DriverCase, storage: Storage, clock: FakeClock) -> Iterator[StartWorker]:
        """Starts processes on the storage of the test; on the same service, if that is one."""
        if not isinstance(case.driver, str):
            pytest.skip("another process can only open a driver that is installed and called by its name")
        with ExitStack() as ends:
            numbers = iter(range(1, 100))

            def start(prefix: Sequence[str] = ()) -> Worker:
                tag = f"p{next(numbers)}x"
                return ends.enter_context(Worker(storage, now=clock.now, tag=tag, prefix=prefix))

            yield start

    @pytest.fixture
    def story(self, storage: Storage, capabilities: Capabilities) -> Story:
        """A storage that holds something."""
        story = Story(storage.open(), capabilities)
        story.begin()
        return story

    @rule("R19", "R11")
    @requires("persistent", "multi_process")
    def test_processes_see_what_others_were_told_is_done_and_lose_nothing(
        self, story: Story, start: StartWorker
    ) -> None:
        other = start()
        assert other.opening is None
        kinds = _possible(_SHARED_WRITES, story.capabilities)
        for kind in kinds:  # in turn
            assert other.look() == (story.holds, [])
            written = other.write(kind, f"theirs {kind}")
            assert (written.died, written.refused) == (False, None)
            _agree(story, written.after)
            story.perform(kind, f"ours {kind}")
        assert other.look() == (story.holds, [])
        for number, kind in enumerate(kinds):  # at the same time
            other.send("write", kind=kind, name=f"theirs {number}")
        for number, kind in enumerate(kinds):
            story.perform(kind, f"ours {number}")
        theirs = [other.written() for _ in kinds]
        assert [(each.died, each.refused) for each in theirs] == [(False, None)] * len(kinds)
        both = _together(story.holds, theirs[-1].after)
        _agree(story, both)
        assert other.look() == (both, [])

    @rule("R19")
    @requires("persistent")
    def test_second_process_is_refused_where_several_are_not_declared(self, story: Story, start: StartWorker) -> None:
        if story.capabilities.multi_process:
            pytest.skip("declared: multi_process")
        other = start()
        assert other.opening is not None, "several processes are not declared, and a second one was let in"
        assert other.opening[0] in ("StorageError", "StorageBusyError"), other.opening
        story.perform("attach", "afterwards")
        _agree(story, story.holds)

    @rule("R18", "R9", "R11")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_killed_process_leaves_all_of_a_write_or_nothing(
        self, storage: Storage, story: Story, start: StartWorker, clock: FakeClock, oauth_codex_examples: int
    ) -> None:
        holds = story.holds
        storage.close()
        kills = _KILLS if oauth_codex_examples >= _ALL_KILLS_FROM else _KILLS[:_FEW_KILLS]
        for number, (kind, point, times) in enumerate(kills):
            if kind not in _possible([kind], story.capabilities):
                continue
            clock.advance(_LATER)
            victim = start()
            assert victim.opening is None, victim.opening
            assert victim.look() == (holds, []), f"the process after one that was killed {point}"
            victim.ask("kill", name=point, at=times)
            written = victim.write(kind, f"{kind} {number}")
            assert written.died, f"{kind} passes no {point}"
            holds = _left(storage, clock, written.before, written.after)

    @rule("R20", "R18")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_full_disk_refuses_writes_and_keeps_everything(
        self, storage: Storage, story: Story, start: StartWorker, clock: FakeClock
    ) -> None:
        pytest.importorskip("resource")
        holds = story.holds
        storage.close()
        largest = max(path.stat().st_size for path in storage.directory.rglob("*") if path.is_file())
        largest = min(largest, 1_000_000)  # what is large must not fit
        writer = start()
        assert writer.look() == (holds, [])
        kinds = _possible(WRITES, story.capabilities)
        for kind in kinds:
            writer.ask("prepare", kind=kind, name=kind)
        writer.ask("limit", size=largest)
        refused = set()
        small = (("upload", f"small {number}") for number in range(100))
        for kind, name in [*small, *zip(kinds, kinds, strict=True)]:
            if kind in refused:
                continue  # small writes go on until the log is as large as a file may be, and no longer
            written = writer.write(kind, name)
            assert not written.died
            if written.refused is None:
                continue
            assert written.refused[0] == "StorageError", f"{kind}: {written.refused}"
            refused.add(kind)
            seen = writer.ask("look")
            if seen["refused"] is None:
                assert Holdings(**seen["holdings"]) == written.before, f"{kind}: {written.refused}"
                assert {each.rpartition(": ")[2] for each in seen["unfinished"]} <= {"in_progress"}
            else:  # an index that cannot even be opened then must say so, and not answer with nothing
                assert seen["refused"][0] == "StorageError", seen["refused"]
        assert "large upload" in refused, "the disk was not full"
        writer.ask("limit", size=None)
        clock.advance(_LATER)
        for kind in sorted(refused):
            written = writer.write(kind, f"{kind} with space")
            assert written.refused is None, f"{kind}: {written.refused}"
            holds = written.after
        writer.end()  # it may be the only one
        _left(storage, clock, holds, holds)

    @rule("R20")
    @requires("persistent")
    @pytest.mark.usefixtures("local_files")
    def test_storage_that_may_only_be_read_is_refused_or_read_and_never_changed(
        self, storage: Storage, story: Story, start: StartWorker, clock: FakeClock
    ) -> None:
        storage.close()
        reader = start(_read_only(storage.directory))
        if reader.opening is not None:
            assert reader.opening[0] == "StorageError", reader.opening
        else:
            assert reader.look() == (story.holds, [])
            for kind in _possible(WRITES, story.capabilities):
                written = reader.write(kind, kind)
                assert written.refused is not None, f"{kind} was accepted, and cannot have been done"
                assert written.refused[0] == "StorageError", f"{kind}: {written.refused}"
            assert reader.look() == (story.holds, [])
        _left(storage, clock, story.holds, story.holds)


def _possible(kinds: Iterable[str], capabilities: Capabilities) -> list[str]:
    """The kinds of writes that the driver declares."""
    return [kind for kind in kinds if kind not in NEEDS or getattr(capabilities, NEEDS[kind])]


def _agree(story: Story, expected: Holdings) -> None:
    """See what is there; it is what the story goes on from."""
    seen = story.look()
    assert (seen.holdings, seen.unfinished) == (expected, [])
    story.holds = seen.holdings


def _together(one: Holdings, two: Holdings) -> Holdings:
    """What is there when two processes have changed different things."""
    return Holdings(
        sorted({*one.files, *two.files}),
        {name: {**one.stores.get(name, {}), **two.stores.get(name, {})} for name in {**one.stores, **two.stores}},
    )


def _left(storage: Storage, clock: FakeClock, before: Holdings, after: Holdings) -> Holdings:
    """What a process left that wrote: what was before, or what should be afterwards, and all of it finished in the end."""
    clock.advance(_LATER)
    client: OAuthCodexClient = storage.open()
    seen: Look = look(client, storage.capabilities())
    assert seen.holdings in (before, after)
    assert seen.unfinished == []
    storage.close()
    return seen.holdings


def _read_only(directory: Path) -> list[str]:
    """A command before which a storage can only be read: on a file system that is mounted so, or by its permissions."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    if shutil.which("unshare") is not None:
        for rights in ([], ["--user", "--map-root-user"]):
            prefix = ["unshare", *rights, "--mount", "sh", "-c", script, str(directory)]
            probe = [*prefix, "test", "!", "-w", str(directory)]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return prefix
    if os.geteuid() == 0:
        pytest.skip("the super-user may write everything, and this system mounts nothing for reading only")
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    return []
