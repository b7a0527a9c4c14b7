"""From what came over the wire, or did not, to an error of ours. No error shows a credential.

An error gets copies of the request and the answer: header values that may be secret are replaced, and the values themselves are
searched for wherever the service or a library may have repeated them.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
from oauth_codex.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    NotSupportedError,
)

from .calls import SHOWN
from .headers import looks_secret, plain

HIDDEN = "***"
#: Shorter texts are no secrets, and would be found in every other word.
_SHORTEST = 6
_MOST_TEXT = 500


def masked(request: httpx.Request) -> httpx.Request:
    """A copy without body and without secrets."""
    shown = request.extensions.get(SHOWN, frozenset())
    found = [
        (name, value if plain(name) or (name.lower() in shown and not looks_secret(name)) else HIDDEN)
        for name, value in request.headers.multi_items()
    ]
    query = [(name, HIDDEN if looks_secret(name) else value) for name, value in request.url.params.multi_items()]
    return httpx.Request(request.method, request.url.copy_with(params=query) if query else request.url, headers=found)


def visible(response: httpx.Response, *, read: bool) -> httpx.Response:
    """A copy of an answer as its caller may see it; without a body where that is left to be read."""
    return httpx.Response(
        response.status_code,
        headers=_headers(response, []),
        content=response.content if read else None,
        request=masked(response.request),
        extensions={name: value for name, value in response.extensions.items() if name != "network_stream"},
    )


def no_answer(error: httpx.RequestError, request: httpx.Request) -> APIConnectionError | APIResponseValidationError:
    """The error for a request that was not answered, or whose answer broke off.

    Its cause is a copy of the error of httpx without frames: those hold the headers as they were sent.
    """
    said = _hidden(str(error), _secrets(request))
    safe = masked(request)
    cause = type(error)(said, request=safe)
    origin = origin_of(request.url)
    detail = f"{type(error).__name__}{f': {said}' if said else ''}"
    failure: APIConnectionError | APIResponseValidationError
    if isinstance(error, httpx.TimeoutException):
        failure = APITimeoutError(f"Request timed out: {origin} did not answer in time ({detail}).", request=safe)
    elif isinstance(error, httpx.DecodingError):
        failure = APIResponseValidationError(
            f"The answer of {origin} cannot be decoded ({detail}).", response=httpx.Response(200, request=safe)
        )
    else:
        failure = APIConnectionError(
            f"Connection error: no complete answer from {origin} ({detail}). Is base_url right, and is the service there?",
            request=safe,
        )
    failure.__cause__ = cause
    return failure


def refused(response: httpx.Response) -> APIStatusError:
    """The error of an answer whose status is one; its body has been read."""
    copy, text = _copied(response)
    decoded = _decoded(text)
    body = decoded.get("error", decoded) if isinstance(decoded, dict) else None
    message = _message(body)
    if message is None and not isinstance(decoded, dict):
        message = " ".join(text.split())[:_MOST_TEXT]
    fields = body if isinstance(body, dict) else {}
    details: dict[str, Any] = {
        "code": _word(fields.get("code")),
        "param": _word(fields.get("param")),
        "body": fields or None,
        "request_id": copy.headers.get("x-request-id"),
        "response": copy,
        "raw_error": decoded if decoded is not None else text,
    }
    said = message or f"The service answered {response.status_code} {response.reason_phrase} without a reason."
    if response.status_code == 400 and details["code"] in ("not_supported", "not_supported_on_codex_oauth"):
        return NotSupportedError(said, **details)
    return APIStatusError.from_status(response.status_code, said, **details)


def redirected(response: httpx.Response, origin: str, why: str) -> APIStatusError:
    """The error of a redirect that is not followed."""
    copy, text = _copied(response)
    return APIStatusError(
        f"The service redirects {copy.request.method} {copy.request.url.path} to {origin}, {why}."
        " If that is where the service is, give its address as base_url=.",
        status_code=response.status_code,
        request_id=copy.headers.get("x-request-id"),
        response=copy,
        raw_error=text,
    )


def unexpected(response: httpx.Response, what: str) -> APIResponseValidationError:
    """The error of an answer that says it is one, and is not."""
    copy, text = _copied(response)
    kind = copy.headers.get("content-type", "no content type")
    error = APIResponseValidationError(
        f"The service answered {copy.request.method} {copy.request.url.path} with {copy.status_code}, but {what} ({kind})."
        " Is base_url the address of an API like OpenAI's, usually ending in /v1?",
        body=_decoded(text) or text[:_MOST_TEXT],
        status_code=copy.status_code,
        response=copy,
    )
    error.request_id = copy.headers.get("x-request-id")
    return error


def origin_of(url: httpx.URL) -> str:
    """Scheme, host and port of an address."""
    return str(httpx.URL(scheme=url.scheme, host=url.host, port=url.port))


def _copied(response: httpx.Response) -> tuple[httpx.Response, str]:
    """A copy of an answer, read or not, and its text; both without secrets."""
    secrets = _secrets(response.request)
    text = _hidden(response.text, secrets) if response.is_stream_consumed or response.is_closed else ""
    content = text.encode(errors="replace")
    found = _headers(response, secrets)
    found.pop("content-length", None)
    return httpx.Response(response.status_code, headers=found, content=content, request=masked(response.request)), text


def _headers(response: httpx.Response, secrets: list[str]) -> httpx.Headers:
    """Headers of an answer whose body httpx has decoded, and joined."""
    gone = {"transfer-encoding"}
    if "content-encoding" in response.headers:
        gone |= {"content-encoding", "content-length"}
    return httpx.Headers(
        [
            (name, HIDDEN if name.lower() in ("location", "set-cookie") else _hidden(value, secrets))
            for name, value in response.headers.multi_items()
            if name.lower() not in gone
        ]
    )


def _secrets(request: httpx.Request) -> list[str]:
    """Values that were sent and must not be shown, longest first."""
    shown = masked(request)
    values = {value for name, value in request.headers.items() if shown.headers.get(name) != value}
    values |= {value for name, value in request.url.params.multi_items() if looks_secret(name)}
    values |= {value.partition(" ")[2] for value in values}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)


def _hidden(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _message(body: Any) -> str | None:
    """What an error body says: services put it under several names, or are the text themselves."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    if body is None or isinstance(body, str):
        return body or None
    return json.dumps(body, ensure_ascii=False)[:_MOST_TEXT]


def _word(value: Any) -> str | None:
    return None if value is None else str(value)
