"""S0: the calls of its usage blocks, one test for a heading and a way in, and every method of its signature blocks once."""

from __future__ import annotations

import io
from typing import Any

import oauth_codex
import pytest
from oauth_codex import AsyncOAuthCodexClient, NotSupportedError, OAuthCodexClient

anyio = pytest.mark.anyio


# -- heading: root methods ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
def test_s0_root_methods_usage() -> None:
    client = OAuthCodexClient()
    vs = client.vector_stores.create(name="docs", file_ids=[])
    assert vs.id.startswith("vs_")

    found = client.vector_stores.search(vs.id, query="oauth")
    assert found.get("object") == "vector_store.search_results.page"
    client.close()


@anyio
@pytest.mark.usefixtures("backend")
async def test_s0_root_methods_usage_async() -> None:
    client = AsyncOAuthCodexClient()
    vs = await client.vector_stores.create(name="docs", file_ids=[])
    assert vs.id.startswith("vs_")

    found = await client.vector_stores.search(vs.id, query="oauth")
    assert found.get("object") == "vector_store.search_results.page"
    await client.close()


@pytest.mark.usefixtures("fresh_module")
def test_s0_root_methods_usage_module_level(backend: str) -> None:
    vs = oauth_codex.vector_stores.create(name="docs", file_ids=[])
    assert vs.id.startswith("vs_")

    found = oauth_codex.vector_stores.search(vs.id, query="oauth")
    assert found.get("object") == "vector_store.search_results.page"

    if backend == "sqlite":  # it went where the environment says
        with OAuthCodexClient() as client:
            assert client.vector_stores.retrieve(vs.id).name == "docs"


# -- headings: vector_stores.files and vector_stores.file_batches; the block of the second goes on from the first ------


def test_s0_vector_stores_files_usage(client: OAuthCodexClient) -> None:
    uploaded = client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = client.vector_stores.create(name="docs", file_ids=[])

    attached = client.vector_stores.files.create(vs.id, file_id=uploaded.id)
    assert (attached.id, attached.vector_store_id) == (uploaded.id, vs.id)
    assert attached.status == "completed"  # although the upload had no name and so no extension


@anyio
async def test_s0_vector_stores_files_usage_async(async_client: AsyncOAuthCodexClient) -> None:
    client = async_client
    uploaded = await client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = await client.vector_stores.create(name="docs", file_ids=[])

    attached = await client.vector_stores.files.create(vs.id, file_id=uploaded.id)
    assert (attached.id, attached.vector_store_id) == (uploaded.id, vs.id)
    assert attached.status == "completed"


@pytest.mark.usefixtures("fresh_module")
def test_s0_vector_stores_files_usage_module_level() -> None:
    uploaded = oauth_codex.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = oauth_codex.vector_stores.create(name="docs", file_ids=[])

    attached = oauth_codex.vector_stores.files.create(vs.id, file_id=uploaded.id)
    assert (attached.id, attached.vector_store_id) == (uploaded.id, vs.id)
    assert attached.status == "completed"


def test_s0_vector_stores_file_batches_usage(client: OAuthCodexClient) -> None:
    uploaded = client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = client.vector_stores.create(name="docs", file_ids=[])

    batch = client.vector_stores.file_batches.create(vs.id, file_ids=[uploaded.id])
    assert (batch.id[:5], batch.status) == ("vsfb_", "completed")

    listed = client.vector_stores.file_batches.list_files(vs.id, batch.id)
    assert listed.get("object") == "list"
    assert [entry["id"] for entry in listed["data"]] == [uploaded.id]


@anyio
async def test_s0_vector_stores_file_batches_usage_async(async_client: AsyncOAuthCodexClient) -> None:
    client = async_client
    uploaded = await client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = await client.vector_stores.create(name="docs", file_ids=[])

    batch = await client.vector_stores.file_batches.create(vs.id, file_ids=[uploaded.id])
    assert (batch.id[:5], batch.status) == ("vsfb_", "completed")

    listed = await client.vector_stores.file_batches.list_files(vs.id, batch.id)
    assert listed.get("object") == "list"
    assert [entry["id"] for entry in listed["data"]] == [uploaded.id]


@pytest.mark.usefixtures("fresh_module")
def test_s0_vector_stores_file_batches_usage_module_level() -> None:
    uploaded = oauth_codex.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    vs = oauth_codex.vector_stores.create(name="docs", file_ids=[])

    batch = oauth_codex.vector_stores.file_batches.create(vs.id, file_ids=[uploaded.id])
    assert (batch.id[:5], batch.status) == ("vsfb_", "completed")

    listed = oauth_codex.vector_stores.file_batches.list_files(vs.id, batch.id)
    assert listed.get("object") == "list"
    assert [entry["id"] for entry in listed["data"]] == [uploaded.id]


# -- the signature blocks: every call that they list, in all three ways in ---------------------------------------------


@anyio
async def test_s0_root_methods_signature_calls(world: Any) -> None:
    stores = world.api.vector_stores
    file = await world(world.api.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants"))
    policy = {"anchor": "last_active_at", "days": 2}
    made = await world(
        stores.create(name="one", file_ids=[file.id], metadata={"k": 1}, expires_after=policy, colour="blue")
    )
    assert (made.name, made.file_ids, made["colour"]) == ("one", [file.id], "blue")
    assert (await world(stores.create(name=None, file_ids=None, metadata=None, expires_after=None))).name is None

    assert await world(stores.retrieve(made.id)) == made
    assert await world(stores.retrieve(vector_store_id=made.id)) == made

    policy = {"anchor": "last_active_at", "days": 3}
    changed = await world(
        stores.update(made.id, name="two", file_ids=[], metadata={"k": "v"}, expires_after=policy, colour="red")
    )
    assert (changed.name, changed.file_ids, changed.metadata, changed["colour"]) == ("two", [], {"k": "v"}, "red")
    assert changed["expires_after"]["days"] == 3

    listed = await world(stores.list(after=None, before=None, limit=None, order=None))
    assert [entry["name"] for entry in listed["data"]] == [None, "two"]
    first = await world(stores.list(limit=1, order="asc"))
    assert [entry["name"] for entry in first["data"]] == ["two"]
    second = await world(stores.list(after=made.id, order="asc"))
    assert [entry["name"] for entry in second["data"]] == [None]
    before = await world(stores.list(before=second["data"][0]["id"], order="asc"))
    assert [entry["name"] for entry in before["data"]] == ["two"]

    await world(stores.update(made.id, file_ids=[file.id]))
    found = await world(
        stores.search(
            made.id,
            query="gamma",
            max_num_results=5,
            filters={"type": "ne", "key": "lang", "value": "de"},
            ranking_options={"ranker": "auto", "score_threshold": 0.0},
            rewrite_query=True,
        )
    )
    assert [hit["file_id"] for hit in found["data"]] == [file.id]
    plain = await world(
        stores.search(
            made.id, query="gamma", max_num_results=None, filters=None, ranking_options=None, rewrite_query=None
        )
    )
    assert [hit["file_id"] for hit in plain["data"]] == [file.id]

    gone = await world(stores.delete(made.id))
    assert (gone.id, gone.object, gone.deleted) == (made.id, "vector_store.deleted", True)


@anyio
async def test_s0_vector_stores_files_signature_calls(world: Any) -> None:
    stores, files = world.api.vector_stores, world.api.vector_stores.files
    one = await world(world.api.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants"))
    two = await world(world.api.files.create(file=io.BytesIO(b"beta delta"), purpose="assistants"))
    vs = await world(stores.create(name="docs"))

    attached = await world(files.create(vs.id, file_id=one.id))
    assert (await world(files.create_and_poll(vs.id, file_id=two.id))).status == "completed"
    assert await world(files.retrieve(vs.id, one.id)) == attached
    assert await world(files.poll(vs.id, one.id)) == attached
    assert {entry["id"] for entry in (await world(files.list(vs.id)))["data"]} == {one.id, two.id}
    assert await world(files.content(vs.id, one.id)) == b"alpha gamma"
    assert await world(files.delete(vs.id, one.id)) == {
        "id": one.id,
        "object": "vector_store.file.deleted",
        "deleted": True,
    }
    for upload in (files.upload, files.upload_and_poll):
        fresh = await world(upload(vs.id, file=io.BytesIO(b"epsilon"), purpose="assistants"))
        assert await world(files.content(vs.id, fresh.id)) == b"epsilon"
        assert (await world(upload(vs.id, file=io.BytesIO(b"zeta")))).vector_store_id == vs.id
    with pytest.raises(NotSupportedError, match="attributes") as refused:
        await world(files.update(vs.id, two.id))
    assert refused.value.code == "not_supported"


@anyio
async def test_s0_vector_stores_file_batches_signature_calls(world: Any) -> None:
    stores, batches = world.api.vector_stores, world.api.vector_stores.file_batches
    one = await world(world.api.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants"))
    two = await world(world.api.files.create(file=io.BytesIO(b"beta delta"), purpose="assistants"))
    vs = await world(stores.create(name="docs"))

    batch = await world(batches.create(vs.id, file_ids=[one.id]))
    assert await world(batches.retrieve(vs.id, batch.id)) == batch
    assert await world(batches.poll(vs.id, batch.id)) == batch
    polled = await world(batches.create_and_poll(vs.id, file_ids=[two.id]))
    assert (polled.status, polled.file_counts.completed) == ("completed", 1)
    assert [entry["id"] for entry in (await world(batches.list_files(vs.id, batch.id)))["data"]] == [one.id]
    pair = [io.BytesIO(b"epsilon"), io.BytesIO(b"zeta")]
    uploaded = await world(batches.upload_and_poll(vs.id, files=pair, purpose="assistants"))
    assert uploaded.file_counts.completed == 2
    assert (await world(batches.upload_and_poll(vs.id, files=[b"eta"]))).file_counts.total == 1
    assert (await world(batches.cancel(vs.id, batch.id))).status == "cancelled"
