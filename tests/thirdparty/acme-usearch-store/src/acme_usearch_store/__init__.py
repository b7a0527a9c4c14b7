"""The `usearch` driver: vector stores in a directory, searched by USearch."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.spi import LOCAL, Driver

driver = Driver(
    name="usearch",
    summary="In a directory, searched by USearch: exact while small, then by a graph",
    interface=(1, 0),
    open="acme_usearch_store.backend:open_backend",
    options="acme_usearch_store.backend:Options",
    capabilities=replace(LOCAL, persistent=True, multi_process=True),
    modules=("usearch",),
    install="python -m pip install usearch",
)
