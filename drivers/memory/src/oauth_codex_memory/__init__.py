"""The `memory` driver: everything in this process, gone with it."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.spi import LOCAL, Driver

driver = Driver(
    name="memory",
    summary="In this process only: exact, nothing on disk",
    interface=(1, 0),
    open="oauth_codex_memory.backend:open_backend",
    capabilities=replace(LOCAL, persistent=False, multi_process=False),
)
