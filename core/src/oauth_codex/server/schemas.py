"""JSON schemas of the fields of requests, as `spi.values` checks them. A test holds every field against this table."""

from __future__ import annotations

from typing import Any

from ..spi.limits import (
    MAX_ATTRIBUTES,
    MAX_INT,
    MAX_KEY_LENGTH,
    MAX_QUERIES,
    MAX_QUERY_LENGTH,
    MAX_RESULTS,
    MAX_VALUE_LENGTH,
)
from ..spi.values import RANKERS
from ..types.files import UPLOAD_PURPOSES
from ..types.filters import COMPARISONS

Schema = dict[str, Any]

_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
_NUMBER = {"type": "number", "minimum": -MAX_INT, "maximum": MAX_INT}
_STATUS = {"type": "string", "enum": ["in_progress", "completed", "failed", "cancelled"]}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def strict(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _pairs(values: Schema) -> Schema:
    return {
        "type": "object",
        "maxProperties": MAX_ATTRIBUTES,
        "propertyNames": {"maxLength": MAX_KEY_LENGTH},
        "additionalProperties": values,
    }


def _text(longest: int) -> Schema:
    return {"type": "string", "maxLength": longest}


def _integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _ids(most: int, fewest: int = 0) -> Schema:
    return {"type": "array", "items": _ID, "minItems": fewest, "maxItems": most}


_SCALAR: Schema = {"anyOf": [_text(MAX_VALUE_LENGTH), _NUMBER, {"type": "boolean"}]}
_SEARCHED = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
_ORDERED = {"anyOf": [{"type": "string"}, {"type": "number"}]}
#: What Python takes for white space differs from a pattern's `\s` by these.
_QUESTION = {"type": "string", "pattern": r"[^\s\x1c-\x1f\x85]|\uFEFF", "maxLength": MAX_QUERY_LENGTH}
_WEIGHT = {"type": "number", "minimum": 0, "maximum": MAX_INT}
_HYBRID = {
    **strict({"embedding_weight": _WEIGHT, "text_weight": _WEIGHT}),
    "anyOf": [{"properties": {name: {"exclusiveMinimum": 0}}} for name in ("embedding_weight", "text_weight")],
}
_PAIRS = nullable(_pairs(_SCALAR))


def _comparison(kinds: tuple[str, ...], value: Schema) -> Schema:
    return strict({"type": {"type": "string", "enum": list(kinds)}, "key": {"type": "string"}, "value": value})


_LISTS = ("in", "nin")
_ORDERS = ("gt", "gte", "lt", "lte")
_EQUALS = tuple(kind for kind in COMPARISONS if kind not in (*_LISTS, *_ORDERS))

#: Schemas that refer to themselves or are used in several places.
COMPONENTS: dict[str, Schema] = {
    "ComparisonFilter": {
        "anyOf": [
            _comparison(_EQUALS, _SEARCHED),
            _comparison(_ORDERS, _ORDERED),
            _comparison(_LISTS, {"type": "array", "items": _SEARCHED, "maxItems": 1000}),
        ]
    },
    "CompoundFilter": strict(
        {
            "type": {"type": "string", "enum": ["and", "or"]},
            "filters": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Filter"}},
        }
    ),
    "Filter": {
        "description": "At most 16 levels deep, with at most 256 comparisons and compounds in all.",
        "anyOf": [{"$ref": "#/components/schemas/ComparisonFilter"}, {"$ref": "#/components/schemas/CompoundFilter"}],
    },
    "ChunkingStrategyParam": {
        "anyOf": [
            strict({"type": {"type": "string", "const": "auto"}}),
            strict(
                {
                    "type": {"type": "string", "const": "static"},
                    "static": strict(
                        {
                            "max_chunk_size_tokens": _integer(100, 4096),
                            "chunk_overlap_tokens": {
                                **_integer(0, 2048),
                                "description": "At most half of max_chunk_size_tokens.",
                            },
                        }
                    ),
                }
            ),
        ]
    },
    "Error": {
        "type": "object",
        "properties": {
            "error": strict(
                {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": nullable({"type": "string"}),
                    "code": nullable({"type": "string"}),
                }
            )
        },
        "required": ["error"],
        "additionalProperties": False,
    },
}

_CHUNKING = nullable({"$ref": "#/components/schemas/ChunkingStrategyParam"})
_STORE_EXPIRY = nullable(strict({"anchor": {"type": "string", "const": "last_active_at"}, "days": _integer(1, 365)}))
_FILE_EXPIRY = nullable(
    strict({"anchor": {"type": "string", "const": "created_at"}, "seconds": _integer(3600, 2_592_000)})
)
_BATCH_FILE = strict(
    {"file_id": _ID, "attributes": _PAIRS, "chunking_strategy": _CHUNKING}, optional=("attributes", "chunking_strategy")
)


def fields(max_create_files: int, max_batch_files: int) -> dict[str, Schema]:
    """The schema of every field by its name, or by operation and name where a name means several things.

    Args:
        max_create_files: Most `file_ids` of a new store.
        max_batch_files: Most files of a batch.
    """
    return {
        "vector_store_id": _ID,
        "file_id": _ID,
        "batch_id": {**_ID, "description": "Does not begin with 'vs_' or 'file-'."},
        "after": _text(128),
        "before": _text(128),
        "limit": _integer(1, 100),
        "files.list limit": _integer(1, 10_000),
        "order": {"type": "string", "enum": ["asc", "desc"]},
        "filter": _STATUS,
        "files.list purpose": _text(64),
        "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
        "name": nullable(_text(512)),
        "description": nullable(_text(2048)),
        "metadata": _PAIRS,
        "attributes": _PAIRS,
        "file_ids": nullable(_ids(max_create_files)),
        "vector_stores.file_batches.create file_ids": nullable(_ids(max_batch_files, 1)),
        "files": nullable({"type": "array", "items": _BATCH_FILE, "minItems": 1, "maxItems": max_batch_files}),
        "expires_after": _STORE_EXPIRY,
        "files.create expires_after": _FILE_EXPIRY,
        "chunking_strategy": _CHUNKING,
        "query": {"anyOf": [_QUESTION, {"type": "array", "items": _QUESTION, "minItems": 1, "maxItems": MAX_QUERIES}]},
        "max_num_results": nullable(_integer(1, MAX_RESULTS)),
        "filters": nullable({"$ref": "#/components/schemas/Filter"}),
        "ranking_options": nullable(
            strict(
                {
                    "ranker": nullable({"type": "string", "enum": list(RANKERS)}),
                    "score_threshold": nullable({"type": "number", "minimum": 0, "maximum": 1}),
                    "hybrid_search": nullable(_HYBRID),
                },
                optional=("ranker", "score_threshold", "hybrid_search"),
            )
        ),
        "rewrite_query": nullable({"type": "boolean"}),
    }
