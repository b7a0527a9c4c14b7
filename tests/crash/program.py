"""What the process of a crash test does, what its storage shall hold after each step, and a look at what it does hold."""

from __future__ import annotations

import importlib.util
import io
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from oauth_codex import OAuthCodexClient, registry
from oauth_codex.config import Setting
from oauth_codex.local import matrix
from oauth_codex.local.search import view
from oauth_codex.spi import DriverContext
from oauth_codex.spi import requests as r

START = 1_700_000_000.0
WORDS = ("apple", "birch", "cedar", "dahlia", "elm", "fern", "ginkgo", "hazel", "juniper", "kapok", "larch")
LARGE = {"large"}
#: Files of a batch that is cancelled: each is done by then, or it is not.
CANCELLED = {"juniper", "kapok"}
EXPIRED = "expired"
#: An index that is written whenever it has changed, and not only now and then.
OPTIONS = {"faiss": {"flush_seconds": 0}}
#: Seconds of real time that work may take that goes on by itself.
PATIENCE = 120

#: Files by name; stores by name, each with its files and their attributes.
Model = dict[str, Any]


def load_support() -> Any:
    """The parts of `tests/conftest.py`."""
    spec = importlib.util.spec_from_file_location("support", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["support"] = module
    spec.loader.exec_module(module)
    return module


class Opened:
    """A client on a storage, with a clock that moves when it is told to."""

    def __init__(self, driver: str, directory: Path | None, now: float, ingest: str = "inline") -> None:
        self.now = now
        record = registry.load_driver(driver)
        options = {name: Setting(value, "argument", name) for name, value in OPTIONS.get(driver, {}).items()}
        context = DriverContext(
            directory=directory,
            embedder=registry.open_embedder("hashing", {}),
            clock=lambda: self.now,
            new_id=lambda prefix: prefix + secrets.token_hex(8),
            ingest=ingest,  # type: ignore[arg-type]
        )
        self.backend: Any = registry.open_driver(record, options, context)
        self.client = OAuthCodexClient(self.backend)

    def close(self) -> None:
        self.client.close()
        self.backend.close()

    def settle(self) -> None:
        """Wait until the workers have done everything. Time passes when all that is left waits for another time."""
        if self.backend.background is None:
            return
        end = time.monotonic() + PATIENCE
        while self.backend.background.left()[0]:
            assert time.monotonic() < end, f"not done: {self.rows('SELECT * FROM jobs')}"
            held = self.backend._engine.ingest.queue._holding
            due = f"SELECT count(*) FROM jobs WHERE lease_until <= {self.now} AND not_before <= {self.now}"
            if not held and self.rows(due) == [(0,)]:
                self.now += 1
                self.backend.background.wake()
            time.sleep(0.002)

    def rows(self, sql: str) -> list[Any]:
        with self.backend._engine.catalog.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]


def early_caches() -> None:
    """Let caches be written beside the catalog in the middle of it."""
    for module in (matrix, view):
        module._SAVE_FROM = 1  # type: ignore[attr-defined]


def content(name: str) -> bytes:
    text = f"{name} stands in a garden with other trees\n".encode()
    return text + (b"-" * 15 + b"\n") * 70_000 if name in LARGE else text


def steps(opened: Opened, snapshot: Path) -> Iterator[tuple[Model, Callable[[], Any]]]:
    """What the storage shall hold after each step, and the step."""
    client = opened.client
    files: dict[str, str] = {}
    stores: dict[str, str] = {}
    batches: list[Any] = []
    model: Model = {"files": [], "stores": {}}
    api = client.vector_stores

    def changed(change: Callable[[Model], Any]) -> Model:
        fresh: Model = json.loads(json.dumps(model))
        change(fresh)
        model.update(fresh)
        fresh["files"].sort()
        return fresh

    def same() -> Model:
        return changed(lambda _: None)

    def upload(name: str, **more: Any) -> None:
        files[name] = client.files.create(file=(name, content(name)), purpose="assistants", **more).id

    def create(name: str, *members: str, **more: Any) -> None:
        stores[name] = api.create(name=name, file_ids=[files[member] for member in members], **more).id

    def member(store: str, name: str, attributes: dict[str, Any]) -> Callable[[Model], Any]:
        return lambda m: m["stores"][store].update({name: attributes})

    for name in ("apple", "birch", "cedar"):
        yield changed(lambda m, n=name: m["files"].append(n)), lambda n=name: upload(n)
    several = ("dahlia", "large", *sorted(CANCELLED))

    def upload_several() -> None:
        sent = [r.FileCreate(content=io.BytesIO(content(n)), filename=n, purpose="assistants") for n in several]
        made = opened.backend.files.create_many(r.FilesCreate(files=tuple(sent)))
        files.update((file.filename, file.id) for file in made)

    yield changed(lambda m: m["files"].extend(several)), upload_several
    yield changed(lambda m: m["stores"].update(one={})), lambda: create("one")
    yield (
        changed(member("one", "apple", {"a": 1})),
        lambda: api.files.create(stores["one"], file_id=files["apple"], attributes={"a": 1}),
    )

    def upload_attached() -> None:
        fern = ("fern", content("fern"))
        files["fern"] = api.files.upload(stores["one"], file=fern, attributes={"f": 1}).id

    def with_fern(m: Model) -> None:
        m["files"].append("fern")
        m["stores"]["one"]["fern"] = {"f": 1}

    yield changed(with_fern), upload_attached
    yield changed(member("one", "large", {})), lambda: api.files.create(stores["one"], file_id=files["large"])
    yield (
        changed(lambda m: m["stores"]["one"].update(birch={"b": 2}, cedar={"b": 2})),
        lambda: api.file_batches.create(stores["one"], file_ids=[files["birch"], files["cedar"]], attributes={"b": 2}),
    )
    yield same(), opened.settle
    yield same(), lambda: api.search(stores["one"], query="apple")
    yield (
        changed(lambda m: m["stores"]["one"].update({name: {} for name in CANCELLED})),
        lambda: batches.append(
            api.file_batches.create(stores["one"], file_ids=[files[name] for name in sorted(CANCELLED)])
        ),
    )

    def cancel() -> None:
        counts = api.file_batches.cancel(stores["one"], batches[-1].id).file_counts
        assert counts.in_progress == 0, counts
        assert counts.completed + counts.cancelled == counts.total == 2, counts

    yield same(), cancel
    yield (
        changed(lambda m: m["stores"].update(two={"birch": {}, "dahlia": {}})),
        lambda: create("two", "birch", "dahlia"),
    )
    yield (
        changed(member("one", "apple", {"a": 2, "c": "d"})),
        lambda: api.files.update(stores["one"], files["apple"], attributes={"a": 2, "c": "d"}),
    )
    again = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    yield same(), lambda: api.files.create(stores["one"], file_id=files["cedar"], chunking_strategy=again)
    yield (
        changed(lambda m: m["stores"].update(two={"birch": {}, "apple": {}, "cedar": {}})),
        lambda: api.update(stores["two"], file_ids=[files["birch"], files["apple"], files["cedar"]]),
    )
    yield changed(lambda m: m["stores"]["one"].pop("birch")), lambda: api.files.delete(stores["one"], files["birch"])
    yield same(), lambda: api.search(stores["one"], query="apple")

    def forget_large(m: Model) -> None:
        m["files"].remove("large")
        m["stores"]["one"].pop("large")

    yield changed(forget_large), lambda: client.files.delete(files["large"])
    yield changed(lambda m: m["stores"].pop("two")), lambda: api.delete(stores["two"])
    soon = {"anchor": "created_at", "seconds": 3600}
    yield changed(lambda m: m["files"].append("larch")), lambda: upload("larch", expires_after=soon)
    unused = {"anchor": "last_active_at", "days": 1}
    yield (
        changed(lambda m: m["stores"].update(three={"cedar": {}, "larch": {}})),
        lambda: create("three", "cedar", "larch", expires_after=unused),
    )
    yield same(), opened.settle

    def pass_time() -> None:
        opened.now += 90_000

    yield (
        changed(lambda m: (m["files"].remove("larch"), m["stores"].update(three=EXPIRED))),
        pass_time,
    )
    yield same(), client.maintenance.gc
    yield changed(lambda m: m["files"].append("elm")), lambda: upload("elm")
    yield changed(member("one", "elm", {})), lambda: api.files.create(stores["one"], file_id=files["elm"])
    yield same(), opened.settle
    yield same(), lambda: client.maintenance.snapshot(snapshot)


def observe(client: OAuthCodexClient) -> tuple[Model, list[tuple[str, str, str]]]:
    """What the storage holds, and the files that are not completed; fails if what is found is not what shall be.

    A file that was done is found, also while a new version of it is made: its `usage_bytes` tell.
    """
    names = {file.id: file.filename for file in client.files.list()}
    seen: Model = {"files": sorted(names.values()), "stores": {}}
    open_ends: list[tuple[str, str, str]] = []
    for file, name in names.items():
        assert client.files.content(file).read() == content(name), f"content of {name}"
    for store in client.vector_stores.list(limit=100):
        assert store.name is not None
        if store.status == EXPIRED:
            seen["stores"][store.name] = EXPIRED
            continue
        members: dict[str, Any] = {}
        searchable: set[str] = set()
        for attached in client.vector_stores.files.list(store.id, limit=100):
            name = names[attached.id]
            members[name] = attached.attributes
            if attached.usage_bytes:
                searchable.add(name)
            assert attached.usage_bytes or attached.status != "completed", name
            if attached.status != "completed" and not (attached.status == "cancelled" and name in CANCELLED):
                open_ends.append((store.name, name, f"{attached.status} {attached.last_error or ''}"))
        seen["stores"][store.name] = members
        for word in WORDS:
            hits = client.vector_stores.search(store.id, query=word, max_num_results=50).data
            found = {hit.filename for hit in hits if word in hit.text}
            assert found == {word} & searchable, f"{store.name}: {word} finds {found} of {searchable}"
    return seen, open_ends


def look(support: Any, opened: Opened, *, waste: bool = False) -> tuple[Model, list[tuple[str, str, str]]]:
    """`observe`, and everything that is stored against everything else: rows, counters, contents, index.

    With `waste`, files of content that nothing refers to may be there: they go when the storage is opened the next time, and by `gc`.
    """
    found = observe(opened.client)
    support.audit_of(opened.client)
    verified = opened.client.maintenance.verify(deep=True)
    assert set(verified.found) <= ({"stray_file"} if waste else set()), verified.findings
    stuck = "SELECT count(*) FROM batches WHERE is_cancelled AND in_progress > 0"
    assert opened.rows(stuck) == [(0,)], "a cancelled batch has files in progress"
    return found
