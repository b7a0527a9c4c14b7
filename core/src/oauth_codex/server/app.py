"""The application: the parts of this room put together."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from ..errors import ConfigurationError
from ..spi.backends import Backend
from . import messages as say
from .access import Access
from .guards import Edge, check_origins
from .keys import Keys
from .metrics import Metrics
from .openapi import document
from .performing import Performer
from .probes import Probes
from .replies import EXCHANGE, described
from .routes import Service, operation_routes

if TYPE_CHECKING:
    from ..client import AsyncOAuthCodexClient, OAuthCodexClient

#: Operations performed at the same time, unless told otherwise.
MAX_CONCURRENCY = 128


def create_app(
    client: OAuthCodexClient | AsyncOAuthCodexClient,
    *,
    keys: Keys | None = None,
    allowed_hosts: Collection[str] = (),
    allowed_origins: Collection[str] = (),
    max_concurrency: int = MAX_CONCURRENCY,
    max_upload_bytes: int | None = None,
    idle_seconds: float = 30.0,
    ready_seconds: float = 5.0,
) -> Starlette:
    """An ASGI application that serves the OpenAI REST routes for files and vector stores below `/v1`.

    `/healthz`, `/readyz`, `/metrics` and `/openapi.json` stand beside it. The client stays the caller's: close it when the
    application is done with.

    Args:
        client: Whose backend is served, on any driver; one that can be awaited is, others work in threads. Its timeout and
            headers hold for every call.
        keys: The bearer keys. Without them only clients on this machine are answered.
        allowed_hosts: Names by which clients may call the server, besides loopback ones and the address that it listens on.
        allowed_origins: Origins whose web pages may call it, for instance `http://localhost:3000`.
        max_concurrency: Most operations at the same time; further requests get 429.
        max_upload_bytes: Most bytes of an uploaded file, by default what the driver takes; larger ones get 413.
        idle_seconds: How long a client may pause while it sends a body, before it gets 408.
        ready_seconds: How long the storage may take to answer `/readyz`.

    Returns:
        The application.

    Raises:
        ConfigurationError: An argument is wrong, or the driver cannot keep the objects of several keys apart.
    """
    check_origins(allowed_origins)
    for name, value in {"max_concurrency": max_concurrency, "max_upload_bytes": max_upload_bytes}.items():
        if value is not None and value < 1:
            raise ConfigurationError(
                f"{name} is {value}. Accepted: 1 or more.", key=name, value=value, origin="argument"
            )

    def live() -> Backend:
        return client.backend

    backend = live()
    metrics = Metrics()
    access = Access(live, keys)
    performer = Performer(max_concurrency, client._core._call_options({}), metrics)
    service = Service(
        access,
        performer,
        metrics,
        max_upload_bytes=max_upload_bytes or backend.capabilities.max_file_bytes,
        patience=idle_seconds,
    )
    describe = partial(document, backend.capabilities, keyed=access.needs_key)
    probes = Probes(live, access, performer, metrics, describe, ready_seconds=ready_seconds)
    layers = [Middleware(Edge, hosts=tuple(allowed_hosts), origins=tuple(allowed_origins), metrics=metrics)]
    if allowed_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=[origin.lower().rstrip("/") for origin in allowed_origins],
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
                expose_headers=["x-request-id", "retry-after"],
            )
        )
    routes = [*operation_routes(service), *probes.routes()]
    app = Starlette(routes=routes, middleware=layers, exception_handlers={HTTPException: _unrouted})
    app.router.redirect_slashes = False
    app.state.probes = probes
    app.state.performer = performer
    app.state.live = live
    return app


async def _unrouted(request: Request, error: Any) -> Response:
    """What Starlette itself refuses: an unknown path, or a method that a path does not take."""
    path = request.url.path
    if error.status_code == 405:
        refusal = say.wrong_method(request.method, path, error.headers["Allow"])
    else:
        refusal = say.no_route(request.method, path)
    status, body, headers = described(refusal, request.scope[EXCHANGE])
    return Response(body, status, {name.decode(): value.decode() for name, value in headers}, "application/json")
