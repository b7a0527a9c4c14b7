"""Content: kept once, in the row or in a file, streamed, and gone when nothing refers to it."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from oauth_codex import BadRequestError, StorageError
from oauth_codex.local import Catalog
from oauth_codex.local.catalog import blobs, files
from oauth_codex.local.catalog.blobs import INLINE_BYTES, PIECE_BYTES

NAMESPACE = "tests"
LARGE = bytes(range(256)) * 4096 + b"one byte more"


class Pieces(io.RawIOBase):
    """A stream of `size` bytes that notes how much was asked for at once, and can fail on the way."""

    def __init__(self, size: int, fails_at: int | None = None) -> None:
        self.left, self.asked, self.fails_at = size, [], fails_at
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        self.asked.append(size)
        if self.fails_at is not None and self.given >= self.fails_at:
            raise RuntimeError("the sender went away")
        count = min(size, self.left)
        self.left -= count
        self.given += count
        return b"x" * count


def keep(catalog: Catalog, source: bytes | BinaryIO, namespace: str = NAMESPACE, most: int | None = None) -> int:
    with blobs.spool(catalog.directory, source, most) as content, catalog.write() as connection:
        return blobs.store(connection, namespace, content)


def on_disk(directory: Path) -> list[str]:
    folder = directory / "blobs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    made = Catalog.open_file(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 3 * PIECE_BYTES])
def test_content_comes_back_as_it_was(any_room: Any, size: int) -> None:
    content = (LARGE * 4)[:size]
    blob = keep(any_room.catalog, io.BytesIO(content))
    with any_room.catalog.read() as connection:
        assert blobs.read(connection, blob) == content
        with blobs.open(connection, blob) as stream:
            assert stream.read() == content
        for start, end in ((0, 0), (0, 10), (size // 2, size // 2 + 7), (max(0, size - 3), size)):
            assert blobs.read_span(connection, blob, start, end) == content[start:end]


def test_small_content_lies_in_the_row_and_large_content_in_a_private_file(catalog: Catalog, tmp_path: Path) -> None:
    keep(catalog, LARGE[:INLINE_BYTES])
    assert on_disk(tmp_path) == []
    keep(catalog, LARGE)
    digest = hashlib.sha256(LARGE).hexdigest()
    assert on_disk(tmp_path) == [digest]
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "blobs" / digest).stat().st_mode) == 0o600


def test_bytes_may_be_stored_inside_a_transaction(catalog: Catalog, tmp_path: Path) -> None:
    with catalog.write() as connection:
        small, large = blobs.store(connection, NAMESPACE, b"small"), blobs.store(connection, NAMESPACE, LARGE)
        assert blobs.read(connection, small) == b"small"
        assert blobs.read(connection, large) == LARGE
    assert on_disk(tmp_path) == [hashlib.sha256(LARGE).hexdigest()]


def test_equal_content_is_kept_once_in_a_namespace(catalog: Catalog, tmp_path: Path) -> None:
    first = keep(catalog, LARGE)
    assert keep(catalog, io.BytesIO(LARGE)) == first
    other = keep(catalog, LARGE, "other")
    assert other != first
    assert on_disk(tmp_path) == [hashlib.sha256(LARGE).hexdigest()]
    with catalog.read() as connection:
        assert blobs.read(connection, other) == LARGE


def test_large_content_is_read_in_pieces(catalog: Catalog) -> None:
    stream = Pieces(5 * PIECE_BYTES + 3)
    keep(catalog, stream)  # type: ignore[arg-type]
    assert set(stream.asked) == {PIECE_BYTES}


def test_reading_many_keeps_their_order_and_is_one_statement(any_room: Any) -> None:
    contents = [LARGE, b"", b"small", LARGE + b"x"]
    made = [keep(any_room.catalog, content) for content in contents]
    asked = [made[3], made[2], made[0], made[2], made[1]]
    with any_room.catalog.read() as connection, any_room.statements() as seen:
        assert blobs.read_many(connection, asked) == [LARGE + b"x", b"small", LARGE, b"small", b""]
    assert len(seen) == 1


@pytest.mark.parametrize("limit", [10, INLINE_BYTES, 2 * PIECE_BYTES])
def test_too_large_content_is_refused_while_it_is_read(any_room: Any, limit: int) -> None:
    keep(any_room.catalog, Pieces(limit), most=limit)  # type: ignore[arg-type]
    stream = Pieces(limit + 10 * PIECE_BYTES)
    with pytest.raises(BadRequestError) as caught:
        keep(any_room.catalog, stream, most=limit)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.param) == ("file_too_large", "file")
    assert str(limit) in str(caught.value)
    assert stream.given <= limit + PIECE_BYTES
    assert any_room.count("blobs") == 1
    if any_room.catalog.directory is not None:
        assert len(on_disk(any_room.catalog.directory)) == (1 if limit > INLINE_BYTES else 0)


def test_nothing_stays_of_an_upload_that_breaks_off(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="went away"):
        keep(catalog, Pieces(9 * PIECE_BYTES, fails_at=3 * PIECE_BYTES))  # type: ignore[arg-type]
    assert on_disk(tmp_path) == []


def test_nothing_stays_of_content_that_was_not_stored(catalog: Catalog, tmp_path: Path) -> None:
    with blobs.spool(tmp_path, LARGE) as content:
        (partial,) = on_disk(tmp_path)
        assert partial.startswith(blobs.PARTIAL_PREFIX)
        assert partial.endswith(blobs.PARTIAL_SUFFIX)
        assert content.size == len(LARGE)
    assert on_disk(tmp_path) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oauth_codex.local.catalog.blobs.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        keep(catalog, LARGE)
    assert on_disk(tmp_path) == []


def test_a_torn_file_under_the_final_name_is_replaced(catalog: Catalog, tmp_path: Path) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / digest).write_bytes(b"torn")
    blob = keep(catalog, LARGE)
    with catalog.read() as connection:
        assert blobs.read(connection, blob) == LARGE
    assert on_disk(tmp_path) == [digest]


def test_missing_content_is_an_error_that_names_the_file(catalog: Catalog, tmp_path: Path) -> None:
    blob = keep(catalog, LARGE)
    digest = hashlib.sha256(LARGE).hexdigest()
    (tmp_path / "blobs" / digest).unlink()
    with catalog.read() as connection, pytest.raises(StorageError, match=digest):
        blobs.read(connection, blob)


# -- letting go --------------------------------------------------------------------------------------------------------


def test_content_goes_with_the_last_file_that_has_it(any_room: Any) -> None:
    one, two = any_room.add_files(2, content=LARGE)
    directory = any_room.catalog.directory
    for row, left in ((one, 1), (two, 0)):
        with any_room.catalog.write() as connection:
            files.delete(connection, NAMESPACE, [row], any_room.now)
        assert any_room.count("blobs") == left
        if directory is not None:
            assert len(on_disk(directory)) == left


def test_content_stays_while_the_text_of_an_attachment_is_it(room: Any) -> None:
    store = room.add_store()
    (row,) = room.add_files(1)
    (attached,) = room.attach(store, [row])
    with room.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE attachments SET text_blob_id = ?", (row.blob_id,))
        connection.exec_driver_sql("DELETE FROM files")
        blobs.release(connection, NAMESPACE, [row.blob_id])
    assert room.count("blobs") == 1
    with room.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM attachments WHERE id = ?", (attached,))
        blobs.release(connection, NAMESPACE, [row.blob_id])
    assert room.count("blobs") == 0


def test_a_file_on_disk_stays_while_another_namespace_has_it(catalog: Catalog, tmp_path: Path) -> None:
    mine, theirs = keep(catalog, LARGE), keep(catalog, LARGE, "other")
    with catalog.write() as connection:
        blobs.release(connection, "other", [mine])  # not theirs to release
        blobs.release(connection, NAMESPACE, [mine])
    assert len(on_disk(tmp_path)) == 1
    with catalog.write() as connection:
        assert blobs.read(connection, theirs) == LARGE
        blobs.release(connection, "other", [theirs])
        assert len(on_disk(tmp_path)) == 1  # the transaction may still fail
    assert on_disk(tmp_path) == []


def test_a_release_that_is_rolled_back_keeps_the_file(catalog: Catalog, tmp_path: Path) -> None:
    blob = keep(catalog, LARGE)

    def fail() -> None:
        with catalog.write() as connection:
            blobs.release(connection, NAMESPACE, [blob])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with catalog.read() as connection:
        assert blobs.read(connection, blob) == LARGE


def test_content_stored_again_between_release_and_removal_survives(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer stores the same content after the releasing transaction committed, before its file is unlinked."""
    blob = keep(catalog, LARGE)
    again: list[int] = []
    unlink = blobs._unlink

    def late(*args: Any) -> None:
        thread = threading.Thread(target=lambda: again.append(keep(catalog, LARGE)))
        thread.start()
        thread.join()
        unlink(*args)

    monkeypatch.setattr(blobs, "_unlink", late)
    with catalog.write() as connection:
        blobs.release(connection, NAMESPACE, [blob])
    with catalog.read() as connection:
        assert blobs.read(connection, again[0]) == LARGE


def test_an_open_stream_outlives_the_deletion(catalog: Catalog) -> None:
    blob = keep(catalog, LARGE)
    with catalog.read() as connection:
        stream = blobs.open(connection, blob)
    with catalog.write() as connection:
        blobs.release(connection, NAMESPACE, [blob])
    with stream:
        assert stream.read() == LARGE


def test_releasing_many_takes_two_statements(room: Any) -> None:
    with room.catalog.write() as connection:
        made = [blobs.store(connection, NAMESPACE, b"%d" % i) for i in range(100)]
        with room.statements() as seen:
            blobs.release(connection, NAMESPACE, made)
    assert len(seen) == 2
    assert room.count("blobs") == 0
