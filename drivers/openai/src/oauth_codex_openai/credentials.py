"""Credentials: a key, a variable, a function that returns a key, or an `httpx.Auth` of the caller."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import anyio
import anyio.to_thread
import httpx
from oauth_codex.errors import AuthRequiredError, ConfigurationError, OAuthCodexError
from pydantic import SecretStr

from .headers import sendable
from .options import OpenAIOptions
from .streams import Upload

#: Makes the credentials of one HTTP client; None where the client of the caller has its own.
AuthSource = Callable[[], httpx.Auth | None]


def choose(options: OpenAIOptions) -> AuthSource:
    """The credentials that the options, or else the environment, give.

    Raises:
        AuthRequiredError: There are none, or those in the variable cannot be sent.
    """
    if options.auth is not None:
        auth = options.auth
        return lambda: auth
    if isinstance(options.api_key, SecretStr):
        key = KeyAuth(options.api_key)
        return lambda: key
    if options.api_key is not None:
        provider = options.api_key
        return lambda: ProviderAuth(provider)
    if options.http_client is not None and options.http_client.auth is not None:
        return lambda: None
    return _from_environment(options.api_key_env)


def _from_environment(variable: str) -> AuthSource:
    value = os.environ.get(variable)
    remedy = (
        f"Set the variable {variable} (another one is named by api_key_env=), or give the client api_key= with a key or a function"
        " that returns one, or auth= with any httpx.Auth; for a service without keys that is auth=httpx.Auth()."
    )
    if not value:
        state = "is empty" if value == "" else "is not set"
        raise AuthRequiredError(f"There are no credentials for the service: {variable} {state}. {remedy}")
    if not sendable(value):
        raise AuthRequiredError(
            f"The variable {variable} holds blanks, line breaks or characters that are not ASCII, so it is no key. {remedy}"
        )
    key = KeyAuth(SecretStr(value))
    return lambda: key


def _put(request: httpx.Request, key: SecretStr) -> None:
    request.headers["Authorization"] = f"Bearer {key.get_secret_value()}"


class KeyAuth(httpx.Auth):
    """A key that stays as it is."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the key."""
        _put(request, self._key)
        yield request


class ProviderAuth(httpx.Auth):
    """A key that a function returns: asked at the first request, and once more when the key is refused.

    One serves many threads, or the tasks of one event loop; those whose key is refused together ask together.
    """

    def __init__(self, provider: Callable[[], Any]) -> None:
        self._provider = provider
        self._key: SecretStr | None = None
        self._lock = threading.Lock()
        self._turn = anyio.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the key; if that is refused, once more with a new one."""
        key = self._current(None)
        _put(request, key)
        response = yield request
        if response.status_code == 401 and _repeatable(request):
            _put(request, self._current(key))
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The same, on an event loop."""
        key = await self._current_async(None)
        _put(request, key)
        response = yield request
        if response.status_code == 401 and _repeatable(request):
            _put(request, await self._current_async(key))
            yield request

    def _current(self, refused: SecretStr | None) -> SecretStr:
        """The key, unless it is the one that was refused; then a new one."""
        with self._lock:
            if self._key is None or self._key is refused:
                self._key = _checked(self._ask())
            return self._key

    async def _current_async(self, refused: SecretStr | None) -> SecretStr:
        async with self._turn:
            if self._key is None or self._key is refused:
                answer = await anyio.to_thread.run_sync(self._call)
                if inspect.isawaitable(answer):
                    try:
                        answer = await answer
                    except OAuthCodexError:
                        raise
                    except Exception as error:
                        raise _failed(error) from error
                self._key = _checked(answer)
            return self._key

    def _ask(self) -> Any:
        answer = self._call()
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # it will never be awaited
            raise ConfigurationError(
                "api_key= is an async function, which OAuthCodexClient cannot await."
                " Give it a function that is not async, or use AsyncOAuthCodexClient.",
                key="api_key",
                origin="argument",
            )
        return answer

    def _call(self) -> Any:
        try:
            return self._provider()
        except OAuthCodexError:
            raise
        except Exception as error:
            raise _failed(error) from error


def _repeatable(request: httpx.Request) -> bool:
    return not isinstance(request.stream, Upload) or request.stream.repeatable


def _failed(error: Exception) -> AuthRequiredError:
    return AuthRequiredError(
        f"The function given as api_key= failed with {type(error).__name__}, so there is no key to send. It must return the key."
    )


def _checked(answer: object) -> SecretStr:
    if isinstance(answer, SecretStr):
        answer = answer.get_secret_value()
    if not sendable(answer):
        what = f"{type(answer).__name__}, no text" if not isinstance(answer, str) else "a text that cannot be a key"
        raise AuthRequiredError(
            f"The function given as api_key= returned {what}. It must return the key: ASCII without blanks and line breaks."
        )
    assert isinstance(answer, str)
    return SecretStr(answer)
