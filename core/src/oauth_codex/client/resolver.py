"""The two calling styles of methods that take a vector store and one of its children.

`m(vector_store_id, child_id)` is the older style of this package, `m(child_id, vector_store_id=...)` the one
of the OpenAI SDK. They are told apart by how many positional arguments there are and which keyword, never by
the look of an id.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import messages as say
from ..errors import NotSupportedError, ParameterValidationError
from ..types.sentinels import NotGiven, Omit

_STORE = "vector_store_id"
_CHILD_PREFIXES = {"file_id": ("file-", "file_"), "batch_id": ("vsfb_",)}


def either_style(child: str, *, tell: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a method be called in both styles; the method itself always receives store and child, in this
    order.

    Args:
        child: Name of the child's parameter, `file_id` or `batch_id`.
        tell: Whether the method also receives `store_first`: True when the first positional argument was the
            store's id.

    Raises:
        TypeError: At a call that is neither style; it names both.
        ParameterValidationError: At a call with an empty id, or with the two ids reversed.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        name = method.__name__

        @functools.wraps(method)
        def call(self: Any, *ids: Any, **named: Any) -> Any:
            store, found, store_first = _resolve(name, child, ids, named)
            if tell:
                named["store_first"] = store_first
            return method(self, store, found, **named)

        resolved = _as_coroutine_function(method, call)
        signature = inspect.signature(method)
        public = [p for p in signature.parameters.values() if p.name != "store_first"]
        resolved.__signature__ = signature.replace(parameters=public)  # type: ignore[attr-defined]
        return resolved

    return decorate


def _resolve(name: str, child: str, ids: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any, bool]:
    """The two ids, taken out of the arguments, and whether the store came first."""
    match len(ids), _STORE in named, child in named:
        case 2, False, False:
            store, found, store_first = ids[0], ids[1], True
        case 1, False, True:
            store, found, store_first = ids[0], named.pop(child), True
        case 1, True, False:
            store, found, store_first = named.pop(_STORE), ids[0], False
        case 0, True, True:
            store, found, store_first = named.pop(_STORE), named.pop(child), False
        case _:
            raise TypeError(
                f"{name}() takes a vector store and a {child}: either {name}({_STORE}, {child}, ...)"
                f" or {name}({child}, {_STORE}=...), each value once."
            )
    if store is None or store == "":
        raise say.empty_id(_STORE, store)
    if found is None or found == "":
        raise say.empty_id(child, found)
    if (
        isinstance(store, str)
        and isinstance(found, str)
        and found.startswith("vs_")
        and store.startswith(_CHILD_PREFIXES[child])
    ):
        given, right = say.shown(store), say.shown(found)
        raise ParameterValidationError(
            f"The ids are reversed: {given} was given as {_STORE} and {right} as {child}."
            f" Write {name}({right}, {given}) or {name}({given}, {_STORE}={right}).",
            param=_STORE,
            code="swapped_ids",
        )
    return store, found, store_first


def needs_attributes(method: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse an update that names no `attributes`: nothing else of a file in a store can be changed."""

    @functools.wraps(method)
    def call(self: Any, *ids: Any, **named: Any) -> Any:
        given = named.get("attributes", Omit())
        if isinstance(given, Omit | NotGiven) and "attributes" not in (named.get("extra_body") or {}):
            raise NotSupportedError(
                "vector_stores.files.update changes nothing but the attributes of a file; give attributes={...}."
            )
        return method(self, *ids, **named)

    return _as_coroutine_function(method, call)


def _as_coroutine_function(method: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper, as `async def` if what it wraps is; so that arguments are looked at when the call is awaited, as there."""
    if not inspect.iscoroutinefunction(method):
        return call

    @functools.wraps(call)
    async def wait(*args: Any, **named: Any) -> Any:
        return await call(*args, **named)

    return wait


def checked_id(param: str, value: Any) -> Any:
    """An id that is given alone.

    Raises:
        ParameterValidationError: It is empty or None.
    """
    if value is None or value == "":
        raise say.empty_id(param, value)
    return value
