"""S0 for type checkers: its usage blocks and every call of its signature blocks, with arguments of the documented types.

Never run; `test_typing.py` has mypy and pyright read it.
"""

from __future__ import annotations

import io
from typing import Any, assert_type

import oauth_codex
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.types import (
    AsyncCursorPage,
    AsyncPage,
    FileBytes,
    FileObject,
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
name: str | None = "docs"
file_ids: list[str] | None = ["file-1"]
metadata: dict[str, Any] | None = {"k": 1}
expires_after: dict[str, Any] | None = {"anchor": "last_active_at", "days": 7}
cursor: str | None = None
limit: int | None = 5
max_num_results: int | None = 5
filters: dict[str, Any] | None = {"type": "eq", "key": "k", "value": 1}
ranking_options: dict[str, Any] | None = {"ranker": "auto"}
rewrite_query: bool | None = True
file: Any = b"alpha"
files: list[Any] = [b"alpha"]


def s0_usage() -> None:
    client = OAuthCodexClient()
    vs = client.vector_stores.create(name="docs", file_ids=[])
    assert_type(vs.id, str)

    found = client.vector_stores.search(vs.id, query="oauth")
    assert_type(found.get("object"), Any | None)

    uploaded = client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    assert_type(uploaded, FileObject)
    attached = client.vector_stores.files.create(vs.id, file_id=uploaded.id)
    assert_type((attached.id, attached.vector_store_id), tuple[str, str])

    batch = client.vector_stores.file_batches.create(vs.id, file_ids=[uploaded.id])
    assert_type(batch.id, str)
    listed = client.vector_stores.file_batches.list_files(vs.id, batch.id)
    assert_type(listed.get("object"), Any | None)
    answer: dict[str, Any] = listed
    assert answer


def s0_root_methods(client: OAuthCodexClient) -> None:
    stores = client.vector_stores
    assert_type(
        stores.create(name=name, file_ids=file_ids, metadata=metadata, expires_after=expires_after, colour="blue"),
        VectorStore,
    )
    assert_type(stores.create(name=None, file_ids=None, metadata=None, expires_after=None), VectorStore)
    assert_type(stores.retrieve("vs_1"), VectorStore)
    assert_type(stores.retrieve(vector_store_id="vs_1"), VectorStore)
    assert_type(
        stores.update(
            "vs_1", name=name, file_ids=file_ids, metadata=metadata, expires_after=expires_after, colour="blue"
        ),
        VectorStore,
    )
    assert_type(
        stores.list(after=cursor, before=cursor, limit=limit, order="asc", colour="blue"), SyncCursorPage[VectorStore]
    )
    assert_type(stores.list(after=None, before=None, limit=None, order=None), SyncCursorPage[VectorStore])
    assert_type(stores.delete("vs_1"), VectorStoreDeleted)
    assert_type(
        stores.search(
            "vs_1",
            query="oauth",
            max_num_results=max_num_results,
            filters=filters,
            ranking_options=ranking_options,
            rewrite_query=rewrite_query,
            colour="blue",
        ),
        SyncPage[VectorStoreSearchResponse],
    )
    found: dict[str, Any] = stores.search("vs_1", query="oauth")
    listed: dict[str, Any] = stores.list()
    assert found["data"][0]["score"] or listed["data"][0]["name"]


def s0_files(client: OAuthCodexClient) -> None:
    members = client.vector_stores.files
    assert_type(members.create("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(members.create_and_poll("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(members.retrieve("vs_1", "file-1"), VectorStoreFile)
    assert_type(members.list("vs_1"), SyncCursorPage[VectorStoreFile])
    assert_type(members.delete("vs_1", "file-1"), VectorStoreFileDeleted)
    gone: dict[str, Any] = members.delete("vs_1", "file-1")
    assert gone["deleted"]
    assert_type(members.content("vs_1", "file-1"), FileBytes)
    content: bytes = members.content("vs_1", "file-1")
    assert content
    assert_type(members.poll("vs_1", "file-1"), VectorStoreFile)
    assert_type(members.upload("vs_1", file=file, purpose="assistants"), VectorStoreFile)
    assert_type(members.upload("vs_1", file=b"alpha"), VectorStoreFile)
    assert_type(members.upload_and_poll("vs_1", file=file, purpose="assistants"), VectorStoreFile)
    assert_type(members.update("vs_1", "file-1", attributes={"k": 1}), VectorStoreFile)


def s0_file_batches(client: OAuthCodexClient) -> None:
    batches = client.vector_stores.file_batches
    assert_type(batches.create("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(batches.create_and_poll("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(batches.retrieve("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.list_files("vs_1", "vsfb_1"), SyncCursorPage[VectorStoreFile])
    assert_type(batches.cancel("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.poll("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.upload_and_poll("vs_1", files=files, purpose="assistants"), VectorStoreFileBatch)


async def s0_async(client: AsyncOAuthCodexClient) -> None:
    stores = client.vector_stores
    assert_type(
        await stores.create(
            name=name, file_ids=file_ids, metadata=metadata, expires_after=expires_after, colour="blue"
        ),
        VectorStore,
    )
    assert_type(await stores.retrieve("vs_1"), VectorStore)
    assert_type(await stores.update("vs_1", name=name, file_ids=file_ids, metadata=metadata), VectorStore)
    assert_type(await stores.list(after=cursor, before=cursor, limit=limit, order="desc"), AsyncCursorPage[VectorStore])
    assert_type(await stores.delete("vs_1"), VectorStoreDeleted)
    found = await stores.search("vs_1", query="oauth", filters=filters, ranking_options=ranking_options)
    assert_type(found, AsyncPage[VectorStoreSearchResponse])
    answer: dict[str, Any] = found
    assert answer

    members = stores.files
    assert_type(await members.create("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(await members.create_and_poll("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(await members.retrieve("vs_1", "file-1"), VectorStoreFile)
    assert_type(await members.list("vs_1"), AsyncCursorPage[VectorStoreFile])
    assert_type(await members.delete("vs_1", "file-1"), VectorStoreFileDeleted)
    assert_type(await members.content("vs_1", "file-1"), FileBytes)
    assert_type(await members.poll("vs_1", "file-1"), VectorStoreFile)
    assert_type(await members.upload("vs_1", file=file, purpose="assistants"), VectorStoreFile)
    assert_type(await members.upload_and_poll("vs_1", file=file), VectorStoreFile)
    assert_type(await members.update("vs_1", "file-1", attributes=None), VectorStoreFile)

    batches = stores.file_batches
    assert_type(await batches.create("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(await batches.create_and_poll("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(await batches.retrieve("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(await batches.list_files("vs_1", "vsfb_1"), AsyncCursorPage[VectorStoreFile])
    assert_type(await batches.cancel("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(await batches.poll("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(await batches.upload_and_poll("vs_1", files=files), VectorStoreFileBatch)


def s0_module_level() -> None:
    stores = oauth_codex.vector_stores
    assert_type(oauth_codex.files.create(file=b"alpha", purpose="assistants"), FileObject)
    assert_type(stores.create(name=name, file_ids=file_ids, metadata=metadata), VectorStore)
    assert_type(stores.retrieve("vs_1"), VectorStore)
    assert_type(stores.update("vs_1", name=name), VectorStore)
    assert_type(stores.list(limit=limit), SyncCursorPage[VectorStore])
    assert_type(stores.delete("vs_1"), VectorStoreDeleted)
    assert_type(stores.search("vs_1", query="oauth"), SyncPage[VectorStoreSearchResponse])

    members = oauth_codex.vector_stores.files
    assert_type(members.create("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(members.create_and_poll("vs_1", file_id="file-1"), VectorStoreFile)
    assert_type(members.retrieve("vs_1", "file-1"), VectorStoreFile)
    assert_type(members.list("vs_1"), SyncCursorPage[VectorStoreFile])
    assert_type(members.delete("vs_1", "file-1"), VectorStoreFileDeleted)
    assert_type(members.content("vs_1", "file-1"), FileBytes)
    assert_type(members.poll("vs_1", "file-1"), VectorStoreFile)
    assert_type(members.upload("vs_1", file=file), VectorStoreFile)
    assert_type(members.upload_and_poll("vs_1", file=file), VectorStoreFile)
    assert_type(members.update("vs_1", "file-1", attributes={}), VectorStoreFile)

    batches = oauth_codex.vector_stores.file_batches
    assert_type(batches.create("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(batches.create_and_poll("vs_1", file_ids=["file-1"]), VectorStoreFileBatch)
    assert_type(batches.retrieve("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.list_files("vs_1", "vsfb_1"), SyncCursorPage[VectorStoreFile])
    assert_type(batches.cancel("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.poll("vs_1", "vsfb_1"), VectorStoreFileBatch)
    assert_type(batches.upload_and_poll("vs_1", files=files), VectorStoreFileBatch)
