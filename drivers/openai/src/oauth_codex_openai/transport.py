"""Sends calls: one class that blocks and one that is awaited, alike line by line."""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Callable
from functools import cache, partial
from typing import TypeVar

import httpx
import stamina
from anyio.lowlevel import current_token
from oauth_codex.errors import (
    APIError,
    APIResponseValidationError,
    APIStatusError,
    ClientClosedError,
    ConfigurationError,
)

from . import failures
from .calls import Call, Wire
from .credentials import AuthSource
from .options import OpenAIOptions
from .retries import Retrying
from .streams import AsyncDownload, Download

_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
#: Redirects on the service's own origin that are followed.
_REDIRECTS = 5

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
#: An HTTP client, not yet known to be of the right kind, and its credentials.
_Opened = tuple[httpx.Client | httpx.AsyncClient, httpx.Auth | None]


@cache
def _certificates() -> ssl.SSLContext:
    """The certificates that httpx trusts, read once a process: that takes longer than many a call."""
    return httpx.create_ssl_context()


class Transport:
    """Sends calls in the calling thread. One serves many threads."""

    def __init__(self, options: OpenAIOptions, wire: Wire, source: AuthSource, clock: Callable[[], float]) -> None:
        """Nothing is opened before the first call.

        Args:
            options: Who is spoken to, and how patiently.
            wire: Makes the requests.
            source: Makes the credentials.
            clock: Time in Unix seconds.
        """
        self._options = options
        self._wire = wire
        self._clock = clock
        self._auth = source()
        self._lock = threading.Lock()
        self._own: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections; those of a client that the caller gave stay open."""
        if self._own is not None:
            self._own.close()

    def send(self, call: Call) -> httpx.Response:
        """Send a call and take the whole of its answer.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: There was no complete answer.
            ConfigurationError: The caller's HTTP client is of the wrong kind.
        """
        return _taken(call, *self._perform(call))

    def download(self, call: Call) -> Download:
        """Send a call and leave the body of its answer to be read; see `send`."""
        response, retries = self._perform(call)
        translate = partial(failures.no_answer, request=response.request)
        return Download(_taken(call, response, retries), translate)

    def _perform(self, call: Call) -> tuple[httpx.Response, int]:
        client = _usable(self._options.http_client or self._opened(), httpx.Client, "OAuthCodexClient")
        policy = _policy(self._options, call, self._clock)
        retries = 0
        try:
            for attempt in stamina.retry_context(on=policy, attempts=policy.most + 1, timeout=None):
                with attempt:
                    retries = attempt.num - 1
                    response = self._exchange(client, call, retries)
        except (APIStatusError, APIResponseValidationError) as error:
            _tell(call, error, retries)
            raise
        return response, retries

    def _opened(self) -> httpx.Client:
        """The HTTP client of its own, made when it is first needed."""
        with self._lock:
            if self._own is None:
                self._own = httpx.Client(limits=_LIMITS, verify=_certificates())
                weakref.finalize(self, self._own.close)
            return self._own

    def _exchange(self, client: httpx.Client, call: Call, retries: int) -> httpx.Response:
        request = self._wire.request(client, call, retries)
        for _ in range(_REDIRECTS + 1):
            response = self._once(client, request)
            if response.is_success and call.streamed:
                return response
            self._read(response)
            if not response.has_redirect_location:
                break
            request = self._wire.request(client, call, retries, _target(response, call))
        if not response.is_success:
            raise failures.refused(response)
        return response

    def _once(self, client: httpx.Client, request: httpx.Request) -> httpx.Response:
        auth = httpx.USE_CLIENT_DEFAULT if self._auth is None else self._auth
        try:
            return client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.RequestError as error:
            failure = failures.no_answer(error, request)
        raise failure  # outside the handler, so that it carries no frame of httpx

    def _read(self, response: httpx.Response) -> None:
        try:
            response.read()
        except httpx.RequestError as error:
            failure = failures.no_answer(error, response.request)
        else:
            return
        finally:
            response.close()
        raise failure


class AsyncTransport:
    """Sends calls on the running event loop. One serves many loops, each with an HTTP client of its own."""

    def __init__(self, options: OpenAIOptions, wire: Wire, source: AuthSource, clock: Callable[[], float]) -> None:
        """See `Transport`; nothing is opened before the first call on a loop."""
        self._options = options
        self._wire = wire
        self._source = source
        self._clock = clock
        # A RunVar of anyio would keep it after the end of its loop, since an HTTP client holds on to that.
        self._opened: dict[object, _Opened] = {}

    async def close(self) -> None:
        """Close the connections of the running loop; those of a client that the caller gave stay open."""
        opened = self._opened.pop(_running_loop(), None)
        if opened is not None and isinstance(opened[0], httpx.AsyncClient) and self._options.http_client is None:
            await opened[0].aclose()

    async def send(self, call: Call) -> httpx.Response:
        """Send a call and take the whole of its answer; see `Transport.send`."""
        return _taken(call, *await self._perform(call))

    async def download(self, call: Call) -> AsyncDownload:
        """Send a call and leave the body of its answer to be read; see `Transport.send`."""
        response, retries = await self._perform(call)
        translate = partial(failures.no_answer, request=response.request)
        return AsyncDownload(_taken(call, response, retries), translate)

    async def _perform(self, call: Call) -> tuple[httpx.Response, int]:
        client, auth = self._client()
        policy = _policy(self._options, call, self._clock)
        retries = 0
        try:
            async for attempt in stamina.retry_context(on=policy, attempts=policy.most + 1, timeout=None):
                with attempt:
                    retries = attempt.num - 1
                    response = await self._exchange(client, auth, call, retries)
        except (APIStatusError, APIResponseValidationError) as error:
            _tell(call, error, retries)
            raise
        return response, retries

    def _client(self) -> tuple[httpx.AsyncClient, httpx.Auth | None]:
        loop = _running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            for other in list(self._opened):
                if getattr(other, "is_closed", bool)():  # a loop that has ended closes nothing any more
                    self._opened.pop(other, None)
            opened = self._opened[loop] = (
                self._options.http_client or httpx.AsyncClient(limits=_LIMITS, verify=_certificates()),
                self._source(),
            )
        return _usable(opened[0], httpx.AsyncClient, "AsyncOAuthCodexClient"), opened[1]

    async def _exchange(
        self, client: httpx.AsyncClient, auth: httpx.Auth | None, call: Call, retries: int
    ) -> httpx.Response:
        request = self._wire.request(client, call, retries)
        for _ in range(_REDIRECTS + 1):
            response = await self._once(client, auth, request)
            if response.is_success and call.streamed:
                return response
            await self._read(response)
            if not response.has_redirect_location:
                break
            request = self._wire.request(client, call, retries, _target(response, call))
        if not response.is_success:
            raise failures.refused(response)
        return response

    async def _once(
        self, client: httpx.AsyncClient, chosen: httpx.Auth | None, request: httpx.Request
    ) -> httpx.Response:
        auth = httpx.USE_CLIENT_DEFAULT if chosen is None else chosen
        try:
            return await client.send(request, stream=True, auth=auth, follow_redirects=False)
        except httpx.RequestError as error:
            failure = failures.no_answer(error, request)
        raise failure

    async def _read(self, response: httpx.Response) -> None:
        try:
            await response.aread()
        except httpx.RequestError as error:
            failure = failures.no_answer(error, response.request)
        else:
            return
        finally:
            await response.aclose()
        raise failure


def _running_loop() -> object:
    token = current_token()
    return getattr(token, "native_token", token)  # older releases of anyio give the loop itself


def _policy(options: OpenAIOptions, call: Call, clock: Callable[[], float]) -> Retrying:
    given = call.options.max_retries
    return Retrying(call, options.max_retries if given is None else given, clock)


def _usable(client: object, kind: type[C], face: str) -> C:
    """The HTTP client, if it can be used.

    Raises:
        ConfigurationError: It is of the other kind.
        ClientClosedError: Its owner has closed it.
    """
    if not isinstance(client, kind):
        raise ConfigurationError(
            f"http_client is an httpx.{type(client).__name__}, but {face} sends its requests through an httpx.{kind.__name__}."
            f" Give it http_client=httpx.{kind.__name__}(...), or leave that out.",
            key="http_client",
            origin="argument",
        )
    if client.is_closed:
        raise ClientClosedError(
            "The http_client that was given is closed. Keep it open for as long as the client is used."
        )
    return client


def _tell(call: Call, error: APIError, retries: int) -> None:
    """Show the answer that an error stands for, if it stands for one."""
    response = error.__dict__.get("_response")
    if response is not None and call.options.on_answer is not None:
        call.options.on_answer(response, retries)


def _taken(call: Call, response: httpx.Response, retries: int) -> httpx.Response:
    """An answer, after whoever wants to see it has been shown it."""
    if call.options.on_answer is not None:
        call.options.on_answer(failures.visible(response, read=not call.streamed), retries)
    return response


def _target(response: httpx.Response, call: Call) -> httpx.URL:
    """Where a redirect leads, if it is followed: a GET, on the same origin.

    Raises:
        APIStatusError: It is not followed.
    """
    assert response.next_request is not None
    origin = failures.origin_of(response.next_request.url)
    if origin != failures.origin_of(response.request.url):
        raise failures.redirected(response, origin, "another origin, to which no credentials are sent")
    if call.method != "GET":
        raise failures.redirected(response, origin, f"which is followed for GET only, not for {call.method}")
    return response.next_request.url
