"""One route for each path of the operations table: a request becomes fields, the fields an operation, its answer JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import Route

from ..spi.backends import Backend
from ..spi.operations import OPERATIONS, Operation
from . import messages as say
from .access import Access
from .bodies import add, has_body, header, read_json, read_query, whole
from .downloads import send_download
from .forms import receive_form
from .metrics import Metrics
from .performing import Download, Performer
from .replies import EXCHANGE, Answering, Exchange, Receive, Scope, Send, reply

#: What stands before the paths of the operations table; the `base_url` of a client ends with it.
PREFIX = "/v1"
#: JSON bodies up to this size are read on the event loop, larger ones in a thread.
_SMALL = 64 * 1024
#: Names that the headers of a part of a form stand for, and no field.
_RESERVED = frozenset(("content", "filename", "content_type"))


class Service:
    """What all routes share."""

    def __init__(
        self, access: Access, performer: Performer, metrics: Metrics, *, max_upload_bytes: int, patience: float
    ) -> None:
        """Put the parts together.

        Args:
            access: Who may call.
            performer: What performs operations.
            metrics: Where received bytes are counted.
            max_upload_bytes: Most bytes of an uploaded file.
            patience: Seconds to wait for each piece of a body.
        """
        self.access = access
        self.performer = performer
        self._metrics = metrics
        self._max_upload_bytes = max_upload_bytes
        self._patience = patience

    async def serve(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for an operation."""
        exchange: Exchange = scope[EXCHANGE]
        exchange.operation = operation.name
        backend = self.access.backend(scope)
        fields: dict[str, Any] = dict(scope["path_params"])
        add(fields, read_query(scope), _RESERVED)
        if operation.multipart:
            await self._upload(backend, operation, fields, scope, receive, send)
            return
        if operation.method == "POST":
            body = await whole(scope, receive, self._patience)
            kind = header(scope, b"content-type")
            read = (
                read_json(kind, body) if len(body) <= _SMALL else await self.performer.in_thread(read_json, kind, body)
            )
            add(fields, read)
        elif has_body(scope):
            raise say.unexpected_body(operation.method)
        answer = await self.performer.perform(backend, operation, fields, exchange.request_id)
        if isinstance(answer, Download):
            await send_download(answer, self.performer, receive, send)
        else:
            await reply(send, 200, answer)

    async def _upload(
        self, backend: Backend, operation: Operation, fields: dict[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        form = await receive_form(scope, receive, self._max_upload_bytes, self._patience, self.performer.in_thread)
        try:
            add(fields, form.finished())
            self._metrics.uploaded.inc(form.size)
            answer = await self.performer.perform(backend, operation, fields, scope[EXCHANGE].request_id)
            assert isinstance(answer, bytes)
        finally:
            form.close()
        await reply(send, 200, answer)


class _Path:
    """The operations at one path."""

    def __init__(self, service: Service, operations: Sequence[Operation]) -> None:
        self._service = service
        self._operations = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if b"%2f" in scope["raw_path"].lower():  # a slash inside an id must not make another path
            raise say.no_route(scope["method"], scope["raw_path"].decode("latin-1"))
        await self._service.serve(self._operations[scope["method"]], scope, receive, send)


def operation_routes(service: Service) -> list[Route]:
    """The routes of all operations."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    routes = []
    for path, operations in paths.items():
        methods: set[str] = {operation.method for operation in operations}
        route = Route(PREFIX + path, Answering(_Path(service, operations)), methods=list(methods))
        route.methods = methods  # without the HEAD that Starlette adds to every GET
        routes.append(route)
    return routes
