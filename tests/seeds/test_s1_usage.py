"""S1: the calls of its usage blocks, one test for a heading.

Substituted are the import line, text files for PDFs, and the ids of real objects for the fixed ones; the one call to
`beta.assistants` is left out. What the document prints is read here too, and checked.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

import pytest
from oauth_codex import AsyncOAuthCodexClient as AsyncOpenAI
from oauth_codex import NotFoundError
from oauth_codex import OAuthCodexClient as OpenAI

NewFile = Callable[..., str]


@pytest.fixture
def vs_abc123(client: OpenAI) -> str:
    """A store for the id that the document writes."""
    return client.beta.vector_stores.create(name="Docs").id


@pytest.fixture
def file_xyz789(new_file: NewFile) -> str:
    """An uploaded file for the id that the document writes."""
    return new_file()


@pytest.fixture
def attached(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    """The file is in the store."""
    client.beta.vector_stores.files.create(vector_store_id=vs_abc123, file_id=file_xyz789)


@pytest.mark.usefixtures("backend")
def test_s1_create_vector_store_usage() -> None:
    client = OpenAI()

    vector_store = client.beta.vector_stores.create(
        name="Product Documentation",
    )

    assert vector_store.id.startswith("vs_")

    file_ids = [client.files.create(file=(n, b"some words"), purpose="assistants").id for n in ("a.txt", "b.txt")]

    vector_store = client.beta.vector_stores.create(
        name="Knowledge Base",
        file_ids=file_ids,
    )
    assert vector_store.file_counts.completed == 2

    vector_store = client.beta.vector_stores.create(
        name="Temporary Store",
        expires_after={"anchor": "last_active_at", "days": 7},
    )
    assert vector_store.expires_at is not None
    assert vector_store.last_active_at is not None
    assert vector_store.expires_at - vector_store.last_active_at == 7 * 86400

    vector_store = client.beta.vector_stores.create(
        name="Custom Chunking",
        file_ids=file_ids,
        chunking_strategy={
            "type": "static",
            "static": {
                "max_chunk_size_tokens": 800,
                "chunk_overlap_tokens": 400,
            },
        },
    )
    used = client.beta.vector_stores.files.list(vector_store.id).data[0].chunking_strategy
    assert used is not None
    assert used.to_dict() == {
        "type": "static",
        "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
    }

    vector_store = client.beta.vector_stores.create(
        name="Project Docs",
        metadata={
            "project": "alpha",
            "version": "1.0",
        },
    )
    assert vector_store.metadata == {"project": "alpha", "version": "1.0"}
    client.close()


@pytest.mark.usefixtures("attached")
def test_s1_retrieve_vector_store_usage(client: OpenAI, vs_abc123: str) -> None:
    store = client.beta.vector_stores.retrieve(vs_abc123)

    assert store.name == "Docs"
    assert store.file_counts.to_dict(exclude_unset=False) == {
        "in_progress": 0,
        "completed": 1,
        "failed": 0,
        "cancelled": 0,
        "total": 1,
    }
    assert store.status == "completed"


def test_s1_update_vector_store_usage(client: OpenAI, vs_abc123: str) -> None:
    store = client.beta.vector_stores.update(
        vs_abc123,
        name="Updated Documentation",
    )
    assert store.name == "Updated Documentation"

    store = client.beta.vector_stores.update(
        vs_abc123,
        metadata={"version": "2.0"},
    )
    assert (store.name, store.metadata) == ("Updated Documentation", {"version": "2.0"})


def test_s1_list_vector_stores_usage(client: OpenAI) -> None:
    made = [client.beta.vector_stores.create(name=f"store {number}").id for number in range(25)]

    stores = client.beta.vector_stores.list()

    seen = []
    for store in stores:
        assert store.name is not None
        seen.append(store.id)
    assert seen == made[::-1]  # newest first, over the end of the first page

    page1 = client.beta.vector_stores.list(limit=10)
    page2 = client.beta.vector_stores.list(limit=10, after=page1.data[-1].id)
    assert [store.id for store in (*page1.data, *page2.data)] == made[:4:-1]


def test_s1_delete_vector_store_usage(client: OpenAI, vs_abc123: str) -> None:
    result = client.beta.vector_stores.delete(vs_abc123)

    assert result.deleted is True
    with pytest.raises(NotFoundError):
        client.beta.vector_stores.retrieve(vs_abc123)


def test_s1_add_files_to_vector_store_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    file = client.beta.vector_stores.files.create(
        vector_store_id=vs_abc123,
        file_id=file_xyz789,
    )

    assert file.status == "completed"


@pytest.mark.usefixtures("attached")
def test_s1_retrieve_vector_store_file_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    file = client.beta.vector_stores.files.retrieve(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
    )

    assert file.status == "completed"
    assert file.usage_bytes == len("How do I install the SDK? With pip.")


@pytest.mark.usefixtures("attached")
def test_s1_update_vector_store_file_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    file = client.beta.vector_stores.files.update(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
        attributes={
            "category": "documentation",
            "version": "1.2.0",
            "priority": 5,
        },
    )
    assert file.attributes == {"category": "documentation", "version": "1.2.0", "priority": 5}


def test_s1_list_vector_store_files_usage(client: OpenAI, vs_abc123: str, new_file: NewFile) -> None:
    made = [new_file(f"text {number}") for number in range(21)]
    for file_id in made:
        client.beta.vector_stores.files.create(vector_store_id=vs_abc123, file_id=file_id)

    files = client.beta.vector_stores.files.list(
        vector_store_id=vs_abc123,
    )

    seen = []
    for file in files:
        assert file.status == "completed"
        seen.append(file.id)
    assert seen == made[::-1]

    completed_files = client.beta.vector_stores.files.list(
        vector_store_id=vs_abc123,
        filter="completed",
    )
    assert [file.id for file in completed_files] == made[::-1]

    page1 = client.beta.vector_stores.files.list(
        vector_store_id=vs_abc123,
        limit=10,
        order="desc",
    )

    page2 = client.beta.vector_stores.files.list(
        vector_store_id=vs_abc123,
        limit=10,
        after=page1.data[-1].id,
    )
    assert [file.id for file in (*page1.data, *page2.data)] == made[:0:-1]


@pytest.mark.usefixtures("attached")
def test_s1_delete_vector_store_file_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    deleted = client.beta.vector_stores.files.delete(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
    )

    assert deleted.id == file_xyz789
    assert client.files.retrieve(file_xyz789).id == file_xyz789

    client.files.delete(file_id=file_xyz789)
    with pytest.raises(NotFoundError):
        client.files.retrieve(file_xyz789)


@pytest.mark.usefixtures("attached")
def test_s1_get_vector_store_file_content_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    client.beta.vector_stores.files.update(file_xyz789, vector_store_id=vs_abc123, attributes={"part": 1})
    content_pages = client.beta.vector_stores.files.content(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
    )

    seen = []
    for page in content_pages:
        seen.append((page.content, page.metadata))
    assert seen == [("How do I install the SDK? With pip.", {"part": 1})]


def test_s1_helper_create_and_poll_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    file = client.beta.vector_stores.files.create_and_poll(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
        poll_interval_ms=1000,
    )

    if file.status == "failed":
        raise AssertionError(f"Error: {file.last_error}")
    assert file.status == "completed"


def test_s1_helper_poll_processing_usage(client: OpenAI, vs_abc123: str, file_xyz789: str) -> None:
    file = client.beta.vector_stores.files.create(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
    )

    processed_file = client.beta.vector_stores.files.poll(
        file_id=file_xyz789,
        vector_store_id=vs_abc123,
    )

    assert processed_file.status == "completed"
    assert processed_file == file


@pytest.mark.usefixtures("documents")
def test_s1_helper_upload_and_attach_usage(client: OpenAI, vs_abc123: str) -> None:
    with open("document.txt", "rb") as f:
        file = client.beta.vector_stores.files.upload(
            vector_store_id=vs_abc123,
            file=f,
        )

    assert client.files.retrieve(file.id).filename == "document.txt"
    assert file.status == "completed"


@pytest.mark.usefixtures("documents")
def test_s1_helper_upload_and_poll_usage(client: OpenAI, vs_abc123: str) -> None:
    with open("document.txt", "rb") as f:
        file = client.beta.vector_stores.files.upload_and_poll(
            vector_store_id=vs_abc123,
            file=f,
            attributes={"type": "documentation", "version": "2.0"},
            poll_interval_ms=1000,
        )

    assert client.files.retrieve(file.id).filename == "document.txt"
    if file.status == "failed":
        raise AssertionError(f"Error: {file.last_error}")
    assert file.status == "completed"
    assert file.usage_bytes > 0
    assert file.attributes == {"type": "documentation", "version": "2.0"}


@pytest.mark.usefixtures("attached")
def test_s1_search_vector_store_usage(client: OpenAI, vs_abc123: str, file_xyz789: str, new_file: NewFile) -> None:
    other = new_file("Bread is baked from flour, water and salt.")
    client.beta.vector_stores.files.create(vector_store_id=vs_abc123, file_id=other)

    results = client.beta.vector_stores.search(
        vector_store_id=vs_abc123,
        query="How do I install the SDK?",
        max_num_results=5,
    )

    seen = []
    for result in results.data:
        assert 0 <= result.score <= 1
        seen.append((result.content[0].text, result.file_id))
    assert seen[0] == ("How do I install the SDK? With pip.", file_xyz789)


def test_s1_file_batches_usage(client: OpenAI, vs_abc123: str, new_file: NewFile) -> None:
    files_1_2_3 = [new_file(f"text {number}") for number in range(3)]

    batch = client.beta.vector_stores.file_batches.create(
        vector_store_id=vs_abc123,
        file_ids=files_1_2_3,
    )

    assert batch.id.startswith("vsfb_")
    assert batch.status == "completed"

    batch = client.beta.vector_stores.file_batches.retrieve(
        batch_id=batch.id,
        vector_store_id=vs_abc123,
    )
    assert batch.file_counts.completed == 3

    files = client.beta.vector_stores.file_batches.list_files(
        batch_id=batch.id,
        vector_store_id=vs_abc123,
    )

    seen = {(file.id, file.status) for file in files.data}
    assert seen == {(file_id, "completed") for file_id in files_1_2_3}

    completed_files = client.beta.vector_stores.file_batches.list_files(
        batch_id=batch.id,
        vector_store_id=vs_abc123,
        filter="completed",
    )
    assert completed_files.data == files.data

    batch = client.beta.vector_stores.file_batches.cancel(
        batch_id=batch.id,
        vector_store_id=vs_abc123,
    )
    assert batch.status == "cancelled"


@pytest.mark.usefixtures("backend", "documents")
def test_s1_best_practices_usage() -> None:
    client = OpenAI()

    file_ids = []
    for doc_path in ["doc1.txt", "doc2.txt", "doc3.md"]:
        with open(doc_path, "rb") as f:
            file = client.files.create(file=f, purpose="assistants")
            file_ids.append(file.id)

    store = client.beta.vector_stores.create(
        name="Product Documentation",
        file_ids=file_ids,
    )

    while store.status == "in_progress":
        time.sleep(2)
        store = client.beta.vector_stores.retrieve(store.id)

    assert store.status == "completed"
    assert store.file_counts.completed == 3

    stores = client.beta.vector_stores.list()
    for store in stores:
        if store.status == "expired":
            client.beta.vector_stores.delete(store.id)
    assert [store.name for store in client.beta.vector_stores.list()] == ["Product Documentation"]
    client.close()


def test_s1_async_usage(backend: str) -> None:
    async def create_store() -> str:
        client = AsyncOpenAI()
        file = await client.files.create(file=("a.txt", b"alpha"), purpose="assistants")

        store = await client.beta.vector_stores.create(
            name="Async Store",
            file_ids=[file.id],
        )

        return store.id

    store_id = asyncio.run(create_store())
    gc.collect()  # the document never closes its client: that must lose nothing, and warn of nothing

    if backend == "sqlite":
        with OpenAI() as client:
            store = client.beta.vector_stores.retrieve(store_id)
        assert (store.name, store.file_counts.completed) == ("Async Store", 1)
