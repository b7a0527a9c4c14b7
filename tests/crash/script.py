"""A fixed program of writes that dies, or meets a failing disk, at a chosen point. Run as a program:

    python script.py DIRECTORY kill|raise EVERY

runs it once to count the points, and then once for each commit and each EVERY-th of the others, in a process and a
storage of its own; prints one JSON document: the points, and what was wrong afterwards at each (nothing, if all is well).

Every step says first what the storage shall hold afterwards, and when it was acknowledged. After the end of the process
the storage must hold what was acknowledged, and of the step under way everything or nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from oauth_codex import StorageError
from oauth_codex.local import matrix
from oauth_codex.local.search import view
from sqlalchemy.exc import OperationalError

START = 1_700_000_000.0
WORDS = ("apple", "birch", "cedar", "dahlia", "elm", "fern", "ginkgo", "hazel")
LARGE = {"large"}

#: Files by name; stores by name, each with its files and their attributes.
Model = dict[str, Any]


def load_support() -> Any:
    spec = importlib.util.spec_from_file_location("support", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["support"] = module
    spec.loader.exec_module(module)
    return module


def open_client(support: Any, directory: Path, now: float) -> Any:
    return support.OpenClient("sqlite", directory, support.Clock(now), lambda prefix: prefix + secrets.token_hex(8))


def content(name: str) -> bytes:
    text = f"{name} stands in a garden with other trees\n".encode()
    return text * 25_000 if name in LARGE else text


def steps(client: Any) -> Iterator[tuple[Model, Callable[[], Any]]]:
    """What the storage shall hold after each step, and the step."""
    files: dict[str, str] = {}
    stores: dict[str, str] = {}
    model: Model = {"files": [], "stores": {}}
    api = client.vector_stores

    def changed(change: Callable[[Model], Any]) -> Model:
        fresh: Model = json.loads(json.dumps(model))
        change(fresh)
        model.update(fresh)
        fresh["files"].sort()
        return fresh

    def upload(name: str) -> None:
        files[name] = client.files.create(file=(name, content(name)), purpose="assistants").id

    def create(name: str, *members: str) -> None:
        stores[name] = api.create(name=name, file_ids=[files[member] for member in members]).id

    for name in ("apple", "birch", "cedar", "dahlia", "large"):
        yield changed(lambda m, n=name: m["files"].append(n)), lambda n=name: upload(n)
    yield changed(lambda m: m["stores"].update(one={})), lambda: create("one")
    yield (
        changed(lambda m: m["stores"]["one"].update(apple={"a": 1})),
        lambda: api.files.create(stores["one"], file_id=files["apple"], attributes={"a": 1}),
    )

    def upload_attached() -> None:
        upload = ("fern", content("fern"))
        files["fern"] = api.files.upload(stores["one"], file=upload, attributes={"f": 1}).id

    def with_fern(m: Model) -> None:
        m["files"].append("fern")
        m["stores"]["one"]["fern"] = {"f": 1}

    yield changed(with_fern), upload_attached
    yield (
        changed(lambda m: m["stores"]["one"].update(large={})),
        lambda: api.files.create(stores["one"], file_id=files["large"]),
    )
    yield (
        changed(lambda m: m["stores"]["one"].update(birch={"b": 2}, cedar={"b": 2})),
        lambda: api.file_batches.create(stores["one"], file_ids=[files["birch"], files["cedar"]], attributes={"b": 2}),
    )
    yield dict(model), lambda: api.search(stores["one"], query="apple")
    yield (
        changed(lambda m: m["stores"].update(two={"birch": {}, "dahlia": {}})),
        lambda: create("two", "birch", "dahlia"),
    )
    yield (
        changed(lambda m: m["stores"]["one"].update(apple={"a": 2, "c": "d"})),
        lambda: api.files.update(stores["one"], files["apple"], attributes={"a": 2, "c": "d"}),
    )
    again = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    yield dict(model), lambda: api.files.create(stores["one"], file_id=files["cedar"], chunking_strategy=again)
    yield (
        changed(lambda m: m["stores"].update(two={"birch": {}, "apple": {}, "cedar": {}})),
        lambda: api.update(stores["two"], file_ids=[files["birch"], files["apple"], files["cedar"]]),
    )
    yield changed(lambda m: m["stores"]["one"].pop("birch")), lambda: api.files.delete(stores["one"], files["birch"])
    yield dict(model), lambda: api.search(stores["one"], query="apple")

    def forget_large(m: Model) -> None:
        m["files"].remove("large")
        m["stores"]["one"].pop("large")

    yield changed(forget_large), lambda: client.files.delete(files["large"])
    yield changed(lambda m: m["stores"].pop("two")), lambda: api.delete(stores["two"])
    yield changed(lambda m: m["files"].append("elm")), lambda: upload("elm")


def observe(client: Any) -> tuple[Model, list[tuple[str, str, str]]]:
    """What the storage holds, and the files that are not completed; fails if what is found differs from what is completed."""
    names = {file.id: file.filename for file in client.files.list()}
    seen: Model = {"files": sorted(names.values()), "stores": {}}
    open_ends: list[tuple[str, str, str]] = []
    for file, name in names.items():
        assert client.files.content(file).read() == content(name), f"content of {name}"
    for store in client.vector_stores.list(limit=100):
        members: dict[str, Any] = {}
        for attached in client.vector_stores.files.list(store.id, limit=100):
            name = names[attached.id]
            members[name] = attached.attributes
            if attached.status != "completed":
                open_ends.append((store.name, name, attached.status))
        seen["stores"][store.name] = members
        for word in WORDS:
            hits = client.vector_stores.search(store.id, query=word, max_num_results=50).data
            found = {hit.filename for hit in hits if word in hit.text}
            may = {word} if word in members and (store.name, word, "in_progress") not in open_ends else set()
            assert found == may, f"{store.name}: {word} finds {found}, completed are {may}"
    return seen, open_ends


# -- points ------------------------------------------------------------------------------------------------------------


def install(how: str, at: int) -> list[str]:
    """Let point number `at` kill this process, or raise; 0 for none. Returns the names of the points that were passed."""
    passed: list[str] = []

    def point(name: str, failure: Callable[[], BaseException]) -> None:
        passed.append(name)
        if len(passed) == at:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise failure()

    def full() -> BaseException:
        return OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))

    def no_space() -> BaseException:
        return OSError(28, "No space left on device")

    def wrap(owner: Any, name: str, failure: Callable[[], BaseException]) -> None:
        real = getattr(owner, name)

        def call(*given: Any, **named: Any) -> Any:
            point(f"before {name}", failure)
            result = real(*given, **named)
            if how == "kill" and name != "fsync":
                point(f"after {name}", failure)
            return result

        setattr(owner, name, call)

    wrap(sqlalchemy.Connection, "commit", full)
    wrap(os, "replace", no_space)
    wrap(os, "fsync", no_space)
    wrap(Path, "rename", no_space)
    if how == "kill":
        wrap(Path, "unlink", no_space)
    return passed


def run(support: Any, directory: Path, how: str, at: int, log: Path) -> None:
    """The child: the program, until the point."""
    for module in (matrix, view):
        module._SAVE_FROM = 1  # so that caches are written beside the catalog in the middle of it
    opened = open_client(support, directory, START)
    with open(log, "a", encoding="utf-8") as out:

        def say(kind: str, model: object) -> None:
            out.write(json.dumps([kind, model]) + "\n")
            out.flush()

        passed = install(how, at)
        for model, step in steps(opened.client):
            opened.client.backend._engine.context.clock.advance(1)
            say("begins", model)
            try:
                step()
            except StorageError as error:
                say("refused", str(error))
                seen, open_ends = observe(opened.client)
                support.audit_of(opened.client)
                say("left", [seen, open_ends])
                return
            say("done", model)
        say("points", passed)


def check(support: Any, directory: Path, log: Path) -> None:
    """Open what a process left; raise AssertionError if something is lost, half there or stuck."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    acknowledged: Model = {"files": [], "stores": {}}
    coming = acknowledged
    for kind, model in lines:
        coming = model if kind == "begins" else coming
        acknowledged = model if kind == "done" else acknowledged
    refused = [model for kind, model in lines if kind == "refused"]
    if refused:
        (left, open_ends) = next(model for kind, model in lines if kind == "left")
        assert (left, open_ends) == (acknowledged, []), f"after {refused[0]!r} there is {left} with {open_ends}"
    opened = open_client(support, directory, START + 30)
    seen, open_ends = observe(opened.client)
    support.audit_of(opened.client)
    opened.close()
    assert seen in (acknowledged, coming), f"neither {acknowledged} nor {coming}: {seen}"
    assert not open_ends or seen == coming, open_ends
    opened = open_client(support, directory, START + 1000)  # the lease of the dead process has run out
    again, open_ends = observe(opened.client)
    assert (again, open_ends) == (seen, []), f"not taken up: {again}, {open_ends}"
    support.audit_of(opened.client)
    for store in opened.client.vector_stores.list(limit=100):
        assert store.status == "completed"
    # What was left over stands in nobody's way: the same large content can be stored, read and found anew.
    file = opened.client.vector_stores.files.upload(
        opened.client.vector_stores.create().id, file=("large", content("large"))
    )
    assert file.status == "completed"
    assert opened.client.files.content(file.id).read() == content("large")
    support.audit_of(opened.client)
    opened.close()


def in_child(call: Callable[[], None], say: Path) -> int:
    """Run something in a forked process, and return how it ended; an exception is written down."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            call()
        except BaseException:
            say.write_text(traceback.format_exc(limit=-3), encoding="utf-8")
            status = 1
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _upload(opened: Any) -> str:
    file: str = opened.client.files.create(file=b"words", purpose="assistants").id
    return file


def main(directory: Path, how: str, every: int) -> dict[str, Any]:
    support = load_support()
    wrong = directory / "wrong"
    warm = support.OpenClient(
        "memory", None, support.Clock(START), support.Ids()
    )  # loads what is loaded late, once for all children
    warm.client.vector_stores.search(warm.client.vector_stores.create(file_ids=[_upload(warm)]).id, query="words")
    warm.close()

    def attempt(at: int) -> tuple[int, Path, Path]:
        storage, log = directory / f"{at}", directory / f"{at}.log"
        return in_child(lambda: run(support, storage, how, at, log), wrong), storage, log

    status, storage, log = attempt(0)
    if status:
        return {"points": [], "wrong": {"0": wrong.read_text(encoding="utf-8")}}
    points = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])[1]
    found: dict[str, str] = {}
    commits = [at for at, name in enumerate(points, 1) if name == "before commit"]
    for at in sorted({*commits, *range(1, len(points) + 1, every)}):
        wrong.unlink(missing_ok=True)
        status, storage, log = attempt(at)
        if (how == "kill") != (status == -signal.SIGKILL):
            found[f"{at} {points[at - 1]}"] = f"ended with {status}: {wrong.read_text() if wrong.exists() else ''}"
        elif in_child(lambda s=storage, f=log: check(support, s, f), wrong):
            step = sum('"begins"' in line for line in log.read_text(encoding="utf-8").splitlines())
            found[f"{at} {points[at - 1]}, step {step}"] = wrong.read_text(encoding="utf-8")
        shutil.rmtree(storage, ignore_errors=True)
    return {"points": points, "wrong": found}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
