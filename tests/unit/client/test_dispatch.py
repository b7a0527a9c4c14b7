"""Validation, capabilities, foreign exceptions and request ids."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from typing import Any

import pytest
from oauth_codex import (
    NotFoundError,
    NotSupportedError,
    OAuthCodexClient,
    ParameterValidationError,
    StorageError,
)
from oauth_codex.client.dispatch import dispatch
from oauth_codex.spi import operations as op


def failing(backend: Any, error: BaseException) -> None:
    def fail(request: object) -> None:
        raise error

    backend.before = fail


def test_our_own_validation_errors_arrive_bare(client: OAuthCodexClient) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        client.vector_stores.list(limit=101)
    error = caught.value
    assert error.code == "integer_above_max_value"
    assert error.param == "limit"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_missing_unknown_and_ill_typed_parameters(backend: Any) -> None:
    with pytest.raises(ParameterValidationError) as caught:
        dispatch(backend, op.STORES_SEARCH, {"vector_store_id": "vs_1"})
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "query")
    fields: dict[str, object] = {"vector_store_id": "vs_1", "query": "x"}
    with pytest.raises(ParameterValidationError, match="Did you mean 'max_num_results'") as caught:
        dispatch(backend, op.STORES_SEARCH, {**fields, "max_num_result": 5})
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "max_num_result")
    with pytest.raises(ParameterValidationError, match="expected a boolean") as caught:
        dispatch(backend, op.STORES_SEARCH, {**fields, "rewrite_query": "perhaps" * 1000})
    assert (caught.value.code, caught.value.param) == ("invalid_type", "rewrite_query")
    assert len(str(caught.value)) < 250
    assert caught.value.__context__ is None
    with pytest.raises(ParameterValidationError) as caught:
        dispatch(backend, op.STORES_LIST, {"n" * 10_000: 1})
    assert caught.value.param == "n" * 80
    assert backend.calls == []


@pytest.mark.parametrize("name", ["options", "resume"])
def test_inner_fields_of_requests_cannot_be_given(client: OAuthCodexClient, name: str) -> None:
    given: dict[str, Any] = {name: {}}
    for call in (
        lambda: client.vector_stores.create(**given),
        lambda: client.vector_stores.list(extra_body=given),
    ):
        with pytest.raises(ParameterValidationError) as caught:
            call()
        assert caught.value.code == "unknown_parameter"


def test_a_foreign_exception_becomes_a_storage_error(client: OAuthCodexClient, backend: Any) -> None:
    foreign = KeyError("a bug of the driver")
    failing(backend, foreign)
    with pytest.raises(StorageError) as caught:
        client.vector_stores.retrieve("vs_1")
    assert caught.value.__cause__ is foreign
    assert caught.value.driver == "fake"
    assert not isinstance(caught.value, NotFoundError)
    assert "KeyError" in str(caught.value)
    assert "vector_stores.retrieve" in str(caught.value)


class Unpicklable(Exception):
    """As libraries make them: with more than a message, some of it tied to this process."""

    def __init__(self, message: str, *, session: object) -> None:
        super().__init__(message)
        self.session = session


def test_a_storage_error_survives_pickling_whatever_its_cause_is(client: OAuthCodexClient, backend: Any) -> None:
    failing(backend, Unpicklable("the disk is gone", session=threading.Lock()))
    with pytest.raises(StorageError) as caught:
        client.vector_stores.retrieve("vs_1")
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(error), error.driver, error.request_id) == (str(caught.value), "fake", caught.value.request_id)
    assert error.raw_error == "Unpicklable: the disk is gone"


class Panic(BaseException):
    """As extension modules raise it."""


@pytest.mark.parametrize("error", [MemoryError(), Panic("rust")])
def test_even_exceptions_outside_exception(client: OAuthCodexClient, backend: Any, error: BaseException) -> None:
    failing(backend, error)
    with pytest.raises(StorageError) as caught:
        client.files.retrieve("file-1")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()])
def test_the_flow_of_the_program_is_left_alone(client: OAuthCodexClient, backend: Any, error: BaseException) -> None:
    failing(backend, error)
    with pytest.raises(type(error)) as caught:
        client.files.retrieve("file-1")
    assert caught.value is error


def test_a_driver_that_answers_nonsense_is_a_storage_error(client: OAuthCodexClient, backend: Any) -> None:
    backend.vector_stores.list = lambda request: None
    with pytest.raises(StorageError):
        client.vector_stores.list()


def test_a_driver_that_fails_while_content_is_read(client: OAuthCodexClient, backend: Any) -> None:
    class Torn:
        def __enter__(self) -> Torn:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def read(self) -> bytes:
            raise OSError("disk gone")

    backend.files.content = lambda request: Torn()
    with pytest.raises(StorageError, match="disk gone") as caught:
        client.files.content("file-1")
    assert caught.value.request_id is not None


def test_answers_and_errors_carry_a_request_id_of_their_own(
    client: OAuthCodexClient, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "oauth_codex"):
        store = client.vector_stores.create(name="secret name")
    file = client.files.create(file=b"x", purpose="assistants")
    answers: list[Any] = [
        store,
        file,
        client.vector_stores.files.create(store.id, file_id=file.id),
        client.vector_stores.list(),
        client.vector_stores.search(store.id, query="x"),
        client.files.content(file.id),
        client.vector_stores.files.delete(store.id, file.id),
    ]
    ids = [answer._request_id for answer in answers]
    assert len(set(ids)) == len(answers)
    assert all(i.startswith("req_") and int(i[4:], 16) >= 0 for i in ids)
    with pytest.raises(NotFoundError) as caught:
        client.vector_stores.retrieve("vs_unknown")
    assert caught.value.request_id == backend.calls[-1].options.request_id
    (line,) = [record.getMessage() for record in caplog.records]
    assert ids[0] in line
    assert "vector_stores.create on fake" in line
    assert " ms" in line
    assert "secret name" not in line


STORE = {"vector_store_id": "vs_1"}
SEARCH = {**STORE, "query": "x"}
REFUSED: list[tuple[str, op.Operation, dict[str, Any]]] = [
    ("filters", op.STORES_SEARCH, {**SEARCH, "filters": {"type": "eq", "key": "a", "value": 1}}),
    (
        "hybrid_search",
        op.STORES_SEARCH,
        {**SEARCH, "ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 1}}},
    ),
    ("rewrite_query", op.STORES_SEARCH, {**SEARCH, "rewrite_query": True}),
    ("update_attributes", op.STORE_FILES_UPDATE, {**STORE, "file_id": "file-1", "attributes": {}}),
    ("replace_files", op.STORES_UPDATE, {**STORE, "file_ids": []}),
    ("file_batches", op.BATCHES_CREATE, {**STORE, "file_ids": ["file-1"]}),
    ("file_batches", op.BATCHES_RETRIEVE, {**STORE, "batch_id": "vsfb_1"}),
    ("store_expiry", op.STORES_CREATE, {"expires_after": {"anchor": "last_active_at", "days": 1}}),
    ("store_expiry", op.STORES_UPDATE, {**STORE, "expires_after": {"anchor": "last_active_at", "days": 1}}),
    (
        "file_expiry",
        op.FILES_CREATE,
        {"content": None, "purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 3600}},
    ),
]


@pytest.mark.parametrize(("capability", "operation", "fields"), REFUSED)
def test_what_is_not_declared_is_refused_before_the_driver(
    fake: Any, capability: str, operation: op.Operation, fields: dict[str, Any]
) -> None:
    backend = fake.FakeBackend(fake.without(**{capability: False}))
    with pytest.raises(NotSupportedError) as caught:
        dispatch(backend, operation, fields)
    assert caught.value.code == "not_supported"
    assert "'fake'" in str(caught.value)
    assert f"'{capability}'" in str(caught.value)
    assert backend.calls == []


def test_what_is_not_asked_needs_no_capability(fake: Any) -> None:
    backend = fake.FakeBackend(fake.without(filters=False, rewrite_query=False, store_expiry=False))
    store = dispatch(backend, op.STORES_CREATE, {"expires_after": None})
    dispatch(backend, op.STORES_SEARCH, {"vector_store_id": store.id, "query": "x", "rewrite_query": False})
    dispatch(backend, op.STORES_UPDATE, {"vector_store_id": store.id, "expires_after": None})


def test_limits_of_the_driver(fake: Any) -> None:
    backend = fake.FakeBackend(fake.without(max_create_files=2, max_batch_files=2))
    ids = ["file-1", "file-2", "file-3"]
    with pytest.raises(ParameterValidationError, match=r"maximum length 2.*length 3") as caught:
        dispatch(backend, op.STORES_CREATE, {"file_ids": ids})
    assert (caught.value.param, caught.value.code) == ("file_ids", "array_above_max_length")
    with pytest.raises(ParameterValidationError) as caught:
        dispatch(backend, op.BATCHES_CREATE, {**STORE, "files": [{"file_id": i} for i in ids]})
    assert caught.value.param == "files"
