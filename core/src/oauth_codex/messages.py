"""Every sentence of the API's own errors, in one place, so that they can be corrected in one place.

Sentences that are known from the live service are kept word for word; the others are ours.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from .errors import BadRequestError, NotFoundError, ParameterValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

SUPPORTED_FILES_URL = "https://platform.openai.com/docs/assistants/tools/file-search/supported-files"


def shown(value: object, limit: int = 80) -> str:
    """A value as it may stand in a message: its repr, cut to `limit` characters."""
    try:
        text = _REPR.repr(value)
    except (ValueError, RecursionError):  # Python refuses to print integers of thousands of digits
        text = f"a value of type {type(value).__name__} too large to show"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother, _REPR.maxlong = 3, 200, 200, 200


def listed(values: Iterable[object]) -> str:
    """`'a', 'b' or 'c'`."""
    words = [repr(value) for value in values]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"


# -- not found ---------------------------------------------------------------------------------------------------------


def no_vector_store(vector_store_id: str) -> NotFoundError:
    """404 for an unknown vector store."""
    return NotFoundError(f"No vector store found with id '{vector_store_id}'.", param="vector_store_id")


def no_file(file_id: str) -> NotFoundError:
    """404 for an unknown file, where a vector store refers to it."""
    return NotFoundError(f"No file found with id '{file_id}'.", param="file_id")


def no_file_object(file_id: str) -> NotFoundError:
    """404 for an unknown file, in the files API."""
    return NotFoundError(f"No such File object: {file_id}", param="id")


def no_file_in_store(file_id: str, vector_store_id: str) -> NotFoundError:
    """404 for a file that is not attached to the store."""
    return NotFoundError(f"No file found with id '{file_id}' in vector store '{vector_store_id}'.", param="file_id")


def no_batch(batch_id: str, vector_store_id: str) -> NotFoundError:
    """404 for a batch that the store does not have."""
    return NotFoundError(
        f"No file batch found with id '{batch_id}' in vector store '{vector_store_id}'.", param="batch_id"
    )


# -- ids and cursors ---------------------------------------------------------------------------------------------------


def empty_id(param: str, value: object) -> ParameterValidationError:
    """400 for an empty id, in the SDK's words."""
    return ParameterValidationError(f"Expected a non-empty value for `{param}` but received {value!r}", param=param)


def malformed_id(param: str, value: object) -> ParameterValidationError:
    """400 for an id with characters that no id has."""
    return ParameterValidationError(
        f"Invalid '{param}': {shown(value)}. Expected an ID that contains letters, numbers, underscores, or dashes"
        " (at most 128), but this value contained additional characters.",
        param=param,
    )


def wrong_prefix(param: str, value: str, prefix: str) -> ParameterValidationError:
    """400 for an id of another kind of object."""
    return ParameterValidationError(
        f"Invalid '{param}': '{value}'. Expected an ID that begins with '{prefix}'.", param=param
    )


def unknown_cursor(param: str, value: str) -> ParameterValidationError:
    """400 for a cursor that never was in the list."""
    return ParameterValidationError(
        f"Invalid '{param}': {shown(value)} is not in this list. Expected the id of an item of the list;"
        " an item deleted in the last 30 days is accepted too.",
        param=param,
    )


# -- values ------------------------------------------------------------------------------------------------------------


def above_maximum(param: str, value: Any, maximum: Any, kind: str = "integer") -> ParameterValidationError:
    """400 for a number that is too large."""
    return ParameterValidationError(
        f"Invalid '{param}': {kind} above maximum value. Expected a value <= {maximum}, but got {shown(value)} instead.",
        param=param,
        code=f"{kind}_above_max_value",
    )


def below_minimum(param: str, value: Any, minimum: Any, kind: str = "integer") -> ParameterValidationError:
    """400 for a number that is too small."""
    return ParameterValidationError(
        f"Invalid '{param}': {kind} below minimum value. Expected a value >= {minimum}, but got {shown(value)} instead.",
        param=param,
        code=f"{kind}_below_min_value",
    )


def wrong_type(param: str, value: object, expected: str) -> ParameterValidationError:
    """400 for a value of a wrong type."""
    return ParameterValidationError(
        f"Invalid type for '{param}': expected {expected}, but got {shown(value)} ({type(value).__name__}) instead.",
        param=param,
        code="invalid_type",
    )


def not_one_of(param: str, value: object, accepted: Iterable[object]) -> ParameterValidationError:
    """400 for a value that is none of the accepted ones."""
    return ParameterValidationError(
        f"Invalid value for '{param}': {shown(value)}. Supported values are: {listed(accepted)}.", param=param
    )


def missing(param: str) -> ParameterValidationError:
    """400 for a required parameter that is absent."""
    return ParameterValidationError(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def unknown_parameter(param: str, accepted: Iterable[str]) -> ParameterValidationError:
    """400 for a parameter that does not exist, with the nearest one that does."""
    from difflib import get_close_matches

    names = sorted(accepted)
    near = get_close_matches(param, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else f" Accepted are: {', '.join(names)}."
    return ParameterValidationError(f"Unknown parameter: '{param}'.{hint}", param=param, code="unknown_parameter")


def too_many_properties(param: str, count: int, maximum: int) -> ParameterValidationError:
    """400 for an object with too many keys."""
    return ParameterValidationError(
        f"Invalid '{param}': too many properties. Expected an object with at most {maximum} properties,"
        f" but got an object with {count} properties instead.",
        param=param,
        code="object_above_max_properties",
    )


def string_too_long(param: str, length: int, maximum: int) -> ParameterValidationError:
    """400 for a string that is too long."""
    return ParameterValidationError(
        f"Invalid '{param}': string too long. Expected a string with maximum length {maximum},"
        f" but got a string with length {length} instead.",
        param=param,
        code="string_above_max_length",
    )


def array_length(param: str, count: int, minimum: int, maximum: int) -> ParameterValidationError:
    """400 for an array with too few or too many entries."""
    side, bound, code = (
        ("too short", f"minimum length {minimum}", "array_below_min_length")
        if count < minimum
        else ("too long", f"maximum length {maximum}", "array_above_max_length")
    )
    return ParameterValidationError(
        f"Invalid '{param}': array {side}. Expected an array with {bound}, but got an array with length {count} instead.",
        param=param,
        code=code,
    )


def lone_surrogate(param: str) -> ParameterValidationError:
    """400 for text that cannot be written as UTF-8."""
    return ParameterValidationError(
        f"Invalid '{param}': the text contains a lone surrogate (U+D800 to U+DFFF) and cannot be stored as UTF-8."
        " Expected text that encodes to UTF-8.",
        param=param,
    )


# -- states ------------------------------------------------------------------------------------------------------------


def store_expired(vector_store_id: str, expires_at: int) -> BadRequestError:
    """400 for searching or filling an expired store."""
    return BadRequestError(
        f"Vector store '{vector_store_id}' expired at {expires_at} (Unix seconds) and cannot be searched or changed."
        " It can still be retrieved, listed and deleted.",
        code="vector_store_expired",
        param="vector_store_id",
    )


def nothing_failed(batch_id: str) -> BadRequestError:
    """400 for trying again what has not failed."""
    return BadRequestError(
        f"No file of the batch '{batch_id}' has failed, so there is nothing to try again."
        " Files that are still in progress are tried again by themselves; wait for them with poll().",
        code="nothing_failed",
        param="batch_id",
    )
