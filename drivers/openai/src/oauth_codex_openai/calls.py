"""From an operation to the HTTP request that stands for it. Nothing in here waits for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx
from oauth_codex import messages as say
from oauth_codex.errors import ParameterValidationError
from oauth_codex.spi import wire
from oauth_codex.spi.operations import Answer, Operation
from oauth_codex.spi.requests import NO_OPTIONS, CallOptions, FileCreate, Request

from . import headers
from .options import DEFAULT_TIMEOUT, OpenAIOptions
from .streams import Content, Upload

#: Under this name a request carries the names of the headers that an error may show.
SHOWN = "oauth_codex.shown"


@dataclass(frozen=True, kw_only=True)
class Form:
    """The body of an upload: text fields, and the file."""

    fields: Mapping[str, str]
    filename: str
    content_type: str | None
    content: Content


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, before it is known which HTTP client sends it.

    Attributes:
        method: HTTP method.
        path: Path below the base address.
        query: Query parameters.
        body: Body as JSON; None for none.
        form: Body of an upload.
        streamed: Whether the body of the answer is left to be read.
        options: What the caller wants of this call.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    form: Form | None = None
    streamed: bool = False
    options: CallOptions = NO_OPTIONS

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent once more."""
        return self.form is None or self.form.content.repeatable


def call_of(operation: Operation, request: Request) -> Call:
    """The call that an operation is.

    Raises:
        ParameterValidationError: A value cannot stand in a form.
    """
    form = None
    if isinstance(request, FileCreate):
        if request.content_type is not None and not headers.well_formed("content-type", request.content_type):
            raise ParameterValidationError(
                f"Invalid 'content_type': {say.shown(request.content_type)}. Expected a media type such as 'text/plain':"
                " printable ASCII without blanks at the ends.",
                param="content_type",
            )
        form = Form(
            fields=wire.form(operation, request),
            filename=request.filename,
            content_type=request.content_type,
            content=Content(request.stream),
        )
    query, body, beyond = (
        wire.query(operation, request),
        wire.body(operation, request),
        request.options.extra_body or {},
    )
    return Call(
        method=operation.method,
        path=wire.path(operation, request),
        query=query if operation.method == "POST" else {**query, **dict(_flat(beyond))},
        body={**(body or {}), **beyond} if beyond and operation.method == "POST" else body,
        form=form,
        streamed=operation.answer is Answer.BYTES,
        options=request.options,
    )


class Wire:
    """Makes HTTP requests of calls, with what the options say of all of them."""

    def __init__(self, options: OpenAIOptions) -> None:
        """Read the options.

        Raises:
            ConfigurationError: A variable that stands in for one cannot be used.
        """
        self.address = options.address
        self._options = options
        self._headers = {
            "User-Agent": f"oauth-codex-openai/{version('oauth-codex-openai')}",
            "Accept": "application/json",
            **options.account,
        }

    def request(
        self, client: httpx.Client | httpx.AsyncClient, call: Call, retries: int, target: httpx.URL | None = None
    ) -> httpx.Request:
        """The request of a call.

        Args:
            client: Who will send it.
            call: The call.
            retries: How often it was sent before.
            target: Where to, if not to the address that the call says.

        Raises:
            ParameterValidationError: An extra header cannot be sent, or is not for callers to set.
        """
        extra = headers.checked(call.options.extra_headers)
        parts = httpx.Headers({**self._headers, "x-stainless-retry-count": str(retries)})
        if call.path.startswith("/vector_stores"):
            parts["OpenAI-Beta"] = "assistants=v2"
        if call.streamed:
            parts["Accept"] = "application/binary"
        parts.update(self._options.default_headers)
        parts.update(extra)
        query = {**self._options.default_query, **call.query, **dict(_flat(call.options.extra_query or {}))}
        sent: dict[str, Any] = {}
        if call.form is not None:
            file = (call.form.filename, call.form.content, call.form.content_type)
            sent = {"data": call.form.fields, "files": {"file": file}}
        elif call.body is not None:
            sent = {"json": call.body}
        request = client.build_request(
            call.method,
            target or f"{self.address}{call.path}",
            params=query if query and target is None else None,
            headers=parts,
            timeout=self._timeout(client, call.options),
            extensions={SHOWN: frozenset(name.lower() for name in extra)},
            **sent,
        )
        if call.form is not None:
            request.stream = Upload(request.stream, call.form.content)
        return request

    def _timeout(self, client: httpx.Client | httpx.AsyncClient, options: CallOptions) -> Any:
        if "timeout" in options.model_fields_set:
            return options.timeout
        if "timeout" in self._options.model_fields_set:
            return self._options.timeout
        # A limit that the caller's own client was made with is meant; the one that httpx gives to all is not.
        return client.timeout if client.timeout != httpx.Timeout(5) else DEFAULT_TIMEOUT


def _flat(fields: Mapping[str, object], outer: str = "") -> Iterator[tuple[str, Any]]:
    """Query parameters; objects and arrays in brackets, as in the forms of the API. None is left out."""
    for key, value in fields.items():
        name = f"{outer}[{key}]" if outer else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif isinstance(value, list | tuple):
            yield f"{name}[]", [wire.text(entry) for entry in value]
        elif value is not None:
            yield name, wire.text(value)
