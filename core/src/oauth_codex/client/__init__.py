"""The clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["AsyncOAuthCodexClient", "OAuthCodexClient"]

if TYPE_CHECKING:
    from ._async.client import AsyncOAuthCodexClient as AsyncOAuthCodexClient
    from ._sync.client import OAuthCodexClient as OAuthCodexClient
else:  # each client loads its own half only

    def __getattr__(name: str) -> Any:
        if name == "OAuthCodexClient":
            from ._sync.client import OAuthCodexClient as found
        elif name == "AsyncOAuthCodexClient":
            from ._async.client import AsyncOAuthCodexClient as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found
