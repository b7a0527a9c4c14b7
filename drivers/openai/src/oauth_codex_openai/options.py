"""The options of the driver: which service, with which credentials, and how patiently."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

import httpx
from oauth_codex.errors import ConfigurationError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from .headers import guarded, sendable, well_formed

DEFAULT_ADDRESS = "https://api.openai.com/v1"
#: Seconds: of silence while an answer is awaited or read, and for a connection.
DEFAULT_TIMEOUT = httpx.Timeout(600, connect=5)

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class OpenAIOptions(BaseModel):
    """Which service is meant, and how it is spoken to.

    Attributes:
        base_url: Address that the paths of the API follow; by default `OPENAI_BASE_URL`, else that of OpenAI.
        api_key: The key, or a function, sync or async, that returns it. A function is asked at the first request, and once more
            when the service answers 401.
        api_key_env: Name of the variable with the key, read where nothing else is given.
        auth: Any `httpx.Auth` in place of a key; `httpx.Auth()` itself sends no credentials.
        organization: Organisation that pays; by default `OPENAI_ORG_ID`.
        project: Project that pays; by default `OPENAI_PROJECT_ID`.
        timeout: Seconds of silence after which a request is given up, an `httpx.Timeout`, or None for no limit.
        max_retries: How often a failed request is repeated.
        default_headers: Headers of every request. Their values are secrets.
        default_query: Query parameters of every request, such as `api-version`.
        http_client: An `httpx.Client`, or for the async client an `httpx.AsyncClient`, that sends the requests. It is never closed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    base_url: str | None = None
    api_key: SecretStr | Callable[[], Any] | None = Field(default=None, repr=False)
    api_key_env: str = Field(default="OPENAI_API_KEY", min_length=1)
    auth: httpx.Auth | None = Field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None
    timeout: _Seconds | httpx.Timeout | None = DEFAULT_TIMEOUT
    max_retries: int = Field(default=2, ge=0, le=1000)
    default_headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    default_query: Mapping[str, str] = Field(default_factory=dict, repr=False)
    http_client: httpx.Client | httpx.AsyncClient | None = Field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The base address, without a slash at its end.

        Raises:
            ConfigurationError: It comes from a variable, and is none.
        """
        if self.base_url is not None:
            return self.base_url
        return _from_variable("base_url", "OPENAI_BASE_URL", checked_address) or DEFAULT_ADDRESS

    @property
    def account(self) -> dict[str, str]:
        """Headers that say who pays.

        Raises:
            ConfigurationError: One comes from a variable, and cannot be the value of a header.
        """
        found = {
            "OpenAI-Organization": self.organization or _from_variable("organization", "OPENAI_ORG_ID", _checked_value),
            "OpenAI-Project": self.project or _from_variable("project", "OPENAI_PROJECT_ID", _checked_value),
        }
        return {name: value for name, value in found.items() if value}

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else checked_address(value)

    @field_validator("api_key")
    @classmethod
    def _key(cls, value: Any) -> Any:
        if isinstance(value, SecretStr) and not sendable(value.get_secret_value()):
            raise ValueError("the key is empty, or has blanks, line breaks or characters that are not ASCII")
        return value

    @field_validator("organization", "project")
    @classmethod
    def _value(cls, value: str | None) -> str | None:
        return None if value is None else _checked_value(value)

    @field_validator("default_headers")
    @classmethod
    def _headers(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if not well_formed(name, value):
                raise ValueError("names must be HTTP tokens, and values printable ASCII without blanks at the ends")
            if (instead := guarded(name)) is not None:
                raise ValueError(f"{name} cannot be one of them: {instead}")
        return headers

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.api_key is not None and self.auth is not None:
            raise ValueError("api_key= and auth= are two ways to authenticate: leave one out")
        return self


def _from_variable(option: str, variable: str, check: Callable[[str], str]) -> str | None:
    """The checked value of a variable; None if it is not set, or empty."""
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        return check(value)
    except ValueError as error:
        reason = str(error)
    raise ConfigurationError(f"The variable {variable} cannot be used: {reason}.", key=option, origin=variable)


def _checked_value(value: str) -> str:
    if not sendable(value):
        raise ValueError("it is empty, or has blanks, line breaks or characters that are not ASCII")
    return value


def checked_address(text: str) -> str:
    """A base address without a slash at its end.

    Raises:
        ValueError: It is none; the message shows nothing of it.
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise ValueError(f"it is no address such as {DEFAULT_ADDRESS}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"an address begins with http:// or https:// and a host, such as {DEFAULT_ADDRESS}")
    if url.userinfo:
        raise ValueError(
            "it has a user part: leave that out and give api_key=, or auth=httpx.BasicAuth(name, password)"
        )
    if "?" in text or "#" in text:  # empty ones too: every path would become part of them
        raise ValueError("it has a query or a fragment: give the query as default_query={...}")
    return str(url).rstrip("/")
