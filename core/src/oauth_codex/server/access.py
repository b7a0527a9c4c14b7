"""Who may call, and the part of the storage that they see."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from ..errors import AuthenticationError
from ..spi.backends import Backend
from . import messages as say
from .keys import Keys
from .replies import Scope


class Access:
    """Gives a request its view of the backend."""

    def __init__(self, live: Callable[[], Backend], keys: Keys | None) -> None:
        """Guard a backend.

        Args:
            live: The backend, if it is still open.
            keys: The keys; None serves everybody on this machine, and nobody else.

        Raises:
            ConfigurationError: The keys are of several namespaces, and the driver has none.
        """
        self._live = live
        self._keys = keys
        backend = live()
        self._namespaces = backend.capabilities.namespaces
        self._views: dict[str, Backend] = {}
        if keys is not None and not self._namespaces:
            keys.require_single(backend.name)

    def backend(self, scope: Scope) -> Backend:
        """What the request may see.

        Raises:
            Refused: It has no key, or a wrong one (401).
            ClientClosedError: The client is closed.
        """
        backend = self._live()
        namespace = self.namespace(scope)
        if namespace is None or not self._namespaces:
            return backend
        view = self._views.get(namespace)
        if view is None:
            view = self._views[namespace] = backend.scoped(namespace)
        return view

    def namespace(self, scope: Scope) -> str | None:
        """The namespace that the key of the request opens; None where there are no keys.

        Raises:
            Refused: It has no key, or a wrong one (401).
        """
        if self._keys is None:
            if not _local(scope):
                raise say.not_local()
            return None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            return self._keys.namespace(given[0] if len(given) == 1 else None)
        except AuthenticationError as error:
            raise say.refused_key(error) from None

    @property
    def needs_key(self) -> bool:
        """Whether there are keys."""
        return self._keys is not None


def _local(scope: Scope) -> bool:
    """Whether the request comes from this machine; a socket without addresses is a file here."""
    client = scope.get("client")
    return not client or is_loopback(client[0])


def is_loopback(address: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if address == "localhost":
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
