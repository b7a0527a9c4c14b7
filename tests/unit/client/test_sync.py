"""`maintenance.sync`: the store holds what the folder holds, and nothing else of it is touched."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import (
    AsyncOAuthCodexClient,
    BadRequestError,
    NotFoundError,
    OAuthCodexClient,
    ParameterValidationError,
)
from oauth_codex.client import contents


@pytest.fixture
def client() -> Any:
    with OAuthCodexClient("memory") as opened:
        yield opened


@pytest.fixture
def store(client: OAuthCodexClient) -> str:
    return client.vector_stores.create(name="mirror").id


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "root", {"a.txt": "apples", "sub/b.txt": "birches", "sub/deep/c.md": "cedars"})
    return tmp_path / "root"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def held(client: OAuthCodexClient, store: str) -> dict[str, str]:
    """Names and contents of the files of a store."""
    return {
        client.files.retrieve(each.id).filename: client.files.content(each.id).text
        for each in client.vector_stores.files.list(store, limit=100)
    }


def test_added_changed_removed_unchanged(client: OAuthCodexClient, store: str, root: Path) -> None:
    told: list[tuple[int, int]] = []
    report = client.maintenance.sync(store, root, on_progress=lambda done, total, _: told.append((done, total)))
    assert (report.added, report.changed) == (["a.txt", "sub/b.txt", "sub/deep/c.md"], [])
    assert told[-1] == (3, 3)
    assert report.to_dict()["added"] == report.added
    write(root, {"sub/b.txt": "beeches", "d.txt": "dahlias"})
    (root / "a.txt").unlink()
    before = {each.id for each in client.files.list()}
    dry = client.maintenance.sync(store, root, dry_run=True)
    assert {each.id for each in client.files.list()} == before
    report = client.maintenance.sync(store, str(root))
    for each in (dry, report):
        assert (each.added, each.changed, each.removed) == (["d.txt"], ["sub/b.txt"], ["a.txt"])
        assert each.unchanged == ["sub/deep/c.md"]
    assert held(client, store) == {"sub/b.txt": "beeches", "d.txt": "dahlias", "sub/deep/c.md": "cedars"}
    assert len(client.files.list().data) == 3, "uploads that were replaced or removed are deleted"
    attributes = client.vector_stores.files.list(store).data[0].attributes or {}
    hits = client.vector_stores.search(
        store, query="cedars", filters={"type": "eq", "key": "path", "value": "sub/deep/c.md"}
    )
    assert [hit.filename for hit in hits] == ["sub/deep/c.md"]
    assert set(attributes) == {"path", "sha256", "sync"}


def test_content_counts_and_not_time_or_size(client: OAuthCodexClient, store: str, root: Path) -> None:
    client.maintenance.sync(store, root)
    before = os.stat(root / "a.txt")
    write(root, {"a.txt": "APPLES"})
    os.utime(root / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(root / "sub/b.txt", (1, 1))
    report = client.maintenance.sync(store, root)
    assert (report.changed, len(report.unchanged)) == (["a.txt"], 2)


def test_a_file_that_is_replaced_is_never_missing(client: OAuthCodexClient, store: str, root: Path) -> None:
    client.maintenance.sync(store, root)
    write(root, {"a.txt": "apples, many more"})
    real = client.backend.files.delete
    seen: list[int] = []

    def delete(request: Any) -> Any:
        hits = client.vector_stores.search(store, query="apples").data
        seen.append(len([hit for hit in hits if hit.filename == "a.txt"]))
        return real(request)

    client.backend.files.delete = delete  # type: ignore[method-assign]
    client.maintenance.sync(store, root)
    assert seen == [2]


def test_what_failed_keeps_its_older_version(client: OAuthCodexClient, store: str, root: Path) -> None:
    client.maintenance.sync(store, root)
    (root / "a.txt").write_bytes(b"\x00\x01\x02\xff" * 100)
    report = client.maintenance.sync(store, root)
    assert list(report.failed) == ["a.txt"]
    assert held(client, store)["a.txt"] == "apples"
    assert len(client.files.list().data) == 3


def test_exclusion(client: OAuthCodexClient, store: str, root: Path) -> None:
    write(
        root,
        {
            ".gitignore": "*.log\nbuild/\n!keep.log\n/only-here.txt\n",
            "x.log": "x", "keep.log": "k", "build/out.txt": "o", "only-here.txt": "1", "sub/only-here.txt": "2",
            "sub/.gitignore": "!y.log\nb.*\n", "sub/y.log": "y", "sub/.hidden": "h", "n/build": "a file",
        },
    )  # fmt: skip
    report = client.maintenance.sync(store, root)
    assert set(report.added) == {"a.txt", "keep.log", "n/build", "sub/deep/c.md", "sub/only-here.txt", "sub/y.log"}
    report = client.maintenance.sync(store, root, exclude=["*.log", "sub/deep"])
    assert report.removed == ["keep.log", "sub/y.log", "sub/deep/c.md"] or set(report.removed) == {
        "keep.log", "sub/y.log", "sub/deep/c.md"
    }  # fmt: skip
    report = client.maintenance.sync(store, root, use_gitignore=False, dry_run=True)
    assert {"x.log", "build/out.txt", "sub/b.txt"} <= set(report.added)


@pytest.mark.parametrize("exclude", ["*.log", [3], 3])
def test_patterns_that_are_none(client: OAuthCodexClient, store: str, root: Path, exclude: Any) -> None:
    with pytest.raises(ParameterValidationError, match="exclude"):
        client.maintenance.sync(store, root, exclude=exclude)


def test_no_link_is_followed(client: OAuthCodexClient, store: str, root: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret.txt": "secret"})
    (root / "file").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "sub" / "loop").symlink_to(root)
    (root / "dead").symlink_to(root / "nothing")
    report = client.maintenance.sync(store, root)
    assert set(report.links) == {"file", "folder", "sub/loop", "dead"}
    assert set(held(client, store)) == {"a.txt", "sub/b.txt", "sub/deep/c.md"}
    link = tmp_path / "link"
    link.symlink_to(root)
    assert client.maintenance.sync(store, link).unchanged == report.added, "the folder itself may be a link"


def test_what_cannot_be_read_is_reported_and_kept(
    client: OAuthCodexClient, store: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.maintenance.sync(store, root)
    real = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = client.maintenance.sync(store, root)
    assert report.failed == {"sub/": "Permission denied."}
    assert (report.removed, len(held(client, store))) == ([], 3)


def test_a_file_that_vanishes_or_changes_while_it_is_read(
    client: OAuthCodexClient, store: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.maintenance.sync(store, root)
    monkeypatch.setattr(contents, "IN_MEMORY", 3)  # so that every file is read twice
    real = contents.read

    def read(path: Path) -> Any:
        found = real(path)
        if path.name == "a.txt":
            path.write_text("something else", encoding="utf-8")
        elif path.name == "b.txt":
            path.unlink()
        return found

    monkeypatch.setattr("oauth_codex.client.syncing.read", read)
    write(root, {"a.txt": "apples 2", "sub/b.txt": "birches 2"})
    report = client.maintenance.sync(store, root)
    assert set(report.failed) == {"a.txt", "sub/b.txt"}
    assert "changed while" in report.failed["a.txt"]
    assert held(client, store) == {"a.txt": "apples", "sub/b.txt": "birches", "sub/deep/c.md": "cedars"}
    assert len(client.files.list().data) == 3
    monkeypatch.undo()
    assert client.maintenance.sync(store, root).changed == ["a.txt"]


def test_twins_stay_two_files(client: OAuthCodexClient, store: str, root: Path) -> None:
    write(root, {"twin.txt": "apples"})
    client.maintenance.sync(store, root)
    (root / "a.txt").unlink()
    client.maintenance.sync(store, root)
    assert held(client, store)["twin.txt"] == "apples"


def test_only_what_sync_made_is_touched(client: OAuthCodexClient, store: str, root: Path, tmp_path: Path) -> None:
    own = client.vector_stores.files.upload(store, file=("a.txt", b"my own"), attributes={"path": "a.txt"})
    write(tmp_path / "docs", {"a.txt": "of the docs"})
    client.maintenance.sync(store, root)
    client.maintenance.sync(store, tmp_path / "docs", prefix="docs/")
    (root / "sub" / "b.txt").unlink()
    report = client.maintenance.sync(store, root)
    assert report.removed == ["sub/b.txt"]
    assert set(held(client, store)) == {"a.txt", "sub/deep/c.md", "docs/a.txt"}
    assert client.vector_stores.files.retrieve(store, own.id).status == "completed"
    (root / "a.txt").unlink()
    assert client.maintenance.sync(store, root, delete=False).removed == []
    assert client.maintenance.sync(store, root).removed == ["a.txt"]


def test_attributes_and_chunking(client: OAuthCodexClient, store: str, root: Path) -> None:
    static = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 10}}
    client.maintenance.sync(store, root, attributes={"team": "red", "on": 1}, chunking_strategy=static)
    (file, *_) = client.vector_stores.files.list(store).data
    assert file.attributes is not None
    assert (file.attributes["team"], file.chunking_strategy.to_dict()) == ("red", static)  # type: ignore[union-attr]
    write(root, {"a.txt": "changed"})
    assert client.maintenance.sync(store, root).changed == ["a.txt"]
    for file in client.vector_stores.files.list(store):
        assert file.attributes is not None
        assert (file.attributes["team"], file.chunking_strategy.to_dict()) == ("red", static)  # type: ignore[union-attr]
    assert len(client.maintenance.sync(store, root, attributes={"team": "red", "on": 1}).unchanged) == 3
    assert len(client.maintenance.sync(store, root, attributes={"team": "red", "on": True}).changed) == 3
    with pytest.raises(ParameterValidationError, match="sha256"):
        client.maintenance.sync(store, root, attributes={"sha256": "x"})
    with pytest.raises(ParameterValidationError, match="attributes"):
        client.maintenance.sync(store, root, attributes={f"k{n}": n for n in range(14)})


def test_wrong_places(client: OAuthCodexClient, store: str, root: Path) -> None:
    for wrong in (root / "nowhere", root / "a.txt"):
        with pytest.raises(ParameterValidationError, match="directory"):
            client.maintenance.sync(store, wrong)
    with pytest.raises(NotFoundError):
        client.maintenance.sync("vs_unknown", root)


def test_an_expired_store_is_refused(open_client: Callable[..., Any], clock: Any, root: Path) -> None:
    client = open_client("memory").client
    store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1}).id
    clock.advance(90_000)
    with pytest.raises(BadRequestError, match="expired"):
        client.maintenance.sync(store, root)


@pytest.mark.parametrize("point", range(1, 9))
def test_an_interrupted_run_is_completed_by_the_next(
    client: OAuthCodexClient, store: str, root: Path, point: int
) -> None:
    """A call of the backend that fails, whichever it is, leaves nothing that the next run does not put right."""
    client.maintenance.sync(store, root)
    write(root, {"a.txt": "apples 2", "sub/b.txt": "birches 2", "new.txt": "new"})
    (root / "sub" / "deep" / "c.md").unlink()
    calls = 0

    def interrupted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == point:
                raise KeyboardInterrupt
            return real(request)

        return call

    backend: Any = client.backend
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backend.files, "delete", interrupted(backend.files.delete))
        patched.setattr(backend.vector_stores, "upload_file", interrupted(backend.vector_stores.upload_file))
        try:
            client.maintenance.sync(store, root)
        except KeyboardInterrupt:
            assert calls >= point
    client.maintenance.sync(store, root)
    assert held(client, store) == {"a.txt": "apples 2", "sub/b.txt": "birches 2", "new.txt": "new"}
    assert len(client.files.list().data) == 3


def test_async_and_background(root: Path) -> None:
    async def run() -> None:
        async with AsyncOAuthCodexClient("memory", ingest="background") as client:
            store = await client.vector_stores.create()
            told: list[int] = []
            report = await client.maintenance.sync(store.id, root, on_progress=lambda done, *_: told.append(done))
            assert (len(report.added), told[-1]) == (3, 3)
            assert (await client.vector_stores.retrieve(store.id)).file_counts.completed == 3

    asyncio.run(run())


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text_can_be_reported(client: OAuthCodexClient, store: str, tmp_path: Path) -> None:
    """A folder of such a name, and two files of which one is called as the other is written."""
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/dir\xff"))
    root.mkdir()
    for name in (b"bad\xff.md", rb"bad\xff.md"):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_text("words")
    report = client.maintenance.sync(store, root, prefix="docs/")
    assert report.directory == f"{tmp_path}/dir\\xff"
    assert report.added == ["docs/bad\\xff.md"]
    ((name, why),) = report.failed.items()
    assert name == f"{tmp_path}/dir\\xff/bad\\xff.md"
    assert "Another file is called" in why
    assert report.to_json()
