"""Hooks of schemathesis: what a schema cannot say of a request that is to be accepted.

Requests that must be refused are sent as they were made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from seeded import FILES, STORES

#: Objects that are always there, for parameters of paths.
PRESENT = {"vector_store_id": "vs_abc123", "file_id": "file-abc123", "batch_id": "vsfb_abc123"}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Adapt a request."""
    if case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        _as_texts(case.body)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    name = case.operation.definition.raw["operationId"]
    following = case.meta.phase.name == "stateful"  # its ids come from answers
    if not following:
        for parameter in case.path_parameters:
            case.path_parameters[parameter] = PRESENT[parameter]
    cursors = {"after", "before"} & case.query.keys()
    for cursor in cursors:  # an id that is in the list
        if following:
            del case.query[cursor]
        else:
            case.query[cursor] = (STORES if name == "vector_stores.list" else FILES)[0]
    if isinstance(case.body, dict):
        _repair(case.body)


def _as_texts(form: dict[str, Any]) -> None:
    """Give parts that may hold any text the one that they are sent as: a form has no null, so that is nothing to refuse."""
    for name, value in form.items():
        if name != "expires_after[seconds]" and (value is None or isinstance(value, bool | int | float)):
            form[name] = json.dumps(value)


def _repair(body: dict[str, Any]) -> None:
    """Name files that are there, and keep the rules between two fields."""
    if isinstance(body.get("file_ids"), list):
        body["file_ids"] = list(FILES[: len(body["file_ids"])])
    if "file_id" in body:
        body["file_id"] = FILES[0]
    for entry in body.get("files") or []:
        entry["file_id"] = FILES[0]
    for static in _statics(body):  # at most half of the window
        static["chunk_overlap_tokens"] = min(static["chunk_overlap_tokens"], static["max_chunk_size_tokens"] // 2)
    hybrid = (body.get("ranking_options") or {}).get("hybrid_search")
    if hybrid and not any(hybrid.values()):  # one of the weights is more than 0
        hybrid["text_weight"] = 1


def _statics(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in (body, *(body.get("files") or [])):
        strategy = entry.get("chunking_strategy")
        if strategy and strategy["type"] == "static":
            yield strategy["static"]
