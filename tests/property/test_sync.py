"""Random folders that change at random, and a model of what the store must hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from oauth_codex import OAuthCodexClient

NAMES = (
    "a.txt",
    "b.md",
    "ä 1.txt",
    "x.log",
    ".hidden",
    "node_modules/m.txt",
    "d/a.txt",
    "d/e/f.txt",
    "d/x.log",
    "g/a.txt",
)
TEXTS = ("", "apples", "birches", "cedars and dahlias")
PATTERNS = ("*.log", "d/", "/a.txt", "**/f.txt", "!d/x.log")


def _excluded(name: str, pattern: str) -> bool:
    return {
        "*.log": name.endswith(".log"),
        "d/": name.startswith("d/"),
        "/a.txt": name == "a.txt",
        "**/f.txt": name.endswith("f.txt"),
    }.get(pattern, False)


class Folder(RuleBasedStateMachine):
    """A folder, a store that mirrors it, and what is expected of both."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.client = OAuthCodexClient("memory")
        self.store = self.client.vector_stores.create().id
        self.disk: dict[str, str] = {}
        self.held: dict[str, str] = {}
        own = self.client.vector_stores.files.upload(self.store, file=("own.txt", b"of somebody else"))
        self.own = own.id

    def teardown(self) -> None:
        self.client.close()
        shutil.rmtree(self.root)

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.disk[name] = text

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.disk)))
        (self.root / name).unlink()
        del self.disk[name]

    @rule(pattern=st.sampled_from((None, *PATTERNS)), delete=st.booleans(), dry_run=st.booleans())
    def sync(self, pattern: str | None, delete: bool, dry_run: bool) -> None:
        wanted = {
            name: text
            for name, text in self.disk.items()
            if text
            and not name.startswith((".", "node_modules"))
            and not (pattern is not None and _excluded(name, pattern))
        }
        gone = {name for name in self.held if name not in wanted} if delete else set()
        report = self.client.maintenance.sync(
            self.store, self.root, exclude=[] if pattern is None else [pattern], delete=delete, dry_run=dry_run
        )
        assert set(report.added) == wanted.keys() - self.held.keys()
        assert set(report.changed) == {n for n in wanted.keys() & self.held.keys() if wanted[n] != self.held[n]}
        assert set(report.removed) == gone
        assert set(report.unchanged) == {n for n, text in wanted.items() if self.held.get(n) == text}
        assert not report.failed
        if not dry_run:
            self.held = {name: text for name, text in self.held.items() if name not in gone} | wanted

    @invariant()
    def the_store_holds_it(self) -> None:
        found = {
            self.client.files.retrieve(each.id).filename: self.client.files.content(each.id).text
            for each in self.client.vector_stores.files.list(self.store, limit=100)
        }
        assert found == {**self.held, "own.txt": "of somebody else"}
        assert len(self.client.files.list().data) == len(found)


TestFolder = Folder.TestCase
TestFolder.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
