"""S1 for type checkers: the calls of its usage blocks, and every parameter of its signature blocks.

Never run; `test_typing.py` has mypy and pyright read it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal, assert_type

import httpx
import oauth_codex
from oauth_codex import NOT_GIVEN, NotGiven, Omit, omit
from oauth_codex import AsyncOAuthCodexClient as AsyncOpenAI
from oauth_codex import OAuthCodexClient as OpenAI
from oauth_codex.types import (
    AsyncCursorPage,
    AsyncPage,
    FileContentResponse,
    FileDeleted,
    FileTypes,
    SyncCursorPage,
    SyncPage,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreFile,
    VectorStoreFileBatch,
    VectorStoreFileDeleted,
    VectorStoreSearchResponse,
)

# The document's own types of the parameters.
chunking_strategy: dict[str, Any] | Omit = {"type": "auto"}
expires_after: dict[str, Any] | Omit = omit
filters: dict[str, Any] | Omit = omit
ranking_options: dict[str, Any] | Omit = omit
metadata: dict[str, str] | Omit = {"project": "alpha"}
attributes: dict[str, str | float | bool] | Omit | None = {"version": "1.2.0", "priority": 5, "draft": True}
replaced: dict[str, str | float | bool] | None = None
texts: dict[str, str] = {"category": "documentation"}
text: str | Omit = omit
number: int | Omit = omit
flag: bool | Omit = omit
file_ids: list[str] | Omit = ["file-1"]
files: list[dict[str, Any]] | Omit = [{"file_id": "file-1", "attributes": {"k": 1}}]
order: Literal["asc", "desc"] | Omit = "asc"
status: Literal["in_progress", "completed", "failed", "cancelled"] | Omit = "completed"
query: str | list[str] = ["one", "two"]
upload: FileTypes = b"alpha"
headers: dict[str, str] | None = None
fields: dict[str, object] | None = None
timeout: float | httpx.Timeout | NotGiven | None = NOT_GIVEN


def s1_usage() -> None:
    client = OpenAI()
    vector_store = client.beta.vector_stores.create(name="Product Documentation")
    assert_type(vector_store.id, str)
    vector_store = client.beta.vector_stores.create(name="Knowledge Base", file_ids=["file-abc123", "file-def456"])
    vector_store = client.beta.vector_stores.create(
        name="Temporary Store", expires_after={"anchor": "last_active_at", "days": 7}
    )
    vector_store = client.beta.vector_stores.create(
        name="Custom Chunking",
        file_ids=["file-abc123", "file-def456"],
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}},
    )
    vector_store = client.beta.vector_stores.create(
        name="Project Docs", metadata={"project": "alpha", "version": "1.0"}
    )

    store = client.beta.vector_stores.retrieve("vs_abc123")
    assert_type(store.name, str | None)
    assert_type(store.file_counts.completed, int)
    assert_type(store.status, Literal["expired", "in_progress", "completed"])
    store = client.beta.vector_stores.update("vs_abc123", name="Updated Documentation")
    store = client.beta.vector_stores.update("vs_abc123", metadata={"version": "2.0"})
    for store in client.beta.vector_stores.list():
        assert_type(store, VectorStore)
    assert_type(list(client.beta.vector_stores.list()), list[VectorStore])
    page1 = client.beta.vector_stores.list(limit=10)
    page2 = client.beta.vector_stores.list(limit=10, after=page1.data[-1].id)
    assert_type(page2, SyncCursorPage[VectorStore])
    result = client.beta.vector_stores.delete("vs_abc123")
    assert_type(result.deleted, bool)
    assert vector_store


def s1_usage_files(client: OpenAI) -> None:
    members = client.beta.vector_stores.files
    file = members.create(vector_store_id="vs_abc123", file_id="file-xyz789")
    assert_type(file.status, Literal["in_progress", "completed", "failed", "cancelled"])
    file = members.retrieve(file_id="file-xyz789", vector_store_id="vs_abc123")
    assert_type(file.usage_bytes, int)
    file = members.update(
        file_id="file-xyz789",
        vector_store_id="vs_abc123",
        attributes={"category": "documentation", "version": "1.2.0", "priority": 5},
    )
    for file in members.list(vector_store_id="vs_abc123"):
        assert_type(file, VectorStoreFile)
    page1 = members.list(vector_store_id="vs_abc123", limit=10, order="desc")
    page2 = members.list(vector_store_id="vs_abc123", limit=10, after=page1.data[-1].id)
    completed = members.list(vector_store_id="vs_abc123", filter="completed")
    assert page2.data
    assert completed.data
    deleted = members.delete(file_id="file-xyz789", vector_store_id="vs_abc123")
    assert_type(deleted.id, str)
    assert_type(client.files.delete(file_id="file-xyz789"), FileDeleted)
    for page in members.content(file_id="file-xyz789", vector_store_id="vs_abc123"):
        assert_type(page.content, str | None)
        assert_type(page.metadata, dict[str, Any] | None)
    file = members.create_and_poll(file_id="file-xyz789", vector_store_id="vs_abc123", poll_interval_ms=1000)
    if file.status == "failed":
        assert file.last_error
    assert_type(members.poll(file_id="file-xyz789", vector_store_id="vs_abc123"), VectorStoreFile)
    with open("document.pdf", "rb") as f:
        assert_type(members.upload(vector_store_id="vs_abc123", file=f), VectorStoreFile)
        file = members.upload_and_poll(
            vector_store_id="vs_abc123",
            file=f,
            attributes={"type": "documentation", "version": "2.0"},
            poll_interval_ms=1000,
        )


def s1_usage_search_and_batches(client: OpenAI) -> None:
    results = client.beta.vector_stores.search(
        vector_store_id="vs_abc123", query="How do I install the SDK?", max_num_results=5
    )
    assert_type(list(results), list[VectorStoreSearchResponse])
    for result in results.data:
        assert_type(result, VectorStoreSearchResponse)
        assert_type((result.score, result.file_id), tuple[float, str])
        assert result.content

    batches = client.beta.vector_stores.file_batches
    batch = batches.create(vector_store_id="vs_abc123", file_ids=["file-1", "file-2", "file-3"])
    batch = batches.retrieve(batch_id=batch.id, vector_store_id="vs_abc123")
    for file in batches.list_files(batch_id=batch.id, vector_store_id="vs_abc123").data:
        assert_type(file.id, str)
    completed = batches.list_files(batch_id=batch.id, vector_store_id="vs_abc123", filter="completed")
    assert_type(completed, SyncCursorPage[VectorStoreFile])
    batch = batches.cancel(batch_id=batch.id, vector_store_id="vs_abc123")


def s1_best_practices() -> None:
    client = OpenAI()
    uploaded: list[str] = []
    for doc_path in ["doc1.pdf", "doc2.txt", "doc3.md"]:
        with open(doc_path, "rb") as f:
            file = client.files.create(file=f, purpose="assistants")
            uploaded.append(file.id)
    store = client.beta.vector_stores.create(name="Product Documentation", file_ids=uploaded)
    while store.status == "in_progress":
        time.sleep(2)
        store = client.beta.vector_stores.retrieve(store.id)
    assert store.file_counts.completed
    stores = client.beta.vector_stores.list()
    for store in stores:
        if store.status == "expired":
            client.beta.vector_stores.delete(store.id)


async def s1_create_store() -> str:
    client = AsyncOpenAI()
    store = await client.beta.vector_stores.create(name="Async Store", file_ids=["file-abc123"])
    return store.id


def s1_async_usage() -> None:
    store_id = asyncio.run(s1_create_store())
    assert_type(store_id, str)


def s1_signatures(client: OpenAI) -> None:
    stores = client.beta.vector_stores
    members, batches = stores.files, stores.file_batches
    assert_type(
        stores.create(
            chunking_strategy=chunking_strategy,
            description=text,
            expires_after=expires_after,
            file_ids=file_ids,
            metadata=metadata,
            name=text,
            extra_headers=headers,
            extra_query=fields,
            extra_body=fields,
            timeout=timeout,
        ),
        VectorStore,
    )
    assert_type(
        stores.retrieve("vs_1", extra_headers=headers, extra_query=fields, extra_body=fields, timeout=timeout),
        VectorStore,
    )
    assert_type(
        stores.update("vs_1", name=text, expires_after=expires_after, metadata=metadata, timeout=30.0), VectorStore
    )
    assert_type(
        stores.list(after=text, before=text, limit=number, order=order, extra_headers=headers),
        SyncCursorPage[VectorStore],
    )
    assert_type(stores.delete("vs_1", extra_body=fields), VectorStoreDeleted)
    assert_type(
        stores.search(
            "vs_1",
            query=query,
            filters=filters,
            max_num_results=number,
            ranking_options=ranking_options,
            rewrite_query=flag,
            timeout=None,
        ),
        SyncPage[VectorStoreSearchResponse],
    )
    assert_type(
        members.create("vs_1", file_id="file-1", attributes=attributes, chunking_strategy=chunking_strategy, timeout=1),
        VectorStoreFile,
    )
    assert_type(members.retrieve("file-1", vector_store_id="vs_1", extra_headers=headers), VectorStoreFile)
    assert_type(members.update("file-1", vector_store_id="vs_1", attributes=replaced), VectorStoreFile)
    assert_type(members.update("file-1", vector_store_id="vs_1", attributes=texts), VectorStoreFile)
    assert_type(
        members.list("vs_1", after=text, before=text, filter=status, limit=number, order=order),
        SyncCursorPage[VectorStoreFile],
    )
    assert_type(members.delete("file-1", vector_store_id="vs_1", timeout=timeout), VectorStoreFileDeleted)
    assert_type(members.content("file-1", vector_store_id="vs_1"), SyncPage[FileContentResponse])
    assert_type(members.content(file_id="file-1", vector_store_id="vs_1"), SyncPage[FileContentResponse])
    assert_type(
        members.create_and_poll(
            "file-1",
            vector_store_id="vs_1",
            attributes=attributes,
            poll_interval_ms=number,
            chunking_strategy=chunking_strategy,
        ),
        VectorStoreFile,
    )
    assert_type(members.poll("file-1", vector_store_id="vs_1", poll_interval_ms=number), VectorStoreFile)
    assert_type(
        members.upload(vector_store_id="vs_1", file=upload, chunking_strategy=chunking_strategy), VectorStoreFile
    )
    assert_type(
        members.upload_and_poll(
            vector_store_id="vs_1",
            file=upload,
            attributes=attributes,
            poll_interval_ms=number,
            chunking_strategy=chunking_strategy,
        ),
        VectorStoreFile,
    )
    assert_type(
        batches.create("vs_1", file_ids=file_ids, attributes=attributes, chunking_strategy=chunking_strategy),
        VectorStoreFileBatch,
    )
    assert_type(batches.create("vs_1", files=files), VectorStoreFileBatch)
    assert_type(batches.retrieve("vsfb_1", vector_store_id="vs_1"), VectorStoreFileBatch)
    assert_type(batches.cancel("vsfb_1", vector_store_id="vs_1", extra_headers=headers), VectorStoreFileBatch)
    assert_type(
        batches.list_files(
            "vsfb_1", vector_store_id="vs_1", after=text, before=text, filter=status, limit=number, order=order
        ),
        SyncCursorPage[VectorStoreFile],
    )


async def s1_signatures_async(client: AsyncOpenAI) -> None:
    stores = client.beta.vector_stores
    members, batches = stores.files, stores.file_batches
    assert_type(await stores.create(chunking_strategy=chunking_strategy, metadata=metadata, name=text), VectorStore)
    assert_type(await stores.list(limit=number, order=order), AsyncCursorPage[VectorStore])
    async for store in stores.list():
        assert_type(store, VectorStore)
    assert_type(await stores.search("vs_1", query=query, filters=filters), AsyncPage[VectorStoreSearchResponse])
    async for hit in stores.search("vs_1", query=query):
        assert_type(hit, VectorStoreSearchResponse)
    assert_type(await members.create(vector_store_id="vs_1", file_id="file-1", attributes=attributes), VectorStoreFile)
    assert_type(await members.retrieve("file-1", vector_store_id="vs_1"), VectorStoreFile)
    assert_type(await members.update("file-1", vector_store_id="vs_1", attributes=replaced), VectorStoreFile)
    assert_type(await members.list("vs_1", filter=status), AsyncCursorPage[VectorStoreFile])
    assert_type(await members.delete("file-1", vector_store_id="vs_1"), VectorStoreFileDeleted)
    assert_type(await members.content("file-1", vector_store_id="vs_1"), AsyncPage[FileContentResponse])
    async for part in members.content(file_id="file-1", vector_store_id="vs_1"):
        assert_type(part, FileContentResponse)
    assert_type(await members.create_and_poll("file-1", vector_store_id="vs_1"), VectorStoreFile)
    assert_type(await members.poll("file-1", vector_store_id="vs_1", poll_interval_ms=number), VectorStoreFile)
    assert_type(await members.upload(vector_store_id="vs_1", file=upload), VectorStoreFile)
    assert_type(await members.upload_and_poll(vector_store_id="vs_1", file=upload), VectorStoreFile)
    assert_type(await batches.create("vs_1", files=files), VectorStoreFileBatch)
    assert_type(await batches.retrieve("vsfb_1", vector_store_id="vs_1"), VectorStoreFileBatch)
    assert_type(await batches.cancel("vsfb_1", vector_store_id="vs_1"), VectorStoreFileBatch)
    assert_type(await batches.list_files("vsfb_1", vector_store_id="vs_1"), AsyncCursorPage[VectorStoreFile])
    async for file in batches.list_files("vsfb_1", vector_store_id="vs_1", filter=status):
        assert_type(file, VectorStoreFile)


def s1_module_level() -> None:
    stores = oauth_codex.vector_stores
    assert_type(stores.create(chunking_strategy=chunking_strategy, description=text), VectorStore)
    assert_type(stores.files.retrieve("file-1", vector_store_id="vs_1"), VectorStoreFile)
    assert_type(stores.files.content("file-1", vector_store_id="vs_1"), SyncPage[FileContentResponse])
    assert_type(stores.file_batches.cancel("vsfb_1", vector_store_id="vs_1"), VectorStoreFileBatch)
