"""The async client behind the methods of the sync one, so that one test body runs both."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Any, cast

from ..client import AsyncOAuthCodexClient
from ..types.pages import AsyncCursorPage, AsyncPage

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from ..client import OAuthCodexClient

_END = object()


def blocking(client: AsyncOAuthCodexClient, portal: BlockingPortal) -> OAuthCodexClient:
    """An async client as a test uses a sync one: every call runs in the event loop of `portal` and is waited for."""
    return cast("OAuthCodexClient", _Face(client, portal))


class _Face:
    """A client or a resource of it."""

    def __init__(self, target: Any, portal: BlockingPortal) -> None:
        self._target = target
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return _Face(found, self._portal) if type(found).__module__.startswith("oauth_codex.client.") else found

        def call(*args: Any, **keywords: Any) -> Any:
            return _waited(self._portal, found, *args, **keywords)

        return call

    def __repr__(self) -> str:
        return repr(self._target)


class _PageFace:
    """An async page that is iterated like a sync one."""

    def __init__(self, page: Any, portal: BlockingPortal) -> None:
        self._page = page
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._page, name)

    def __getitem__(self, key: str) -> Any:
        return self._page[key]

    def __iter__(self) -> Iterator[Any]:
        for page in self.iter_pages():
            yield from page.data

    def iter_pages(self) -> Iterator[Any]:
        """This page and those that follow."""
        pages = self._page.iter_pages()
        while (page := _waited(self._portal, anext, pages, _END)) is not _END:
            yield page

    def get_next_page(self) -> Any:
        """The page that follows."""
        return _waited(self._portal, self._page.get_next_page)

    def __repr__(self) -> str:
        return repr(self._page)


def _waited(portal: BlockingPortal, function: Any, *args: Any, **keywords: Any) -> Any:
    async def run() -> Any:
        found = function(*args, **keywords)
        return await found if isinstance(found, Awaitable) else found

    answer = portal.call(run)
    if isinstance(answer, AsyncOAuthCodexClient):  # of `with_options`
        return _Face(answer, portal)
    return _PageFace(answer, portal) if isinstance(answer, AsyncCursorPage | AsyncPage) else answer
