"""A small backend in memory: lists, cursors and memberships, without text or vectors."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

from oauth_codex import messages as say
from oauth_codex.spi import (
    LOCAL,
    Backend,
    Capabilities,
    Listing,
    ParsedContent,
    Position,
    SearchResults,
)
from oauth_codex.spi import requests as r
from oauth_codex.types import (
    ExpiresAfter,
    FileContentResponse,
    FileCounts,
    FileDeleted,
    FileObject,
    SearchContent,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreFile,
    VectorStoreFileBatch,
    VectorStoreFileDeleted,
    VectorStoreSearchResponse,
)

T = TypeVar("T", FileObject, VectorStore, VectorStoreFile)


#: All that a local driver can do, but each file and each step is a call of its own, as over a network.
TWO_STEPS = replace(LOCAL, create_many=False, upload_files=False)


class FakeBackend:
    """Implements `Backend`. `calls` are the requests in order; `before` is called with each of them first."""

    name = "fake"

    def __init__(self, capabilities: Capabilities = TWO_STEPS, *, positions: bool = True) -> None:
        self.capabilities = capabilities
        self.positions = positions
        self.calls: list[r.Request] = []
        self.before: Callable[[r.Request], None] = lambda request: None
        self.pending = 0  # how many looks a newly attached file stays in progress
        self.closed = 0
        self._lock = threading.RLock()
        self._sequence = itertools.count(1)
        self._places: dict[tuple[str, str], Position] = {}
        self._files: dict[str, tuple[FileObject, bytes]] = {}
        self._stores: dict[str, VectorStore] = {}
        self._members: dict[str, dict[str, VectorStoreFile]] = {}
        self._looks: dict[tuple[str, str], int] = {}
        self._batches: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.files = _Files(self)
        self.vector_stores = _Stores(self)
        self.batches = _Batches(self)

    def scoped(self, namespace: str) -> Backend:
        raise NotImplementedError

    def ping(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def seen(self, request: r.Request) -> None:
        with self._lock:
            self.calls.append(request)
        self.before(request)

    def new(self, prefix: str, scope: str) -> str:
        with self._lock:
            number = next(self._sequence)
            made = f"{prefix}{number}"
            self.place(scope, made)
            return made

    def place(self, scope: str, item: str) -> Position:
        position = Position(100, next(self._sequence))
        self._places[scope, item] = position
        return position

    def page(self, request: r.ListRequest, scope: str, items: Sequence[T], default: int) -> Listing[T]:
        """The page of a list; a cursor finds its place even when its item is gone."""

        def at(item: str) -> int:
            return self._places[scope, item].sequence

        def cursor(param: str, value: str) -> int:
            if (scope, value) not in self._places:
                raise say.unknown_cursor(param, value)
            return at(value)

        backwards = request.order != "asc"
        ordered = sorted(items, key=lambda item: at(item.id), reverse=backwards)
        sign = -1 if backwards else 1
        after = request.resume.sequence if request.resume is not None else None
        if request.after is not None:
            after = cursor("after", request.after)
        if after is not None:
            ordered = [item for item in ordered if at(item.id) * sign > after * sign]
        limit = request.limit or default
        if request.before is not None:
            before = cursor("before", request.before)
            ordered = [item for item in ordered if at(item.id) * sign < before * sign]
            if after is None:
                page = ordered[-limit:]
                return Listing(page, len(ordered) > limit, None)
        page = ordered[:limit]
        last = self._places[scope, page[-1].id] if page and self.positions else None
        return Listing(page, len(ordered) > limit, last)


class _Part:
    def __init__(self, backend: FakeBackend) -> None:
        self.b = backend


class _Files(_Part):
    def create(self, request: r.FileCreate) -> FileObject:
        self.b.seen(request)
        content = request.stream.read()
        made = FileObject(
            id=self.b.new("file-", "files"),
            bytes=len(content),
            created_at=100,
            filename=request.filename,
            purpose=request.purpose,
            metadata=request.model_extra or None,
        )
        self.b._files[made.id] = made, content
        return made

    def create_many(self, request: r.FilesCreate) -> Sequence[FileObject]:
        self.b.seen(request)
        return [self.create(each) for each in request.files]

    def _get(self, file_id: str) -> tuple[FileObject, bytes]:
        if file_id not in self.b._files:
            raise say.no_file_object(file_id)
        return self.b._files[file_id]

    def retrieve(self, request: r.FileRetrieve) -> FileObject:
        self.b.seen(request)
        return self._get(request.file_id)[0]

    def list(self, request: r.FileList) -> Listing[FileObject]:
        self.b.seen(request)
        return self.b.page(request, "files", [entry for entry, _ in self.b._files.values()], 10_000)

    def delete(self, request: r.FileDelete) -> FileDeleted:
        self.b.seen(request)
        self._get(request.file_id)
        del self.b._files[request.file_id]
        for members in self.b._members.values():
            members.pop(request.file_id, None)
        return FileDeleted(id=request.file_id)

    def content(self, request: r.FileContent) -> BinaryIO:
        self.b.seen(request)
        return io.BytesIO(self._get(request.file_id)[1])


class _Stores(_Part):
    def _get(self, store_id: str) -> VectorStore:
        if store_id not in self.b._stores:
            raise say.no_vector_store(store_id)
        return self.b._stores[store_id]

    def _member(self, store_id: str, file_id: str) -> VectorStoreFile:
        self._get(store_id)
        if file_id not in self.b._members[store_id]:
            raise say.no_file_in_store(file_id, store_id)
        return self.b._members[store_id][file_id]

    def create(self, request: r.VectorStoreCreate) -> VectorStore:
        self.b.seen(request)
        days = request.expires_after
        made = VectorStore(
            id=self.b.new("vs_", "stores"),
            created_at=100,
            name=request.name,
            description=request.description,
            usage_bytes=0,
            file_counts=FileCounts(),
            status="completed",
            metadata=request.metadata or {},
            expires_after=None if days is None else ExpiresAfter(days=days),
            file_ids=list(request.file_ids or ()),
            **(request.model_extra or {}),
        )
        self.b._stores[made.id] = made
        self.b._members[made.id] = {}
        return made

    def retrieve(self, request: r.VectorStoreRetrieve) -> VectorStore:
        self.b.seen(request)
        return self._get(request.vector_store_id)

    def update(self, request: r.VectorStoreUpdate) -> VectorStore:
        self.b.seen(request)
        store = self._get(request.vector_store_id)
        for name in ("name", "description"):
            if name in request.model_fields_set:
                setattr(store, name, getattr(request, name))
        if "metadata" in request.model_fields_set:
            store.metadata = request.metadata or {}
        if "expires_after" in request.model_fields_set:
            days = request.expires_after
            store.expires_after = None if days is None else ExpiresAfter(days=days)
        return store

    def list(self, request: r.VectorStoreList) -> Listing[VectorStore]:
        self.b.seen(request)
        return self.b.page(request, "stores", list(self.b._stores.values()), 20)

    def delete(self, request: r.VectorStoreDelete) -> VectorStoreDeleted:
        self.b.seen(request)
        self._get(request.vector_store_id)
        del self.b._stores[request.vector_store_id]
        return VectorStoreDeleted(id=request.vector_store_id)

    def search(self, request: r.VectorStoreSearch) -> SearchResults:
        self.b.seen(request)
        self._get(request.vector_store_id)
        hits = [
            VectorStoreSearchResponse(
                file_id=file_id,
                filename="f",
                score=0.5,
                content=[SearchContent(text=" ".join(request.query))],
            )
            for file_id in self.b._members[request.vector_store_id]
        ]
        return SearchResults(hits[: request.max_num_results or 10], request.query)

    def create_file(self, request: r.VectorStoreFileCreate) -> VectorStoreFile:
        self.b.seen(request)
        return self.attach(request.vector_store_id, request.file_id, dict(request.attributes or {}))

    def attach(self, store_id: str, file_id: str, attributes: dict[str, Any]) -> VectorStoreFile:
        self._get(store_id)
        if file_id not in self.b._files:
            raise say.no_file(file_id)
        self.b.place(store_id, file_id)
        self.b._looks[store_id, file_id] = self.b.pending
        made = VectorStoreFile(
            id=file_id,
            created_at=100,
            vector_store_id=store_id,
            status="in_progress" if self.b.pending else "completed",
            attributes=attributes,
        )
        self.b._members[store_id][file_id] = made
        return made

    def retrieve_file(self, request: r.VectorStoreFileRetrieve) -> VectorStoreFile:
        self.b.seen(request)
        return self.look(request.vector_store_id, request.file_id)

    def look(self, store_id: str, file_id: str) -> VectorStoreFile:
        found = self._member(store_id, file_id)
        if found.status == "in_progress":
            self.b._looks[store_id, file_id] -= 1
            if self.b._looks[store_id, file_id] <= 0:
                found = found.model_copy(update={"status": "completed"})
                self.b._members[store_id][file_id] = found
        return found

    def update_file(self, request: r.VectorStoreFileUpdate) -> VectorStoreFile:
        self.b.seen(request)
        found = self._member(request.vector_store_id, request.file_id)
        found.attributes = dict(request.attributes or {})
        return found

    def list_files(self, request: r.VectorStoreFileList) -> Listing[VectorStoreFile]:
        self.b.seen(request)
        self._get(request.vector_store_id)
        members = list(self.b._members[request.vector_store_id].values())
        wanted = [m for m in members if request.filter in (None, m.status)]
        return self.b.page(request, request.vector_store_id, wanted, 20)

    def delete_file(self, request: r.VectorStoreFileDelete) -> VectorStoreFileDeleted:
        self.b.seen(request)
        self._member(request.vector_store_id, request.file_id)
        del self.b._members[request.vector_store_id][request.file_id]
        return VectorStoreFileDeleted(request.file_id)

    def file_content(self, request: r.VectorStoreFileContent) -> ParsedContent:
        self.b.seen(request)
        found = self._member(request.vector_store_id, request.file_id)
        entry, content = self.b._files[request.file_id]
        chunk = FileContentResponse(text=content.decode(), metadata=dict(found.attributes or {}))
        return ParsedContent(request.file_id, entry.filename, found.attributes, [chunk])


class _Batches(_Part):
    def _get(self, store_id: str, batch_id: str) -> tuple[str, ...]:
        self.b.vector_stores._get(store_id)
        found = self.b._batches.get(batch_id)
        if found is None or found[0] != store_id:
            raise say.no_batch(batch_id, store_id)
        return found[1]

    def create(self, request: r.FileBatchCreate) -> VectorStoreFileBatch:
        self.b.seen(request)
        self.b.vector_stores._get(request.vector_store_id)
        for entry in request.entries:
            if entry.file_id not in self.b._files:
                raise say.no_file(entry.file_id)
        for entry in request.entries:
            self.b.vector_stores.attach(request.vector_store_id, entry.file_id, dict(entry.attributes or {}))
        batch_id = self.b.new("vsfb_", "batches")
        self.b._batches[batch_id] = request.vector_store_id, tuple(e.file_id for e in request.entries)
        return self._batch(request.vector_store_id, batch_id, look=False)

    def _batch(self, store_id: str, batch_id: str, *, look: bool) -> VectorStoreFileBatch:
        ids = self._get(store_id, batch_id)
        stores = self.b.vector_stores
        members = [stores.look(store_id, i) if look else stores._member(store_id, i) for i in ids]
        waiting = sum(member.status == "in_progress" for member in members)
        return VectorStoreFileBatch(
            id=batch_id,
            created_at=100,
            vector_store_id=store_id,
            status="in_progress" if waiting else "completed",
            file_counts=FileCounts(in_progress=waiting, completed=len(ids) - waiting, total=len(ids)),
        )

    def retrieve(self, request: r.FileBatchRetrieve) -> VectorStoreFileBatch:
        self.b.seen(request)
        return self._batch(request.vector_store_id, request.batch_id, look=True)

    def cancel(self, request: r.FileBatchCancel) -> VectorStoreFileBatch:
        self.b.seen(request)
        batch = self._batch(request.vector_store_id, request.batch_id, look=False)
        return batch.model_copy(update={"status": "cancelled"})

    def list_files(self, request: r.FileBatchListFiles) -> Listing[VectorStoreFile]:
        self.b.seen(request)
        ids = self._get(request.vector_store_id, request.batch_id)
        members = self.b._members[request.vector_store_id]
        return self.b.page(request, request.vector_store_id, [members[i] for i in ids if i in members], 20)


def without(**flags: Any) -> Capabilities:
    """What a local driver can do, but for these."""
    return replace(TWO_STEPS, **flags)
