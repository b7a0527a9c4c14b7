"""A fixed program of writes that dies, or meets a failing disk, at a chosen point. Run as a program:

    python script.py DIRECTORY HOW DRIVER INGEST EVERY FIRST

runs it once to count the points, and then once for each EVERY-th of them, beginning with number FIRST, in a process and a storage
of its own; prints one JSON document: the points, how many were tried, and what was wrong afterwards at each (nothing, if all is well).

Every step says first what the storage shall hold afterwards, and when it was acknowledged, in a file beside the storage. After the
end of the process the storage must hold what was acknowledged, and of the step under way everything or nothing. What a process
that is stopped holds is taken over meanwhile; when it goes on, it must finish as if nothing had been.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import points
import power
import sabotages
from oauth_codex import OAuthCodexClient, OAuthCodexError, StorageError
from program import START, Model, Opened, content, early_caches, load_support, look, observe, steps

#: Signals and the like by which the process of each way must have ended; None for an orderly end.
ENDS = {"kill": -signal.SIGKILL, "power": -signal.SIGKILL, "freeze": 0, "raise": 0}
#: By then every lease has run out.
LATER = 1000


class Trial:
    """One run of the program, in `DIRECTORY/<number of the point>`."""

    def __init__(self, directory: Path, how: Any, driver: str, ingest: str, at: int) -> None:
        self.how, self.driver, self.ingest, self.at = how, driver, ingest, at
        self.folder = directory / f"{at}"
        self.storage, self.log = self.folder / "storage", self.folder / "log"
        self.snapshot, self.shadow = self.folder / "snapshot", self.folder / "shadow"

    def open(self, now: float, ingest: str | None = None) -> Opened:
        return Opened(self.driver, self.storage, now, ingest or self.ingest)

    def run(self, support: Any) -> None:
        """The child: the program, until the point."""
        early_caches()
        if self.how == "power":
            self.storage.mkdir(mode=0o700)
            power.watch(self.storage, self.shadow)
        opened = self.open(START)
        with open(self.log, "a", encoding="utf-8") as out:

            def say(kind: str, model: object) -> None:
                out.write(json.dumps([kind, model, opened.now]) + "\n")
                out.flush()

            passed = points.install(self.how, self.at)
            for model, step in steps(opened, self.snapshot):
                opened.now += 1
                say("begins", model)
                try:
                    step()
                except StorageError as error:
                    say("refused", str(error))
                    opened.settle()
                    seen, open_ends = look(support, opened, waste=True)
                    say("left", [seen, open_ends])
                    return
                say("done", model)
            opened.settle()
            say("points", passed)
        if self.at:  # a worker that does not hear that it shall stop holds up the end
            opened.close()

    def lines(self) -> list[list[Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.endswith("]")]

    def state(self) -> tuple[Model, Model, float]:
        """What was acknowledged, what was coming, and the time."""
        acknowledged: Model = {"files": [], "stores": {}}
        coming, now = acknowledged, START
        for kind, model, then in self.lines():
            coming = model if kind == "begins" else coming
            acknowledged = model if kind == "done" else acknowledged
            now = then
        return acknowledged, coming, now

    def take_over(self, support: Any) -> None:
        """Do what a process that is stopped holds."""
        acknowledged, coming, now = self.state()
        opened = self.open(now + LATER, "inline")
        seen, open_ends = observe(opened.client)
        assert seen in (acknowledged, coming), f"neither {acknowledged} nor {coming}: {seen}"
        assert open_ends == [], f"not taken over: {open_ends}"
        support.audit_of(opened.client)
        opened.close()

    def check(self, support: Any) -> None:
        """Open what a process left; raise AssertionError if something is lost, half there or stuck."""
        lines = self.lines()
        acknowledged, coming, now = self.state()
        refused = [model for kind, model, _ in lines if kind == "refused"]
        if refused:
            (left, open_ends) = next(model for kind, model, _ in lines if kind == "left")
            assert (left, open_ends) == (acknowledged, []), f"after {refused[0]!r} there is {left} with {open_ends}"
        whole = [kind for kind, _, _ in lines][-1:] == ["points"]
        assert whole or self.how != "freeze", "it did not go on to the end"
        opened = self.open(now + 30, "inline")
        seen, open_ends = look(support, opened)
        opened.close()
        assert seen in (acknowledged, coming), f"neither {acknowledged} nor {coming}: {seen}"
        assert not open_ends or seen == coming or self.ingest == "background", open_ends
        opened = self.open(now + LATER)  # the lease of the dead process has run out
        opened.settle()
        again, open_ends = look(support, opened)
        assert (again, open_ends) == (seen, []), f"not taken up: {again}, {open_ends}"
        assert opened.rows("SELECT * FROM jobs") == []
        for store in opened.client.vector_stores.list(limit=100):
            assert store.status in ("completed", "expired")
        # What was left over stands in nobody's way: the same large content can be stored, read and found anew.
        store = opened.client.vector_stores.create()
        file = opened.client.vector_stores.files.upload(store.id, file=("large", content("large")))
        opened.settle()
        assert opened.client.vector_stores.files.retrieve(store.id, file.id).status == "completed"
        assert opened.client.files.content(file.id).read() == content("large")
        support.audit_of(opened.client)
        opened.close()
        self.check_snapshot(support, acknowledged if whole else None, coming)

    def check_snapshot(self, support: Any, acknowledged: Model | None, coming: Model) -> None:
        """A snapshot is there as a whole, or refused; one that was acknowledged is there."""
        restored, refused = self.folder / "restored", None
        with OAuthCodexClient("memory") as memory:
            try:
                memory.maintenance.restore(self.snapshot, storage_dir=restored)
            except OAuthCodexError as error:
                refused = error
        if refused is not None:
            assert acknowledged is None, refused
            assert not self.snapshot.exists(), refused
            return
        opened = Opened(self.driver, restored, self.state()[2] + LATER)
        seen, open_ends = look(support, opened)
        opened.close()
        assert (seen, open_ends) == (coming, []), f"the snapshot holds {seen}"


def in_child(call: Callable[[], None], say: Path, between: Callable[[], None] | None = None) -> int:
    """Run something in a forked process, and return how it ended; an exception is written down.

    `between` is called when it is stopped, and then it goes on.
    """
    child = os.fork()
    if child == 0:
        status = 0
        try:
            call()
        except BaseException:
            say.write_text(traceback.format_exc(limit=-3), encoding="utf-8")
            status = 1
        os._exit(status)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        if between is not None:
            between()
        os.kill(child, signal.SIGCONT)


def warm(driver: str) -> None:
    """Load what is loaded late, once for all children."""
    opened = Opened("memory", None, START)
    api = opened.client.vector_stores
    file = opened.client.files.create(file=b"words", purpose="assistants").id
    api.search(api.create(file_ids=[file]).id, query="words")
    opened.client.maintenance.verify()
    opened.close()
    if driver == "faiss":
        import faiss

        faiss.omp_set_num_threads(1)
        import oauth_codex_faiss.backend  # noqa: F401


def main(directory: Path, how: Any, driver: str, ingest: str, every: int, first: int) -> dict[str, Any]:
    sabotages.apply()
    support = load_support()
    wrong = directory / "wrong"
    warm(driver)
    found: dict[str, str] = {}
    acknowledged = lost = 0

    def attempt(at: int) -> tuple[int, Trial]:
        trial = Trial(directory, how, driver, ingest, at)
        trial.folder.mkdir()
        taken = directory / "taken"

        def between() -> None:
            if in_child(lambda: trial.take_over(support), taken):
                found[f"{at}, while it was stopped"] = taken.read_text(encoding="utf-8")

        return in_child(lambda: trial.run(support), wrong, between), trial

    status, trial = attempt(0)
    kind, passed, _ = trial.lines()[-1]
    if status or kind != "points":
        return {"points": [], "tried": 0, "wrong": {"0": wrong.read_text() if status else str(trial.lines()[-2:])}}
    able = [at for at, name in enumerate(passed, 1) if points.meets(how, name)]
    if (sabotage := sabotages.chosen()) is not None:  # is to be found, wherever it shows
        every, first = 1, sabotages.FIRST.get(sabotage, 0)
    tried = able[first::every]
    for at in tried:
        if found and sabotage is not None:
            break
        wrong.unlink(missing_ok=True)
        status, trial = attempt(at)
        where = f"{at} {passed[at - 1]}"
        acknowledged += sum(kind == "done" for kind, _, _ in trial.lines())
        # Threads do not pass the same points each time: one that is beyond the last is no point.
        if status != ENDS[how] and not (status == 0 and ingest == "background"):
            found[where] = f"ended with {status}: {wrong.read_text() if wrong.exists() else ''}"
        else:
            if how == "power":
                lost += power.lose(trial.storage, trial.shadow)
            if in_child(lambda t=trial: t.check(support), wrong):
                step = sum(kind == "begins" for kind, _, _ in trial.lines())
                found[f"{where}, step {step}"] = wrong.read_text(encoding="utf-8")
        shutil.rmtree(trial.folder, ignore_errors=True)
    counts = {
        "tried": len(tried),
        "acknowledged": acknowledged,
        **({"files not synced": lost} if how == "power" else {}),
    }
    return {"points": passed, **counts, "wrong": found}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:5], *map(int, sys.argv[5:]))))
