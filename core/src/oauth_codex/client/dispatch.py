"""The one way in: every call of a resource, of `client.request` and of a server passes through `dispatch`.

It validates, refuses what the driver does not offer, calls the driver, turns foreign exceptions into
`StorageError`, gives the answer its request id and its public shape, and logs one line without contents.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Never

from pydantic import ValidationError

from .. import messages as say
from ..errors import (
    APITimeoutError,
    NotSupportedError,
    OAuthCodexError,
    ParameterValidationError,
    StorageBusyError,
    StorageError,
)
from ..spi import requests as r
from ..spi.backends import Backend, Listing, ParsedContent, SearchResults
from ..spi.operations import OPERATIONS, SHORTCUTS, Answer, Operation
from ..spi.waiting import time_limit
from ..types.pages import SyncCursorPage, SyncPage
from .steps import Step, Steps, drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from pydantic_core import ErrorDetails

log = logging.getLogger("oauth_codex")

#: Performs a request again, for the next page; a client checks first whether it is still open.
Again = Callable[[Operation, r.Request], Steps[Any]]

_SERVE = {operation.name: attrgetter(operation.serve) for operation in (*OPERATIONS, *SHORTCUTS)}
#: Fields of requests that are not parameters of the API, so nobody can give them by name.
_INTERNAL = frozenset({"options", "resume", "brief"})


def dispatch(
    backend: Backend, operation: Operation, fields: Mapping[str, object], options: Mapping[str, Any] | None = None
) -> Any:
    """Perform one operation in this thread; see `dispatching`."""
    return drive(dispatching(backend, operation, fields, options))


def dispatching(
    backend: Backend,
    operation: Operation,
    fields: Mapping[str, object],
    options: Mapping[str, Any] | None = None,
    *,
    again: Again | None = None,
) -> Steps[Any]:
    """Steps that perform one operation.

    Args:
        backend: Who serves it.
        operation: Its row in the operations table.
        fields: Fields of path, query and body together. An absent field is one that was not given; None is
            null.
        options: `timeout`, `max_retries`, `extra_headers` and `extra_query`, those that were given;
            `request_id` if it is chosen already; `on_answer` for whoever wants to see what came over HTTP.
        again: How pages fetch the page that follows them; by default from `backend` itself.

    Returns:
        A model; a `SyncCursorPage` or `SyncPage` where the answer is a list; a binary stream, to be closed by
        the caller, where it is the content of a file.

    Raises:
        ParameterValidationError: A parameter is missing, unknown or wrong.
        NotSupportedError: The driver does not offer what is asked.
        StorageError: The driver failed with an exception of its own, which is the `__cause__`.
        OAuthCodexError: Whatever else the driver raises on purpose.
    """
    given = {"request_id": new_request_id(), **(options or {})}
    try:
        request = validate(operation, fields, _call_options(given, operation))
    except OAuthCodexError as error:
        _identify(error, given["request_id"])
        raise
    return (yield from performing(backend, operation, request, again))


def new_request_id() -> str:
    """An id under which a call is logged and its answer and its errors are marked."""
    return f"req_{secrets.token_hex(12)}"


def validate(operation: Operation, fields: Mapping[str, object], options: r.CallOptions = r.NO_OPTIONS) -> r.Request:
    """The request that the fields make.

    Raises:
        ParameterValidationError: A parameter is missing, unknown or wrong.
    """
    for name in _INTERNAL:
        if name in fields:
            raise say.unknown_parameter(name, _accepted(operation))
    try:
        return operation.request.model_validate({**fields, "options": options})
    except ValidationError as error:
        problem = _translate(error.errors(include_url=False)[0], operation)
    raise problem


def _call_options(given: Mapping[str, Any], operation: Operation) -> r.CallOptions:
    try:
        return r.CallOptions(**given)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        problem = _translate(found, operation)
    if found["loc"][0] in ("extra_headers", "extra_query"):  # their values may be secrets
        text = f"{problem.message.partition(', but got ')[0]}, but got {type(found['input']).__name__} instead."
        problem = ParameterValidationError(text, param=problem.param, code=problem.code)
    raise problem


def performing(backend: Backend, operation: Operation, request: r.Request, again: Again | None = None) -> Steps[Any]:
    """Steps that perform a validated request; see `dispatching`."""
    started = time.perf_counter()
    request_id = request.options.request_id
    try:
        _refuse_undeclared(backend, operation, request)
        answer = yield _serving(backend, operation, request)
        told = _told(backend, answer)
        shape = _SHAPES.get(operation.answer)
        if shape is not None:
            answer = shape(backend, operation, request, answer, again)
        if operation.answer is Answer.SEVERAL:
            for each in answer:
                each._request_id = told or request_id
        elif operation.answer is not Answer.BYTES:
            answer._request_id = told or request_id
    except OAuthCodexError as error:
        _identify(error, request_id)
        raise
    except BaseException as error:
        if _passes(error):
            raise
        raise _failure(backend, operation, error, request_id) from error
    finally:
        if log.isEnabledFor(logging.DEBUG):
            spent = (time.perf_counter() - started) * 1000
            log.debug("%s on %s: %.2f ms, %s", operation.name, backend.name, spent, request_id)
    return answer


def _serving(backend: Backend, operation: Operation, request: r.Request) -> Step:
    """The step that calls the driver: on the event loop if it is natively async, else within the time limit of the call."""
    find = _SERVE[operation.name]

    def blocking() -> Any:
        timeout = request.options.timeout
        limit = timeout if timeout is None or isinstance(timeout, int | float) else timeout.read  # an httpx.Timeout
        serve = find(backend)
        return serve(request) if limit is None else _limited(serve, request, limit)

    asynchronous = getattr(backend, "asynchronous", None)
    if asynchronous is None:
        return Step(blocking)

    def native() -> Awaitable[Any]:
        waiting: Awaitable[Any] = find(asynchronous)(request)
        return waiting

    return Step(blocking, native)


def _told(backend: Backend, answer: Any) -> str | None:
    """Id under which a service answered; a backend in this process may give the same object twice, marked before."""
    if not hasattr(backend, "asynchronous"):
        return None
    if isinstance(answer, Listing | SearchResults | ParsedContent):
        return answer.request_id
    return getattr(answer, "_request_id", None)


def _limited(serve: Callable[[r.Request], Any], request: r.Request, seconds: float) -> Any:
    token = time_limit.set(seconds)
    try:
        return serve(request)
    except StorageBusyError as error:
        raise APITimeoutError(f"Request timed out after {seconds:g} seconds. {error}") from error
    finally:
        time_limit.reset(token)


def _identify(error: OAuthCodexError, request_id: str | None) -> None:
    if getattr(error, "request_id", None) is None:
        error.request_id = request_id  # type: ignore[attr-defined]
    error._request_id = error.request_id  # type: ignore[attr-defined]


def _passes(error: BaseException) -> bool:
    """Whether an exception is about the flow of the program and not about the driver.

    Cancellation is known by its name, since neither asyncio nor trio need be loaded. Anything else is the
    driver's, exceptions outside `Exception` included: extension modules turn a panic of theirs into one.
    """
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) or (
        not isinstance(error, Exception) and type(error).__name__ in ("CancelledError", "Cancelled")
    )


def reading(backend: Backend, operation: Operation, step: Step, request_id: str) -> Steps[bytes]:
    """Bytes of an answer that is a stream.

    Raises:
        StorageError: The driver failed while it was read.
    """
    try:
        content: bytes = yield step
    except OAuthCodexError as error:
        _identify(error, request_id)
        raise
    except BaseException as error:
        if _passes(error):
            raise
        raise _failure(backend, operation, error, request_id) from error
    return content


def _failure(backend: Backend, operation: Operation, error: BaseException, request_id: str | None) -> StorageError:
    said = " ".join(str(error).split())
    detail = f": {said[:200]}" if said else ""
    return StorageError(
        f"The driver '{backend.name}' failed in {operation.name} with {type(error).__name__}{detail}",
        driver=backend.name,
        request_id=request_id,
        raw_error=error,
    )


# -- what pydantic reports ---------------------------------------------------------------------------------------------


def _accepted(operation: Operation) -> Iterable[str]:
    return [name for name in operation.request.model_fields if name not in _INTERNAL]


_EXPECTED = {
    "bool": "a boolean",
    "dict": "an object",
    "float": "a number",
    "int": "an integer",
    "list": "an array",
    "string": "a string",
    "tuple": "an array",
}


def _translate(problem: ErrorDetails, operation: Operation) -> ParameterValidationError:
    """The error of ours that says what pydantic found first."""
    ours = problem.get("ctx", {}).get("error")
    if isinstance(ours, ParameterValidationError):
        return ours
    param = ".".join(str(part) for part in problem["loc"])[:80] or "request"
    if problem["type"] == "missing":
        return say.missing(param)
    if problem["type"] == "extra_forbidden":
        return say.unknown_parameter(param, _accepted(operation))
    expected = _EXPECTED.get(problem["type"].partition("_")[0])
    return say.wrong_type(
        param, problem["input"], expected or problem["msg"].removeprefix("Input should be ").partition(",")[0]
    )


# -- what the driver offers --------------------------------------------------------------------------------------------


def _refuse_undeclared(backend: Backend, operation: Operation, request: r.Request) -> None:
    if operation.requires is not None and not getattr(backend.capabilities, operation.requires):
        _refuse(backend, operation.requires, operation.name)
    match request:
        case r.VectorStoreSearch():
            if request.filters is not None and not backend.capabilities.filters:
                _refuse(backend, "filters", "search(filters=...)", "filters")
            ranking = request.ranking_options
            if ranking is not None and ranking.hybrid_search and not backend.capabilities.hybrid_search:
                _refuse(backend, "hybrid_search", "ranking_options.hybrid_search", "ranking_options.hybrid_search")
            if request.rewrite_query and not backend.capabilities.rewrite_query:
                _refuse(backend, "rewrite_query", "search(rewrite_query=True)", "rewrite_query")
        case r.VectorStoreCreate():
            _store_expiry(backend, request.expires_after)
            most = backend.capabilities.max_create_files
            if request.file_ids is not None and len(request.file_ids) > most:
                raise say.array_length("file_ids", len(request.file_ids), 0, most)
        case r.VectorStoreUpdate():
            _store_expiry(backend, request.expires_after)
            if "file_ids" in request.model_fields_set and not backend.capabilities.replace_files:
                _refuse(backend, "replace_files", "vector_stores.update(file_ids=...)", "file_ids")
        case r.FileCreate():
            if request.expires_after is not None and not backend.capabilities.file_expiry:
                _refuse(backend, "file_expiry", "files.create(expires_after=...)", "expires_after")
        case r.FileBatchCreate():
            check_batch_size(backend, len(request.files or request.file_ids or ()), request.files is not None)


def check_batch_size(backend: Backend, count: int, objects: bool) -> None:
    """Refuse a batch of more files than the driver takes, under the name of the parameter that held them."""
    most = backend.capabilities.max_batch_files
    if count > most:
        raise say.array_length("files" if objects else "file_ids", count, 1, most)


def _store_expiry(backend: Backend, days: int | None) -> None:
    if days is not None and not backend.capabilities.store_expiry:
        _refuse(backend, "store_expiry", "expires_after of a vector store", "expires_after")


def _refuse(backend: Backend, capability: str, what: str, param: str | None = None) -> Never:
    raise NotSupportedError(
        f"The driver '{backend.name}' does not support {what}: it does not declare the capability '{capability}'.",
        param=param,
    )


# -- the public shape of an answer -------------------------------------------------------------------------------------


def _list_page(
    backend: Backend, operation: Operation, request: r.Request, answer: Listing[Any], again: Again | None
) -> SyncCursorPage[Any]:
    assert isinstance(request, r.ListRequest)
    data = answer.data
    body = {
        "object": "list",
        "data": [item.model_dump() for item in data],
        "first_id": data[0].id if data else None,
        "last_id": data[-1].id if data else None,
        "has_more": answer.has_more,
    }
    # A page asked for with `before` alone ends right before that item: more lies behind it, but nothing
    # follows it.
    backwards = request.before is not None and request.after is None and request.resume is None
    if not answer.has_more or not data or backwards:
        return SyncCursorPage(body, data)

    def fetch() -> Steps[SyncCursorPage[Any]]:
        step: dict[str, Any] = {"options": _new_options(request)}
        if answer.last is not None:  # where the item stood, wherever it is now
            step |= {"resume": answer.last, "after": None}
        else:  # a remote service knows cursors only
            step |= {"after": data[-1].id}
        following = request.model_copy(update=step)
        if again is not None:
            return again(operation, following)
        return performing(backend, operation, following)

    return SyncCursorPage(body, data, fetch, run=_in_this_thread)


def _in_this_thread(fetch: Callable[[], Steps[Any]]) -> Any:
    return drive(fetch())


def _new_options(request: r.Request) -> r.CallOptions:
    return request.options.model_copy(update={"request_id": new_request_id()})


def _search_page(
    backend: Backend, operation: Operation, request: r.Request, answer: SearchResults, again: Again | None
) -> SyncPage[Any]:
    body = {
        "object": "vector_store.search_results.page",
        "search_query": list(answer.search_query),
        "data": [hit.model_dump() for hit in answer.data],
        "has_more": False,
        "next_page": None,
    }
    return SyncPage(body, answer.data)


def _content_page(
    backend: Backend, operation: Operation, request: r.Request, answer: ParsedContent, again: Again | None
) -> SyncPage[Any]:
    body = {
        "object": "vector_store.file_content.page",
        "file_id": answer.file_id,
        "filename": answer.filename,
        "attributes": answer.attributes,
        "data": [chunk.model_dump() for chunk in answer.data],
        "has_more": False,
        "next_page": None,
    }
    return SyncPage(body, answer.data)


_SHAPES: dict[Answer, Callable[[Backend, Operation, r.Request, Any, Again | None], Any]] = {
    Answer.LIST: _list_page,
    Answer.SEARCH: _search_page,
    Answer.CONTENT: _content_page,
}
