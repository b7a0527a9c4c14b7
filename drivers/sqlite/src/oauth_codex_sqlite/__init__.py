"""The `sqlite` driver: one SQLite file in a directory, for several processes and many threads."""

from __future__ import annotations

from dataclasses import replace

from oauth_codex.spi import LOCAL, Driver

driver = Driver(
    name="sqlite",
    summary="One SQLite file: durable, several processes, exact search",
    interface=(1, 0),
    open="oauth_codex_sqlite.backend:open_backend",
    capabilities=replace(LOCAL, persistent=True, multi_process=True),
)
