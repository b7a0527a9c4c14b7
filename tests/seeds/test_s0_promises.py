"""S0: its tables of return shapes, error cases and behaviour, row by row."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from oauth_codex import (
    NotFoundError,
    NotSupportedError,
    OAuthCodexClient,
    ParameterValidationError,
    SDKRequestError,
)

NewFile = Callable[..., str]
Call = Callable[[Any, str, str], object]


@pytest.fixture
def vs(client: OAuthCodexClient) -> str:
    """Id of an empty store."""
    return client.vector_stores.create(name="docs").id


@pytest.fixture
def attached(client: OAuthCodexClient, vs: str, new_file: NewFile) -> str:
    """Id of a file in it."""
    return client.vector_stores.files.create(vs, file_id=new_file("alpha gamma")).id


# -- method summary ----------------------------------------------------------------------------------------------------


def test_s0_method_summary_create_and_poll_is_create(client: OAuthCodexClient, vs: str, attached: str) -> None:
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    assert files.create_and_poll(vs, file_id=attached) == files.create(vs, file_id=attached)
    made = batches.create(vs, file_ids=[attached]).to_dict(exclude_unset=False)
    polled = batches.create_and_poll(vs, file_ids=[attached]).to_dict(exclude_unset=False)
    assert made.pop("id") != polled.pop("id")
    assert made | {"created_at": 0} == polled | {"created_at": 0}


def test_s0_method_summary_poll_is_retrieve(client: OAuthCodexClient, vs: str, attached: str) -> None:
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    assert files.poll(vs, attached) == files.retrieve(vs, attached)
    batch = batches.create(vs, file_ids=[attached])
    assert batches.poll(vs, batch.id) == batches.retrieve(vs, batch.id)


def test_s0_method_summary_content_delegates_to_files_content(client: OAuthCodexClient, vs: str, attached: str) -> None:
    assert client.vector_stores.files.content(vs, attached) == client.files.content(attached) == b"alpha gamma"


@pytest.mark.parametrize("method", ["upload", "upload_and_poll"])
def test_s0_method_summary_upload_uploads_then_attaches(client: OAuthCodexClient, vs: str, method: str) -> None:
    fresh = getattr(client.vector_stores.files, method)(vs, file=io.BytesIO(b"beta"))
    assert client.files.retrieve(fresh.id).purpose == "assistants"
    assert client.files.content(fresh.id) == b"beta"
    assert client.vector_stores.retrieve(vs).file_ids == [fresh.id]


def test_s0_method_summary_batch_upload_and_poll_attaches_all(client: OAuthCodexClient, vs: str) -> None:
    batch = client.vector_stores.file_batches.upload_and_poll(vs, files=[io.BytesIO(b"beta"), b"delta"])
    listed = client.vector_stores.file_batches.list_files(vs, batch.id)
    assert {client.files.content(entry["id"]) for entry in listed["data"]} == {b"beta", b"delta"}


def test_s0_method_summary_list_files_is_files_list(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    batch = client.vector_stores.file_batches.create(vs, file_ids=[new_file("one"), new_file("two")])
    listed = client.vector_stores.file_batches.list_files(vs, batch.id)
    assert isinstance(listed, dict)
    assert listed == client.vector_stores.files.list(vs)


# -- parameters --------------------------------------------------------------------------------------------------------


def test_s0_parameters_update_replaces_memberships(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    one, two, three = new_file("one"), new_file("two"), new_file("three")
    assert client.vector_stores.update(vs, file_ids=[one, two]).file_ids == [one, two]
    assert sorted(client.vector_stores.update(vs, file_ids=[two, three]).file_ids or []) == sorted([two, three])
    assert client.vector_stores.update(vs, file_ids=[]).file_ids == []
    assert client.files.retrieve(one).id == one


def test_s0_parameters_update_replaces_metadata_and_policy(client: OAuthCodexClient) -> None:
    policy: dict[str, Any] = {"anchor": "last_active_at", "days": 1}
    metadata: dict[str, Any] = {"a": 1, "b": True, "c": 2.5, "d": "x"}
    made = client.vector_stores.create(name="n", metadata=metadata, expires_after=policy)
    assert made.metadata == {"a": "1", "b": "true", "c": "2.5", "d": "x"}  # S1 has them as strings
    changed = client.vector_stores.update(made.id, metadata={"e": "f"}, expires_after={**policy, "days": 9})
    assert changed.metadata == {"e": "f"}
    assert changed["expires_after"]["days"] == 9
    assert changed.name == "n"


def test_s0_parameters_extra_payload_is_merged_and_echoed(client: OAuthCodexClient) -> None:
    made = client.vector_stores.create(name="n", colour="blue", nested={"deep": [1, None]})
    again = client.vector_stores.retrieve(made.id)
    assert (again["name"], again["colour"], again["nested"]) == ("n", "blue", {"deep": [1, None]})
    changed = client.vector_stores.update(made.id, name="m", colour="red")
    assert (changed["name"], changed["colour"], changed["nested"]) == ("m", "red", {"deep": [1, None]})


def test_s0_parameters_unknown_ones_cannot_change_an_answer_unseen(client: OAuthCodexClient, vs: str) -> None:
    with pytest.raises(ParameterValidationError, match="max_num_results") as refused:
        client.vector_stores.search(vs, query="x", max_num_result=5)
    assert refused.value.code == "unknown_parameter"
    with pytest.raises(ParameterValidationError, match="limit"):
        client.vector_stores.list(limits=5)


# -- return shapes -----------------------------------------------------------------------------------------------------

STORE = {
    *("id", "object", "created_at", "name", "metadata", "file_ids", "status", "usage_bytes", "file_counts"),
    "expires_after",
}


def test_s0_return_shapes_of_root_methods(client: OAuthCodexClient, vs: str, attached: str) -> None:
    store = client.vector_stores.retrieve(vs)
    for name in STORE:
        assert store[name] == getattr(store, name), name
    assert set(dict(store)) >= STORE
    assert store.file_ids == [attached]

    for page, literal in (
        (client.vector_stores.list(), "list"),
        (client.vector_stores.search(vs, query="alpha"), "vector_store.search_results.page"),
    ):
        assert isinstance(page, dict)
        assert page["object"] == literal
        assert isinstance(page["data"], list)
        assert isinstance(page["data"][0], dict)
        assert json.loads(json.dumps(page)) == page
    assert set(client.vector_stores.list()["data"][0]) >= STORE

    gone = client.vector_stores.delete(vs)
    assert dict(gone) == {"id": vs, "object": "vector_store.deleted", "deleted": True}


def test_s0_return_shapes_of_files(client: OAuthCodexClient, vs: str, attached: str) -> None:
    fields = {"id", "object", "vector_store_id", "status", "created_at"}
    file = client.vector_stores.files.retrieve(vs, attached)
    assert fields <= set(dict(file))
    assert (file["object"], file["status"]) == ("vector_store.file", "completed")

    listed = client.vector_stores.files.list(vs)
    assert isinstance(listed, dict)
    assert fields <= set(listed["data"][0])

    content = client.vector_stores.files.content(vs, attached)
    assert isinstance(content, bytes)

    gone = client.vector_stores.files.delete(vs, attached)
    assert isinstance(gone, dict)
    assert json.loads(json.dumps(gone)) == {"id": attached, "object": "vector_store.file.deleted", "deleted": True}


def test_s0_return_shapes_of_file_batches(client: OAuthCodexClient, vs: str, attached: str) -> None:
    batch = client.vector_stores.file_batches.create(vs, file_ids=[attached])
    assert set(dict(batch)) >= {"id", "object", "vector_store_id", "status", "created_at", "file_counts"}
    assert batch["object"] == "vector_store.files_batch"
    assert batch["file_counts"]["total"] == 1


# -- error cases -------------------------------------------------------------------------------------------------------

MISSING_STORE: dict[str, Call] = {
    "retrieve": lambda stores, store, file: stores.retrieve(store),
    "update": lambda stores, store, file: stores.update(store, name="x"),
    "delete": lambda stores, store, file: stores.delete(store),
    "search": lambda stores, store, file: stores.search(store, query="x"),
    "files.create": lambda stores, store, file: stores.files.create(store, file_id=file),
    "files.create_and_poll": lambda stores, store, file: stores.files.create_and_poll(store, file_id=file),
    "files.retrieve": lambda stores, store, file: stores.files.retrieve(store, file),
    "files.list": lambda stores, store, file: stores.files.list(store),
    "files.delete": lambda stores, store, file: stores.files.delete(store, file),
    "files.poll": lambda stores, store, file: stores.files.poll(store, file),
    "files.upload": lambda stores, store, file: stores.files.upload(store, file=b"x"),
    "files.upload_and_poll": lambda stores, store, file: stores.files.upload_and_poll(store, file=b"x"),
    "file_batches.create": lambda stores, store, file: stores.file_batches.create(store, file_ids=[file]),
    "file_batches.retrieve": lambda stores, store, file: stores.file_batches.retrieve(store, "vsfb_1"),
    "file_batches.list_files": lambda stores, store, file: stores.file_batches.list_files(store, "vsfb_1"),
    "file_batches.cancel": lambda stores, store, file: stores.file_batches.cancel(store, "vsfb_1"),
    "file_batches.upload_and_poll": lambda stores, store, file: stores.file_batches.upload_and_poll(store, files=[b""]),
}


@pytest.mark.parametrize("name", MISSING_STORE)
def test_s0_error_cases_sdk_request_error(client: OAuthCodexClient, new_file: NewFile, name: str) -> None:
    file = new_file()
    before = client.files.list()
    with pytest.raises(SDKRequestError, match="No vector store found with id 'vs_nowhere'") as failed:
        MISSING_STORE[name](client.vector_stores, "vs_nowhere", file)
    error = failed.value
    assert isinstance(error, NotFoundError)
    assert (error.status_code, error.provider_code, error.retryable) == (404, "not_found", False)
    assert error.user_message == "No vector store found with id 'vs_nowhere'."
    assert error.request_id
    assert error.raw_error["message"] == error.user_message
    assert client.files.list() == before  # an upload that could not be attached is not left behind


MISSING_MEMBER: dict[str, Call] = {
    "retrieve": lambda stores, store, file: stores.files.retrieve(store, file),
    "poll": lambda stores, store, file: stores.files.poll(store, file),
    "delete": lambda stores, store, file: stores.files.delete(store, file),
    "content": lambda stores, store, file: stores.files.content(store, file),
    "update": lambda stores, store, file: stores.files.update(store, file, attributes={}),
}


@pytest.mark.parametrize("name", MISSING_MEMBER)
def test_s0_error_cases_key_error_for_missing_membership(
    client: OAuthCodexClient, vs: str, new_file: NewFile, name: str
) -> None:
    file = new_file()
    for kind in (KeyError, SDKRequestError):
        with pytest.raises(kind, match=file):
            MISSING_MEMBER[name](client.vector_stores, vs, file)


def test_s0_error_cases_unknown_file_attaches_nothing(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    known = new_file()
    for call in (
        lambda: client.vector_stores.files.create(vs, file_id="file-nowhere"),
        lambda: client.vector_stores.file_batches.create(vs, file_ids=[known, "file-nowhere"]),
        lambda: client.vector_stores.update(vs, file_ids=[known, "file-nowhere"]),
        lambda: client.vector_stores.create(name="second", file_ids=[known, "file-nowhere"]),
    ):
        with pytest.raises(KeyError, match="file-nowhere"):
            call()
    assert client.vector_stores.retrieve(vs).file_ids == []
    assert [store.name for store in client.vector_stores.list()] == ["docs"]


def test_s0_error_cases_not_supported(client: OAuthCodexClient, vs: str, attached: str) -> None:
    update: Any = client.vector_stores.files.update  # checkers refuse the call without attributes
    for ids in ((vs, attached), ()):
        with pytest.raises(NotSupportedError) as refused:
            update(*ids)
        assert (refused.value.code, refused.value.provider_code) == ("not_supported", "not_supported")
        assert isinstance(refused.value, SDKRequestError)
        assert refused.value.retryable is False


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/assistants"), ("POST", "/vector_stores/{vs}/archive"), ("DELETE", "/vector_stores"), ("PUT", "/files")],
)
def test_s0_error_cases_not_supported_on_codex_oauth(client: OAuthCodexClient, vs: str, method: str, path: str) -> None:
    with pytest.raises(NotSupportedError) as refused:
        client.request(method, path.format(vs=vs))
    assert refused.value.code == "not_supported_on_codex_oauth"


INVALID: dict[str, Call] = {
    "name": lambda stores, store, file: stores.create(name=5),
    "file_ids": lambda stores, store, file: stores.create(file_ids=file),
    "metadata": lambda stores, store, file: stores.create(metadata=[1]),
    "metadata.k": lambda stores, store, file: stores.create(metadata={"k": []}),
    "expires_after.days": lambda stores, store, file: stores.update(
        store, expires_after={"anchor": "last_active_at", "days": 0}
    ),
    "limit": lambda stores, store, file: stores.list(limit=0),
    "order": lambda stores, store, file: stores.list(order="up"),
    "after": lambda stores, store, file: stores.list(after="vs_nowhere"),
    "query": lambda stores, store, file: stores.search(store, query=" "),
    "max_num_results": lambda stores, store, file: stores.search(store, query="x", max_num_results=0),
    "filters.type": lambda stores, store, file: stores.search(store, query="x", filters={"key": "k", "value": 1}),
    "ranking_options.ranker": lambda stores, store, file: stores.search(
        store, query="x", ranking_options={"ranker": 1}
    ),
    "rewrite_query": lambda stores, store, file: stores.search(store, query="x", rewrite_query="perhaps"),
    "vector_store_id": lambda stores, store, file: stores.retrieve(""),
    "file_id": lambda stores, store, file: stores.files.retrieve(store, ""),
    "batch_id": lambda stores, store, file: stores.file_batches.retrieve(store, ""),
}


@pytest.mark.parametrize("param", INVALID)
def test_s0_error_cases_parameter_validation_error(
    client: OAuthCodexClient, vs: str, attached: str, param: str
) -> None:
    with pytest.raises(ParameterValidationError) as refused:
        INVALID[param](client.vector_stores, vs, attached)
    assert refused.value.param == param
    assert isinstance(refused.value, SDKRequestError)
    assert refused.value.status_code == 400


# -- behaviour notes ---------------------------------------------------------------------------------------------------


def test_s0_behavior_notes_membership_is_kept_by_file_ids(client: OAuthCodexClient, vs: str, new_file: NewFile) -> None:
    one, two = new_file("one"), new_file("two")
    client.vector_stores.files.create(vs, file_id=one)
    client.vector_stores.files.create(vs, file_id=two)
    assert client.vector_stores.retrieve(vs).file_ids == [one, two]
    client.vector_stores.files.delete(vs, one)
    assert client.vector_stores.retrieve(vs).file_ids == [two]
    client.files.delete(two)
    assert client.vector_stores.retrieve(vs).file_ids == []


def test_s0_behavior_notes_cancel_marks_cancelled(client: OAuthCodexClient, vs: str, attached: str) -> None:
    batches = client.vector_stores.file_batches
    batch = batches.create(vs, file_ids=[attached])
    assert batches.cancel(vs, batch.id).status == "cancelled"
    assert batches.cancel(vs, batch.id).status == "cancelled"
    assert batches.retrieve(vs, batch.id).status == "cancelled"
    assert client.vector_stores.retrieve(vs).file_ids == [attached]  # what was done stays


def test_s0_behavior_notes_batches_outlive_their_client(
    client: OAuthCodexClient, vs: str, attached: str, backend: str
) -> None:
    batch = client.vector_stores.file_batches.create(vs, file_ids=[attached])
    if backend == "memory":  # another client has another memory
        with OAuthCodexClient() as other, pytest.raises(NotFoundError):
            other.vector_stores.file_batches.retrieve(vs, batch.id)
        return
    client.close()
    with OAuthCodexClient() as other:
        assert other.vector_stores.file_batches.retrieve(vs, batch.id) == batch
        assert [file.id for file in other.vector_stores.file_batches.list_files(vs, batch.id)] == [attached]


def test_s0_behavior_notes_everything_works_without_configuration(client: OAuthCodexClient, vs: str) -> None:
    """The Codex profile is served locally: no key and no address are set."""
    assert client.vector_stores.files.upload(vs, file=b"alpha").status == "completed"
    assert client.vector_stores.search(vs, query="alpha")["data"][0]["score"] > 0
