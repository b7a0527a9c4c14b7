"""`file_batches.upload_and_poll`: many uploads at once, all or nothing."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient, ParameterValidationError, StorageError
from oauth_codex.client import uploads
from oauth_codex.spi import requests as r


class Both:
    """The sync and the async method behind one name."""

    def __init__(self, kind: str, backend: Any) -> None:
        self.kind = kind
        self.backend = backend
        self.store = OAuthCodexClient(backend).vector_stores.create().id
        backend.calls.clear()

    def __call__(self, *ids: str, **named: Any) -> Any:
        if self.kind == "sync":
            return OAuthCodexClient(self.backend).vector_stores.file_batches.upload_and_poll(*ids, **named)

        async def main() -> Any:
            client = AsyncOAuthCodexClient(self.backend)
            return await client.vector_stores.file_batches.upload_and_poll(*ids, **named)

        return anyio.run(main)


@pytest.fixture(params=["sync", "async"])
def upload(request: pytest.FixtureRequest, backend: Any) -> Both:
    return Both(request.param, backend)


def created(backend: Any) -> list[r.FileBatchCreate]:
    return [call for call in backend.calls if isinstance(call, r.FileBatchCreate)]


def test_the_order_is_that_of_the_arguments(upload: Both, backend: Any) -> None:
    first = OAuthCodexClient(backend).files.create(file=b"first", purpose="assistants").id
    turn = threading.Barrier(4)

    def wait(request: object) -> None:
        if isinstance(request, r.FileCreate):
            turn.wait(timeout=30)  # all four at the same time, so that none is first by itself

    backend.before = wait
    batch = upload(upload.store, files=[b"a", b"b", b"c", b"d"], file_ids=[first], attributes={"k": 1})
    ids = created(backend)[0].file_ids
    assert ids is not None
    assert [backend._files[i][1] for i in ids] == [b"first", b"a", b"b", b"c", b"d"]
    assert batch.file_counts.total == 5
    assert backend._members[upload.store][ids[1]].attributes == {"k": 1}


@pytest.mark.parametrize("limit", [1, 2])
def test_never_more_at_once_than_asked(upload: Both, backend: Any, limit: int) -> None:
    running, most, lock = 0, 0, threading.Lock()
    create = backend.files.create

    def counted(request: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        made = create(request)
        with lock:
            running -= 1
        return made

    backend.files.create = counted
    upload(upload.store, files=[b"x"] * 8, max_concurrency=limit)
    assert 1 <= most <= limit


def test_a_failed_upload_says_which_file_and_leaves_nothing(upload: Both, backend: Any) -> None:
    def fail(request: Any) -> None:
        if isinstance(request, r.FileCreate) and request.filename == "c.txt":
            raise RuntimeError("disk full")

    backend.before = fail
    files = [("a.txt", b"a"), ("b.txt", b"b"), ("c.txt", b"c"), *[("d.txt", b"d")] * 20]
    with pytest.raises(Exception, match="disk full") as caught:
        upload(upload.store, files=files, max_concurrency=1)
    assert caught.value.__notes__ == ["while uploading files[2] ('c.txt')"]
    assert backend._files == {}
    assert created(backend) == []
    assert sum(isinstance(call, r.FileCreate) for call in backend.calls) == 3  # none is begun after the failure


def test_of_several_failures_the_first_in_the_order_of_the_files_is_raised(upload: Both, backend: Any) -> None:
    turn = threading.Barrier(3)

    def fail(request: Any) -> None:
        if isinstance(request, r.FileCreate):
            turn.wait(timeout=30)
            if request.filename != "good":
                raise RuntimeError(request.filename)

    backend.before = fail
    with pytest.raises(Exception, match="bad one"):
        upload(upload.store, files=[("good", b"x"), ("bad one", b"x"), ("bad two", b"x")])
    assert backend._files == {}


def test_a_file_that_cannot_be_opened(upload: Both, backend: Any, tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        upload(upload.store, files=[b"a", tmp_path / "absent.txt"], max_concurrency=1)
    assert caught.value.__notes__ == ["while uploading files[1] ('absent.txt')"]
    assert backend.calls == []
    with pytest.raises(IsADirectoryError):
        upload(upload.store, files=[b"a", tmp_path])
    assert backend.calls == []


def test_what_cannot_be_deleted_again_is_told(upload: Both, backend: Any) -> None:
    def fail(request: Any) -> None:
        if isinstance(request, r.FileDelete | r.FileBatchCreate):
            raise RuntimeError("read only")

    backend.before = fail
    with pytest.raises(Exception, match="read only") as caught:
        upload(upload.store, files=[b"a"])
    (left,) = backend._files
    assert left in caught.value.__notes__[0]


def test_a_batch_that_cannot_be_made_leaves_no_files(upload: Both, backend: Any) -> None:
    with pytest.raises(KeyError):
        upload("vs_unknown", files=[b"a", b"b"])
    assert not any(isinstance(call, r.FileCreate) for call in backend.calls)  # an unknown store is seen before

    def fail(request: object) -> None:
        if isinstance(request, r.FileBatchCreate):
            raise RuntimeError("just expired")

    backend.before = fail
    with pytest.raises(Exception, match="just expired"):
        upload(upload.store, files=[b"a", b"b"])
    assert backend._files == {}
    assert sum(isinstance(call, r.FileDelete) for call in backend.calls) == 2


@pytest.mark.parametrize(
    "files", ["notes.txt", b"abc", bytearray(b"a"), io.BytesIO(b"a\nb"), Path("a"), {"a": b"x"}, 5]
)
def test_a_single_upload_is_not_taken_for_several(upload: Both, backend: Any, files: Any) -> None:
    with pytest.raises(TypeError, match=r"files=\[\.\.\.\]"):
        upload(upload.store, files=files)
    assert backend.calls == []


@pytest.mark.parametrize(
    ("named", "param"),
    [
        ({"files": []}, "files"),
        ({"files": [b"x"], "max_concurrency": 0}, "max_concurrency"),
        ({"files": [b"x"], "max_concurrency": 1.5}, "max_concurrency"),
        ({"files": [b"x"], "file_ids": ["!"]}, "file_ids[0]"),
        ({"files": [b"x"], "file_ids": "file-1"}, "file_ids"),
        ({"files": [b"x"], "on_progress": 5}, "on_progress"),
        ({"files": [b"x"], "attributes": {"a": None}}, "attributes.a"),
        ({"files": [b"x"] * 2001}, "files"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_before_any_upload(
    upload: Both, backend: Any, named: dict[str, Any], param: str
) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        upload(upload.store, **named)
    assert caught.value.param == param
    assert backend.calls == []


def test_files_may_be_any_iterable_and_may_be_none_if_ids_are_given(upload: Both, backend: Any) -> None:
    upload(upload.store, files=(piece for piece in (b"a", b"b")))
    ids = created(backend)[0].file_ids
    assert ids is not None
    assert upload(upload.store, files=[], file_ids=ids).file_counts.total == 2


# -- drivers that take several files at once ---------------------------------------------------------------------------


@pytest.fixture
def together(upload: Both, backend: Any) -> Both:
    backend.capabilities = replace(backend.capabilities, create_many=True, max_file_bytes=uploads.SMALL_BYTES * 2)
    return upload


def sent(backend: Any) -> list[int]:
    """How many files each call brought."""
    alone = [call for call in backend.calls if isinstance(call, r.FileCreate)]
    groups = [call.files for call in backend.calls if isinstance(call, r.FilesCreate)]
    members = {id(file) for files in groups for file in files}
    return sorted([*(1 for call in alone if id(call) not in members), *map(len, groups)])


def test_small_files_go_together_and_every_other_by_itself(together: Both, backend: Any, tmp_path: Path) -> None:
    small = [b"%d" % number for number in range(2 * uploads.GROUP_FILES + 3)]
    path = tmp_path / "notes.md"
    path.write_bytes(b"on disk")
    large = b"x" * (uploads.SMALL_BYTES + 1)
    files = [*small, large, io.BytesIO(b"nobody knows how much"), path, memoryview(b"after it"), ("n.txt", b"named")]
    told: list[tuple[int, int, Any]] = []
    batch = together(together.store, files=files, on_progress=lambda *each: told.append(each))
    assert sent(backend) == [1, 1, 3, 3, uploads.GROUP_FILES, uploads.GROUP_FILES]
    ids = created(backend)[0].file_ids
    assert ids is not None
    wanted = [*small, large, b"nobody knows how much", b"on disk", b"after it", b"named"]
    assert [backend._files[i][1] for i in ids] == wanted
    assert [backend._files[i][0].filename for i in ids[-3:]] == ["notes.md", "upload", "n.txt"]
    assert batch.file_counts.completed == len(files)
    uploaded = [item for _, _, item in told if isinstance(item, str)]
    assert [(done, total) for done, total, item in told if isinstance(item, str)] == [
        (number + 1, len(files)) for number in range(len(files))
    ]
    assert sorted(uploaded) == sorted(ids)


def test_a_group_has_a_limit_of_bytes(together: Both, backend: Any) -> None:
    together(together.store, files=[b"x" * uploads.SMALL_BYTES] * 5)
    assert sent(backend) == [1, uploads.GROUP_BYTES // uploads.SMALL_BYTES]


def test_a_file_above_the_limit_of_the_driver_is_not_hidden_in_a_group(together: Both, backend: Any) -> None:
    backend.capabilities = replace(backend.capabilities, max_file_bytes=3)
    together(together.store, files=[b"abc", b"abcd", b"abc"])
    assert sent(backend) == [1, 1, 1]


def test_a_file_of_a_group_that_cannot_be_read_is_named_and_leaves_nothing(
    together: Both, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(uploads.GROUP_FILES + 5)]
    for path in paths:
        path.write_bytes(b"x")
    looked = uploads.check_path

    def vanish(file: Any) -> None:
        looked(file)
        if file == paths[-1]:
            paths[-2].unlink()

    monkeypatch.setattr("oauth_codex.client.base.check_path", vanish)
    with pytest.raises(FileNotFoundError) as caught:
        together(together.store, files=paths, max_concurrency=1)
    assert caught.value.__notes__ == [f"while uploading files[{len(paths) - 2}] ('{paths[-2].name}')"]
    assert backend._files == {}
    assert created(backend) == []


def test_a_wrong_name_within_a_group_is_named(together: Both, backend: Any) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        together(together.store, files=[b"a", ("\ud800.txt", b"b")])
    assert caught.value.__notes__[0].startswith("while uploading files[1]")
    assert backend._files == {}


def test_a_driver_that_fails_with_a_group_says_which(together: Both, backend: Any) -> None:
    def fail(request: object) -> None:
        if isinstance(request, r.FilesCreate):
            raise RuntimeError("disk full")

    backend.before = fail
    with pytest.raises(Exception, match="disk full") as caught:
        together(together.store, files=[b"a", b"b", io.BytesIO(b"c")])
    assert caught.value.__notes__ == ["while uploading files[0] to files[1] together"]
    assert backend._files == {}


def test_nothing_is_left_when_whoever_is_told_of_progress_fails(together: Both, backend: Any) -> None:
    def stop(done: int, total: int, item: object) -> None:
        if done == 2:
            raise LookupError("enough")

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the async one comes in a group of exceptions
        together(together.store, files=[b"a", b"b", b"c"], on_progress=stop)
    assert "enough" in repr(caught.value)
    assert backend._files == {}
    assert created(backend) == []


def test_a_driver_that_keeps_fewer_files_than_it_was_given_is_found_out(together: Both, backend: Any) -> None:
    create_many = backend.files.create_many
    backend.files.create_many = lambda request: create_many(request)[:-1]
    with pytest.raises(StorageError, match="stored 2 of 3 files"):
        together(together.store, files=[b"a", b"b", b"c"])
    assert created(backend) == []


def test_none_for_file_ids_is_none_at_all(upload: Both) -> None:
    assert upload(upload.store, files=[b"x"], file_ids=None).file_counts.total == 1


def test_the_batch_is_told_of_even_when_it_is_done_at_once(upload: Both, backend: Any) -> None:
    """After the last upload as much is done as when the batch is: the batch is news all the same."""
    told: list[tuple[int, int, Any]] = []
    batch = upload(upload.store, files=[b"a", b"b"], on_progress=lambda *each: told.append(each))
    assert [(done, total, type(item)) for done, total, item in told] == [(1, 2, str), (2, 2, str), (2, 2, type(batch))]
    assert told[-1][2].id == batch.id
