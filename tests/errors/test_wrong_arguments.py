"""Wrong arguments: a typed error that names the value and what is accepted, and nothing is changed, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import (
    BadRequestError,
    NotFoundError,
    NotSupportedError,
    OAuthCodexClient,
    OAuthCodexError,
    ParameterValidationError,
)

Dump = Callable[[OAuthCodexClient], dict[str, Any]]


def _deep() -> Any:
    found: list[Any] = []
    for _ in range(50_000):
        found = [found]
    return found


#: Python refuses to write it down.
_HUGE = 10**5000


def _static(size: Any, overlap: Any) -> dict[str, Any]:
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}


_PAIRS_17 = {f"k{i}": "v" for i in range(17)}

#: What is done, the error, its code if the contract names one, and words that its message must have.
Case = tuple[Callable[[Any], Any], type[BaseException] | tuple[type[BaseException], ...], str | None, tuple[str, ...]]

Bad = BadRequestError
CASES: dict[str, Case] = {
    # -- calling styles and ids
    "both styles at once": (
        lambda w: w.stores.files.retrieve(w.store, w.file, vector_store_id=w.store), TypeError, None,
        ("retrieve(vector_store_id, file_id", "retrieve(file_id, vector_store_id="),
    ),
    "store given twice": (
        lambda w: w.stores.files.delete(w.store, vector_store_id=w.store, file_id=w.file), TypeError, None, ("each value once",),
    ),
    "one positional only": (lambda w: w.stores.files.content(w.file), TypeError, None, ("vector_store_id", "file_id")),
    "three positionals": (lambda w: w.stores.file_batches.cancel(w.store, w.batch, "x"), TypeError, None, ("vector_store_id",)),
    "reversed ids": (
        lambda w: w.stores.files.delete(w.file, w.store), ParameterValidationError, "swapped_ids", ("reversed", "delete('vs_"),
    ),
    "reversed batch ids": (
        lambda w: w.stores.file_batches.cancel(w.batch, w.store), ParameterValidationError, "swapped_ids", ("reversed", "cancel('vs_"),
    ),
    "empty store id": (
        lambda w: w.stores.delete(""), ParameterValidationError, None,
        ("Expected a non-empty value for `vector_store_id` but received ''",),
    ),
    "empty file id": (
        lambda w: w.stores.files.delete(w.store, ""), ParameterValidationError, None,
        ("Expected a non-empty value for `file_id` but received ''",),
    ),
    "no batch id": (
        lambda w: w.stores.file_batches.cancel(w.store, None), ParameterValidationError, None,
        ("Expected a non-empty value for `batch_id` but received None",),
    ),
    "empty id in the files API": (lambda w: w.client.files.delete(""), ParameterValidationError, None, ("`file_id`", "''")),
    "id that is a path": (lambda w: w.client.files.delete("../etc/passwd"), Bad, "invalid_value", ("../etc/passwd", "letters")),
    "id with NUL": (lambda w: w.client.files.content("file-\0"), Bad, "invalid_value", ("letters",)),
    "id of 129 characters": (lambda w: w.stores.retrieve("v" * 129), Bad, "invalid_value", ("128",)),
    "id with a lone surrogate": (lambda w: w.stores.retrieve("vs_\ud800"), Bad, "invalid_value", ("letters",)),
    "id that is a list": (lambda w: w.stores.retrieve(["vs_1"]), Bad, "invalid_type", ("vector_store_id", "a string")),
    "unknown store": (lambda w: w.stores.delete("vs_none"), NotFoundError, None, ("vs_none",)),
    "unknown file": (lambda w: w.client.files.delete("file-none"), NotFoundError, None, ("file-none",)),
    "file that is not attached": (lambda w: w.stores.files.delete(w.store, w.loose), NotFoundError, None, ("file-", "vs_")),
    "unknown batch": (lambda w: w.stores.file_batches.cancel(w.store, "vsfb_none"), NotFoundError, None, ("vsfb_none",)),
    "store id as batch id": (
        lambda w: w.stores.file_batches.retrieve("vs_1", vector_store_id=w.store), Bad, "invalid_value", ("'vsfb_'",),
    ),
    # -- pages
    "limit 0": (lambda w: w.stores.list(limit=0), Bad, "integer_below_min_value", ("'limit'", ">= 1", "got 0")),
    "limit 101": (lambda w: w.stores.files.list(w.store, limit=101), Bad, "integer_above_max_value", ("<= 100", "got 101")),
    "limit 10001 of files": (lambda w: w.client.files.list(limit=10_001), Bad, "integer_above_max_value", ("<= 10000",)),
    "limit True": (lambda w: w.stores.list(limit=True), Bad, "invalid_type", ("an integer", "True")),
    "limit of 5000 digits": (lambda w: w.stores.list(limit=_HUGE), Bad, "integer_above_max_value", ("<= 100",)),
    "unknown cursor": (lambda w: w.stores.list(after="vs_none"), Bad, "invalid_value", ("'after'", "vs_none")),
    "cursor of another list": (lambda w: w.stores.files.list(w.store, before=w.loose), Bad, "invalid_value", ("'before'",)),
    "cursor with a lone surrogate": (lambda w: w.stores.list(after="\ud800"), Bad, None, ("'after'",)),
    "unknown order": (lambda w: w.stores.list(order="newest"), Bad, "invalid_value", ("'newest'", "'asc' or 'desc'")),
    "unknown status": (lambda w: w.stores.files.list(w.store, filter="done"), Bad, "invalid_value", ("'done'", "'completed'")),
    # -- metadata and attributes
    "17 pairs of metadata": (
        lambda w: w.stores.create(metadata=_PAIRS_17), Bad, "object_above_max_properties", ("at most 16", "17"),
    ),
    "17 attributes": (
        lambda w: w.stores.files.update(w.file, vector_store_id=w.store, attributes=_PAIRS_17), Bad,
        "object_above_max_properties", ("at most 16", "17"),
    ),
    "key of 65 characters": (
        lambda w: w.stores.update(w.store, metadata={"k" * 65: "v"}), Bad, "string_above_max_length", ("64", "65"),
    ),
    "value of 513 characters": (
        lambda w: w.stores.files.create(w.store, file_id=w.loose, attributes={"k": "v" * 513}), Bad,
        "string_above_max_length", ("attributes.k", "512", "513"),
    ),
    "metadata that is a list": (lambda w: w.stores.create(metadata=["a"]), Bad, "invalid_type", ("metadata", "an object")),
    "list in metadata": (lambda w: w.stores.create(metadata={"a": [1]}), Bad, "invalid_type", ("metadata.a", "[1]")),
    "metadata of 5000 digits": (lambda w: w.stores.create(metadata={"a": _HUGE}), Bad, None, ("metadata.a",)),
    "metadata nested without end": (lambda w: w.stores.create(metadata={"a": _deep()}), Bad, "invalid_type", ("metadata.a",)),
    "attribute of 64 bits and one": (
        lambda w: w.stores.files.update(w.store, w.file, attributes={"a": 2**63}), Bad, "invalid_type", ("64 bits",),
    ),
    "attribute of 5000 digits": (
        lambda w: w.stores.files.update(w.store, w.file, attributes={"a": _HUGE}), Bad, "invalid_type", ("64 bits",),
    ),
    "attribute NaN": (
        lambda w: w.stores.files.update(w.store, w.file, attributes={"a": float("nan")}), Bad, "invalid_type", ("finite",),
    ),
    "attribute None": (
        lambda w: w.stores.files.update(w.store, w.file, attributes={"a": None}), Bad, "invalid_type", ("attributes.a", "None"),
    ),
    "lone surrogate in an attribute": (
        lambda w: w.stores.files.update(w.store, w.file, attributes={"a": "\udfff"}), Bad, None, ("surrogate",),
    ),
    "lone surrogate in a name": (lambda w: w.stores.create(name="\ud800"), Bad, None, ("'name'", "surrogate")),
    "update without attributes": (
        lambda w: w.stores.files.update(w.file, vector_store_id=w.store), NotSupportedError, "not_supported", ("attributes",),
    ),
    # -- chunking and expiry
    "chunks of 99 tokens": (
        lambda w: w.stores.create(chunking_strategy=_static(99, 0)), Bad, None,
        ("chunking_strategy.static.max_chunk_size_tokens", ">= 100", "99"),
    ),
    "chunks of 4097 tokens": (
        lambda w: w.stores.files.create(w.store, file_id=w.loose, chunking_strategy=_static(4097, 0)), Bad, None,
        ("chunking_strategy.static.max_chunk_size_tokens", "<= 4096", "4097"),
    ),
    "overlap above half": (
        lambda w: w.stores.files.create(w.store, file_id=w.loose, chunking_strategy=_static(101, 51)), Bad, None,
        ("chunking_strategy.static.chunk_overlap_tokens", "<= 50", "51"),
    ),
    "negative overlap": (
        lambda w: w.stores.create(chunking_strategy=_static(100, -1)), Bad, None, ("chunk_overlap_tokens", ">= 0"),
    ),
    "chunk size as text": (
        lambda w: w.stores.create(chunking_strategy=_static("800", 400)), Bad, "invalid_type", ("'800'", "an integer"),
    ),
    "bounds at the top level": (
        lambda w: w.stores.create(chunking_strategy={"type": "static", "max_chunk_size_tokens": 800}), Bad, None, ("inside 'static'",),
    ),
    "unknown chunking": (lambda w: w.stores.create(chunking_strategy={"type": "semantic"}), Bad, None, ("'semantic'", "'auto'")),
    "chunking without overlap": (
        lambda w: w.stores.create(chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 800}}), Bad,
        None, ("chunk_overlap_tokens",),
    ),
    "366 days": (
        lambda w: w.stores.create(expires_after={"anchor": "last_active_at", "days": 366}), Bad, None, ("<= 365", "366"),
    ),
    "wrong anchor": (
        lambda w: w.stores.update(w.store, expires_after={"anchor": "created_at", "days": 1}), Bad, None,
        ("'created_at'", "'last_active_at'"),
    ),
    "file that lives too shortly": (
        lambda w: w.client.files.create(file=b"a", purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3599}),
        Bad, None, (">= 3600", "3599"),
    ),
    # -- whole or nothing
    "missing file in create": (
        lambda w: w.stores.create(name="new", file_ids=[w.file, "file-none"]), NotFoundError, None, ("file-none",),
    ),
    "missing file in update": (
        lambda w: w.stores.update(w.store, name="new", file_ids=[w.loose, "file-none"]), NotFoundError, None, ("file-none",),
    ),
    "missing file in a batch": (
        lambda w: w.stores.file_batches.create(w.store, file_ids=[w.loose, "file-none"]), NotFoundError, None, ("file-none",),
    ),
    "missing file alone": (lambda w: w.stores.files.create(w.store, file_id="file-none"), NotFoundError, None, ("file-none",)),
    "file ids that are one string": (lambda w: w.stores.create(file_ids=w.file), Bad, "invalid_type", ("file_ids", "an array")),
    "malformed id among file ids": (lambda w: w.stores.create(file_ids=[w.file, "a/b"]), Bad, None, ("file_ids[1]", "a/b")),
    "batch of nothing": (lambda w: w.stores.file_batches.create(w.store), Bad, None, ("file_ids", "files", "neither")),
    "batch of both": (
        lambda w: w.stores.file_batches.create(w.store, file_ids=[w.loose], files=[{"file_id": w.loose}]), Bad, None, ("both",),
    ),
    "empty batch": (lambda w: w.stores.file_batches.create(w.store, file_ids=[]), Bad, None, ("'file_ids'", "1")),
    "batch of 2001": (
        lambda w: w.stores.file_batches.create(w.store, file_ids=[f"file-{i}" for i in range(2001)]), Bad,
        "array_above_max_length", ("2000", "2001"),
    ),
    "store of 10001 files": (
        lambda w: w.stores.create(file_ids=[f"file-{i}" for i in range(10_001)]), Bad, "array_above_max_length", ("10000", "10001"),
    ),
    "wrong attributes of one of a batch": (
        lambda w: w.stores.file_batches.create(w.store, files=[{"file_id": w.loose}, {"file_id": w.other, "attributes": {"a": []}}]),
        Bad, "invalid_type", ("files[1].attributes.a",),
    ),
    "wrong attributes of an upload": (
        lambda w: w.stores.files.upload(w.store, file=b"new", attributes={"a": []}), Bad, "invalid_type", ("attributes.a",),
    ),
    "upload to an unknown store": (lambda w: w.stores.files.upload("vs_none", file=b"new"), NotFoundError, None, ("vs_none",)),
    "batch upload to an unknown store": (
        lambda w: w.stores.file_batches.upload_and_poll("vs_none", files=[b"new", b"newer"]), NotFoundError, None, ("vs_none",),
    ),
    "negative wait": (
        lambda w: w.stores.files.upload_and_poll(w.store, file=b"new", max_wait_seconds=-1), ValueError, None,
        ("max_wait_seconds", "-1"),
    ),
    # -- uploads
    "upload of a number": (lambda w: w.client.files.create(file=5, purpose="assistants"), TypeError, None, ("int", "bytes", "path")),
    "second upload of a number": (
        lambda w: w.stores.file_batches.upload_and_poll(w.store, files=[b"new", 5]), TypeError, None, ("int", "bytes"),
    ),
    "files that are one string": (
        lambda w: w.stores.file_batches.upload_and_poll(w.store, files="notes.txt"), (TypeError, Bad), None, ("files",),
    ),
    "unknown purpose": (
        lambda w: w.client.files.create(file=b"a", purpose="fun"), Bad, "invalid_value", ("'fun'", "'assistants'"),
    ),
    "file name with a lone surrogate": (
        lambda w: w.client.files.create(file=("\ud800.txt", b"a"), purpose="assistants"), Bad, None, ("filename", "surrogate"),
    ),
    # -- extra fields and options of the call
    "field that only the service sets": (lambda w: w.stores.create(usage_bytes=5), Bad, "unknown_parameter", ("'usage_bytes'",)),
    "extra field that is no JSON": (lambda w: w.stores.create(color={1, 2}), Bad, "invalid_type", ("color", "JSON")),
    "extra field of 5000 digits": (lambda w: w.stores.create(color=_HUGE), Bad, None, ("color",)),
    "extra field nested without end": (lambda w: w.stores.create(color=_deep()), Bad, "invalid_type", ("color",)),
    "extra body that is a string": (lambda w: w.stores.create(extra_body="x"), (Bad, TypeError), None, ("extra_body",)),
    "extra header that is a number": (lambda w: w.stores.list(extra_headers={"a": 1}), Bad, None, ("extra_headers",)),
    "time limit that is text": (lambda w: w.stores.list(timeout="1"), Bad, None, ("timeout", "'1'")),
    "misspelt option": (
        lambda w: w.stores.files.create(w.store, file_id=w.loose, atributes={}), (TypeError, Bad), None, ("atributes", "'attributes'"),
    ),
    "misspelt option of a helper": (
        lambda w: w.stores.files.create_and_poll(w.store, file_id=w.loose, pol_interval_ms=5), (TypeError, Bad), None,
        ("pol_interval_ms", "'poll_interval_ms'"),
    ),
    "absolute address": (lambda w: w.client.request("GET", "//elsewhere/vector_stores"), OAuthCodexError, None, ("//elsewhere",)),
    "unknown address": (
        lambda w: w.client.request("POST", "/responses"), NotSupportedError, "not_supported_on_codex_oauth",
        ("/responses", "vector_stores"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_names_value_and_accepted_and_changes_nothing(shared: Any, refused: Callable[..., None], name: str) -> None:
    refused(shared, *CASES[name])


def test_the_bounds_themselves_are_accepted(world: Any) -> None:
    stores = world.stores
    full = {f"{i:064d}": "v" * 512 for i in range(16)}
    assert stores.update(world.store, metadata=full).metadata == full
    assert stores.files.update(world.store, world.file, attributes=full).attributes == full
    assert len(stores.list(limit=100).data) == len(world.client.files.list(limit=10_000).data) - 2 == 1
    edge = _static(4096, 2048)
    assert (
        stores.files.create(world.store, file_id=world.loose, chunking_strategy=edge).chunking_strategy.to_dict()
        == edge
    )
    assert len(stores.search(world.store, query="about", max_num_results=50).data) == 0
    big = {"a": 2**63 - 1, "b": -(2**63) + 1, "c": 1.5, "d": False}
    assert stores.files.update(world.store, world.file, attributes=big).attributes == big


def test_paths_that_cannot_be_read(shared: Any, dump: Dump, tmp_path: Path) -> None:
    before = dump(shared.client)
    for path, kind in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "none.txt", FileNotFoundError),
        (str(tmp_path / "x"), FileNotFoundError),
    ):
        with pytest.raises(kind, match=str(path)):
            shared.client.files.create(file=path, purpose="assistants")
        with pytest.raises(kind, match=str(path)):
            shared.stores.file_batches.upload_and_poll(shared.store, files=[b"fine", path])
    for name in ("a\0b", "a\ud800b"):
        with pytest.raises((OSError, OAuthCodexError), match="a"):
            shared.client.files.create(file=name, purpose="assistants")
    assert dump(shared.client) == before


class Broken:
    """A handle that fails in the middle, or gives what is no content."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1) -> Any:
        piece = next(self._pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([b"x" * 3_000_000, OSError(5, "the cable is out")], OSError),
        ([b"some", 5], TypeError),
        (["a", "\ud800", ""], ParameterValidationError),
    ],
    ids=["fails", "no bytes", "lone surrogate"],
)
def test_a_handle_that_fails_midway_leaves_nothing(
    shared: Any, dump: Dump, pieces: list[Any], kind: type[BaseException]
) -> None:
    before = dump(shared.client)
    with pytest.raises(kind):
        shared.client.files.create(file=("a.txt", Broken(*pieces)), purpose="assistants")
    assert dump(shared.client) == before


def test_expired_store_refuses_and_changes_nothing(world: Any, dump: Dump, clock: Any) -> None:
    world.stores.update(world.store, expires_after={"anchor": "last_active_at", "days": 1})
    clock.advance(86400)
    before = dump(world.client)
    calls: list[Callable[[], Any]] = [
        lambda: world.stores.search(world.store, query="apples"),
        lambda: world.stores.files.create(world.store, file_id=world.loose),
        lambda: world.stores.files.upload(world.store, file=b"new"),
        lambda: world.stores.file_batches.create(world.store, file_ids=[world.loose]),
        lambda: world.stores.file_batches.upload_and_poll(world.store, files=[b"new"]),
    ]
    for call in calls:
        with pytest.raises(BadRequestError, match=f"{world.store}.*expired") as caught:
            call()
        assert caught.value.code == "vector_store_expired"
        assert dump(world.client) == before
    assert world.stores.retrieve(world.store).status == "expired"
    assert world.stores.list().data[0].id == world.store
    assert world.stores.delete(world.store).deleted
