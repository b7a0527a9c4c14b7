"""The engine that every local driver shares: hand it a catalog and an index provider, and it is a backend."""

from __future__ import annotations

from . import caches
from .backend import LocalBackend
from .catalog.catalog import Catalog
from .matrix import MatrixIndex, MatrixProvider, exact_cosines, nearest_keys

__all__ = ["Catalog", "LocalBackend", "MatrixIndex", "MatrixProvider", "caches", "exact_cosines", "nearest_keys"]
