"""One storage, many deaths by SIGKILL, at random moments under load; each time another process goes on. Run as a program:

    python moments.py DIRECTORY DRIVER INGEST DEATHS SEED

prints one JSON document: the deaths, what was acknowledged, and what was wrong after each. What a victim says it begins, and what was
acknowledged, is kept here, outside of it. Now and then a process that reads files for it is killed first.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import sabotages
import victim
from oauth_codex import OAuthCodexClient
from program import Opened, load_support
from script import in_child, warm

#: A storage is used for so many deaths.
LIVES = 10
#: Later than every lease.
LATER = 10_000
#: Seconds of the first and the last moment; opening is the first thing that a process does.
MOMENTS = (0.02, 0.8)


class Expected:
    """What one thread of a victim has, as far as it was told.

    Attributes:
        has: Names that were acknowledged: of `files`, of those of them that are attached (`members`), of `stores`, of `snapshots`.
        cancelled: Files of batches of which it is not known whether they were done when they were cancelled.
        open: Names of what was begun and not acknowledged.
    """

    def __init__(self) -> None:
        self.has: dict[str, set[str]] = {kind: set() for kind in ("files", "members", "stores", "snapshots")}
        self.cancelled: set[str] = set()
        self.open: set[str] = set()

    def hear(self, said: dict[str, Any]) -> None:
        """Take note of what the thread says."""
        names = set(said["names"])
        if "begins" in said:
            self.open = names
            if said["begins"] == "cancel":
                self.cancelled |= names
            return
        self.open = set()
        more, less = EFFECTS[said["done"]]
        for kind in more:
            self.has[kind] |= names
        for kind in less:
            self.has[kind] -= names

    def compare(self, seen: dict[str, set[str]]) -> None:
        """Fail if something that was acknowledged is not there, or something is there that was never begun."""
        for kind, names in seen.items():
            assert self.has[kind] - self.open <= names, f"lost {kind}: {self.has[kind] - self.open - names}"
            assert names <= self.has[kind] | self.open, f"{kind} of nobody: {names - self.has[kind] - self.open}"


#: What is there after each step, and what is no more.
EFFECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "upload": (("files",), ()),
    "attach": (("members",), ()),
    "cancel": ((), ()),
    "delete": ((), ("files", "members")),
    "detach": ((), ("members",)),
    "store": (("stores",), ()),
    "drop": ((), ("stores",)),
    "snapshot": (("snapshots",), ()),
}


def check(support: Any, opened: Opened, outside: Path, by: dict[str, Expected]) -> dict[str, dict[str, list[str]]]:
    """Hold what is left against what was acknowledged, and return what there is by thread."""
    opened.settle()
    assert opened.rows("SELECT * FROM jobs") == []
    support.audit_of(opened.client)
    verified = opened.client.maintenance.verify(deep=True)
    assert verified.ok, verified.findings
    api = opened.client.vector_stores
    names = {file.id: file.filename for file in opened.client.files.list(limit=1000)}
    assert len(set(names.values())) == len(names), "a file is there twice"
    stores = {str(store.name): store for store in api.list(limit=100)}
    found = {}
    for writer, expected in by.items():
        members: dict[str, str] = {}
        if writer in stores:
            listed = list(api.files.list(stores[writer].id, limit=100))
            members = {names[each.id]: each.status for each in listed}
            assert len(members) == len(listed), "a file is listed twice"
        seen = {
            "files": {name for name in names.values() if name.startswith(f"{writer}q")},
            "stores": {name for name in stores if name.partition("q")[0] == writer},
            "members": set(members),
            "snapshots": {path.name for path in outside.iterdir() if path.name.startswith(f"{writer}q")},
        }
        expected.compare(seen)
        other = {name: status for name, status in members.items() if status != "completed"}
        assert set(other) <= expected.cancelled, f"not completed: {other}"
        assert set(other.values()) <= {"cancelled"}, other
        for word in {*sorted(members)[-6:], *(expected.open & set(members)), *list(other)[:3]}:
            hits = api.search(stores[writer].id, query=word, max_num_results=50).data
            hit = {each.filename for each in hits if word in each.text.split()}
            assert hit == ({word} if members[word] == "completed" else set()), f"{word} {members[word]} finds {hit}"
        found[writer] = {kind: sorted(each) for kind, each in seen.items()}
    return found


def check_snapshots(driver: str, outside: Path) -> None:
    """Every snapshot is whole."""
    for path in outside.iterdir():
        if not path.name.startswith("."):
            with OAuthCodexClient("memory") as memory:
                memory.maintenance.restore(path, storage_dir=outside / ".restored")
            opened = Opened(driver, outside / ".restored", time.time() + LATER)
            verified = opened.client.maintenance.verify(deep=True)
            opened.close()
            assert verified.ok, f"the snapshot {path.name}: {verified.findings}"
            shutil.rmtree(outside / ".restored")


def readers(process: int) -> Iterator[int]:
    """The processes that a process has started."""
    for state in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(state.read_text().rpartition(")")[2].split()[1]) == process:
                yield int(state.parent.name)


class Lives:
    """The victims of one storage."""

    def __init__(self, directory: Path, driver: str, ingest: str) -> None:
        self.driver, self.ingest = driver, ingest
        self.storage, self.outside, self.said = directory / "storage", directory / "outside", directory / "said"
        self.outside.mkdir(parents=True)
        self.by: dict[str, Expected] = {}
        self.heard: Counter[str] = Counter()

    def kill_one(self, name: str, moments: random.Random) -> str | None:
        """Let a process work until a random moment, and hear what it says; why it ended otherwise, if it did."""
        source, target = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(source)
            try:
                victim.work(self.driver, self.ingest, self.storage, self.outside, name, target)
            except BaseException:
                self.said.write_text(traceback.format_exc(limit=-3), encoding="utf-8")
            os._exit(1)
        os.close(target)
        end = time.monotonic() + moments.uniform(*MOMENTS)
        reader_end = end - moments.uniform(0, 0.4) if moments.random() < 0.3 else end
        heard = b""
        while (left := end - time.monotonic()) > 0:
            if select.select([source], [], [], min(left, 0.02))[0]:
                piece = os.read(source, 1 << 16)
                if not piece:
                    break
                heard += piece
            if time.monotonic() > reader_end:
                reader_end = end
                for process in readers(child):
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                        self.heard["readers killed"] += 1
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        while piece := os.read(source, 1 << 16):
            heard += piece
        os.close(source)
        for line in heard.split(b"\n")[:-1]:
            said = json.loads(line)
            self.by.setdefault(said["by"], Expected()).hear(said)
            self.heard["acknowledged"] += "done" in said
        return None if status == -signal.SIGKILL else f"ended with {status}: {self.said.read_text(encoding='utf-8')}"

    def check(self, support: Any) -> str | None:
        """Look at what is left, in a process of its own, and expect that from now on; what is wrong with it."""
        seen = self.outside.with_name("seen")

        def look() -> None:
            opened = Opened(self.driver, self.storage, time.time() + LATER, self.ingest)
            found = check(support, opened, self.outside, self.by)
            opened.close()
            check_snapshots(self.driver, self.outside)
            seen.write_text(json.dumps(found))

        if in_child(look, self.said):
            return self.said.read_text(encoding="utf-8")
        for writer, found in json.loads(seen.read_text()).items():
            expected = self.by[writer]
            self.heard["begun and done"] += bool(expected.open)
            expected.open = set()
            expected.has = {kind: set(names) for kind, names in found.items()}
        for path in self.outside.iterdir():
            shutil.rmtree(path)
        for expected in self.by.values():
            expected.has["snapshots"].clear()
        return None


def main(directory: Path, driver: str, ingest: str, deaths: int, seed: int) -> dict[str, Any]:
    sabotages.apply()
    support = load_support()
    warm(driver)
    moments = random.Random(seed)
    wrong: dict[str, str] = {}
    heard: Counter[str] = Counter()
    lives = Lives(directory / "0", driver, ingest)
    for death in range(deaths):
        if death and death % LIVES == 0:
            heard += lives.heard
            lives = Lives(directory / str(death), driver, ingest)
        failed = lives.kill_one(str(death), moments) or lives.check(support)
        if failed:
            wrong[str(death)] = failed
            break
    return {"deaths": deaths, **(heard + lives.heard), "wrong": wrong}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:4], *map(int, sys.argv[4:]))))
