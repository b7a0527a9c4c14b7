"""S0: its signature blocks against `inspect.signature`, for the sync, the async and the module-level way in."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import oauth_codex
import pytest
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient
from oauth_codex.types import NotGiven, Omit

# Signatures and call styles are the client's own: one driver shows them.
pytestmark = pytest.mark.parametrize("backend", ["memory"], indirect=True)


def search(
    vector_store_id: str,
    *,
    query: str,
    max_num_results: int | None = None,
    filters: Any = None,
    ranking_options: Any = None,
    rewrite_query: bool | None = None,
    **payload: Any,
) -> None: ...


# What the document writes, as the parameters of a function; `files.update` it only calls unsupported.
DOCUMENTED: dict[str, Callable[..., None]] = {
    "create": lambda *, name=None, file_ids=None, metadata=None, expires_after=None, **payload: None,
    "retrieve": lambda vector_store_id: None,
    "update": lambda vector_store_id, *, name=None, file_ids=None, metadata=None, expires_after=None, **payload: None,
    "list": lambda *, after=None, before=None, limit=None, order=None, **params: None,
    "delete": lambda vector_store_id: None,
    "search": search,
    "files.create": lambda vector_store_id, *, file_id: None,
    "files.create_and_poll": lambda vector_store_id, *, file_id: None,
    "files.retrieve": lambda vector_store_id, file_id: None,
    "files.list": lambda vector_store_id: None,
    "files.delete": lambda vector_store_id, file_id: None,
    "files.content": lambda vector_store_id, file_id: None,
    "files.poll": lambda vector_store_id, file_id: None,
    "files.upload": lambda vector_store_id, *, file, purpose="assistants": None,
    "files.upload_and_poll": lambda vector_store_id, *, file, purpose="assistants": None,
    "files.update": lambda vector_store_id, file_id: None,
    "file_batches.create": lambda vector_store_id, *, file_ids: None,
    "file_batches.create_and_poll": lambda vector_store_id, *, file_ids: None,
    "file_batches.retrieve": lambda vector_store_id, batch_id: None,
    "file_batches.list_files": lambda vector_store_id, batch_id: None,
    "file_batches.cancel": lambda vector_store_id, batch_id: None,
    "file_batches.poll": lambda vector_store_id, batch_id: None,
    "file_batches.upload_and_poll": lambda vector_store_id, *, files, purpose="assistants": None,
}
PAGED = {"list", "search", "files.list", "files.content", "file_batches.list_files"}
#: Required in S0, but S1 has another parameter in its place (`files`), so a call with neither is refused when it is made.
EITHER = {("file_batches.create", "file_ids"), ("file_batches.create_and_poll", "file_ids")}


@pytest.fixture
def ways(client: OAuthCodexClient, async_client: AsyncOAuthCodexClient, fresh_module: Any) -> dict[str, Any]:
    return {"sync": client, "async": async_client, "module": fresh_module}


def absent(default: object) -> bool:
    """Whether a default stands for an argument that was not given."""
    return default is None or isinstance(default, Omit | NotGiven)


@pytest.mark.anyio
@pytest.mark.parametrize("name", DOCUMENTED)
async def test_s0_signature_blocks(ways: dict[str, Any], name: str) -> None:
    documented = inspect.signature(DOCUMENTED[name])
    for way, client in ways.items():
        actual = inspect.signature(attrgetter(name)(client.vector_stores))
        positions = list(actual.parameters)
        for position, (param, wanted) in enumerate(documented.parameters.items()):
            at = f"{way} {name}({param})"
            if wanted.kind is inspect.Parameter.VAR_KEYWORD:
                kinds = {p.kind for p in actual.parameters.values()}
                assert inspect.Parameter.VAR_KEYWORD in kinds, at
                assert actual.bind_partial(some_unheard_of_field=1), at
                continue
            found = actual.parameters.get(param)
            assert found is not None, f"{at} does not exist"
            if wanted.kind is inspect.Parameter.KEYWORD_ONLY:
                assert found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD), at
            else:
                assert found.kind is found.POSITIONAL_OR_KEYWORD, at
                assert positions[position] == param, f"{at} is not positional argument {position}"
            if wanted.default is inspect.Parameter.empty:
                assert found.default is inspect.Parameter.empty or (name, param) in EITHER, f"{at} is optional"
            elif wanted.default is None:
                assert absent(found.default), f"{at} has the default {found.default!r}"
            else:
                assert found.default == wanted.default, at
        for param, found in actual.parameters.items():
            if found.default is inspect.Parameter.empty and found.kind is not found.VAR_KEYWORD:
                assert param in documented.parameters, f"{way} {name} requires {param}, which S0 does not know"


@pytest.mark.anyio
@pytest.mark.parametrize("name", DOCUMENTED)
async def test_s0_async_methods_take_the_same_arguments(ways: dict[str, Any], name: str) -> None:
    def plain(way: str) -> list[tuple[str, object, object]]:
        signature = inspect.signature(attrgetter(name)(ways[way].vector_stores))
        return [(p.name, p.kind, p.default) for p in signature.parameters.values()]

    assert plain("async") == plain("sync")
    assert plain("module") == plain("sync")
    method = inspect.unwrap(attrgetter(name)(ways["async"].vector_stores))
    assert inspect.iscoroutinefunction(method) == (name not in PAGED)


def test_s0_method_summary_is_complete(client: OAuthCodexClient) -> None:
    for name in DOCUMENTED:
        assert callable(attrgetter(name)(client.vector_stores)), name
        assert callable(attrgetter(name)(oauth_codex.vector_stores)), name
