"""What operators ask: is it alive, is it ready, what has it done; and what clients ask: what is offered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from starlette.routing import Route

from ..errors import ClientClosedError
from ..spi.backends import Backend
from .access import Access
from .metrics import CONTENT_TYPE, Metrics
from .performing import Performer
from .replies import EXCHANGE, Answering, App, Receive, Scope, Send, reply

log = logging.getLogger("oauth_codex")


class Probes:
    """The routes below the root."""

    def __init__(
        self,
        live: Callable[[], Backend],
        access: Access,
        performer: Performer,
        metrics: Metrics,
        document: Callable[[], bytes],
        *,
        ready_seconds: float,
    ) -> None:
        """Put the parts together.

        Args:
            live: The backend, if it is still open.
            access: Who may read the metrics.
            performer: Whose threads ask the backend.
            metrics: What is shown.
            document: The OpenAPI document.
            ready_seconds: How long the backend may take to say that it works.
        """
        self._live = live
        self._access = access
        self._performer = performer
        self._metrics = metrics
        self._document = document
        self._made: bytes | None = None
        self._ready_seconds = ready_seconds
        self._ping: asyncio.Future[None] | None = None
        #: Set when the server begins to shut down.
        self.draining = False

    def routes(self) -> list[Route]:
        """The routes."""
        found = {"healthz": self._health, "readyz": self._ready, "metrics": self._show, "openapi.json": self._describe}
        return [Route(f"/{name}", Answering(_Named(name, serve)), methods=["GET"]) for name, serve in found.items()]

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, 200, b'{"status":"ok"}')

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = "shutting down" if self.draining else await self._problem(scope[EXCHANGE].request_id)
        if reason is None:
            await reply(send, 200, b'{"status":"ready"}')
        else:
            await reply(send, 503, json.dumps({"status": "not ready", "reason": reason}).encode())

    async def _problem(self, request_id: str) -> str | None:
        try:
            if self._ping is None or self._ping.done():  # one that hangs is not asked again
                self._ping = asyncio.ensure_future(self._performer.abandonable(self._live().ping))
            done, _ = await asyncio.wait((self._ping,), timeout=self._ready_seconds)
            if not done:
                return f"the storage did not answer within {self._ready_seconds:g} seconds"
            self._ping.result()
        except ClientClosedError:
            return "shutting down"
        except Exception as error:
            log.error("%s: not ready: the storage cannot be used", request_id, exc_info=error)
            return "the storage cannot be used; the log of the server says why"
        return None

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._access.namespace(scope)
        await reply(send, 200, self._metrics.text(), CONTENT_TYPE)

    async def _describe(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = await self._performer.in_thread(self._document)
        await reply(send, 200, self._made)


class _Named:
    """A route that is counted under a name of its own."""

    def __init__(self, name: str, serve: App) -> None:
        self._name = name
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[EXCHANGE].operation = self._name
        await self._serve(scope, receive, send)
