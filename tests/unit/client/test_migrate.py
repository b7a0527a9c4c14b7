"""`maintenance.migrate`: everything arrives, on whatever driver, once."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import (
    AsyncOAuthCodexClient,
    ClientClosedError,
    ConflictError,
    OAuthCodexClient,
    ParameterValidationError,
    StorageError,
)
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.catalog import expiry
from oauth_codex.testing.story import VECTORS_ONLY

STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
LOCAL = ("memory", "sqlite", "faiss", "chroma")


class Remote:
    """A backend that offers what a service over a network does: the routes, and ids of its own."""

    name = "remote"

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.files, self.vector_stores, self.batches = backend.files, backend.vector_stores, backend.batches
        self.capabilities = backend.capabilities

    def close(self) -> None:
        """Not here."""


class Counting(HashingEmbedder):
    """Counts the texts of documents that are embedded."""

    documents = 0

    def embed(self, texts: Any, *, kind: Any) -> Any:
        self.documents += len(texts) * (kind == "document")
        return super().embed(texts, kind=kind)

    def embed_words(self, counts: Any) -> Any:
        self.documents += 1
        return super().embed_words(counts)


@pytest.fixture
def open_at(tmp_path: Path) -> Any:
    """Opens clients by the name of their driver, each in a place of its own."""
    opened: list[Any] = []

    def make(driver: str, place: str, **options: Any) -> OAuthCodexClient:
        if driver in ("faiss", "chroma"):
            pytest.importorskip(f"oauth_codex_{driver}")
        if driver == "remote":
            inner = make("sqlite", f"{place}-behind", **options)
            client = OAuthCodexClient(Remote(inner.backend))  # type: ignore[arg-type]
        elif driver == "memory":
            client = OAuthCodexClient("memory", **options)
        else:
            client = OAuthCodexClient(driver, storage_dir=tmp_path / place, **options)
        opened.append(client)
        return client

    yield make
    for each in reversed(opened):
        each.close()


def fill(client: OAuthCodexClient) -> None:
    """Two stores that share a file, twins, attributes, chunking, a failure, a file of no store, and large content."""
    stores = client.vector_stores
    ids = [
        client.files.create(file=(f"{name}.txt", text.encode()), purpose="assistants").id
        for name, text in (
            ("apple", "The apple is round. " * 90),
            ("pear", "The pear."),
            ("twin", "Same."),
            ("twin", "Same."),
        )
    ]
    one = stores.create(name="one", metadata={"a": "b"}, description="first", chunking_strategy=STATIC).id
    stores.files.create(one, file_id=ids[0], attributes={"n": 1, "x": 1.5, "on": True, "s": "text"})
    stores.file_batches.create_and_poll(one, file_ids=ids[2:], chunking_strategy={"type": "static", "static": {
        "max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}})  # fmt: skip
    stores.files.upload(one, file=("bad.bin", b"\x00\x01\xff" * 50))
    stores.create(name="two", file_ids=ids[:2], expires_after={"anchor": "last_active_at", "days": 7})
    stores.create()
    client.files.create(file=("loose.bin", b"\x00\x02" * 700_000), purpose="user_data")


def seen(client: OAuthCodexClient, *, ids: bool) -> dict[str, Any]:
    """Everything that callers see; without ids and times where the target gives its own."""
    files = client.files.list(order="asc").data
    number = {file.id: file.id if ids else at for at, file in enumerate(files)}
    found: dict[str, Any] = {"files": [], "stores": []}
    for file in files:
        digest = hashlib.sha256(client.files.content(file.id)).hexdigest()
        found["files"].append((number[file.id], file.filename, file.purpose, digest, file.created_at if ids else 0))
    for store in client.vector_stores.list(order="asc"):
        metadata = {key: value for key, value in (store.metadata or {}).items() if key != "migrated_from"}
        days = store.expires_after and store.expires_after.days
        members = [
            (number[m.id], m.status, m.attributes, m.chunking_strategy and m.chunking_strategy.to_dict(),
             m.usage_bytes, m.last_error and m.last_error.to_dict(), m.created_at if ids else 0)
            for m in client.vector_stores.files.list(store.id, order="asc", limit=100)
        ]  # fmt: skip
        times = (store.id, store.created_at) if ids else None
        hits = [
            (number[hit.file_id], hit.score, hit.content[0].text)
            for options in ({}, {"ranking_options": VECTORS_ONLY})
            for hit in client.vector_stores.search(store.id, query="the round apple", max_num_results=50, **options)  # type: ignore[arg-type]
        ]
        usage = (store.file_counts.to_dict(), store.usage_bytes)
        found["stores"].append((store.name, store.description, metadata, days, members, times, usage, hits))
    return found


def chunked_anew(client: OAuthCodexClient) -> Any:
    """How a file is split that is attached without saying how."""
    store = next(each for each in client.vector_stores.list() if each.name == "one")
    file = client.vector_stores.files.upload(store.id, file=("later", b"later"))
    return file.chunking_strategy and file.chunking_strategy.to_dict()


@pytest.mark.parametrize("target", LOCAL)
@pytest.mark.parametrize("source", ["memory", "sqlite"])
def test_between_local_drivers_everything_is_the_same(
    source: str, target: str, open_at: Callable[..., OAuthCodexClient], audit: Callable[[Any], None]
) -> None:
    first = open_at(source, "first")
    fill(first)
    counting = Counting()
    second = open_at(target, "second", embedder=counting)
    told: list[tuple[int, int]] = []
    report = first.maintenance.migrate(second, on_progress=lambda done, total, _: told.append((done, total)))
    assert (report.ok, report.failed, report.ids) == (True, {}, {})
    assert (report.files, report.stores, report.members, report.vectors_kept, report.already) == (6, 3, 6, 5, 0)
    assert counting.documents == 0, "vectors were made again"
    assert told[-1] == (15, 15)
    assert report.to_dict()["expired"] == []
    assert seen(second, ids=True) == seen(first, ids=True)
    audit(second)
    assert second.maintenance.verify().ok
    again = first.maintenance.migrate(second)
    assert (again.files, again.stores, again.members, again.already) == (0, 0, 0, 15)
    assert seen(second, ids=True) == seen(first, ids=True)
    assert chunked_anew(second) == STATIC


def test_what_is_found_of_a_file_that_has_failed_since_comes_along(
    open_at: Callable[..., OAuthCodexClient], audit: Callable[[Any], None]
) -> None:
    refusing: list[bool] = []

    def read(content: bytes, filename: str | None) -> str:
        if refusing:
            raise ValueError("no page")
        return "the parsed " + content.decode()

    first = open_at("sqlite", "first", parsers={".md": read})
    store = first.vector_stores.create(name="one").id
    file = first.vector_stores.files.upload(store, file=("a.md", b"apple is round")).id
    refusing.append(True)
    again = first.vector_stores.files.create(store, file_id=file, chunking_strategy=STATIC)
    assert again.status == "failed"
    second = open_at("sqlite", "second")
    report = first.maintenance.migrate(second)
    assert (report.ok, report.vectors_kept) == (True, 1)
    assert seen(second, ids=True) == seen(first, ids=True)
    assert second.vector_stores.search(store, query="apple").data[0].text == "the parsed apple is round"
    audit(second)
    assert second.maintenance.verify().ok


def test_all_the_way_round(open_at: Callable[..., OAuthCodexClient]) -> None:
    first = open_at("memory", "first")
    fill(first)
    expected = seen(first, ids=False)
    last = first
    for place, driver in enumerate(("sqlite", "faiss", "chroma", "remote", "memory", "remote", "sqlite")):
        following = open_at(driver, f"place{place}")
        report = last.maintenance.migrate(following)
        assert report.ok, report.failed
        assert bool(report.ids) == (driver == "remote")
        found = seen(following, ids=False)
        assert found == expected, driver
        last = following
    for store in last.vector_stores.list():
        assert "migrated_from" not in (store.metadata or {})


def test_to_a_remote_one_and_again(open_at: Callable[..., OAuthCodexClient]) -> None:
    first, remote = open_at("sqlite", "first"), open_at("remote", "second")
    fill(first)
    remote.files.create(file=("other.txt", b"of somebody else"), purpose="assistants")
    for file in first.files.list().data[:2]:  # as if a run had been killed after a few files
        remote.files.create(file=(file.filename, first.files.content(file.id)), purpose=file.purpose)
    report = first.maintenance.migrate(remote)
    assert (report.ok, report.files, report.already, report.vectors_kept) == (True, 4, 2, 0)
    assert set(report.ids) == {each.id for each in (*first.files.list(), *first.vector_stores.list())}
    assert len(remote.files.list().data) == 7, "twins stay two files, and nothing is copied twice"
    again = first.maintenance.migrate(remote)
    assert (again.files, again.stores, again.members, again.ids) == (0, 0, 0, report.ids)
    assert len(remote.files.list().data) == 7


def test_what_is_uploaded_meanwhile_is_copied_too(open_at: Callable[..., OAuthCodexClient]) -> None:
    first, second = open_at("memory", "first"), open_at("memory", "second")
    fill(first)
    (one,) = [each.id for each in first.vector_stores.list() if each.name == "one"]

    def meanwhile(done: int, total: int, item: Any) -> None:
        if done == 1:
            first.vector_stores.files.upload(one, file=("late", b"late"))

    report = first.maintenance.migrate(second, on_progress=meanwhile)
    assert (report.ok, report.files, report.members) == (True, 7, 7)
    assert seen(second, ids=True) == seen(first, ids=True)


def test_another_embedder_makes_its_own_vectors_of_the_same_texts(open_at: Callable[..., OAuthCodexClient]) -> None:
    class Other(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.fingerprint = "other"

    parsed = {".up": lambda content, name: content.decode().upper()}
    first = open_at("memory", "first", parsers=parsed)
    store = first.vector_stores.create().id
    first.vector_stores.files.upload(store, file=("a.up", b"apples"))
    other = Other()
    second = open_at("memory", "second", embedder=other)
    report = first.maintenance.migrate(second)
    assert (report.ok, report.vectors_kept, other.documents) == (True, 0, 1)
    (hit,) = second.vector_stores.search(store, query="apples")
    assert hit.content[0].text == "APPLES", "the parser is not needed any more"


@pytest.mark.parametrize("kind", ["file", "store"])
def test_nothing_is_overwritten(kind: str, open_client: Callable[..., Any], clock: Any) -> None:
    """Clients that count their ids give the same ones to different things."""
    first, second = open_client("memory").client, open_client("memory").client
    if kind == "file":
        first.files.create(file=("a", b"mine"), purpose="assistants")
        second.files.create(file=("a", b"yours"), purpose="assistants")
    else:
        first.vector_stores.create(name="mine")
        clock.advance(1)
        second.vector_stores.create(name="yours")
    with pytest.raises(ConflictError, match=r"00000001.*Nothing was overwritten"):
        first.maintenance.migrate(second)
    if kind == "file":
        assert second.files.content(second.files.list().data[0].id).text == "yours"
    else:
        assert second.vector_stores.list().data[0].name == "yours"


def test_merged_with_what_is_there(open_at: Callable[..., OAuthCodexClient]) -> None:
    first, second = open_at("memory", "first"), open_at("sqlite", "second")
    fill(first)
    own = second.vector_stores.create(name="own", metadata={"k": "v"})
    second.vector_stores.files.upload(own.id, file=("own", b"own"))
    assert first.maintenance.migrate(second).ok
    assert len(second.files.list().data) == 7
    assert second.vector_stores.retrieve(own.id).file_counts.total == 1


def test_what_has_expired_is_told_and_not_copied(open_client: Callable[..., Any], clock: Any) -> None:
    first, second = open_client("memory").client, open_client("memory").client
    old = first.vector_stores.create(name="old", expires_after={"anchor": "last_active_at", "days": 1}).id
    gone = first.files.create(
        file=b"x", purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600}
    ).id
    clock.advance(90_000)
    kept = first.files.create(file=b"y", purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600})
    report = first.maintenance.migrate(second)
    assert (report.ok, report.expired, report.files) == (True, [old], 1)
    assert second.files.list().data == [kept]
    assert gone not in {each.id for each in second.files.list()}


def test_lost_content_is_told_and_the_rest_is_copied(open_at: Callable[..., OAuthCodexClient], tmp_path: Path) -> None:
    first, second = open_at("sqlite", "first"), open_at("memory", "second")
    fill(first)
    (blob,) = [each for each in (tmp_path / "first" / "blobs").iterdir() if each.stat().st_size > 1_000_000]
    blob.write_bytes(b"damaged")
    report = first.maintenance.migrate(second)
    (loose,) = [each.id for each in first.files.list() if each.filename == "loose.bin"]
    assert (report.ok, list(report.failed), report.files) == (False, [loose], 5)
    assert "damaged" in report.failed[loose]


def test_wrong_targets(open_at: Callable[..., OAuthCodexClient]) -> None:
    client = open_at("memory", "first")
    for wrong in (client, client.copy(), "sqlite", None):
        with pytest.raises(ParameterValidationError, match="target"):
            client.maintenance.migrate(wrong)  # type: ignore[arg-type]
    closed = open_at("memory", "second")
    closed.close()
    with pytest.raises(ClientClosedError):
        client.maintenance.migrate(closed)


def test_arguments_of_a_client_and_the_async_one(open_at: Callable[..., OAuthCodexClient], tmp_path: Path) -> None:
    first = open_at("sqlite", "first")
    fill(first)

    async def run() -> None:
        async with AsyncOAuthCodexClient(first.backend) as client:
            told: list[int] = []
            arguments = {"backend": "sqlite", "storage_dir": tmp_path / "async"}
            report = await client.maintenance.migrate(arguments, on_progress=lambda done, *_: told.append(done))
            assert (report.ok, report.members, told[-1]) == (True, 6, 15)
            async with AsyncOAuthCodexClient(Remote(first.backend)) as remote:  # type: ignore[arg-type]
                report = await remote.maintenance.migrate({"backend": "memory"})
                assert (report.ok, report.vectors_kept, report.members) == (True, 0, 6)

    asyncio.run(run())
    assert seen(open_at("sqlite", "async"), ids=True) == seen(first, ids=True)


def test_states_are_kept_and_work_is_done(
    open_at: Callable[..., OAuthCodexClient], audit: Callable[[Any], None]
) -> None:
    client = open_at("memory", "first")
    store = client.vector_stores.create().id
    members = []
    for status in ("in_progress", "cancelled", "completed"):
        file = client.vector_stores.files.upload(store, file=(status, status.encode()))
        members.append(file.model_copy(update={"status": status}))
    copy = client.vector_stores.create().id
    copying: Any = client.backend.copying  # type: ignore[attr-defined]
    assert copying.take_members(copy, members, [None] * 3) == (3, 0)
    assert copying.take_members(copy, members, [None] * 3) == (0, 0)
    states = [each.status for each in client.vector_stores.files.list(copy, order="asc")]
    assert states == ["completed", "cancelled", "completed"]
    audit(client)


_DIES = """
import os, signal, sys
from oauth_codex import OAuthCodexClient
from oauth_codex.local.copying.service import LocalCopying
from oauth_codex.client._sync import migrating
migrating._GROUP = 2
left = int(sys.argv[3])
def mortal(real):
    def call(*given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)
    return call
for name in ("take_file", "take_store", "take_members"):
    setattr(LocalCopying, name, mortal(getattr(LocalCopying, name)))
first = OAuthCodexClient("sqlite", storage_dir=sys.argv[1])
first.maintenance.migrate({"backend": "sqlite", "storage_dir": sys.argv[2]})
"""


@pytest.mark.parametrize("after", [0, 3, 6, 8, 10])
def test_a_killed_run_is_continued(
    after: int, open_at: Callable[..., OAuthCodexClient], tmp_path: Path, audit: Callable[[Any], None]
) -> None:
    first = open_at("sqlite", "first")
    fill(first)
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(tmp_path / "first"), str(tmp_path / "second"), str(after)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    second = open_at("sqlite", "second")
    audit(second)
    report = first.maintenance.migrate(second)
    assert (report.ok, report.files + report.stores + report.members + report.already) == (True, 15)
    assert report.already >= min(after, 7)
    assert seen(second, ids=True) == seen(first, ids=True)
    audit(second)


def test_a_target_that_changes_what_it_gets_is_found_out(open_at: Callable[..., OAuthCodexClient]) -> None:
    import io

    first, remote = open_at("memory", "first"), open_at("remote", "second")
    file = first.files.create(file=("a", b"apples"), purpose="assistants").id

    class Files:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def content(self, request: Any) -> Any:
            return io.BytesIO(b"APPLES")

    backend: Any = remote.backend
    inner, backend.files = backend.files, Files()
    report = first.maintenance.migrate(remote)
    assert (report.ok, list(report.failed), report.files) == (False, [file], 0)
    backend.files = inner
    assert not remote.files.list().data


def test_a_target_that_fails_ends_the_run(
    open_at: Callable[..., OAuthCodexClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oauth_codex.local.copying.service import LocalCopying

    first, second = open_at("memory", "first"), open_at("memory", "second")
    fill(first)

    def full(*_: Any) -> Any:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(LocalCopying, "take_file", full)
    with pytest.raises(StorageError, match="full"):
        first.maintenance.migrate(second)


def test_what_has_little_time_left_expires_in_time(open_client: Callable[..., Any], clock: Any, tmp_path: Path) -> None:
    """A file is uploaded for an hour at least; one that arrives may have less left, and its time may come where nobody expects it."""
    source = open_client("memory").client
    target, other = open_client("sqlite", tmp_path).client, open_client("sqlite", tmp_path).client
    soon: Any = {"anchor": "created_at", "seconds": 3600}
    source.files.create(file=b"soon", purpose="assistants", expires_after=soon)
    clock.advance(3500)
    assert target.files.list().data == other.files.list().data == []
    source.maintenance.migrate(target)
    assert len(target.files.list().data) == 1
    clock.advance(expiry.QUIET)
    assert len(other.files.list().data) == 1, "another client looks again after some seconds"
    clock.advance(100 - expiry.QUIET)
    assert other.files.list().data == target.files.list().data == []
