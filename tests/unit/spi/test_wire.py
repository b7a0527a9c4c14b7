"""A request that was written for the wire and read again is the request."""

from __future__ import annotations

import io
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.client.dispatch import validate
from oauth_codex.errors import ParameterValidationError
from oauth_codex.spi import operations as o
from oauth_codex.spi import wire

_NAMES = st.text("abcXYZ_-09", min_size=1, max_size=20)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
_CHUNKING = st.sampled_from(
    [{"type": "auto"}, {"type": "static", "static": {"max_chunk_size_tokens": 400, "chunk_overlap_tokens": 7}}]
)
_VALUES = st.one_of(
    _TEXTS, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)
_ATTRIBUTES = st.dictionaries(_TEXTS, _VALUES, max_size=4)
_COMPARISON = st.fixed_dictionaries(
    {"type": st.sampled_from(["eq", "ne"]), "key": _TEXTS, "value": _VALUES}
) | st.fixed_dictionaries(
    {"type": st.sampled_from(["in", "nin"]), "key": _TEXTS, "value": st.lists(_TEXTS, min_size=1)}
)
_FILTER = st.recursive(
    _COMPARISON,
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or"]), "filters": st.lists(inner, min_size=1, max_size=3)}
    ),
    max_leaves=6,
)
_BODIES = {
    o.STORES_CREATE: st.fixed_dictionaries(
        {},
        optional={
            "name": st.none() | _TEXTS,
            "metadata": st.dictionaries(_TEXTS, _TEXTS, max_size=3),
            "expires_after": st.none()
            | st.builds(lambda days: {"anchor": "last_active_at", "days": days}, st.integers(1, 365)),
            "file_ids": st.lists(_NAMES, unique=True),
            "chunking_strategy": _CHUNKING,
            "something_new": _VALUES,
        },
    ),
    o.STORES_SEARCH: st.fixed_dictionaries(
        {"query": _TEXTS.filter(str.strip) | st.lists(_TEXTS.filter(str.strip), min_size=2, max_size=3)},
        optional={
            "filters": _FILTER,
            "max_num_results": st.integers(1, 50),
            "rewrite_query": st.booleans(),
            "ranking_options": st.fixed_dictionaries(
                {},
                optional={
                    "ranker": st.sampled_from(["none", "default-2024-11-15"]),
                    "score_threshold": st.floats(0.01, 1),
                    "hybrid_search": st.just({"embedding_weight": 1.0, "text_weight": 0.5}),
                },
            ),
        },
    ),
    o.BATCHES_CREATE: st.lists(
        st.fixed_dictionaries(
            {"file_id": _NAMES}, optional={"attributes": _ATTRIBUTES, "chunking_strategy": _CHUNKING}
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda entry: str(entry["file_id"]),
    ).map(lambda entries: {"files": entries}),
    o.STORE_FILES_UPDATE: st.fixed_dictionaries({"attributes": st.none() | _ATTRIBUTES}),
}
_IDS = {"vector_store_id": "vs_1", "file_id": "file-1"}


@pytest.mark.parametrize("operation", _BODIES, ids=lambda operation: operation.name)
@given(data=st.data())
def test_a_body_makes_the_request_that_it_was_made_of(operation: o.Operation, data: st.DataObject) -> None:
    ids = {name: value for name, value in _IDS.items() if f"{{{name}}}" in operation.path}
    given_fields = data.draw(_BODIES[operation])
    request = validate(operation, {**ids, **given_fields})
    body = wire.body(operation, request)
    assert body is not None
    assert validate(operation, {**ids, **body}) == request
    assert body.keys() == given_fields.keys()


def test_only_what_was_given_is_sent() -> None:
    request = validate(o.STORES_UPDATE, {"vector_store_id": "vs_1", "name": None})
    assert wire.body(o.STORES_UPDATE, request) == {"name": None}


def test_what_belongs_to_the_call_is_never_sent() -> None:
    listing = validate(o.STORE_FILES_LIST, {"vector_store_id": "vs_1", "limit": 5, "order": "asc", "filter": None})
    assert wire.query(o.STORE_FILES_LIST, listing) == {"limit": "5", "order": "asc"}
    assert wire.body(o.STORE_FILES_LIST, listing) is None
    cancel = validate(o.BATCHES_CANCEL, {"vector_store_id": "vs_1", "batch_id": "vsfb_1"})
    assert wire.body(o.BATCHES_CANCEL, cancel) is None
    assert wire.path(o.BATCHES_CANCEL, cancel) == "/vector_stores/vs_1/file_batches/vsfb_1/cancel"


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    path = wire.path(o.STORE_FILES_RETRIEVE, {"vector_store_id": "../files?x=1#", "file_id": "a/b"})
    assert path == "/vector_stores/..%2Ffiles%3Fx%3D1%23/files/a%2Fb"


def test_a_form_makes_the_request_that_it_was_made_of() -> None:
    fields = {"purpose": "assistants", "expires_after": {"anchor": "created_at", "seconds": 3600}, "draft": True}
    request = validate(o.FILES_CREATE, {**fields, "content": io.BytesIO(b""), "filename": "a.txt"})
    form = wire.form(o.FILES_CREATE, request)
    assert form == {
        "purpose": "assistants",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "3600",
        "draft": "true",
    }
    read = wire.unflatten(parse_qsl(urlencode(form)))
    again = validate(o.FILES_CREATE, {**read, "content": request.stream, "filename": "a.txt"})
    assert again.model_copy(update={"draft": True}) == request


@pytest.mark.parametrize(
    "names", [["a[", "b"], ["a", "a"], ["a[b]", "a"], ["a", "a[b]"], ["a[]", "a[b]"], ["[a]"], ["a[][b]"]]
)
def test_names_that_mean_nothing_or_two_things_are_refused(names: list[str]) -> None:
    with pytest.raises(ParameterValidationError):
        wire.unflatten((name, "1") for name in names)


def test_brackets_are_fields_and_entries() -> None:
    pairs = [("ids[]", "a"), ("ids[]", "b"), ("x[y][z]", "c")]
    assert wire.unflatten(pairs) == {"ids": ["a", "b"], "x": {"y": {"z": "c"}}}
