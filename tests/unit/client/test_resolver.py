"""The two calling styles."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient, ParameterValidationError
from oauth_codex.types import FileBytes, SyncPage

FILE_METHODS = ("create", "create_and_poll", "retrieve", "update", "delete", "content", "poll")
BATCH_METHODS = ("retrieve", "cancel", "list_files", "poll")


class Case:
    """A method, with a store and a child that exist."""

    def __init__(self, client: OAuthCodexClient, resource: str, name: str) -> None:
        self.store = client.vector_stores.create().id
        file = client.files.create(file=b"text", purpose="assistants")
        batch = client.vector_stores.file_batches.create(self.store, file_ids=[file.id])
        self.key = "file_id" if resource == "files" else "batch_id"
        self.child = file.id if resource == "files" else batch.id
        self.extra: dict[str, Any] = {"attributes": {"a": 1}} if name == "update" else {}
        self.method = getattr(getattr(client.vector_stores, resource), name)


@pytest.fixture(
    params=[*(("files", name) for name in FILE_METHODS), *(("file_batches", name) for name in BATCH_METHODS)],
    ids=lambda param: ".".join(param),
)
def case(request: pytest.FixtureRequest, client: OAuthCodexClient) -> Case:
    return Case(client, *request.param)


def test_every_form_means_the_same_store_and_child(case: Case, backend: Any) -> None:
    forms: list[Callable[[], Any]] = [
        lambda: case.method(case.store, case.child, **case.extra),
        lambda: case.method(case.store, **{case.key: case.child}, **case.extra),
        lambda: case.method(case.child, vector_store_id=case.store, **case.extra),
        lambda: case.method(vector_store_id=case.store, **{case.key: case.child}, **case.extra),
    ]
    for call in forms:
        backend.calls.clear()
        if case.method.__name__ == "delete" and case.child not in backend._members[case.store]:
            backend.vector_stores.attach(case.store, case.child, {})
        call()
        assert backend.calls[0].vector_store_id == case.store
        assert getattr(backend.calls[0], case.key) == case.child


def test_other_forms_name_both_that_are_accepted(case: Case) -> None:
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((case.store,), {}),
        ((), {"vector_store_id": case.store}),
        ((), {case.key: case.child}),
        ((case.store, case.child, case.child), {}),
        ((case.store, case.child), {case.key: case.child}),
        ((case.store, case.child), {"vector_store_id": case.store}),
        ((case.store,), {case.key: case.child, "vector_store_id": case.store}),
    ]
    for ids, named in wrong:
        with pytest.raises(TypeError) as caught:
            case.method(*ids, **named, **case.extra)
        assert f"(vector_store_id, {case.key}, ...)" in str(caught.value)
        assert f"({case.key}, vector_store_id=...)" in str(caught.value)


def test_an_empty_id_is_refused_and_the_store_is_looked_at_first(case: Case) -> None:
    with pytest.raises(
        ParameterValidationError, match=r"^Expected a non-empty value for `vector_store_id` but received ''$"
    ):
        case.method("", "", **case.extra)
    with pytest.raises(ValueError, match=rf"^Expected a non-empty value for `{case.key}` but received ''$"):
        case.method("", vector_store_id=case.store, **case.extra)
    with pytest.raises(ValueError, match=r"^Expected a non-empty value for `vector_store_id` but received None$"):
        case.method(None, case.child, **case.extra)


def test_reversed_ids_are_refused_with_the_right_spellings(case: Case, backend: Any) -> None:
    backend.calls.clear()
    with pytest.raises(ParameterValidationError) as caught:
        case.method(case.child, case.store, **case.extra)
    assert caught.value.code == "swapped_ids"
    name = case.method.__name__
    assert f"{name}('{case.store}', '{case.child}')" in str(caught.value)
    assert f"{name}('{case.child}', vector_store_id='{case.store}')" in str(caught.value)
    assert backend.calls == []


def test_foreign_prefixes_are_never_guessed_from(client: OAuthCodexClient, backend: Any) -> None:
    with pytest.raises(KeyError):  # passes on to the driver, which does not know them
        client.vector_stores.files.retrieve("file-looking", "doc_1")
    assert backend.calls[-1].vector_store_id == "file-looking"


def test_an_unknown_keyword_is_a_type_error(case: Case) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        case.method(case.store, case.child, nonsense=1, **case.extra)


def test_a_misspelt_keyword_is_told_the_right_one(client: OAuthCodexClient) -> None:
    files: Any = client.vector_stores.files
    for name, near in (("atributes", "attributes"), ("pol_interval_ms", "poll_interval_ms"), ("time_out", "timeout")):
        with pytest.raises(TypeError, match=f"'{name}'. Did you mean '{near}'"):
            files.create_and_poll("vs_1", "file-1", **{name: 5})


def test_content_returns_what_the_style_promises(client: OAuthCodexClient) -> None:
    case = Case(client, "files", "content")
    content = client.vector_stores.files.content
    for raw in (content(case.store, case.child), content(case.store, file_id=case.child)):
        assert type(raw) is FileBytes
        assert raw == b"text"
    for page in (
        content(case.child, vector_store_id=case.store),
        content(vector_store_id=case.store, file_id=case.child),
    ):
        assert type(page) is SyncPage
        assert [chunk.content for chunk in page] == ["text"]


def test_content_of_a_file_that_is_not_in_the_store_is_not_found(client: OAuthCodexClient) -> None:
    case = Case(client, "files", "content")
    other = client.vector_stores.create().id
    with pytest.raises(KeyError):
        client.vector_stores.files.content(other, case.child)


def test_the_signature_shows_no_inner_argument(client: OAuthCodexClient) -> None:
    signature = inspect.signature(client.vector_stores.files.content)
    assert list(signature.parameters) == ["vector_store_id", "file_id", "options"]
