"""The engine that every local driver shares: hand it a catalog and an index provider, and it is a backend."""

from __future__ import annotations

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
