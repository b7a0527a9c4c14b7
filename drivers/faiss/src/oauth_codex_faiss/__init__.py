"""The `faiss` driver: the same durable catalog as `sqlite`, searched by FAISS."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.spi import LOCAL, Driver

driver = Driver(
    name="faiss",
    summary="SQLite and FAISS: durable, several processes, exact while small, HNSW for large stores",
    interface=(1, 0),
    open="oauth_codex_faiss.backend:open_backend",
    capabilities=replace(LOCAL, persistent=True, multi_process=True),
    options="oauth_codex_faiss.options:FaissOptions",
    modules=("faiss",),
    install='pip install "faiss-cpu>=1.11"',
)
