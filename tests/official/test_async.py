"""The official async client: the whole way of a file, and several calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from openai import AsyncOpenAI, NotFoundError

Make = Callable[[], AsyncOpenAI]


def test_from_upload_to_deletion(async_client: Make) -> None:
    async def main() -> None:
        async with async_client() as client:
            store = await client.vector_stores.create(name="Async")
            batch = await client.vector_stores.file_batches.upload_and_poll(
                store.id, files=[(f"{i}.txt", f"The word number {i} is w{i}x.".encode()) for i in range(5)]
            )
            assert (batch.status, batch.file_counts.completed) == ("completed", 5)

            listed = [file.id async for file in client.vector_stores.files.list(store.id, limit=2)]
            assert len(set(listed)) == 5
            page = await client.vector_stores.files.list(store.id, limit=2)
            assert [file.id for file in (await page.get_next_page()).data] == listed[2:4]

            found = await client.vector_stores.search(store.id, query="w3x", max_num_results=1)
            assert found.data[0].filename == "3.txt"
            file = found.data[0].file_id
            changed = await client.vector_stores.files.update(file, vector_store_id=store.id, attributes={"n": 3})
            assert changed.attributes == {"n": 3}
            parsed = await client.vector_stores.files.content(file, vector_store_id=store.id)
            assert parsed.data[0].text == "The word number 3 is w3x."
            assert (await client.files.content(file)).text == "The word number 3 is w3x."

            assert (await client.vector_stores.files.delete(file, vector_store_id=store.id)).deleted
            assert (await client.files.delete(file)).deleted
            assert (await client.vector_stores.delete(store.id)).deleted
            with pytest.raises(NotFoundError):
                await client.vector_stores.retrieve(store.id)

    asyncio.run(main())


def test_many_calls_at_once(async_client: Make) -> None:
    async def main() -> None:
        async with async_client() as client:
            store = (await client.vector_stores.create(name="Crowded")).id

            async def one(number: int) -> None:
                text = f"Item k{number}k is blue.".encode()
                file = await client.vector_stores.files.upload_and_poll(
                    vector_store_id=store, file=(f"{number}.txt", text)
                )
                assert file.status == "completed"
                hit = (await client.vector_stores.search(store, query=f"k{number}k", max_num_results=1)).data[0]
                assert hit.file_id == file.id
                assert (await client.files.content(file.id)).read() == text

            await asyncio.gather(*(one(number) for number in range(12)))
            assert (await client.vector_stores.retrieve(store)).file_counts.completed == 12

    asyncio.run(main())


def test_raw_and_streamed_answers(async_client: Make) -> None:
    async def main() -> None:
        async with async_client() as client:
            file = await client.files.create(file=("a.bin", bytes(range(256)) * 1024), purpose="user_data")
            raw = await client.files.with_raw_response.retrieve(file.id)
            assert raw.parse() == file
            assert raw.request_id == raw.headers["x-request-id"]
            async with client.files.with_streaming_response.content(file.id) as streamed:
                pieces = [piece async for piece in streamed.iter_bytes()]
            assert b"".join(pieces) == bytes(range(256)) * 1024
            assert len(pieces) > 1

    asyncio.run(main())
