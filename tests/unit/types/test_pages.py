"""Pages: dicts with typed attributes that go on to the following pages."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from oauth_codex.types import (
    AsyncCursorPage,
    AsyncPage,
    AsyncPaginator,
    FileObject,
    SearchContent,
    SyncCursorPage,
    SyncPage,
    VectorStoreSearchResponse,
)


def item(number: int) -> FileObject:
    return FileObject(id=f"file-{number}", bytes=number, created_at=1, filename="a", purpose="assistants")


def page(numbers: list[int], fetch: Callable[[], Any] | None = None) -> SyncCursorPage[FileObject]:
    data = [item(n) for n in numbers]
    body = {
        "object": "list",
        "data": [entry.model_dump() for entry in data],
        "first_id": data[0].id if data else None,
        "last_id": data[-1].id if data else None,
        "has_more": fetch is not None,
    }
    return SyncCursorPage(body, data, fetch, run=lambda following: following())


def three() -> SyncCursorPage[FileObject]:
    return page([1, 2], lambda: page([3, 4], lambda: page([5])))


def test_a_page_is_the_json_answer() -> None:
    found = page([1])
    assert isinstance(found, dict)
    assert found["data"][0]["id"] == "file-1"
    assert found.get("object") == "list"
    assert "data" in found
    assert set(found.keys()) == {"object", "data", "first_id", "last_id", "has_more"}
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, indent=1)) == found == dict(found)
    assert {**found} == found
    assert len(found) == 5


def test_attributes_are_typed() -> None:
    found = three()
    assert found.data[-1].id == "file-2"
    assert (found.has_more, found.first_id, found.last_id, found.object) == (True, "file-1", "file-2", "list")
    empty = page([])
    assert (empty.has_more, empty.first_id, empty.last_id, list(empty)) == (False, None, None, [])


def test_iteration_yields_models_across_pages() -> None:
    assert [entry.id for entry in three()] == [f"file-{n}" for n in range(1, 6)]
    assert [len(each.data) for each in three().iter_pages()] == [2, 2, 1]


def test_pages_one_by_one() -> None:
    first = three()
    assert first.has_next_page()
    info = first.next_page_info()
    assert info is not None
    assert info.params == {"after": "file-2"}
    last = first.get_next_page().get_next_page()
    assert [entry.id for entry in last.data] == ["file-5"]
    assert not last.has_next_page()
    assert last.next_page_info() is None
    with pytest.raises(RuntimeError, match="last page"):
        last.get_next_page()


def test_dumps_are_plain_and_share_nothing() -> None:
    found = page([1])
    found.data[0].metadata = {"k": [1]}
    dumped = found.model_dump()
    assert type(dumped) is dict
    dumped["data"][0]["metadata"]["k"].append(2)
    assert found.data[0].metadata == {"k": [1]}
    assert "expires_at" in found.model_dump()["data"][0]
    assert "expires_at" not in found.to_dict()["data"][0]
    assert "expires_at" not in json.loads(found.to_json())["data"][0]
    assert json.loads(found.model_dump_json()) == found.model_dump(mode="json")
    assert "\n" in found.to_json()
    assert "\n" not in found.model_dump_json()
    assert "first_id" not in page([]).model_dump(exclude_none=True)


def test_a_pickled_page_is_the_data_without_the_way_to_more() -> None:
    found = three()
    found._request_id = "req_1"
    for copied in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):  # noqa: S301
        assert type(copied) is SyncCursorPage
        assert copied == found
        assert copied._request_id == "req_1"
        assert [entry.id for entry in copied.data] == ["file-1", "file-2"]
        assert not copied.has_next_page()
        with pytest.raises(RuntimeError, match=r"after=page\.last_id"):  # rather than an end that is none
            list(copied)
    whole = pickle.loads(pickle.dumps(page([1])))  # noqa: S301
    assert [entry.id for entry in whole] == ["file-1"]


def test_the_search_page_and_the_content_page_have_attributes_of_their_own() -> None:
    hit = VectorStoreSearchResponse(file_id="file-1", filename="a", score=0.5, content=[SearchContent(text="t")])
    search = SyncPage({"search_query": ["q"], "data": [hit.model_dump()], "next_page": None}, [hit])
    assert (search.search_query, search.next_page, search.has_more) == (["q"], None, False)
    assert [found.text for found in search] == ["t"]
    assert search.next_page_info() is None
    content = SyncPage[Any]({"file_id": "file-1", "filename": "a", "attributes": {"k": 1}, "data": []}, [])
    assert (content.file_id, content.filename, content.attributes) == ("file-1", "a", {"k": 1})


async def run(function: Callable[[], Any]) -> Any:
    return function()


def test_async_pages() -> None:
    async def main() -> None:
        first: AsyncCursorPage[FileObject] = AsyncCursorPage.over(three(), run)
        with pytest.raises(TypeError, match="async for"):
            for _ in first:
                pass
        assert first["data"][0]["id"] == "file-1"
        assert json.loads(json.dumps(first)) == first
        assert [entry.id async for entry in first] == [f"file-{n}" for n in range(1, 6)]
        assert [len(each.data) async for each in first.iter_pages()] == [2, 2, 1]
        second = await first.get_next_page()
        assert type(second) is AsyncCursorPage
        assert second.data[0].id == "file-3"
        with pytest.raises(RuntimeError):
            await AsyncPage[Any]({"data": []}, []).get_next_page()

    anyio.run(main)


def test_a_paginator_is_awaited_or_iterated() -> None:
    async def fetch() -> AsyncCursorPage[FileObject]:
        return AsyncCursorPage.over(three(), run)

    async def main() -> None:
        paginator: AsyncPaginator[FileObject, AsyncCursorPage[FileObject]] = AsyncPaginator(fetch)
        assert (await paginator).data[0].id == "file-1"
        assert [entry.bytes async for entry in paginator] == [1, 2, 3, 4, 5]

    anyio.run(main)
