"""The options of the driver: which Chroma is meant, and how its graph is built."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Mode = Literal["embedded", "server", "cloud"]

_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)


class Options(BaseModel):
    """Nothing given: embedded, in the storage directory. `host`: a server. `tenant` and `database` without it: Chroma Cloud.

    Attributes:
        host: Name or address of a server; an IPv6 address in brackets.
        port: Its port.
        ssl: Speak https to it.
        headers: Sent to it with every request. Their values are secrets.
        tenant: Tenant on the server or in Chroma Cloud.
        database: Database on the server or in Chroma Cloud; it must exist.
        api_key_env: Name of the variable that holds the key of Chroma Cloud.
        ef_search: Candidates that a search of the graph keeps at least; None leaves it as it is. Another value builds it anew.
        ef_construction: Candidates that building the graph keeps; likewise.
        max_neighbors: Edges of a vector in the graph; likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str | None = None
    port: int = Field(default=8000, ge=1, le=65535)
    ssl: bool = False
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    tenant: str | None = Field(default=None, min_length=1)
    database: str | None = Field(default=None, min_length=1)
    api_key_env: str = Field(default="CHROMA_API_KEY", min_length=1)
    ef_search: int | None = Field(default=None, ge=1, le=100_000)
    ef_construction: int | None = Field(default=None, ge=1, le=100_000)
    max_neighbors: int | None = Field(default=None, ge=2, le=10_000)

    @property
    def mode(self) -> Mode:
        """Which Chroma is meant."""
        if self.host is not None:
            return "server"
        return "cloud" if self.model_fields_set & {"tenant", "database", "api_key_env"} else "embedded"

    @property
    def hnsw(self) -> dict[str, int]:
        """What is asked of the graph, by Chroma's own names."""
        found = {name: getattr(self, name) for name in ("ef_search", "ef_construction", "max_neighbors")}
        return {name: value for name, value in found.items() if value is not None}

    @field_validator("host")
    @classmethod
    def _plain_host(cls, host: str | None) -> str | None:
        if host is not None and not _HOST.fullmatch(host):
            raise ValueError(
                "give a host name or address alone, such as 127.0.0.1; https is ssl=true, the port is port="
            )
        return host

    @field_validator("headers")
    @classmethod
    def _sendable_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII) or not sendable(value):
                raise ValueError("names must be HTTP tokens, and values printable ASCII without spaces at the ends")
        return headers

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = self.model_fields_set
        if self.host is None:
            for name in ("port", "ssl", "headers"):
                if name in given:
                    raise ValueError(f"{name}= is about a server: give host= too")
        elif "api_key_env" in given:
            raise ValueError("api_key_env= is the key of Chroma Cloud, and host= a server of your own: leave one out")
        if self.mode == "cloud":
            if self.tenant is None or self.database is None:
                raise ValueError("Chroma Cloud needs both tenant= and database=; a server needs host=")
            if self.hnsw:
                raise ValueError(f"{next(iter(self.hnsw))}= is about the graphs of a server; Chroma Cloud keeps none")
        return self


def sendable(value: str) -> bool:
    """Whether a text can be the value of an HTTP header."""
    return value.isascii() and value.isprintable() and value == value.strip() and value != ""
