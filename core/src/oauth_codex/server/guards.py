"""The outermost layer: every request gets an id, is counted, and must come to a name and from an origin that are served.

A web page must not reach a server on the user's own machine. A page of another site is known by its `Origin`; one whose name was
pointed at this machine (DNS rebinding) by the `Host` that its browser sends.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from ..client.dispatch import new_request_id
from ..errors import ConfigurationError
from . import messages as say
from .metrics import Metrics
from .replies import EXCHANGE, Answering, App, Exchange, Message, Receive, Refused, Scope, Send, reply_error

LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))
#: Addresses to listen on that are no names of a server.
WILDCARDS = frozenset(("0.0.0.0", "::", "[::]", ""))


class Edge:
    """Marks, counts and guards every request."""

    def __init__(self, app: App, *, hosts: Collection[str], origins: Collection[str], metrics: Metrics) -> None:
        self._bare = app
        self._app = Answering(app)
        self._hosts = LOOPBACK | {_name(host) for host in hosts} - WILDCARDS
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._bare(scope, receive, send)
            return
        exchange = scope[EXCHANGE] = Exchange(new_request_id())
        mark = (b"x-request-id", exchange.request_id.encode())

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), mark, (b"x-content-type-options", b"nosniff")]
            await send(message)

        started = time.perf_counter()
        self._metrics.begun()
        try:
            try:
                self._check(scope)
            except Refused as refusal:
                await reply_error(marked, refusal, exchange)
            else:
                await self._app(scope, receive, marked)
        finally:
            self._metrics.ended(exchange.operation, exchange.status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        hosts = []
        origin = site = None
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if len(hosts) != 1:
            raise say.no_host()
        host = hosts[0].decode("latin-1").lower()
        name = _name(host)
        if name not in self._hosts and name != _own_address(scope):
            raise say.wrong_host(hosts[0])
        if origin is not None:
            text = origin.decode("latin-1").lower()
            if text not in self._origins and text not in (f"http://{host}", f"https://{host}"):
                raise say.wrong_origin(text)
        elif site in (b"cross-site", b"same-site"):  # a picture or a script of a page comes without an Origin
            raise say.wrong_origin(f"another site (Sec-Fetch-Site: {site.decode()})")


def _name(host: str) -> str:
    """A host without its port: `example.org`, `127.0.0.1`, `[::1]`."""
    text = host.strip().lower()
    if text.startswith("["):
        address, _, rest = text.partition("]")
        return f"{address}]" if not rest or rest.startswith(":") else text
    if text.count(":") > 1:  # an address of version 6 as users write it
        return f"[{text}]"
    return text.partition(":")[0].rstrip(".")


def _own_address(scope: Scope) -> str | None:
    """The address of this machine at which the connection arrived."""
    server = scope.get("server")
    return _name(server[0]) if server and server[1] is not None else None


def check_origins(origins: Collection[str]) -> None:
    """Refuse origins that are not a scheme and a host.

    Raises:
        ConfigurationError: One is malformed, or stands for all.
    """
    for origin in origins:
        scheme, slashes, rest = origin.partition("://")
        if scheme not in ("http", "https") or not slashes or not rest or set("/*?# @") & set(rest.rstrip("/")):
            raise ConfigurationError(
                f"{origin[:80]!r} is no origin. Expected a scheme and a host, for instance 'http://localhost:3000'; every origin is"
                " named by itself, '*' does not stand for all.",
                key="allowed_origins",
            )
