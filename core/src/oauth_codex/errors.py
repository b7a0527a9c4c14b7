"""The one error tree of oauth-codex.

Every error that a call can raise is an `OAuthCodexError`. Errors that stand for an HTTP answer are `APIError`s, whether the
answer came over the wire or from a local driver, so the same `except` clauses work on every backend. Several classes also
derive from a builtin (`KeyError`, `ValueError`, `TimeoutError` ...), so that programs written against older versions keep working.

This module imports nothing but the standard library; `httpx` is imported only when `APIError.response` is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthRequiredError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "DriverError",
    "EmbedderMismatchError",
    "InternalServerError",
    "NotFoundError",
    "NotSupportedError",
    "OAuthCodexError",
    "OpenAIError",
    "ParameterValidationError",
    "PermissionDeniedError",
    "PollTimeoutError",
    "RateLimitError",
    "SDKRequestError",
    "SchemaVersionError",
    "StorageBusyError",
    "StorageError",
    "UnprocessableEntityError",
]

_PROVIDER_CODES = {400: "invalid_request", 401: "unauthorized", 404: "not_found", 429: "rate_limit_exceeded"}


def _restore(cls: type[OAuthCodexError], args: tuple[Any, ...], state: dict[str, Any]) -> OAuthCodexError:
    """Rebuild a pickled error without calling its keyword-only constructor."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class OAuthCodexError(Exception):
    """Base class of every error that this package raises on purpose."""

    #: Attributes that cannot or must not travel with a pickled error.
    _unpicklable: ClassVar[frozenset[str]] = frozenset({"_response", "_request"})

    def __str__(self) -> str:
        # Spelt out because KeyError, one of the bases below, would print the repr of its argument.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in self.__dict__.items() if key not in self._unpicklable}
        foreign = state.get("raw_error")
        if isinstance(foreign, BaseException):  # many can be pickled only with an error, or never be made again
            state["raw_error"] = f"{type(foreign).__name__}: {foreign}"
        return _restore, (type(self), self.args, state)


class SDKRequestError(OAuthCodexError):
    """A request failed, at the provider or in local storage.

    Attributes:
        status_code: HTTP status, or None when there was no answer.
        provider_code: Machine-readable code of the answer, or one that follows from the status.
        user_message: A sentence that may be shown to a user.
        retryable: Whether the same request may succeed later (408, 409, 429, 5xx and connection errors).
        request_id: Id of the request in logs, if there is one.
        raw_error: The decoded body of the answer, or the foreign exception.
    """

    status_code: int | None
    provider_code: str | None
    user_message: str
    retryable: bool
    request_id: str | None
    raw_error: Any

    def __init__(
        self,
        *,
        status_code: int | None,
        provider_code: str | None,
        user_message: str,
        retryable: bool,
        request_id: str | None = None,
        raw_error: Any = None,
    ) -> None:
        super().__init__(user_message)
        self.status_code = status_code
        self.provider_code = provider_code
        self.user_message = user_message
        self.retryable = retryable
        self.request_id = request_id
        self.raw_error = raw_error


class OpenAIError(OAuthCodexError):
    """Base class with the name that the OpenAI SDK gives to its own errors."""


class APIError(OpenAIError, SDKRequestError):
    """An error answer of the API, in the shape of the OpenAI SDK.

    Attributes:
        message: What went wrong, as printed.
        body: The `error` object of the answer: `message`, `type`, `param`, `code`.
        code: Machine-readable code, always a string or None.
        param: Name of the offending parameter, if one is to blame.
        type: Kind of error, for instance `invalid_request_error`.
    """

    message: str
    body: Any
    code: str | None
    param: str | None
    type: str | None

    def __init__(
        self,
        message: str,
        *,
        body: Any = None,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        request: httpx.Request | None = None,
        response: httpx.Response | None = None,
        raw_error: Any = None,
    ) -> None:
        Exception.__init__(self, message)
        fields = body if isinstance(body, dict) else {}
        found = code if code is not None else fields.get("code")
        self.message = message
        self.code = None if found is None else str(found)
        self.param = param if param is not None else fields.get("param")
        self.type = type if type is not None else fields.get("type")
        self.status_code = status_code
        self.provider_code = self.code or _provider_code(status_code)
        self.user_message = str(fields.get("message") or message)
        self.retryable = status_code is not None and (status_code in {408, 409, 429} or status_code >= 500)
        self.request_id = request_id
        self.body = body
        self.raw_error = raw_error if raw_error is not None else body
        self._request = request
        self._response = response

    @property
    def request(self) -> httpx.Request:
        """The HTTP request; for a local driver one that describes the call."""
        if self.__dict__.get("_request") is None and (answer := self.__dict__.get("_response")) is not None:
            self._request = answer.request
        elif self.__dict__.get("_request") is None:
            import httpx

            self._request = httpx.Request("GET", "http://localhost/")
        request = self._request
        assert request is not None
        return request


def _provider_code(status: int | None) -> str | None:
    if status is None:
        return None
    return "server_error" if status >= 500 else _PROVIDER_CODES.get(status)


class APIConnectionError(APIError):
    """No answer: the server could not be reached."""

    def __init__(self, message: str = "Connection error.", *, request: httpx.Request | None = None) -> None:
        super().__init__(message, request=request)
        self.retryable = True


class APITimeoutError(APIConnectionError, TimeoutError):
    """No answer in time."""

    def __init__(self, message: str = "Request timed out.", *, request: httpx.Request | None = None) -> None:
        super().__init__(message, request=request)


class APIResponseValidationError(APIError):
    """The answer does not have the shape that the API promises."""

    def __init__(
        self,
        message: str = "Data returned by API invalid for expected schema.",
        *,
        body: Any = None,
        status_code: int | None = None,
        response: httpx.Response | None = None,
    ) -> None:
        super().__init__(message, body=body, status_code=status_code, response=response)

    @property
    def response(self) -> httpx.Response:
        """The HTTP answer."""
        return _response(self)


class APIStatusError(APIError):
    """The API answered with an error status (4xx or 5xx)."""

    #: Status of errors that a local driver raises without an HTTP answer.
    default_status: ClassVar[int] = 500
    default_type: ClassVar[str] = "invalid_request_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status_code: int | None = None,
        body: Any = None,
        request_id: str | None = None,
        response: httpx.Response | None = None,
        raw_error: Any = None,
    ) -> None:
        status = self.default_status if status_code is None else status_code
        if body is None:
            body = {"message": message, "type": self.default_type, "param": param, "code": code}
        super().__init__(
            self._display(message, status),
            body=body,
            code=code,
            param=param,
            status_code=status,
            request_id=request_id,
            response=response,
            raw_error=raw_error,
        )

    def _display(self, message: str, status: int) -> str:
        return f"Error code: {status} - {message}"

    @property
    def response(self) -> httpx.Response:
        """The HTTP answer; for a local driver the one that a server would have sent."""
        return _response(self)

    @classmethod
    def from_status(cls, status_code: int, message: str, **details: Any) -> APIStatusError:
        """The error class for an HTTP status, made from an answer's message and details.

        A 400 that blames a parameter is a `ParameterValidationError`, as a local driver raises it.
        """
        chosen = _BY_STATUS.get(status_code)
        if status_code == 400:
            body = details.get("body")
            named = details.get("param") or (body.get("param") if isinstance(body, dict) else None)
            chosen = ParameterValidationError if named else BadRequestError
        if chosen is None:
            chosen = InternalServerError if status_code >= 500 else APIStatusError
        return chosen(message, status_code=status_code, **details)


def _response(error: APIError) -> httpx.Response:
    if error.__dict__.get("_response") is None:
        import httpx

        headers: Mapping[str, str] = {"x-request-id": error.request_id} if error.request_id else {}
        error._response = httpx.Response(
            error.status_code or 500, json={"error": error.body}, headers=headers, request=error.request
        )
    response = error._response
    assert response is not None
    return response


class BadRequestError(APIStatusError):
    """400: the request is not acceptable as it stands."""

    default_status = 400


class ParameterValidationError(BadRequestError, ValueError):
    """An argument is wrong: names the parameter, the value given and what is accepted."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = "invalid_value", **details: Any
    ) -> None:
        super().__init__(message, param=param, code=code, **details)

    def _display(self, message: str, status: int) -> str:
        return message  # as the SDK's own ValueErrors read: no status in front


class NotSupportedError(BadRequestError, NotImplementedError):
    """The driver or the API does not offer this; `code` is `not_supported` or `not_supported_on_codex_oauth`."""

    def __init__(self, message: str, *, code: str = "not_supported", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class AuthenticationError(APIStatusError):
    """401: the credentials were refused."""

    default_status = 401


class AuthRequiredError(AuthenticationError):
    """401: there are no credentials; the message names the ways to give them."""


class PermissionDeniedError(APIStatusError):
    """403: not allowed."""

    default_status = 403


class NotFoundError(APIStatusError, KeyError):
    """404: there is no such object."""

    default_status = 404

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message, code=code, **details)


class ConflictError(APIStatusError):
    """409: the object is in a state that forbids the request."""

    default_status = 409


class UnprocessableEntityError(APIStatusError):
    """422: understood, but not processable."""

    default_status = 422


class RateLimitError(APIStatusError):
    """429: too many requests; try again later."""

    default_status = 429
    default_type = "rate_limit_error"


class InternalServerError(APIStatusError):
    """5xx: the server, or a local driver, failed."""

    default_status = 500
    default_type = "server_error"


class StorageError(InternalServerError):
    """A driver or a disk failed. `__cause__` is the foreign exception; nothing of the failed call was kept.

    Attributes:
        driver: Name of the driver, if known.
    """

    driver: str | None

    def __init__(self, message: str, *, driver: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.driver = driver


class ConfigurationError(OAuthCodexError, ValueError):
    """A profile, an option or a variable is wrong: names key, value, origin and what is accepted.

    Attributes:
        key: The setting, for instance `profiles.dev.backend`.
        value: The offending value, redacted where it may be a secret.
        origin: Where the value came from: `argument`, a variable, or file and table.
    """

    key: str | None
    value: Any
    origin: str | None

    def __init__(self, message: str, *, key: str | None = None, value: Any = None, origin: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.value = value
        self.origin = origin


class DriverError(ConfigurationError, ImportError):
    """A driver is not installed, ambiguous, broken, or made for another interface version."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # ImportError's layout wants positional arguments only
        return super().__new__(cls, *args)


class EmbedderMismatchError(OAuthCodexError):
    """A store was made with another embedder; the message names the remedy."""


class SchemaVersionError(OAuthCodexError):
    """The storage was written by a newer version of this package and is left untouched."""


class StorageBusyError(OAuthCodexError):
    """Another process held the storage for longer than the time limit; the call may be repeated."""

    retryable: ClassVar[bool] = True


class ClientClosedError(OAuthCodexError, RuntimeError):
    """The client was closed, or belongs to the process from which this one was forked."""


class PollTimeoutError(OAuthCodexError, TimeoutError, RuntimeError):
    """Waiting took longer than `max_wait_seconds`.

    Attributes:
        last: The object as last seen.
    """

    last: Any

    def __init__(self, message: str, *, last: Any = None) -> None:
        super().__init__(message)
        self.last = last


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

# Errors read as `oauth_codex.NotFoundError`, the name that users import.
for _error in [globals()[name] for name in __all__]:
    _error.__module__ = "oauth_codex"
