"""S1: its signature blocks against `inspect.signature`, sync and async, and its call styles by binding and by calling."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest
from oauth_codex import NOT_GIVEN, AsyncOAuthCodexClient, OAuthCodexClient, omit
from oauth_codex.types import NotGiven, Omit, RequestOptions

# Signatures and call styles are the client's own: one driver shows them.
pytestmark = pytest.mark.parametrize("backend", ["memory"], indirect=True)

_ = omit
# What the document writes, without `self` and without the four options that every method of the API itself takes.
DOCUMENTED: dict[str, Callable[..., None]] = {
    "create": lambda *, chunking_strategy=_, description=_, expires_after=_, file_ids=_, metadata=_, name=_: None,
    "retrieve": lambda vector_store_id: None,
    "update": lambda vector_store_id, *, name=_, expires_after=_, metadata=_: None,
    "list": lambda *, after=_, before=_, limit=_, order=_: None,
    "delete": lambda vector_store_id: None,
    "search": lambda vector_store_id, *, query, filters=_, max_num_results=_, ranking_options=_, rewrite_query=_: None,
    "files.create": lambda vector_store_id, *, file_id, attributes=_, chunking_strategy=_: None,
    "files.retrieve": lambda file_id, *, vector_store_id: None,
    "files.update": lambda file_id, *, vector_store_id, attributes: None,
    "files.list": lambda vector_store_id, *, after=_, before=_, filter=_, limit=_, order=_: None,
    "files.delete": lambda file_id, *, vector_store_id: None,
    "files.content": lambda file_id, *, vector_store_id: None,
    "files.create_and_poll": lambda file_id, *, vector_store_id, attributes=_, poll_interval_ms=_, chunking_strategy=_: (
        None
    ),
    "files.poll": lambda file_id, *, vector_store_id, poll_interval_ms=_: None,
    "files.upload": lambda *, vector_store_id, file, chunking_strategy=_: None,
    "files.upload_and_poll": lambda *, vector_store_id, file, attributes=_, poll_interval_ms=_, chunking_strategy=_: (
        None
    ),
    "file_batches.create": lambda vector_store_id, *, file_ids=_, files=_, attributes=_, chunking_strategy=_: None,
    "file_batches.retrieve": lambda batch_id, *, vector_store_id: None,
    "file_batches.cancel": lambda batch_id, *, vector_store_id: None,
    "file_batches.list_files": lambda batch_id, *, vector_store_id, after=_, before=_, filter=_, limit=_, order=_: None,
}
HELPERS = {"files.create_and_poll", "files.poll", "files.upload", "files.upload_and_poll"}
OPTIONS = {"extra_headers": None, "extra_query": None, "extra_body": None, "timeout": NOT_GIVEN}
#: Methods whose first positional argument is the child in S1 and the store in S0.
CHILD_FIRST = {
    name: first
    for name, first in ((n, next(iter(inspect.signature(f).parameters))) for n, f in DOCUMENTED.items())
    if first in ("file_id", "batch_id")
}
#: Left out it is refused with `NotSupportedError`, not with `TypeError`, as S0 says.
REQUIRED_BY_CALL = {("files.update", "attributes")}


def absent(default: object) -> bool:
    """Whether a default stands for an argument that was not given."""
    return default is None or isinstance(default, Omit | NotGiven)


def check(name: str, actual: inspect.Signature) -> None:
    documented = inspect.signature(DOCUMENTED[name])
    positions = list(actual.parameters)
    for position, (param, wanted) in enumerate(documented.parameters.items()):
        at = f"{name}({param})"
        found = actual.parameters.get(param)
        assert found is not None, f"{at} does not exist"
        if wanted.kind is wanted.POSITIONAL_OR_KEYWORD and name not in CHILD_FIRST:
            assert found.kind is found.POSITIONAL_OR_KEYWORD, at
            assert positions[position] == param, f"{at} is not positional argument {position}"
        else:  # for CHILD_FIRST the call styles below decide
            assert found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD), at
        if wanted.default is inspect.Parameter.empty:
            assert found.default is inspect.Parameter.empty or (name, param) in REQUIRED_BY_CALL, f"{at} is optional"
        else:
            assert absent(found.default), f"{at} has the default {found.default!r}"
    for param, found in actual.parameters.items():
        if found.default is inspect.Parameter.empty and found.kind is not found.VAR_KEYWORD:
            assert param in documented.parameters, f"{name} requires {param}, which S1 does not know"
    if name not in HELPERS:
        check_options(name, actual)


def check_options(name: str, actual: inspect.Signature) -> None:
    rest = [p for p in actual.parameters.values() if p.kind is p.VAR_KEYWORD]
    declared = bool(rest) and "RequestOptions" in str(rest[0].annotation)
    for option in OPTIONS:
        at = f"{name}({option})"
        found = actual.parameters.get(option)
        if found is None:
            assert declared, f"{at} does not exist"
            assert option in RequestOptions.__annotations__, at
        else:
            assert found.kind is found.KEYWORD_ONLY, at
            assert absent(found.default), at


@pytest.mark.parametrize("name", DOCUMENTED)
def test_s1_signature_blocks(client: OAuthCodexClient, name: str) -> None:
    check(name, inspect.signature(attrgetter(name)(client.beta.vector_stores)))


@pytest.mark.anyio
@pytest.mark.parametrize("name", DOCUMENTED)
async def test_s1_signature_blocks_async(async_client: AsyncOAuthCodexClient, name: str) -> None:
    check(name, inspect.signature(attrgetter(name)(async_client.beta.vector_stores)))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_s1_signature_blocks_bind_by_keyword(client: OAuthCodexClient, name: str) -> None:
    actual = inspect.signature(attrgetter(name)(client.beta.vector_stores))
    every = dict.fromkeys(inspect.signature(DOCUMENTED[name]).parameters, "x")
    bound = actual.bind(**every, **({} if name in HELPERS else OPTIONS))
    assert {n for n in bound.arguments if n in every} == set(every)


# -- call styles -------------------------------------------------------------------------------------------------------


class Scene:
    """A store with one file and one batch, and the arguments that a method needs besides the two ids."""

    def __init__(self, client: OAuthCodexClient) -> None:
        self.client = client
        file = client.files.create(file=("a.txt", b"alpha gamma"), purpose="assistants")
        self.store = client.beta.vector_stores.create(name="docs", file_ids=[file.id]).id
        self.ids = {"file_id": file.id}
        self.ids["batch_id"] = client.beta.vector_stores.file_batches.create(self.store, file_ids=[file.id]).id

    def more(self, name: str) -> dict[str, Any]:
        return {"attributes": {"k": "v"}} if name == "files.update" else {}


@pytest.fixture
def scene(client: OAuthCodexClient) -> Scene:
    return Scene(client)


@pytest.mark.parametrize("name", sorted(CHILD_FIRST))
@pytest.mark.parametrize("style", ["child first", "all by keyword"])
def test_s1_call_styles(scene: Scene, name: str, style: str) -> None:
    method = attrgetter(name)(scene.client.beta.vector_stores)
    param = CHILD_FIRST[name]
    child, more = scene.ids[param], scene.more(name)
    if style == "child first":
        answer = method(child, vector_store_id=scene.store, **more)
    else:
        answer = method(**{param: child}, vector_store_id=scene.store, **more)
    if name == "files.content":
        assert [part.text for part in answer] == ["alpha gamma"]
    elif name == "file_batches.list_files":
        assert [file.id for file in answer] == [scene.ids["file_id"]]
    else:
        assert answer.id == child


@pytest.mark.parametrize("name", sorted(CHILD_FIRST))
@pytest.mark.parametrize("case", ["one positional", "three positionals", "store twice", "child twice", "no id"])
def test_s1_call_styles_name_both_forms_when_wrong(scene: Scene, name: str, case: str) -> None:
    method = attrgetter(name)(scene.client.beta.vector_stores)
    param = CHILD_FIRST[name]
    store, child, more = scene.store, scene.ids[param], scene.more(name)
    wrong: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "one positional": ((child,), {}),
        "three positionals": ((store, child, child), {}),
        "store twice": ((store, child), {"vector_store_id": store}),
        "child twice": ((store, child), {param: child}),
        "no id": ((), {}),
    }
    args, named = wrong[case]
    with pytest.raises(TypeError, match=r"vector_store_id, .*_id, .*vector_store_id="):
        method(*args, **named, **more)


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - HELPERS))
def test_s1_options_are_taken_by_every_method(scene: Scene, name: str) -> None:
    method = attrgetter(name)(scene.client.beta.vector_stores)
    needed: dict[str, Any] = {
        "vector_store_id": scene.store,
        "query": "gamma",
        "file_ids": [scene.ids["file_id"]],
        "attributes": {"k": "v"},
        **scene.ids,
    }
    documented = inspect.signature(DOCUMENTED[name]).parameters
    arguments = {n: v for n, v in needed.items() if n in documented}
    options = {"extra_headers": {"x-trace": "1"}, "extra_query": {"trace": "1"}, "extra_body": None, "timeout": 30.0}
    assert method(**arguments, **options) is not None
    if name not in ("create", "update"):  # which keep any other field, as S0 says
        with pytest.raises((TypeError, ValueError), match="extra_heders"):
            method(**arguments, extra_heders={"x-trace": "1"})
