"""The values that requests are made of: what is accepted, and the error of each that is not.

A validator raises `ParameterValidationError` itself, with the parameter's name and code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from .. import messages as say
from ..errors import ParameterValidationError
from ..types.files import UPLOAD_PURPOSES
from ..types.filters import Filter, check_text, parse_filter
from ..types.vector_stores import AttributeValue, StaticChunking
from .limits import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_INT,
    MAX_KEY_LENGTH,
    MAX_QUERIES,
    MAX_QUERY_LENGTH,
    MAX_RESULTS,
    MAX_VALUE_LENGTH,
)

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def check_id(value: object, param: str) -> str:
    """An id as a path may hold it.

    Raises:
        ParameterValidationError: It is empty or has characters that no id has.
    """
    if value is None or value == "":
        raise say.empty_id(param, value)
    if not isinstance(value, str):
        raise say.wrong_type(param, value, "a string")
    if not _ID.fullmatch(value):
        raise say.malformed_id(param, value)
    return value


def _id(param: str) -> BeforeValidator:
    return BeforeValidator(lambda value: check_id(value, param))


def _batch_id(value: object) -> str:
    checked = check_id(value, "batch_id")
    if checked.startswith(("vs_", "file-")):
        raise say.wrong_prefix("batch_id", checked, "vsfb_")
    return checked


VectorStoreId = Annotated[str, _id("vector_store_id")]
FileId = Annotated[str, _id("file_id")]
BatchId = Annotated[str, BeforeValidator(_batch_id)]


def _whole(value: object, param: str) -> int:
    """An integer; JSON makes no difference between 5 and 5.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise say.wrong_type(param, value, "an integer")
    return value


def integer(param: str, low: int, high: int) -> BeforeValidator:
    """An integer from `low` to `high`, or its digits as a query string has them; None passes."""

    def check(value: object) -> object:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}", value):  # as it arrives in a query string
            value = int(value)
        value = _whole(value, param)
        if value > high:
            raise say.above_maximum(param, value, high)
        if value < low:
            raise say.below_minimum(param, value, low)
        return value

    return BeforeValidator(check)


def one_of(param: str, *accepted: str) -> BeforeValidator:
    """One of the accepted texts; None passes."""

    def check(value: object) -> object:
        if value is None or (isinstance(value, str) and value in accepted):
            return value
        raise say.not_one_of(param, value, accepted)

    return BeforeValidator(check)


def text(param: str, limit: int | None = None) -> BeforeValidator:
    """Text that can be written as UTF-8, of at most `limit` characters; None passes."""

    def check(value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, str):
            raise say.wrong_type(param, value, "a string")
        check_text(value, param, limit)
        return value

    return BeforeValidator(check)


def _pairs(value: object, param: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise say.wrong_type(param, value, "an object with string keys")
    if len(value) > MAX_ATTRIBUTES:
        raise say.too_many_properties(param, len(value), MAX_ATTRIBUTES)
    for key in value:
        if not isinstance(key, str):
            raise say.wrong_type(param, key, "string keys")
        check_text(key, param, MAX_KEY_LENGTH)
    return value


def _metadata(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    found: dict[str, str] = {}
    for key, entry in _pairs(value, "metadata").items():
        param = f"metadata.{key}"
        if isinstance(entry, bool):
            entry = "true" if entry else "false"
        elif isinstance(entry, float) or (isinstance(entry, int) and abs(entry) <= MAX_INT):
            entry = str(entry)
        if not isinstance(entry, str):
            raise say.wrong_type(param, entry, "a string, number or boolean")
        check_text(entry, param, MAX_VALUE_LENGTH)
        found[key] = entry
    return found


def check_attributes(value: object, param: str = "attributes") -> dict[str, AttributeValue] | None:
    """Attributes of a file: at most 16, keys of at most 64 and strings of at most 512 characters, finite numbers.

    Raises:
        ParameterValidationError: They are not like that.
    """
    if value is None:
        return None
    found: dict[str, AttributeValue] = {}
    for key, entry in _pairs(value, param).items():
        at = f"{param}.{key}"
        if isinstance(entry, str):
            check_text(entry, at, MAX_VALUE_LENGTH)
        elif isinstance(entry, float) and not math.isfinite(entry):
            raise say.wrong_type(at, entry, "a finite number")
        elif isinstance(entry, int) and not isinstance(entry, bool) and abs(entry) > MAX_INT:
            raise say.wrong_type(at, entry, "an integer of at most 64 bits")
        elif not isinstance(entry, str | int | float):
            raise say.wrong_type(at, entry, "a string, number or boolean")
        found[key] = entry
    return found


def check_chunking(value: object, param: str = "chunking_strategy") -> StaticChunking | None:
    """The windows that a chunking strategy asks for; None for `auto` and for none at all.

    Raises:
        ParameterValidationError: It is malformed or out of bounds: 100 to 4096 tokens, overlap at most half of that.
    """
    if value is None or isinstance(value, StaticChunking):
        return value
    value = _mapping(value, param, '{"type": "auto"} or {"type": "static", "static": {...}}')
    kind = value.get("type")
    if kind is None:
        raise say.missing(f"{param}.type")
    if kind not in ("auto", "static"):
        raise say.not_one_of(f"{param}.type", kind, ("auto", "static"))
    accepted = ("type",) if kind == "auto" else ("type", "static")
    for name in value:
        if name in ("max_chunk_size_tokens", "chunk_overlap_tokens"):
            raise ParameterValidationError(
                f"Unknown parameter: '{param}.{name}'. It belongs inside 'static':"
                f' {{"type": "static", "static": {{"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}}}.',
                param=f"{param}.{name}",
                code="unknown_parameter",
            )
        if name not in accepted:
            raise say.unknown_parameter(f"{param}.{name}", [f"{param}.{known}" for known in accepted])
    if kind == "auto":
        return None
    if "static" not in value:
        raise say.missing(f"{param}.static")
    return _static(value["static"], f"{param}.static")


def _static(value: object, param: str) -> StaticChunking:
    value = _mapping(value, param, "an object with max_chunk_size_tokens and chunk_overlap_tokens")
    names = ("max_chunk_size_tokens", "chunk_overlap_tokens")
    for name in value:
        if name not in names:
            raise say.unknown_parameter(f"{param}.{name}", [f"{param}.{known}" for known in names])
    found = []
    for name in names:
        if name not in value:
            raise say.missing(f"{param}.{name}")
        found.append(_whole(value[name], f"{param}.{name}"))
    size, overlap = found
    if size > 4096:
        raise say.above_maximum(f"{param}.max_chunk_size_tokens", size, 4096)
    if size < 100:
        raise say.below_minimum(f"{param}.max_chunk_size_tokens", size, 100)
    if overlap > size // 2:
        raise say.above_maximum(f"{param}.chunk_overlap_tokens", overlap, size // 2)
    if overlap < 0:
        raise say.below_minimum(f"{param}.chunk_overlap_tokens", overlap, 0)
    return StaticChunking(max_chunk_size_tokens=size, chunk_overlap_tokens=overlap)


def _mapping(value: object, param: str, expected: str) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if not isinstance(value, Mapping):
        raise say.wrong_type(param, value, expected)
    return value


def _store_expiry(value: object) -> int | None:
    """Days of `expires_after`."""
    if value is None:
        return None
    found = _mapping(value, "expires_after", '{"anchor": "last_active_at", "days": 7}')
    return _anchored(found, "last_active_at", "days", 1, 365)


def _file_expiry(value: object) -> int | None:
    """Seconds of `expires_after`."""
    if value is None:
        return None
    found = _mapping(value, "expires_after", '{"anchor": "created_at", "seconds": 3600}')
    return _anchored(found, "created_at", "seconds", 3600, 2_592_000)


def _anchored(value: Mapping[str, Any], anchor: str, unit: str, low: int, high: int) -> int:
    for name in value:
        if name not in ("anchor", unit):
            raise say.unknown_parameter(f"expires_after.{name}", ["expires_after.anchor", f"expires_after.{unit}"])
    for name in ("anchor", unit):
        if name not in value:
            raise say.missing(f"expires_after.{name}")
    if value["anchor"] != anchor:
        raise say.not_one_of("expires_after.anchor", value["anchor"], (anchor,))
    amount = value[unit]
    if isinstance(amount, str) and amount.isdecimal() and len(amount) < 12:  # as it arrives in a form
        amount = int(amount)
    amount = _whole(amount, f"expires_after.{unit}")
    if amount > high:
        raise say.above_maximum(f"expires_after.{unit}", amount, high)
    if amount < low:
        raise say.below_minimum(f"expires_after.{unit}", amount, low)
    return amount


def _ids(param: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is None:
            return None
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset | tuple):
            raise say.wrong_type(param, value, "an array of file ids")
        return tuple(dict.fromkeys(check_id(entry, f"{param}[{i}]") for i, entry in enumerate(value)))

    return BeforeValidator(check)


Name = Annotated[str | None, text("name", 512)]
Description = Annotated[str | None, text("description", 2048)]
Metadata = Annotated[dict[str, str] | None, BeforeValidator(_metadata)]
Attributes = Annotated[dict[str, AttributeValue] | None, BeforeValidator(check_attributes)]
Chunking = Annotated[StaticChunking | None, BeforeValidator(check_chunking)]
StoreExpiry = Annotated[int | None, BeforeValidator(_store_expiry)]
FileExpiry = Annotated[int | None, BeforeValidator(_file_expiry)]
FileIds = Annotated[tuple[str, ...] | None, _ids("file_ids")]
Order = Annotated[Literal["asc", "desc"] | None, one_of("order", "asc", "desc")]
Status = Annotated[
    Literal["in_progress", "completed", "failed", "cancelled"] | None,
    one_of("filter", "in_progress", "completed", "failed", "cancelled"),
]
After = Annotated[str | None, text("after", 128)]
Before = Annotated[str | None, text("before", 128)]
Limit = Annotated[int | None, integer("limit", 1, 100)]
FilesLimit = Annotated[int | None, integer("limit", 1, 10_000)]
Purpose = Annotated[str, one_of("purpose", *UPLOAD_PURPOSES)]
Filename = Annotated[str, text("filename", 1024)]
ContentType = Annotated[str | None, text("content_type", 256)]


#: Names that an answer uses itself, so that an extra field cannot have them.
_RESERVED = frozenset(
    ("id", "object", "created_at", "usage_bytes", "file_counts", "status", "expires_at", "last_active_at", "options")
)


def check_extras(request: BaseModel) -> None:
    """Check the extra fields of a request, which are stored with the object as JSON."""
    for name, value in (request.model_extra or {}).items():
        check_text(name, "parameter name", MAX_KEY_LENGTH)
        if name in _RESERVED:
            raise ParameterValidationError(
                f"Unknown parameter: '{name}'. The service sets it; it cannot be given.",
                param=name,
                code="unknown_parameter",
            )
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError):  # also integers of thousands of digits
            raise say.wrong_type(name, value, "a JSON value") from None
        if _deeper(value, MAX_DEPTH):
            raise ParameterValidationError(f"Invalid '{name}': nested deeper than {MAX_DEPTH} levels.", param=name)


def _deeper(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    return inside is not None and (levels == 0 or any(_deeper(each, levels - 1) for each in inside))


class HybridSearch(BaseModel):
    """Weights of the two legs in a rank fusion."""

    model_config = ConfigDict(frozen=True)

    embedding_weight: float
    text_weight: float


class RankingOptions(BaseModel):
    """How hits are ranked: `score_threshold` is applied once, to the final score."""

    model_config = ConfigDict(frozen=True)

    ranker: str = "auto"
    score_threshold: float = 0.0
    hybrid_search: HybridSearch | None = None


RANKERS = ("none", "auto", "default-2024-11-15", "default-2024-08-21", "default_2024_08_21")


def _ranking(value: object) -> RankingOptions | None:
    if value is None or isinstance(value, RankingOptions):
        return value
    found = _mapping(value, "ranking_options", "an object")
    names = ("ranker", "score_threshold", "hybrid_search")
    for name in found:
        if name not in names:
            raise say.unknown_parameter(f"ranking_options.{name}", [f"ranking_options.{known}" for known in names])
    ranker = found.get("ranker")
    if ranker is not None and ranker not in RANKERS:
        raise say.not_one_of("ranking_options.ranker", ranker, RANKERS)
    threshold = found.get("score_threshold")
    if threshold is not None:
        threshold = _number(threshold, "ranking_options.score_threshold")
        if threshold > 1:
            raise say.above_maximum("ranking_options.score_threshold", threshold, 1, "decimal")
    hybrid = found.get("hybrid_search")
    return RankingOptions(
        ranker=ranker or "auto",
        score_threshold=threshold or 0.0,
        hybrid_search=None if hybrid is None else _hybrid(hybrid),
    )


def _hybrid(value: object) -> HybridSearch:
    at = "ranking_options.hybrid_search"
    found = _mapping(value, at, "an object with embedding_weight and text_weight")
    names = ("embedding_weight", "text_weight")
    for name in found:
        if name not in names:
            raise say.unknown_parameter(f"{at}.{name}", [f"{at}.{known}" for known in names])
    for name in names:
        if found.get(name) is None:
            raise say.missing(f"{at}.{name}")
    embedding, text = (_number(found[name], f"{at}.{name}") for name in names)
    if embedding == 0 and text == 0:
        raise ParameterValidationError(f"Invalid '{at}': both weights are 0. Expected at least one above 0.", param=at)
    return HybridSearch(embedding_weight=embedding, text_weight=text)


def _number(value: object, param: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_INT:  # NaN compares false
        raise say.wrong_type(param, value, "a finite number")
    if value < 0:
        raise say.below_minimum(param, value, 0, "decimal")
    return float(value)


def _query(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    elif isinstance(value, bytes | Mapping) or not isinstance(value, Sequence):
        raise say.wrong_type("query", value, "a string or an array of strings")
    if not 1 <= len(value) <= MAX_QUERIES:
        raise say.array_length("query", len(value), 1, MAX_QUERIES)
    for entry in value:
        if not isinstance(entry, str):
            raise say.wrong_type("query", entry, "a string or an array of strings")
        check_text(entry, "query", MAX_QUERY_LENGTH)
        if not entry.strip():
            raise ParameterValidationError(
                f"Invalid 'query': {say.shown(entry)} is blank. Expected at least one character that is not white space.",
                param="query",
            )
    return tuple(value)


class BatchFile(BaseModel):
    """One entry of a batch, with its own attributes and chunking."""

    model_config = ConfigDict(frozen=True)

    file_id: str
    attributes: dict[str, AttributeValue] | None = None
    chunking_strategy: StaticChunking | None = None


def _batch_files(value: object) -> tuple[BatchFile, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise say.wrong_type("files", value, "an array of objects with file_id")
    found: dict[str, BatchFile] = {}
    names = ("file_id", "attributes", "chunking_strategy")
    for i, entry in enumerate(value):
        at = f"files[{i}]"
        if isinstance(entry, BatchFile):
            found.setdefault(entry.file_id, entry)
            continue
        fields = _mapping(entry, at, "an object with file_id")
        for name in fields:
            if name not in names:
                raise say.unknown_parameter(f"{at}.{name}", [f"{at}.{known}" for known in names])
        if "file_id" not in fields:
            raise say.missing(f"{at}.file_id")
        file_id = check_id(fields["file_id"], f"{at}.file_id")
        if file_id not in found:  # the first of several entries of one file counts
            found[file_id] = BatchFile(
                file_id=file_id,
                attributes=check_attributes(fields.get("attributes"), f"{at}.attributes"),
                chunking_strategy=check_chunking(fields.get("chunking_strategy"), f"{at}.chunking_strategy"),
            )
    return tuple(found.values())


Query = Annotated[tuple[str, ...], BeforeValidator(_query)]
Results = Annotated[int | None, integer("max_num_results", 1, MAX_RESULTS)]
Filters = Annotated[Filter | None, BeforeValidator(lambda value: None if value is None else parse_filter(value))]
Ranking = Annotated[RankingOptions | None, BeforeValidator(_ranking)]
BatchFiles = Annotated[tuple[BatchFile, ...] | None, BeforeValidator(_batch_files)]
