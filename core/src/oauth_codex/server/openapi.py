"""The OpenAPI document, made from the operations table and the models of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .. import __version__
from ..spi.capabilities import Capabilities
from ..spi.operations import OPERATIONS, Answer, Operation
from ..types.vector_stores import VectorStoreFileDeleted
from .schemas import COMPONENTS, Schema, fields, nullable

#: Fields of requests that are no parameters of the API, or that the headers of the part `file` hold.
_INTERNAL = frozenset(("options", "resume", "brief", "content", "filename", "content_type"))
#: Names that no extra field may have, besides those in the path.
_TAKEN = [
    *("id", "object", "created_at", "usage_bytes", "file_counts", "status", "expires_at", "last_active_at"),
    *("options", "resume", "brief"),
]
_REF = "#/components/schemas/{model}"


def document(capabilities: Capabilities, *, keyed: bool) -> bytes:
    """The document as JSON.

    Args:
        capabilities: What the driver offers: operations that it lacks are left out.
        keyed: Whether requests need a key.
    """
    table = fields(capabilities.max_create_files, capabilities.max_batch_files)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        if operation.requires is None or getattr(capabilities, operation.requires):
            described = _operation(operation, table, keyed)
            paths.setdefault(f"/v1{operation.path}", {})[operation.method.lower()] = described
    paths |= _probes(keyed)
    components: dict[str, Any] = {"schemas": _models()}
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    found = {
        "openapi": "3.1.0",
        "info": {"title": "oauth-codex", "version": __version__},
        "paths": paths,
        "components": components,
    }
    return json.dumps(found).encode()


def _operation(operation: Operation, table: dict[str, Schema], keyed: bool) -> dict[str, Any]:
    model = operation.request
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    others = [name for name in model.model_fields if name not in _INTERNAL and name not in in_path]
    schemas = {name: table.get(f"{operation.name} {name}", table[name]) for name in (*in_path, *others)}
    parameters = [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in in_path]
    summary = (model.__doc__ or "").strip().partition("\n")[0]
    described: dict[str, Any] = {"operationId": operation.name, "summary": summary}
    if operation.method == "POST":
        if others:
            described["requestBody"] = _body(operation, {name: schemas[name] for name in others}, in_path)
    else:
        parameters += [{"name": name, "in": "query", "required": False, "schema": schemas[name]} for name in others]
    if parameters:
        described["parameters"] = parameters
    described["responses"] = {"200": {"description": "Done.", **_answer(operation)}, "default": _error()}
    if keyed:
        described["security"] = [{"key": []}]
    return described


def _body(operation: Operation, schemas: dict[str, Schema], in_path: list[str]) -> dict[str, Any]:
    model = operation.request
    required = [name for name in schemas if model.model_fields[name].is_required()]
    open_ended = model.model_config.get("extra") == "allow"
    schema: Schema = {"type": "object", "properties": schemas, "required": required}
    if operation.multipart:
        schema = _form(schemas, required)
    elif open_ended:
        schema["propertyNames"] = {"maxLength": 64, "not": {"enum": _TAKEN + in_path}}
    else:
        schema["additionalProperties"] = False
    if operation.name == "vector_stores.file_batches.create":
        schema["oneOf"] = [
            {"required": [one], "properties": {one: {"type": "array"}, other: {"type": "null"}}}
            for one, other in (("file_ids", "files"), ("files", "file_ids"))
        ]
    kind = "multipart/form-data" if operation.multipart else "application/json"
    return {"required": bool(schema["required"]) or "oneOf" in schema, "content": {kind: {"schema": schema}}}


def _form(schemas: dict[str, Schema], required: list[str]) -> Schema:
    """A form has texts only: the fields of an object stand in brackets."""
    properties: dict[str, Schema] = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
    together: dict[str, list[str]] = {}
    for name, schema in schemas.items():
        nested = schema.get("anyOf", [{}])[0].get("properties")
        if nested is None:
            properties[name] = schema
            continue
        inner = {f"{name}[{key}]": value for key, value in nested.items()}
        properties |= inner
        together |= {key: [other for other in inner if other != key] for key in inner}
    return {
        "type": "object",
        "properties": properties,
        "required": ["file", *required],
        "dependentRequired": together,
        "additionalProperties": {"type": "string"},
        "propertyNames": {
            "anyOf": [{"enum": list(properties)}, {"pattern": r"^[A-Za-z0-9_-]{1,64}$"}],
            "not": {"enum": [*_TAKEN, "content", "filename", "content_type", *(set(schemas) - set(properties))]},
        },
    }


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.returns is None:
        return {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    one: Schema = {"$ref": _REF.format(model=operation.returns.__name__)}
    return {"content": {"application/json": {"schema": _PAGES[operation.answer](one)}}}


def _page(kind: str, one: Schema, **more: Schema) -> Schema:
    properties = {"object": {"type": "string", "const": kind}, "data": {"type": "array", "items": one}, **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_PAGES: dict[Answer, Callable[[Schema], Schema]] = {
    Answer.OBJECT: lambda one: one,
    Answer.LIST: lambda one: _page("list", one, first_id=nullable(_TEXT), last_id=nullable(_TEXT), has_more=_FLAG),
    Answer.SEARCH: lambda one: _page(
        "vector_store.search_results.page",
        one,
        search_query={"type": "array", "items": _TEXT},
        has_more=_FLAG,
        next_page=nullable(_TEXT),
    ),
    Answer.CONTENT: lambda one: _page(
        "vector_store.file_content.page",
        one,
        file_id=_TEXT,
        filename=_TEXT,
        attributes=nullable({"type": "object"}),
        has_more=_FLAG,
        next_page=nullable(_TEXT),
    ),
}


def _models() -> dict[str, Schema]:
    models = {each.returns for each in OPERATIONS if each.returns is not None and issubclass(each.returns, BaseModel)}
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template=_REF)
    schemas: dict[str, Schema] = dict(sorted(found["$defs"].items()))
    schemas["VectorStore"]["properties"]["name"] = _TEXT
    schemas[VectorStoreFileDeleted.__name__] = {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "object": {"type": "string", "const": "vector_store.file.deleted"},
            "deleted": _FLAG,
        },
        "required": ["id", "object", "deleted"],
    }
    return schemas | COMPONENTS


def _error() -> dict[str, Any]:
    return {
        "description": "The request was refused or failed.",
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}},
    }


def _probes(keyed: bool) -> dict[str, Any]:
    status = {
        "application/json": {"schema": {"type": "object", "properties": {"status": _TEXT}, "required": ["status"]}}
    }
    text = {"text/plain": {"schema": _TEXT}}

    def probe(name: str, summary: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
        responses = {
            "200": {"description": summary, "content": content},
            "default": _error(),
            **more.pop("responses", {}),
        }
        return {"get": {"operationId": name, "summary": summary, "responses": responses, **more}}

    not_ready = {"503": {"description": "Not ready.", "content": status}}
    secured: dict[str, Any] = {"security": [{"key": []}]} if keyed else {}
    return {
        "/healthz": probe("healthz", "The process is alive.", status),
        "/readyz": probe("readyz", "The storage can be used.", status, responses=not_ready),
        "/metrics": probe("metrics", "Counters in the text format of Prometheus.", text, **secured),
    }
