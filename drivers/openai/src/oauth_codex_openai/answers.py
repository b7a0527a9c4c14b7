"""From the JSON of an answer to the objects of the API. What a service says differently is made alike here."""

from __future__ import annotations

import json
from typing import Any

import httpx
from oauth_codex.spi import Listing, ParsedContent, SearchResults
from oauth_codex.spi import requests as r
from oauth_codex.spi.operations import BATCHES_RETRIEVE, Answer, Operation
from oauth_codex.spi.requests import Request
from oauth_codex.types import FileContentResponse, VectorStore, VectorStoreFileBatch, VectorStoreFileDeleted
from pydantic import BaseModel, ValidationError

from . import failures


def read(operation: Operation, request: Request, response: httpx.Response) -> Any:
    """What a backend's method returns for an answer.

    Raises:
        APIResponseValidationError: The answer is no JSON, or not the object that the API promises.
    """
    body = document(response)
    said = response.headers.get("x-request-id")
    try:
        match operation.answer:
            case Answer.LIST:
                data = _entries(operation, body, "data")
                return Listing(data, has_more=bool(body.get("has_more")) and bool(data), request_id=said)
            case Answer.SEARCH:
                return _search(operation, request, body, said)
            case Answer.CONTENT:
                return _content(operation, request, body, said)
        answer = _object(operation, request, body)
    except ValidationError as error:
        problem = _problem(operation, error)
    except _Malformed as error:
        problem = str(error)
    else:
        answer._request_id = said
        return answer
    raise failures.unexpected(response, problem)


def document(response: httpx.Response) -> dict[str, Any]:
    """The JSON object that an answer is.

    Raises:
        APIResponseValidationError: It is none.
    """
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        problem = "the body is no JSON" if response.content else "without a body"
    else:
        if isinstance(body, dict):
            return body
        problem = "the body is no JSON object"
    raise failures.unexpected(response, problem)


class _Malformed(Exception):
    """The answer lacks what the API promises."""


def _problem(operation: Operation, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    assert operation.returns is not None
    return f"the body is no {operation.returns.__name__}: '{place[:80]}': {first['msg']}"


def _entries(operation: Operation, body: dict[str, Any], field: str) -> list[Any]:
    entries = body.get(field)
    if not isinstance(entries, list):
        raise _Malformed(f"the body has no array '{field}'")
    return [_validated(operation, entry) for entry in entries]


def _validated(operation: Operation, body: Any) -> Any:
    model = operation.returns
    assert model is not None
    if not issubclass(model, BaseModel):
        return _file_deleted(body)
    answer = model.model_validate(body)
    if isinstance(answer, VectorStoreFileBatch):
        answer.object = "vector_store.files_batch"  # services send either of two names
    elif isinstance(answer, VectorStore) and answer.name == "":
        answer.name = None  # on the wire a name is always a text
    return answer


def _file_deleted(body: dict[str, Any]) -> VectorStoreFileDeleted:
    if not isinstance(body.get("id"), str) or not isinstance(body.get("deleted"), bool):
        raise _Malformed("the body is no VectorStoreFileDeleted: it needs an 'id' and 'deleted'")
    return VectorStoreFileDeleted(**{name: value for name, value in body.items() if name != "object"})


def _object(operation: Operation, request: Request, body: dict[str, Any]) -> Any:
    if operation is BATCHES_RETRIEVE and body.get("object") == "vector_store":
        assert isinstance(request, r.FileBatchRetrieve)
        body = _batch_of_store(request, body)
    return _validated(operation, body)


def _batch_of_store(request: r.FileBatchRetrieve, body: dict[str, Any]) -> dict[str, Any]:
    """The batch, where a service answers with its store: the counts are those of the batch."""
    counts = body.get("file_counts")
    pending = isinstance(counts, dict) and counts.get("in_progress")
    return {
        "id": request.batch_id,
        "created_at": body.get("created_at"),
        "vector_store_id": request.vector_store_id,
        "status": "in_progress" if pending else "completed",
        "file_counts": counts,
    }


def _search(operation: Operation, request: Request, body: dict[str, Any], said: str | None) -> SearchResults:
    assert isinstance(request, r.VectorStoreSearch)
    queries = body.get("search_query", request.query)
    if isinstance(queries, str):
        queries = [queries]
    if not isinstance(queries, list | tuple) or not all(isinstance(query, str) for query in queries):
        raise _Malformed("'search_query' is neither a text nor an array of texts")
    return SearchResults(_entries(operation, body, "data"), list(queries), request_id=said)


def _content(operation: Operation, request: Request, body: dict[str, Any], said: str | None) -> ParsedContent:
    """The text of a file, in either of two shapes: a page of pieces, or the file with its content."""
    assert isinstance(request, r.VectorStoreFileContent)
    pieces: list[FileContentResponse] = _entries(operation, body, "data" if "data" in body else "content")
    attributes = body.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise _Malformed("'attributes' is no object")
    for piece in pieces:
        if piece.metadata is None:
            piece.metadata = attributes
    return ParsedContent(
        file_id=_text(body, "file_id") or request.file_id,
        filename=_text(body, "filename") or "",
        attributes=attributes,
        data=pieces,
        request_id=said,
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise _Malformed(f"'{name}' is no text")
    return value
