"""Pages of lists, of search results and of file contents.

A page *is* the JSON answer, a `dict`: `page["data"][0]["id"]`, `json.dumps(page)`. Its attributes are typed:
`page.data` holds models. Iterating yields models, of this page and of the following ones, which are fetched
as they are reached. So `list(page)` is a list of items, not of keys, while `len(page)` and `in` speak of
keys. Treat a page as read-only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from ._base import Model

T = TypeVar("T", bound=Model)
PageT = TypeVar("PageT")

#: What fetching the page that follows consists of; only `Run` knows how to do it.
Fetch = Callable[[], Any]
#: Does it, and gives a sync page, which an async client must await.
Run = Callable[[Fetch], Any]


@dataclass(frozen=True)
class PageInfo:
    """How the next page is asked for: `params` are arguments of the call that made this page."""

    params: Mapping[str, str]


class _Page(dict[str, Any], Generic[T]):
    """What all pages share."""

    #: The items, as models.
    data: Sequence[T]
    _request_id: str | None

    def __init__(
        self,
        body: Mapping[str, Any],
        data: Sequence[T],
        fetch: Fetch | None = None,
        *,
        run: Run | None = None,
    ) -> None:
        """A page of a JSON answer.

        Args:
            body: The answer.
            data: The models of `body["data"]`.
            fetch: What fetching the page that follows consists of; None when there is none, or no client to ask.
            run: Does what `fetch` says.
        """
        super().__init__(body)
        self.data = data
        self._fetch = fetch
        self._run = run
        self._request_id = None

    @property
    def object(self) -> str:
        """Kind of the answer, `list` for lists."""
        return str(self.get("object", "list"))

    @property
    def has_more(self) -> bool:
        """Whether there are more items in the direction of travel."""
        return bool(self.get("has_more", False))

    def has_next_page(self) -> bool:
        """Whether `get_next_page` gives another page."""
        return self._fetch is not None

    def _following(self) -> Fetch | None:
        """How to go on when the items of this page are used up.

        Raises:
            RuntimeError: There is more, but this page was copied or unpickled, so it has no client to ask.
        """
        if self._fetch is None and self.get("has_more") and self.__dict__.get("_detached"):
            raise RuntimeError(
                "This page was copied or unpickled and has no client to fetch the next page with; "
                "read `page.data` for its own items, or list again with `after=page.last_id`."
            )
        return self._fetch

    def _next_or_raise(self) -> Fetch:
        fetch = self._following()
        if fetch is None:
            raise RuntimeError("This is the last page; ask `page.has_next_page()` first.")
        return fetch

    def model_dump(
        self,
        *,
        mode: Literal["json", "python"] = "python",
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, Any]:
        """A plain dict that shares nothing with the page; the options apply to the items as in pydantic."""
        head = {key: value for key, value in self.items() if not (exclude_none and value is None)}
        head["data"] = [
            item.model_dump(
                mode=mode,
                exclude_unset=exclude_unset,
                exclude_defaults=exclude_defaults,
                exclude_none=exclude_none,
                warnings=warnings,
            )
            for item in self.data
        ]
        return head

    def to_dict(
        self,
        *,
        mode: Literal["json", "python"] = "python",
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, Any]:
        """Like `model_dump`, by default with the fields of the items that were set."""
        return self.model_dump(
            mode=mode,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )

    def model_dump_json(self, *, indent: int | None = None, **options: bool) -> str:
        """The page as JSON text; takes the options of `model_dump` too."""
        separators = (",", ":") if indent is None else None
        body = self.model_dump(mode="json", **options)
        return json.dumps(body, indent=indent, ensure_ascii=False, separators=separators)

    def to_json(self, *, indent: int | None = 2, exclude_unset: bool = True, **options: bool) -> str:
        """The page as JSON text, by default indented and with the fields of the items that were set."""
        return self.model_dump_json(indent=indent, exclude_unset=exclude_unset, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), dict(self), list(self.data), self._request_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"


def _restored(kind: type[_Page[Any]], body: dict[str, Any], data: Sequence[Any], request_id: str | None) -> _Page[Any]:
    page = kind(body, data)
    page._request_id = request_id
    page.__dict__["_detached"] = True
    return page


class _Cursor(_Page[T]):
    """A page of a list."""

    @property
    def first_id(self) -> str | None:
        """Id of the first item; None on an empty page."""
        return self.get("first_id")

    @property
    def last_id(self) -> str | None:
        """Id of the last item; None on an empty page."""
        return self.get("last_id")

    def next_page_info(self) -> PageInfo | None:
        """Arguments that would list the next page; None on the last one."""
        if self._fetch is None or self.last_id is None:
            return None
        return PageInfo({"after": self.last_id})


class _Plain(_Page[T]):
    """A page of search results or of the content of a file; nothing follows it."""

    @property
    def next_page(self) -> str | None:
        """Token of the next page; None, since one page holds all."""
        return self.get("next_page")

    @property
    def search_query(self) -> Sequence[str] | None:
        """The queries that were searched; None on a page that is no search."""
        return self.get("search_query")

    @property
    def file_id(self) -> str | None:
        """The file whose content this is; None on a search page."""
        return self.get("file_id")

    @property
    def filename(self) -> str | None:
        """Name of that file."""
        return self.get("filename")

    @property
    def attributes(self) -> dict[str, str | bool | int | float] | None:
        """Attributes of that file."""
        return self.get("attributes")

    def next_page_info(self) -> PageInfo | None:
        """None: nothing follows."""
        return None


if TYPE_CHECKING:

    class _Items(Iterable[T]):  # pyright: ignore[reportImplicitAbstractClass]
        """Tells type checkers that iterating a page gives items, although a dict gives keys."""
else:

    class _Items(Generic[T]):
        pass


class _Sync(_Items[T], _Page[T]):  # pyright: ignore[reportGeneralTypeIssues]
    """Iteration of sync pages."""

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]  # items instead of keys, see the module
        for page in self.iter_pages():
            yield from page.data

    def iter_pages(self) -> Iterator[Self]:
        """This page and those that follow."""
        page: Any = self
        while True:
            yield page
            if page._following() is None:
                return
            page = page.get_next_page()

    def get_next_page(self) -> Self:
        """The page that follows, from the position of the last item, even if that item is gone by now.

        Raises:
            RuntimeError: This is the last page, or it was unpickled.
        """
        fetch = self._next_or_raise()
        assert self._run is not None
        page: Any = self._run(fetch)
        return page  # type: ignore[no-any-return]


class _Async(_Page[T]):
    """Iteration of async pages."""

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"An {type(self).__name__} is iterated with `async for`, its own items are `page.data`.")

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.iter_pages():
            for item in page.data:
                yield item

    async def iter_pages(self) -> AsyncIterator[Self]:
        """This page and those that follow."""
        page = self
        while True:
            yield page
            if page._following() is None:
                return
            page = await page.get_next_page()

    async def get_next_page(self) -> Self:
        """The page that follows, from the position of the last item, even if that item is gone by now.

        Raises:
            RuntimeError: This is the last page, or it was unpickled.
        """
        fetch = self._next_or_raise()
        assert self._run is not None
        return self.over(await self._run(fetch), self._run)

    @classmethod
    def over(cls, page: _Page[Any], run: Run) -> Self:
        """The async page of the same answer, which fetches the following ones with `run`."""
        made = cls(page, page.data, page._fetch, run=run)
        made._request_id = page._request_id
        return made


class SyncCursorPage(_Sync[T], _Cursor[T]):  # pyright: ignore[reportGeneralTypeIssues]
    """A page of a list. `for item in page` goes on to the following pages."""


class AsyncCursorPage(_Async[T], _Cursor[T]):
    """A page of a list. `async for item in page` goes on to the following pages."""


class SyncPage(_Sync[T], _Plain[T]):  # pyright: ignore[reportGeneralTypeIssues]
    """A page of search results or of the content of a file."""


class AsyncPage(_Async[T], _Plain[T]):
    """A page of search results or of the content of a file."""


class AsyncPaginator(Generic[T, PageT]):
    """A page that is still to be fetched: `await` gives the page, `async for` the items of all pages."""

    def __init__(self, fetch: Callable[[], Awaitable[PageT]]) -> None:
        self._fetch = fetch

    def __await__(self) -> Generator[Any, None, PageT]:
        return self._fetch().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        page: Any = await self._fetch()
        async for item in page:
            yield item


AsyncCursorPaginator = AsyncPaginator[T, AsyncCursorPage[T]]
AsyncPagePaginator = AsyncPaginator[T, AsyncPage[T]]
