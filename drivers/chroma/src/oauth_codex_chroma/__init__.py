"""The `chroma` driver: Chroma nominates nearest chunks; embedded, on a server that processes share, or in Chroma Cloud."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.spi import LOCAL, Driver

driver = Driver(
    name="chroma",
    summary="Chroma as vector index: embedded, server or Chroma Cloud",
    interface=(1, 0),
    open="oauth_codex_chroma.backend:open_backend",
    # An embedded Chroma is for one process; its backend declares that.
    capabilities=replace(LOCAL, persistent=True, multi_process=True),
    options="oauth_codex_chroma.options:Options",
    modules=("chromadb",),
    install="python -m pip install chromadb",
)
