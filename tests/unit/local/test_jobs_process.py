"""A process that prepares files: the same result as here, and whatever a file does to it costs that file's attempt and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.ingest.child import CannotStart, Child, Failed, Stopped
from oauth_codex.local.ingest.prepare import Prepared, Preparer, Refused
from oauth_codex.types.vector_stores import StaticChunking

#: The real process, with a reader that does what the file says.
_VICTIM = """
import os, signal, sys, threading
from oauth_codex.local.ingest import process
from oauth_codex.local.ingest.prepare import Preparer
real = Preparer.prepare
def prepare(self, content, filename, chunking):
    match content:
        case b"kill": os.kill(os.getpid(), signal.SIGKILL)
        case b"hang": threading.Event().wait()
        case b"memory": bytearray(1 << 40)
        case b"exit": print("about to go", file=sys.stderr, flush=True) or os._exit(3)
        case b"raise": raise KeyError("no such thing")
        case b"print": print("noise" * 100_000)
    return real(self, content, filename, chunking)
Preparer.prepare = prepare
process.run()
"""


def rows(*names: str) -> list[Any]:
    return [SimpleNamespace(filename=name, chunk_tokens=100, overlap_tokens=20) for name in names]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Child]]:
    (tmp_path / "victim.py").write_text(_VICTIM, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[Child] = []

    def make_one(**given: Any) -> Child:
        made.append(Child(**{"embedder": HashingEmbedder(), "module": "victim", **given}))
        return made[-1]

    yield make_one
    for child in made:
        child.stop()
        child.rest()


def prepared(child: Child, *contents: bytes) -> list[Any]:
    return list(child.prepare(rows(*(f"{i}.txt" for i in range(len(contents)))), contents))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)
    return bool(one == other)


def test_the_result_is_that_of_this_process(make: Callable[..., Child]) -> None:
    files = {
        "a.txt": "zanzibar und die Flüsse, 東京 ".encode() * 300,
        "a.html": b"<p>one <b>two</b></p>" * 50,
        "utf16.txt": "gardens".encode("utf-16"),
        "blank.txt": b"  ",
        "binary": b"\0\1\2" * 9,
    }
    here = Preparer(HashingEmbedder(), {}, None)
    chunking = StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=20)
    for name, there in zip(files, make().prepare(rows(*files), list(files.values())), strict=True):
        assert same(here.prepare(files[name], name, chunking), there), name
    assert isinstance(there, Refused)
    assert (there.code, there.passing) == ("unsupported_file", False)


def test_an_embedder_that_no_other_process_can_make_is_used_here(make: Callable[..., Child]) -> None:
    embedder = SimpleNamespace(recipe=None, fingerprint="x")
    child = make(embedder=embedder)
    (there,) = prepared(child, b"zanzibar " * 400)
    assert (child.embeds, there.vectors.size) == (False, 0)
    here = Preparer(HashingEmbedder(), {}, None)
    chunking = StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=20)
    assert same(here.embed(there), here.prepare(b"zanzibar " * 400, "a.txt", chunking))


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (b"kill", "SIGKILL"),
        (b"hang", "longer than 0.5 seconds"),
        (b"memory", "more memory"),
        (b"exit", "status 3: about to go"),
        (b"raise", "KeyError: 'no such thing'"),
    ],
)
def test_a_file_that_takes_its_reader_down_fails_alone(make: Callable[..., Child], deed: bytes, said: str) -> None:
    child = make(seconds=0.5 if deed == b"hang" else 60)
    found = prepared(child, b"before", deed, b"after")
    assert [type(each) for each in found] == [Prepared, Failed, Prepared]
    assert said in str(found[1])


def test_what_a_reader_prints_is_no_answer(make: Callable[..., Child]) -> None:
    assert [type(each) for each in prepared(make(), b"print", b"print")] == [Prepared, Prepared]


def test_more_than_a_pipe_holds_in_both_directions(make: Callable[..., Child]) -> None:
    contents = [b"%d gardens and rivers " % i * 30_000 for i in range(8)]
    assert [type(each) for each in prepared(make(), *contents)] == [Prepared] * 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_the_process_is_limited(make: Callable[..., Child]) -> None:
    child = make(memory=3 * 1024**3)
    prepared(child, b"loads what is loaded once")
    assert child._process is not None
    limits = Path(f"/proc/{child._process.pid}/limits").read_text(encoding="ascii")
    (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert str(3 * 1024**3) in line


def test_nothing_runs_before_it_is_needed_and_after_a_rest(make: Callable[..., Child]) -> None:
    child = make()
    assert child._process is None
    prepared(child, b"one")
    process = child._process
    assert process is not None
    child.rest()
    assert process.returncode == 0
    assert [type(each) for each in prepared(child, b"two")] == [Prepared]


def test_stopping_ends_what_hangs(make: Callable[..., Child]) -> None:
    child = make()
    prepared(child, b"one")
    answers = child.prepare(rows("a.txt", "b.txt"), [b"first", b"hang"])
    assert isinstance(next(answers), Prepared)
    assert child._deadline is None, "what the caller does with an answer is no time of the next file"
    child.stop()
    with pytest.raises(Stopped):
        next(answers)
    with pytest.raises(Stopped):
        prepared(child, b"too late")


def test_the_folder_of_the_caller_does_not_stand_in_for_libraries(
    make: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "numpy.py").write_text("raise SystemExit('the wrong numpy')", encoding="utf-8")
    monkeypatch.chdir(here)
    assert [type(each) for each in prepared(make(), b"one")] == [Prepared]


def test_a_process_that_cannot_be_started_is_no_fault_of_a_file(make: Callable[..., Child]) -> None:
    with pytest.raises(CannotStart, match="no_such_module"):
        prepared(make(module="no_such_module"), b"one")


def test_signals_for_the_whole_program_are_left_to_the_parent(make: Callable[..., Child]) -> None:
    child = make()
    prepared(child, b"one")
    process = child._process
    assert process is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert [type(each) for each in prepared(child, b"two")] == [Prepared]
    assert child._process is process


_ORPHANS = """
import os, signal, sys
from types import SimpleNamespace
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.ingest.child import Child
child = Child(HashingEmbedder(), module="victim")
answers = child.prepare([SimpleNamespace(filename="a", chunk_tokens=100, overlap_tokens=0)] * 2, [b"one", b"hang"])
next(answers)
print(child._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_ends_with_its_parent_even_when_its_file_never_does(
    make: Callable[..., Child], tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _ORPHANS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 60
    while left.exists() and left.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)
