"""The resources: each operation once, as a generator that yields the calls to send, and two faces that send them."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
from oauth_codex.spi import Listing
from oauth_codex.spi import requests as r
from oauth_codex.spi.operations import (
    BATCHES_CREATE,
    FILES_CONTENT,
    OPERATIONS,
    STORE_FILES_DELETE,
    STORE_FILES_LIST,
    STORES_RETRIEVE,
    STORES_UPDATE,
    Operation,
)
from oauth_codex.spi.requests import Request
from oauth_codex.types import VectorStoreFile

from . import answers
from .calls import Call, call_of
from .transport import AsyncTransport, Transport

#: Yields calls, is sent their answers, and returns what the backend's method does.
Steps = Generator[Call, httpx.Response, Any]

#: Most files that are attached at once.
_GROUP = 500


class Face:
    """The methods of `Backend.files`, `.vector_stores` and `.batches`, made from the operations table, which block."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.files: Any = SimpleNamespace()
        self.vector_stores: Any = SimpleNamespace()
        self.batches: Any = SimpleNamespace()
        _fill(self, self._serve)

    def _serve(self, operation: Operation, request: Request) -> Any:
        if operation is FILES_CONTENT:
            return self._transport.download(call_of(operation, request))
        steps = serving(operation, request)
        try:
            call = next(steps)
            while True:
                call = steps.send(self._transport.send(call))
        except StopIteration as end:
            return end.value


class AsyncFace:
    """The same methods, to be awaited."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.files: Any = SimpleNamespace()
        self.vector_stores: Any = SimpleNamespace()
        self.batches: Any = SimpleNamespace()
        _fill(self, self._serve)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._transport.close()

    async def _serve(self, operation: Operation, request: Request) -> Any:
        if operation is FILES_CONTENT:
            return await self._transport.download(call_of(operation, request))
        steps = serving(operation, request)
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._transport.send(call))
        except StopIteration as end:
            return end.value


def _fill(face: Face | AsyncFace, serve: Any) -> None:
    for operation in OPERATIONS:
        group, method = operation.serve.split(".")
        setattr(getattr(face, group), method, partial(serve, operation))


def serving(operation: Operation, request: Request) -> Steps:
    """The calls of an operation: one, save for replacing the files of a store."""
    if isinstance(request, r.VectorStoreUpdate):
        return _updating(request)
    return _one(operation, request)


def _one(operation: Operation, request: Request) -> Steps:
    response = yield call_of(operation, request)
    return answers.read(operation, request, response)


def _updating(request: r.VectorStoreUpdate) -> Steps:
    """Change a store. The API has no `file_ids` here: they are compared with what is attached, and the difference is made.

    What the service may refuse comes first, so that a file that does not exist changes nothing.
    """
    if request.file_ids is None:
        return (yield from _one(STORES_UPDATE, _without_files(request)))
    place: dict[str, Any] = {"vector_store_id": request.vector_store_id, "options": request.options}
    present = yield from _attached(place)
    wanted = dict.fromkeys(request.file_ids)  # in their order, and looked up at once
    coming = tuple(file_id for file_id in wanted if file_id not in present)
    for start in range(0, len(coming), _GROUP):
        yield from _one(BATCHES_CREATE, r.FileBatchCreate(file_ids=coming[start : start + _GROUP], **place))
    yield from _one(STORES_UPDATE, _without_files(request))
    for file_id in present:
        if file_id not in wanted:
            yield from _one(STORE_FILES_DELETE, r.VectorStoreFileDelete(file_id=file_id, **place))
    return (yield from _one(STORES_RETRIEVE, r.VectorStoreRetrieve(**place)))


def _without_files(request: r.VectorStoreUpdate) -> r.VectorStoreUpdate:
    fields = {name: getattr(request, name) for name in request.model_fields_set - {"file_ids"}}
    return r.VectorStoreUpdate.model_construct(request.model_fields_set - {"file_ids"}, **fields)


def _attached(place: dict[str, Any]) -> Generator[Call, httpx.Response, dict[str, None]]:
    """Ids of all files of a store."""
    found: dict[str, None] = {}
    after = None
    while True:
        page: Listing[VectorStoreFile] = yield from _one(
            STORE_FILES_LIST, r.VectorStoreFileList(limit=100, order="asc", after=after, **place)
        )
        found |= dict.fromkeys(file.id for file in page.data)
        if not page.has_more:
            return found
        after = page.data[-1].id
