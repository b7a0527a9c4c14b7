"""S1: what its docstrings promise beyond the calls: limits, defaults, errors, states and the shapes of its types."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from oauth_codex import AsyncOAuthCodexClient, BadRequestError, NotFoundError, OAuthCodexClient, registry
from oauth_codex.spi import DriverContext

NewFile = Callable[..., str]
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@pytest.fixture
def vs(client: OAuthCodexClient) -> str:
    """Id of an empty store."""
    return client.beta.vector_stores.create(name="Docs").id


def refused(call: Callable[[], object], param: str, code: str) -> None:
    with pytest.raises(BadRequestError) as error:
        call()
    assert (error.value.status_code, error.value.param, error.value.code) == (400, param, code)


# -- limits of create and update ---------------------------------------------------------------------------------------


def test_s1_create_vector_store_takes_10000_file_ids(client: OAuthCodexClient) -> None:
    ids = [f"file-{number}" for number in range(10_001)]
    refused(lambda: client.beta.vector_stores.create(file_ids=ids), "file_ids", "array_above_max_length")
    with pytest.raises(NotFoundError, match="file-0"):  # 10,000 are few enough, they only do not exist
        client.beta.vector_stores.create(file_ids=ids[:-1])
    assert client.beta.vector_stores.list().data == []


def pairs(count: int, key: int = 5, value: int = 5) -> dict[str, Any]:
    """`count` pairs with keys and values of those lengths."""
    return {f"{number:02}".ljust(key, "k"): "v" * value for number in range(count)}


LIMITS = [
    pytest.param(pairs(17), "object_above_max_properties", id="17 pairs"),
    pytest.param(pairs(1, key=65), "string_above_max_length", id="a key of 65 characters"),
    pytest.param(pairs(1, value=513), "string_above_max_length", id="a value of 513 characters"),
]


@pytest.mark.parametrize(("value", "code"), LIMITS)
def test_s1_metadata_limits(client: OAuthCodexClient, vs: str, value: dict[str, Any], code: str) -> None:
    for call in (
        partial(client.beta.vector_stores.create, metadata=value),
        partial(client.beta.vector_stores.update, vs, metadata=value),
    ):
        with pytest.raises(BadRequestError, match="metadata") as error:
            call()
        assert error.value.code == code
    assert [store.metadata for store in client.beta.vector_stores.list()] == [{}]


def test_s1_metadata_at_its_limits(client: OAuthCodexClient) -> None:
    most = pairs(16, key=64, value=512)
    made = client.beta.vector_stores.create(metadata=most)
    assert client.beta.vector_stores.retrieve(made.id).metadata == most
    assert client.beta.vector_stores.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}


@pytest.mark.parametrize(("value", "code"), LIMITS)
def test_s1_attributes_limits(
    client: OAuthCodexClient, vs: str, new_file: NewFile, value: dict[str, Any], code: str
) -> None:
    stores, file = client.beta.vector_stores, new_file()
    other = client.beta.vector_stores.files.create(vs, file_id=new_file())
    for call in (
        lambda: stores.files.create(vs, file_id=file, attributes=value),
        lambda: stores.files.create_and_poll(file, vector_store_id=vs, attributes=value),
        lambda: stores.files.upload_and_poll(vector_store_id=vs, file=b"text", attributes=value),
        lambda: stores.files.update(other.id, vector_store_id=vs, attributes=value),
        lambda: stores.file_batches.create(vs, file_ids=[file], attributes=value),
        lambda: stores.file_batches.create(vs, files=[{"file_id": file, "attributes": value}]),
    ):
        with pytest.raises(BadRequestError, match="attributes") as error:
            call()
        assert error.value.code == code
    assert [found.id for found in stores.files.list(vs)] == [other.id]
    assert len(client.files.list().data) == 2


def test_s1_attributes_at_their_limits(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    most = pairs(13, key=64, value=512) | {"number": 1.5, "integer": 5, "truth": True}
    file = client.beta.vector_stores.files.create(vs, file_id=new_file(), attributes=most)
    found = client.beta.vector_stores.files.retrieve(file.id, vector_store_id=vs).attributes
    assert found == most
    assert [type(found[name]) for name in ("number", "integer", "truth")] == [float, int, bool]
    again = client.beta.vector_stores.files.update(file.id, vector_store_id=vs, attributes={"only": "this"})
    assert again.attributes == {"only": "this"}
    assert client.beta.vector_stores.files.update(file.id, vector_store_id=vs, attributes=None).attributes == {}


def test_s1_create_vector_store_chunking_strategy(client: OAuthCodexClient, new_file: NewFile) -> None:
    strategy: dict[str, Any] = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    text = " ".join(f"word{number}" for number in range(200))
    counts = []
    for asked in ({"type": "auto"}, strategy):
        made = client.beta.vector_stores.create(file_ids=[new_file(text)], chunking_strategy=asked)
        (file,) = client.beta.vector_stores.files.list(made.id).data
        used = file.chunking_strategy
        assert used is not None
        counts.append((used["static"]["max_chunk_size_tokens"], used["static"]["chunk_overlap_tokens"]))
        chunks = client.beta.vector_stores.files.content(file.id, vector_store_id=made.id)
        assert (len(chunks.data) > 1) == (asked is strategy)
    assert counts == [(800, 400), (100, 0)]
    strategy["static"]["chunk_overlap_tokens"] = 51
    at = "chunking_strategy.static.chunk_overlap_tokens"
    refused(lambda: client.beta.vector_stores.create(chunking_strategy=strategy), at, "integer_above_max_value")


def test_s1_create_vector_store_description_and_update_keep_the_rest(client: OAuthCodexClient) -> None:
    made = client.beta.vector_stores.create(name="a", description="for tests", metadata={"k": "v"})
    assert made.description == "for tests"
    changed = client.beta.vector_stores.update(made.id, expires_after={"anchor": "last_active_at", "days": 1})
    assert (changed.name, changed.description, changed.metadata) == ("a", "for tests", {"k": "v"})
    assert changed.expires_at is not None


# -- lists: default 20, at most 100, newest first, cursors -------------------------------------------------------------


def test_s1_list_limits_and_order(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    stores = client.beta.vector_stores
    files = [new_file(f"text {number}") for number in range(21)]
    batch = stores.file_batches.create(vs, file_ids=files)
    made = [vs, *(stores.create(name=str(number)).id for number in range(20))]
    lists: list[tuple[Callable[..., Any], list[str]]] = [
        (stores.list, made),
        (lambda **named: stores.files.list(vs, **named), files),
        (lambda **named: stores.file_batches.list_files(batch.id, vector_store_id=vs, **named), files),
    ]
    for listed, ids in lists:
        page = listed()
        assert [item.id for item in page.data] == ids[:0:-1]  # 20, newest first
        assert page.has_more
        assert [item.id for item in page] == ids[::-1]
        assert [item.id for item in listed(limit=100, order="asc").data] == ids
        assert [item.id for item in listed(limit=1, order="desc").data] == [ids[-1]]
        assert [item.id for item in listed(after=ids[5], limit=3, order="asc").data] == ids[6:9]
        assert [item.id for item in listed(before=ids[5], limit=3, order="asc").data] == ids[2:5]
        refused(partial(listed, limit=101), "limit", "integer_above_max_value")
        refused(partial(listed, limit=0), "limit", "integer_below_min_value")
        refused(partial(listed, order="newest"), "order", "invalid_value")


def test_s1_list_files_by_status(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    good, bad = new_file("text"), new_file(PICTURE, "picture.png")
    batch = client.beta.vector_stores.file_batches.create(vs, file_ids=[good, bad])
    for status, expected in (("completed", [good]), ("failed", [bad]), ("in_progress", []), ("cancelled", [])):
        named: dict[str, Any] = {"vector_store_id": vs, "filter": status}
        assert [file.id for file in client.beta.vector_stores.files.list(**named)] == expected
        assert [file.id for file in client.beta.vector_stores.file_batches.list_files(batch.id, **named)] == expected
    refused(lambda: client.beta.vector_stores.files.list(vs, filter="done"), "filter", "invalid_value")  # type: ignore[arg-type]


# -- not found, and what deletion leaves -------------------------------------------------------------------------------


def test_s1_not_found(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    stores, file = client.beta.vector_stores, new_file()
    for call in (
        lambda: stores.retrieve("vs_nowhere"),
        lambda: stores.delete("vs_nowhere"),
        lambda: stores.files.retrieve(file, vector_store_id=vs),
        lambda: stores.file_batches.retrieve("vsfb_nowhere", vector_store_id=vs),
    ):
        with pytest.raises(NotFoundError) as error:
            call()
        assert error.value.response.status_code == 404


def test_s1_delete_vector_store_file_leaves_the_file(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    file = new_file("text")
    client.beta.vector_stores.files.create(vs, file_id=file)
    deleted = client.beta.vector_stores.files.delete(file_id=file, vector_store_id=vs)
    assert (deleted.id, deleted.deleted, deleted.object) == (file, True, "vector_store.file.deleted")
    assert client.files.content(file) == b"text"
    assert client.beta.vector_stores.retrieve(vs).file_counts.total == 0
    assert client.beta.vector_stores.search(vs, query="text").data == []


def test_s1_delete_vector_store_leaves_the_files(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    file = new_file("text")
    client.beta.vector_stores.files.create(vs, file_id=file)
    deleted = client.beta.vector_stores.delete(vs)
    assert (deleted.id, deleted.deleted, deleted.object) == (vs, True, "vector_store.deleted")
    assert client.files.content(file) == b"text"


# -- helpers: processing that fails, or takes its time -----------------------------------------------------------------


@pytest.mark.parametrize(("content", "code"), [(PICTURE, "unsupported_file"), (b" \n", "invalid_file")])
def test_s1_helpers_return_when_processing_failed(
    client: OAuthCodexClient, vs: str, new_file: NewFile, content: bytes, code: str
) -> None:
    files = client.beta.vector_stores.files
    file = new_file(content, "thing")
    for answer in (
        files.create_and_poll(file, vector_store_id=vs),
        files.poll(file, vector_store_id=vs, poll_interval_ms=1),
        files.upload_and_poll(vector_store_id=vs, file=content),
    ):
        assert answer.status == "failed"
        assert answer.last_error is not None
        assert answer.last_error.code == code
        assert answer.last_error.message


class Slow:
    """A client on which files named `*.slow` are in progress until the gate is opened, and the ids that it has made."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.reached, self.gate = threading.Event(), threading.Event()
        self.ids: list[str] = []
        context = DriverContext(
            directory=directory,
            embedder=registry.open_embedder("hashing", {}),
            new_id=self._new_id,
            parsers={".slow": self._parse},
        )
        self.opened = registry.open_driver(registry.load_driver(backend), {}, context)
        self.client = OAuthCodexClient(self.opened)
        self._call: threading.Thread | None = None

    def _new_id(self, prefix: str) -> str:
        self.ids.append(f"{prefix}{len(self.ids):032x}")
        return self.ids[-1]

    def _parse(self, content: bytes, filename: str | None) -> str:
        self.reached.set()
        assert self.gate.wait(60)
        return content.decode()

    def file(self, text: str, name: str = "text.slow") -> str:
        return self.client.files.create(file=(name, text.encode()), purpose="assistants").id

    def start(self, call: Callable[[], object]) -> None:
        """Begin a call in a thread, until it is at a slow file."""
        self._call = threading.Thread(target=call)
        self._call.start()
        assert self.reached.wait(60)

    def finish(self, seconds: float = 0.0) -> None:
        """Let the call come to its end; takes the place of sleeping."""
        self.gate.set()
        if self._call is not None:
            self._call.join(60)


@pytest.fixture
def slow(backend: str, tmp_path: Path) -> Iterator[Slow]:
    made = Slow(backend, tmp_path / "slow")
    yield made
    made.finish()
    made.opened.close()


def test_s1_poll_waits_for_a_file_in_progress(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = slow.client.beta.vector_stores
    vs, file = stores.create(name="Docs").id, slow.file("alpha gamma")
    slow.start(lambda: stores.file_batches.create(vs, file_ids=[file, slow.file("beta")]))
    now = stores.files.retrieve(file, vector_store_id=vs)
    assert (now.status, now.usage_bytes) == ("in_progress", 0)
    assert file in [found.id for found in stores.files.list(vs, filter="in_progress")]
    assert stores.search(vs, query="gamma").data == []
    monkeypatch.setattr(stores.files, "_sleep", slow.finish)
    assert stores.files.poll(file, vector_store_id=vs).status == "completed"
    assert [hit.file_id for hit in stores.search(vs, query="gamma")] == [file]


def test_s1_best_practices_wait_for_processing(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    client = slow.client
    store, pair = client.beta.vector_stores.create(name="Docs"), [slow.file("alpha gamma"), slow.file("beta")]
    slow.start(partial(client.beta.vector_stores.file_batches.create, store.id, file_ids=pair))
    store = client.beta.vector_stores.retrieve(store.id)
    assert (store.status, store.file_counts.in_progress) == ("in_progress", 2)
    monkeypatch.setattr(time, "sleep", slow.finish)

    while store.status == "in_progress":
        time.sleep(2)
        store = client.beta.vector_stores.retrieve(store.id)

    assert (store.status, store.file_counts.completed) == ("completed", 2)


def test_s1_cancel_of_a_batch_in_progress(slow: Slow) -> None:
    stores = slow.client.beta.vector_stores
    vs, done = stores.create(name="Docs").id, slow.file("alpha", "quick.txt")
    stores.files.create(vs, file_id=done)
    pending = [slow.file(f"gamma {number}") for number in range(3)]
    slow.start(lambda: stores.file_batches.create(vs, file_ids=[done, *pending]))
    (batch_id,) = (made for made in slow.ids if made.startswith("vsfb_"))
    assert stores.file_batches.retrieve(batch_id, vector_store_id=vs).status == "in_progress"

    batch = stores.file_batches.cancel(batch_id, vector_store_id=vs)
    assert (batch.status, batch.file_counts.in_progress) == ("cancelled", 0)
    slow.finish()
    after = stores.file_batches.retrieve(batch_id, vector_store_id=vs)
    assert (after.status, after.file_counts) == ("cancelled", batch.file_counts)
    assert (after.file_counts.cancelled, after.file_counts.completed, after.file_counts.total) == (3, 1, 4)
    cancelled = stores.file_batches.list_files(batch_id, vector_store_id=vs, filter="cancelled")
    assert {file.id for file in cancelled} == set(pending)
    assert stores.search(vs, query="gamma").data == []  # what was cancelled at the last moment is thrown away
    assert stores.retrieve(vs).status == "completed"


@pytest.mark.parametrize("kind", ["path", "str", "file object", "bytes"])
def test_s1_upload_takes_what_the_document_names(client: OAuthCodexClient, vs: str, documents: Path, kind: str) -> None:
    path = documents / "doc1.txt"
    file: Any = {"path": path, "str": str(path), "file object": io.BytesIO(b"bytes"), "bytes": b"bytes"}[kind]
    uploaded = client.beta.vector_stores.files.upload(vector_store_id=vs, file=file)
    expected = path.read_bytes() if kind in ("path", "str") else b"bytes"
    assert client.files.content(uploaded.id) == expected


# -- search ------------------------------------------------------------------------------------------------------------


def test_s1_search_results_1_to_50(client: OAuthCodexClient, vs: str) -> None:
    text = " ".join(f"alpha{number} alpha" for number in range(3000))
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    client.beta.vector_stores.files.upload(vector_store_id=vs, file=text.encode(), chunking_strategy=strategy)
    search = client.beta.vector_stores.search
    for asked in (1, 50):
        found = search(vs, query="alpha", max_num_results=asked)
        assert len(found.data) == asked
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
    assert len(search(vs, query="alpha").data) == 10
    for asked, code in ((0, "integer_below_min_value"), (51, "integer_above_max_value")):
        refused(partial(search, vs, query="alpha", max_num_results=asked), "max_num_results", code)


def test_s1_search_by_attributes_and_several_queries(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    german, english = new_file("Apfel und Birne"), new_file("apple and pear")
    client.beta.vector_stores.files.create(vs, file_id=german, attributes={"lang": "de"})
    client.beta.vector_stores.files.create(vs, file_id=english, attributes={"lang": "en"})
    search = client.beta.vector_stores.search
    both = search(vs, query=["Birne", "pear"])
    assert {hit.file_id for hit in both} == {german, english}
    assert both.search_query == ["Birne", "pear"]
    only = search(vs, query=["Birne", "pear"], filters={"type": "eq", "key": "lang", "value": "en"})
    assert [hit.file_id for hit in only] == [english]
    high = search(vs, query="pear", ranking_options={"score_threshold": 1.0})
    assert len(high.data) < 2
    rewritten = search(vs, query="What is a pear?", rewrite_query=True)
    assert rewritten.data[0].file_id == english


def test_s1_search_result_type(client: OAuthCodexClient, vs: str) -> None:
    upload = client.beta.vector_stores.files.upload_and_poll(
        vector_store_id=vs, file=b"alpha gamma", attributes={"k": 1}
    )
    page = client.beta.vector_stores.search(vs, query="gamma")
    (hit,) = page.data
    assert (page.object, hit.file_id, hit.text, hit.metadata) == (
        "vector_store.search_results.page",
        upload.id,
        "alpha gamma",
        {"k": 1},
    )
    assert isinstance(hit.score, float)


# -- batches -----------------------------------------------------------------------------------------------------------


def test_s1_file_batches_files_or_file_ids(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    create, one, two = client.beta.vector_stores.file_batches.create, new_file("one"), new_file("two")
    refused(lambda: create(vs, file_ids=[one], files=[{"file_id": two}]), "file_ids", "invalid_value")
    refused(lambda: create(vs), "file_ids", "invalid_value")
    refused(lambda: create(vs, file_ids=[]), "file_ids", "array_below_min_length")
    assert client.beta.vector_stores.retrieve(vs).file_counts.total == 0

    create(vs, file_ids=[one, two], attributes={"all": True})
    assert [file.attributes for file in client.beta.vector_stores.files.list(vs)] == [{"all": True}] * 2
    each: list[dict[str, Any]] = [{"file_id": one, "attributes": {"n": 1}}, {"file_id": two, "attributes": {"n": 2}}]
    create(vs, files=each)
    found = {file.id: file.attributes for file in client.beta.vector_stores.files.list(vs)}
    assert found == {one: {"n": 1}, two: {"n": 2}}


# -- types and options -------------------------------------------------------------------------------------------------

TYPES = {
    "store": "id created_at name usage_bytes file_counts status expires_after expires_at last_active_at metadata object",
    "file": "id created_at vector_store_id usage_bytes status last_error chunking_strategy object attributes",
    "batch": "id created_at vector_store_id status file_counts object",
}


@pytest.mark.parametrize("kind", TYPES)
def test_s1_types(client: OAuthCodexClient, vs: str, new_file: NewFile, kind: str) -> None:
    stores = client.beta.vector_stores
    stores.update(vs, expires_after={"anchor": "last_active_at", "days": 7})
    file = stores.files.create(vs, file_id=new_file())
    batch = stores.file_batches.create(vs, file_ids=[file.id])
    made: Any = {"store": stores.retrieve(vs), "file": file, "batch": batch}[kind]
    for name in TYPES[kind].split():
        assert name in made.to_dict(), f"{name} is not in to_dict()"
        assert hasattr(made, name)
    literals = {"store": "vector_store", "file": "vector_store.file", "batch": "vector_store.files_batch"}
    assert made.object == literals[kind]
    if kind != "file":
        assert made.file_counts.to_dict() == {
            "in_progress": 0,
            "completed": 1,
            "failed": 0,
            "cancelled": 0,
            "total": 1,
        }


def test_s1_extra_body_adds_fields_and_wins(client: OAuthCodexClient) -> None:
    made = client.beta.vector_stores.create(
        name="named",
        extra_headers={"x-trace": "1"},
        extra_query={"trace": "1"},
        extra_body={"name": "from the body", "colour": "blue"},
        timeout=httpx.Timeout(30.0),
    )
    assert (made.name, made["colour"]) == ("from the body", "blue")
    found = client.beta.vector_stores.update(made.id, name="x", extra_body={"name": "y"}, timeout=None)
    assert found.name == "y"


# -- best practices: its loop deletes from the list that it goes through -----------------------------------------------


def test_s1_best_practices_clean_up_deletes_while_paging(timed_client: OAuthCodexClient, clock: Any) -> None:
    client = timed_client
    for number in range(65):  # four pages, expired and other stores mixed
        policy = {"anchor": "last_active_at", "days": 1} if number % 3 else None
        client.beta.vector_stores.create(name=str(number), expires_after=policy)
    clock.now += 86400 + 1
    young = client.beta.vector_stores.create(name="young", expires_after={"anchor": "last_active_at", "days": 1})

    stores = client.beta.vector_stores.list()
    for store in stores:
        if store.status == "expired":
            client.beta.vector_stores.delete(store.id)

    left = list(client.beta.vector_stores.list())
    assert [store.name for store in left] == ["young", *(str(n) for n in range(64, -1, -1) if n % 3 == 0)]
    assert (left[0].id, left[0].status) == (young.id, "completed")


@pytest.mark.anyio
async def test_s1_best_practices_clean_up_async(backend: str, clock: Any) -> None:
    async with AsyncOAuthCodexClient(clock=clock) as client:
        for number in range(45):
            await client.beta.vector_stores.create(
                name=str(number), expires_after={"anchor": "last_active_at", "days": 1}
            )
        clock.now += 86400 + 1
        async for store in client.beta.vector_stores.list():
            if store.status == "expired":
                await client.beta.vector_stores.delete(store.id)
        assert (await client.beta.vector_stores.list()).data == []


def test_s1_expired_store_is_listed_but_not_searched(timed_client: OAuthCodexClient, clock: Any) -> None:
    stores = timed_client.beta.vector_stores
    made = stores.create(name="a", expires_after={"anchor": "last_active_at", "days": 7})
    clock.now += 6 * 86400
    stores.search(made.id, query="anything")  # a use, so it begins anew
    clock.now += 6 * 86400
    assert stores.retrieve(made.id).status == "completed"
    clock.now += 86400 + 1
    assert [store.status for store in stores.list()] == ["expired"]
    with pytest.raises(BadRequestError, match="expired") as error:
        stores.search(made.id, query="anything")
    assert error.value.code == "vector_store_expired"
