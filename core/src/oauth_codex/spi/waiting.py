"""How long a call may wait for others.

A driver that has to wait, for a lock or for another process, waits no longer than this, whatever its own limit is.
"""

from __future__ import annotations

from contextvars import ContextVar

#: The `timeout` of the current call in seconds; None when it has none.
time_limit: ContextVar[float | None] = ContextVar("oauth_codex_time_limit", default=None)
