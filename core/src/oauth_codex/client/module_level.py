"""`oauth_codex.files` and `oauth_codex.vector_stores`: resources of one client, made at first use."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ._sync.client import OAuthCodexClient
    from ._sync.files import Files
    from ._sync.vector_stores import VectorStores

_lock = threading.Lock()
_client: OAuthCodexClient | None = None
_pid = 0


def _get_client() -> OAuthCodexClient:
    """The client, made with what the configuration says now; a forked process gets its own."""
    global _client, _pid
    with _lock:
        if _client is None or _pid != os.getpid():
            from ._sync.client import OAuthCodexClient

            _client, _pid = OAuthCodexClient(), os.getpid()
        return _client


def _reset_client() -> None:
    """Close the client; the next use makes another. For tests."""
    global _client
    with _lock:
        if _client is not None:
            _client.close()
        _client = None


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it at the moment of the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


class _Lazy:
    """Stands for a resource of the client until it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # inspection of a module must not open a storage
            raise AttributeError(name)
        return getattr(getattr(_get_client(), self._name), name)

    def __repr__(self) -> str:
        return f"<oauth_codex.{self._name} of the client that is made at first use>"


files = cast("Files", _Lazy("files"))
vector_stores = cast("VectorStores", _Lazy("vector_stores"))
