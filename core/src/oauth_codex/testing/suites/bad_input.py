"""Wrong arguments: refused by name, and nothing is changed."""

from __future__ import annotations

from typing import Any

from ...client import OAuthCodexClient
from ...errors import BadRequestError, NotFoundError, NotSupportedError, OAuthCodexError, ParameterValidationError
from ..case import Storage
from ..marks import requires, rule
from .base import DriverTests
from .support import Wrong, assert_refused, attached, filled, uploaded

#: Python refuses to write it down.
HUGE = 10**5000
PAIRS_17 = {f"k{number}": "v" for number in range(17)}
Bad = BadRequestError


def deep(levels: int = 50_000) -> Any:
    """A list within a list, and so on."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


class BadInputTests(DriverTests):
    """What no call may accept."""

    @rule("R6")
    def test_wrong_ids(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "apples")
        stores: Any = client.vector_stores
        files: Any = client.files
        cases: dict[str, Wrong] = {
            "empty store id": (lambda: stores.delete(""), ParameterValidationError, None, ["vector_store_id", "''"]),
            "empty file id": (lambda: stores.files.delete(store, ""), ParameterValidationError, None, ["file_id", "''"]),
            "no id": (lambda: stores.retrieve(None), ParameterValidationError, None, ["vector_store_id", "None"]),
            "reversed": (lambda: stores.files.delete("file-1", "vs_1"), ParameterValidationError, "swapped_ids", ["reversed"]),
            "path": (lambda: files.delete("../etc/passwd"), Bad, "invalid_value", ["../etc/passwd", "letters"]),
            "NUL": (lambda: files.content("file-\0"), Bad, "invalid_value", ["letters"]),
            "129 characters": (lambda: stores.retrieve("v" * 129), Bad, "invalid_value", ["128"]),
            "surrogate": (lambda: stores.retrieve("vs_\ud800"), Bad, "invalid_value", ["letters"]),
            "list": (lambda: stores.retrieve(["vs_1"]), Bad, "invalid_type", ["vector_store_id", "a string"]),
            "unknown": (lambda: stores.retrieve("vs_none"), NotFoundError, None, ["vs_none"]),
            "one id of two": (lambda: stores.files.content(file), TypeError, None, ["vector_store_id"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_pages(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "apples")
        (loose,) = uploaded(client, "pears")
        stores: Any = client.vector_stores
        cases: dict[str, Wrong] = {
            "limit 0": (lambda: stores.list(limit=0), Bad, "integer_below_min_value", ["'limit'", ">= 1", "got 0"]),
            "limit -1": (lambda: stores.files.list(store, limit=-1), Bad, "integer_below_min_value", ["'limit'"]),
            "limit 101": (lambda: stores.files.list(store, limit=101), Bad, "integer_above_max_value", ["<= 100", "got 101"]),
            "limit 10001": (lambda: client.files.list(limit=10_001), Bad, "integer_above_max_value", ["<= 10000"]),
            "limit True": (lambda: stores.list(limit=True), Bad, "invalid_type", ["an integer", "True"]),
            "limit 2.5": (lambda: stores.list(limit=2.5), Bad, "invalid_type", ["an integer", "2.5"]),
            "huge limit": (lambda: stores.list(limit=HUGE), Bad, "integer_above_max_value", ["<= 100"]),
            "cursor of another list": (lambda: stores.files.list(store, before=loose), Bad, "invalid_value", ["'before'", loose]),
            "surrogate": (lambda: stores.list(after="\ud800"), Bad, None, ["'after'"]),
            "order": (lambda: stores.list(order="newest"), Bad, "invalid_value", ["'newest'", "'asc' or 'desc'"]),
            "status": (lambda: stores.files.list(store, filter="done"), Bad, "invalid_value", ["'done'", "'completed'"]),
            "unknown option": (lambda: stores.list(limits=5), Bad, "unknown_parameter", ["'limits'", "'limit'"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_metadata(self, storage: Storage) -> None:
        client = storage.open()
        store, _ = filled(client, "apples")
        stores: Any = client.vector_stores
        cases: dict[str, Wrong] = {
            "17 pairs": (lambda: stores.create(metadata=PAIRS_17), Bad, "object_above_max_properties", ["at most 16", "17"]),
            "long key": (lambda: stores.update(store, metadata={"k" * 65: "v"}), Bad, "string_above_max_length", ["64", "65"]),
            "long value": (lambda: stores.create(metadata={"k": "v" * 513}), Bad, "string_above_max_length", ["metadata.k", "512"]),
            "a list": (lambda: stores.create(metadata=["a"]), Bad, "invalid_type", ["metadata", "an object"]),
            "list inside": (lambda: stores.create(metadata={"a": [1]}), Bad, "invalid_type", ["metadata.a", "[1]"]),
            "5000 digits": (lambda: stores.create(metadata={"a": HUGE}), Bad, None, ["metadata.a"]),
            "endless": (lambda: stores.create(metadata={"a": deep()}), Bad, "invalid_type", ["metadata.a"]),
            "surrogate": (lambda: stores.create(name="\ud800"), Bad, None, ["'name'", "surrogate"]),
            "field of the service": (lambda: stores.create(usage_bytes=5), Bad, "unknown_parameter", ["'usage_bytes'"]),
            "no JSON": (lambda: stores.create(color={1, 2}), Bad, "invalid_type", ["color", "JSON"]),
            "huge extra field": (lambda: stores.create(color=HUGE), Bad, None, ["color"]),
            "endless extra field": (lambda: stores.create(color=deep()), Bad, "invalid_type", ["color"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_attributes_when_attaching(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "apples")
        (loose,) = uploaded(client, "pears")
        files: Any = client.vector_stores.files
        cases: dict[str, Wrong] = {
            "17": (lambda: files.create(store, file_id=loose, attributes=PAIRS_17), Bad, "object_above_max_properties", ["16"]),
            "long value": (lambda: files.create(store, file_id=loose, attributes={"k": "v" * 513}), Bad,
                           "string_above_max_length", ["attributes.k", "512", "513"]),
            "65 bits": (lambda: files.create(store, file_id=loose, attributes={"a": 2**63}), Bad, "invalid_type", ["64 bits"]),
            "5000 digits": (lambda: files.create(store, file_id=loose, attributes={"a": HUGE}), Bad, "invalid_type", ["64 bits"]),
            "NaN": (lambda: files.upload(store, file=b"x", attributes={"a": float("nan")}), Bad, "invalid_type", ["finite"]),
            "infinite": (lambda: files.upload(store, file=b"x", attributes={"a": float("inf")}), Bad, "invalid_type", ["finite"]),
            "None": (lambda: files.create(store, file_id=loose, attributes={"a": None}), Bad, "invalid_type", ["attributes.a"]),
            "list": (lambda: files.upload(store, file=b"x", attributes={"a": []}), Bad, "invalid_type", ["attributes.a"]),
            "surrogate": (lambda: files.create(store, file_id=loose, attributes={"a": "\udfff"}), Bad, None, ["surrogate"]),
            "misspelt": (lambda: files.create(store, file_id=loose, atributes={}), (TypeError, Bad), None, ["atributes"]),
            "missing file": (lambda: files.create(store, file_id="file-none"), NotFoundError, None, ["file-none"]),
            "missing store": (lambda: files.create("vs_none", file_id=loose), NotFoundError, None, ["vs_none"]),
            "upload to a missing store": (lambda: files.upload("vs_none", file=b"new"), NotFoundError, None, ["vs_none"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    @requires("update_attributes")
    def test_wrong_updates_of_attributes(self, storage: Storage) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        file = attached(client, store, "apples", attributes={"year": 2020}).id
        update: Any = client.vector_stores.files.update
        client.vector_stores.files.update(file, vector_store_id=store, attributes={"year": 2021})
        cases: dict[str, Wrong] = {
            "17": (lambda: update(file, vector_store_id=store, attributes=PAIRS_17), Bad, "object_above_max_properties", ["16"]),
            "NaN": (lambda: update(store, file, attributes={"a": float("nan")}), Bad, "invalid_type", ["finite"]),
            "nothing": (lambda: update(file, vector_store_id=store), NotSupportedError, "not_supported", ["attributes"]),
            "unknown file": (lambda: update(store, "file-none", attributes={}), NotFoundError, None, ["file-none"]),
            "unknown store": (lambda: update("vs_none", file, attributes={}), NotFoundError, None, ["vs_none"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_chunking(self, storage: Storage) -> None:
        client = storage.open()
        store, _ = filled(client, "apples")
        (loose,) = uploaded(client, "pears")
        stores: Any = client.vector_stores

        def static(size: Any, overlap: Any) -> dict[str, Any]:
            return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}

        def create(strategy: Any) -> Any:
            return lambda: stores.create(chunking_strategy=strategy)

        def attach(strategy: Any) -> Any:
            return lambda: stores.files.create(store, file_id=loose, chunking_strategy=strategy)

        cases: dict[str, Wrong] = {
            "99 tokens": (create(static(99, 0)), Bad, None, ["static.max_chunk_size_tokens", ">= 100", "99"]),
            "4097 tokens": (attach(static(4097, 0)), Bad, None, ["static.max_chunk_size_tokens", "<= 4096", "4097"]),
            "overlap above half": (attach(static(101, 51)), Bad, None, ["static.chunk_overlap_tokens", "<= 50", "51"]),
            "negative overlap": (create(static(100, -1)), Bad, None, ["chunk_overlap_tokens", ">= 0"]),
            "text": (create(static("800", 400)), Bad, "invalid_type", ["'800'", "an integer"]),
            "top level": (create({"type": "static", "max_chunk_size_tokens": 800}), Bad, None, ["inside 'static'"]),
            "unknown": (attach({"type": "semantic"}), Bad, None, ["'semantic'", "'auto'"]),
            "no overlap": (create({"type": "static", "static": {"max_chunk_size_tokens": 800}}), Bad, None, ["chunk_overlap_tokens"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    @requires("store_expiry")
    def test_wrong_expiry_of_stores(self, storage: Storage) -> None:
        client = storage.open()
        store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 365}).id
        stores: Any = client.vector_stores
        cases: dict[str, Wrong] = {
            "366 days": (lambda: stores.create(expires_after={"anchor": "last_active_at", "days": 366}), Bad, None, ["<= 365", "366"]),
            "0 days": (lambda: stores.create(expires_after={"anchor": "last_active_at", "days": 0}), Bad, None, [">= 1"]),
            "anchor": (lambda: stores.update(store, expires_after={"anchor": "created_at", "days": 1}), Bad, None,
                       ["'created_at'", "'last_active_at'"]),
            "half a day": (lambda: stores.update(store, expires_after={"anchor": "last_active_at", "days": 0.5}), Bad,
                           "invalid_type", ["an integer"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    @requires("file_expiry")
    def test_wrong_expiry_of_files(self, storage: Storage) -> None:
        client = storage.open()
        create: Any = client.files.create
        create(file=b"a", purpose="assistants", expires_after={"anchor": "created_at", "seconds": 2_592_000})

        def expiring(seconds: Any, anchor: str = "created_at") -> Any:
            return lambda: create(file=b"a", purpose="assistants", expires_after={"anchor": anchor, "seconds": seconds})

        cases: dict[str, Wrong] = {
            "too short": (expiring(3599), Bad, None, [">= 3600", "3599"]),
            "too long": (expiring(2_592_001), Bad, None, ["<= 2592000", "2592001"]),
            "anchor": (expiring(3600, "last_active_at"), Bad, None, ["'last_active_at'", "'created_at'"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_lists_of_files(self, client: OAuthCodexClient) -> None:
        _, (file,) = filled(client, "apples")
        most = client.backend.capabilities.max_create_files
        create: Any = client.vector_stores.create
        cases: dict[str, Wrong] = {
            "missing file": (lambda: create(name="new", file_ids=[file, "file-none"]), NotFoundError, None, ["file-none"]),
            "one string": (lambda: create(file_ids=file), Bad, "invalid_type", ["file_ids", "an array"]),
            "malformed": (lambda: create(file_ids=[file, "a/b"]), Bad, None, ["file_ids[1]", "a/b"]),
            "too many": (lambda: create(file_ids=[f"file-{i}" for i in range(most + 1)]), Bad, "array_above_max_length",
                         [str(most), str(most + 1)]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    @requires("file_batches")
    def test_wrong_batches(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "apples")
        (loose,) = uploaded(client, "pears")
        batches: Any = client.vector_stores.file_batches
        batches.create(store, file_ids=[file])
        cases: dict[str, Wrong] = {
            "nothing": (lambda: batches.create(store), Bad, None, ["file_ids", "files", "neither"]),
            "both": (lambda: batches.create(store, file_ids=[loose], files=[{"file_id": loose}]), Bad, None, ["both"]),
            "empty": (lambda: batches.create(store, file_ids=[]), Bad, None, ["'file_ids'", "1"]),
            "attributes of one": (
                lambda: batches.create(store, files=[{"file_id": loose}, {"file_id": file, "attributes": {"a": []}}]),
                Bad, "invalid_type", ["files[1].attributes.a"],
            ),
            "missing file": (lambda: batches.create(store, file_ids=[loose, "file-none"]), NotFoundError, None, ["file-none"]),
            "missing store": (lambda: batches.create("vs_none", file_ids=[loose]), NotFoundError, None, ["vs_none"]),
            "uploads to a missing store": (
                lambda: batches.upload_and_poll("vs_none", files=[b"new", b"newer"]), NotFoundError, None, ["vs_none"],
            ),
            "upload of a number": (lambda: batches.upload_and_poll(store, files=[b"new", 5]), TypeError, None, ["int", "bytes"]),
            "store for a batch": (lambda: batches.retrieve("vs_1", vector_store_id=store), Bad, "invalid_value", ["'vsfb_'"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_uploads(self, client: OAuthCodexClient) -> None:
        filled(client, "apples")
        create: Any = client.files.create
        cases: dict[str, Wrong] = {
            "number": (lambda: create(file=5, purpose="assistants"), TypeError, None, ["int", "bytes", "path"]),
            "purpose": (lambda: create(file=b"a", purpose="fun"), Bad, "invalid_value", ["'fun'", "'assistants'"]),
            "no purpose": (lambda: create(file=b"a"), (TypeError, Bad), None, ["purpose"]),
            "surrogate": (lambda: create(file=("\ud800.txt", b"a"), purpose="assistants"), Bad, None, ["filename", "surrogate"]),
            "long name": (lambda: create(file=("n" * 1025, b"a"), purpose="assistants"), Bad, None, ["filename", "1024"]),
            "no such path": (lambda: create(file="/none/a.txt", purpose="assistants"), FileNotFoundError, None, ["/none/a.txt"]),
            "handle that fails": (lambda: create(file=("a", _Broken(b"x" * 3_000_000, OSError(5, "the cable is out"))),
                                                 purpose="assistants"), OSError, None, ["the cable is out"]),
            "handle of numbers": (lambda: create(file=("a", _Broken(b"some", 5)), purpose="assistants"), TypeError, None, ["int"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R6")
    def test_wrong_addresses(self, client: OAuthCodexClient) -> None:
        filled(client, "apples")
        cases: dict[str, Wrong] = {
            "elsewhere": (lambda: client.request("GET", "//elsewhere/vector_stores"), OAuthCodexError, None, ["//elsewhere"]),
            "unknown": (lambda: client.request("POST", "/responses"), NotSupportedError, "not_supported_on_codex_oauth",
                        ["/responses"]),
        }  # fmt: skip
        assert_refused(client, cases)

    @rule("R22")
    def test_bounds_themselves_are_accepted(self, client: OAuthCodexClient) -> None:
        store, (file,) = filled(client, "apples")
        full = {f"{number:064d}": "v" * 512 for number in range(16)}
        assert client.vector_stores.update(store, metadata=full).metadata == full
        edge = {"type": "static", "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 2048}}
        made = client.vector_stores.files.create_and_poll(store, file_id=file, attributes=full, chunking_strategy=edge)
        assert made.attributes == full
        assert made.chunking_strategy is not None
        assert made.chunking_strategy.to_dict() == edge
        big = {"a": 2**63 - 1, "b": -(2**63) + 1, "c": 1.5, "d": False}
        assert attached(client, store, "b", attributes=big).attributes == big
        assert len(client.vector_stores.list(limit=100).data) == 1
        assert len(client.files.list(limit=10_000).data) == 2


class _Broken:
    """A handle that gives these pieces; an exception is raised, and what is no bytes is given all the same."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1) -> Any:
        piece = next(self._pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece
