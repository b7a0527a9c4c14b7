"""The engine that every local driver shares: hand it a catalog and an index provider, and it is a backend.

Names are loaded when they are used, because a process that prepares files needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import caches
    from .backend import LocalBackend
    from .catalog.catalog import Catalog
    from .exact import check_query, check_rows, exact_cosines, nearest_keys, saturated
    from .matrix import MatrixIndex, MatrixProvider

__all__ = [
    "Catalog",
    "LocalBackend",
    "MatrixIndex",
    "MatrixProvider",
    "caches",
    "check_query",
    "check_rows",
    "exact_cosines",
    "nearest_keys",
    "saturated",
]

_PLACES = {
    "Catalog": "catalog.catalog",
    "LocalBackend": "backend",
    "MatrixIndex": "matrix",
    "MatrixProvider": "matrix",
    "check_query": "exact",
    "check_rows": "exact",
    "exact_cosines": "exact",
    "nearest_keys": "exact",
    "saturated": "exact",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    if name == "caches":
        return import_module(".caches", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
