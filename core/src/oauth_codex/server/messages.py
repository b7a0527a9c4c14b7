"""The sentences with which the server itself refuses a request, in one place."""

from __future__ import annotations

from ..errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    ParameterValidationError,
    PermissionDeniedError,
    RateLimitError,
)
from ..messages import shown
from .replies import RETRY_AFTER, Refused


def no_route(method: str, path: str) -> Refused:
    """404: there is nothing at this address."""
    return Refused(NotFoundError(f"Invalid URL ({method[:20]} {_short(path)})", code="unknown_url"))


def wrong_method(method: str, path: str, accepted: str) -> Refused:
    """405: the address takes other methods."""
    text = f"Not allowed to {method[:20]} on {_short(path)}. Allowed are: {accepted}."
    return Refused(APIStatusError(text, status_code=405, code="method_not_supported"), (b"allow", accepted.encode()))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


def wrong_host(host: bytes) -> Refused:
    """403: the server does not go by that name."""
    name = shown(host.decode("latin-1"))
    return Refused(
        PermissionDeniedError(
            f"The host {name} is not served here. Whoever runs the server can allow it with --allow-host.",
            code="host_not_allowed",
        )
    )


def no_host() -> Refused:
    """400: no name, or several."""
    return Refused(BadRequestError("The request needs exactly one Host header.", code="invalid_host"))


def no_http(most: int) -> Refused:
    """What arrived is no request of HTTP."""
    return Refused(
        BadRequestError(
            f"Invalid HTTP request: it cannot be parsed, or its address and headers are larger than {most} bytes.",
            code="invalid_http",
        )
    )


def wrong_origin(origin: str) -> Refused:
    """403: a web page of another origin."""
    return Refused(
        PermissionDeniedError(
            f"Requests from web pages of {shown(origin)} are not accepted. Whoever runs the server can allow an origin"
            " with --allow-origin.",
            code="origin_not_allowed",
        )
    )


def refused_key(error: AuthenticationError) -> Refused:
    """401: no key, or a wrong one."""
    return Refused(error, (b"www-authenticate", b"Bearer"))


def not_local() -> Refused:
    """401: without keys only this machine is served."""
    return refused_key(
        AuthenticationError(
            "This server has no keys and answers only on its own machine. Whoever runs it can give it keys with --api-key-file.",
            code="invalid_api_key",
        )
    )


def busy(most: int) -> Refused:
    """429: as many requests as are allowed are being performed."""
    text = f"The server is performing {most} requests, which is its limit. Repeat the request after a second."
    return Refused(RateLimitError(text, code="rate_limit_exceeded"), (b"retry-after", RETRY_AFTER))


def too_slow(seconds: float) -> Refused:
    """408: the client stopped sending; the connection is of no use any more."""
    text = f"Nothing of the body arrived for {seconds:g} seconds. Nothing was kept."
    return Refused(APIStatusError(text, status_code=408, code="request_timeout"), (b"connection", b"close"))


def too_large(what: str, most: int) -> Refused:
    """413: a body over its limit."""
    text = f"{what} is larger than the limit of {most} bytes ({most / (1 << 20):g} MiB). Nothing was kept."
    param = "file" if what == "The file" else None
    return Refused(
        APIStatusError(text, status_code=413, code="file_too_large" if param else "body_too_large", param=param)
    )


def wrong_content_type(given: str, expected: str) -> BadRequestError:
    """400: the body is of another kind."""
    got = f"it is {shown(given)}" if given else "there is none"
    return BadRequestError(
        f"The header Content-Type must be '{expected}' here, but {got}.", code="unsupported_content_type"
    )


def malformed_body(reason: str) -> BadRequestError:
    """400: the body cannot be read."""
    return BadRequestError(f"We could not parse the body of your request: {reason}", code="invalid_body")


def unexpected_body(method: str) -> BadRequestError:
    """400: the method takes no body."""
    return BadRequestError(f"A {method} request takes no body here; send parameters in the query.", code="invalid_body")


def duplicate(name: str) -> ParameterValidationError:
    """400: a field stands twice in an object or a query."""
    return ParameterValidationError(
        f"Duplicate parameter: {shown(name)} is given more than once.", param=name[:80], code="duplicate_parameter"
    )
