"""Opens the service that the options name."""

from __future__ import annotations

from oauth_codex.errors import NotSupportedError
from oauth_codex.spi import Backend, Capabilities, DriverContext
from oauth_codex.spi import requests as r

from . import credentials, driver
from .calls import Wire
from .options import OpenAIOptions
from .resources import AsyncFace, Face
from .transport import AsyncTransport, Transport


def open_backend(options: OpenAIOptions, context: DriverContext) -> Backend:
    """Make a backend; nothing is sent before the first call.

    Raises:
        AuthRequiredError: There are no credentials.
        ConfigurationError: A variable that stands in for an option cannot be used.
    """
    return OpenAIBackend(options, context)


class OpenAIBackend:
    """A service with the API of OpenAI. One serves many threads and event loops.

    Attributes:
        asynchronous: The same for event loops, without threads.
    """

    name = driver.name
    capabilities: Capabilities = driver.capabilities

    def __init__(self, options: OpenAIOptions, context: DriverContext) -> None:
        source = credentials.choose(options)
        wire = Wire(options)
        self._address = wire.address
        self._transport = Transport(options, wire, source, context.clock)
        face = Face(self._transport)
        self.files = face.files
        self.vector_stores = face.vector_stores
        self.batches = face.batches
        self.asynchronous = AsyncFace(AsyncTransport(options, wire, source, context.clock))

    def scoped(self, namespace: str) -> OpenAIBackend:
        """Itself for the one namespace that there is.

        Raises:
            NotSupportedError: Another namespace; the service separates by keys.
        """
        if namespace != "default":
            raise NotSupportedError(
                "The driver 'openai' has no namespaces: open one client for each key, since a service separates by keys."
            )
        return self

    def ping(self) -> None:
        """Raise what a call would raise."""
        self.vector_stores.list(r.VectorStoreList(limit=1))

    def close(self) -> None:
        """Close the connections of blocking calls; `asynchronous.close` closes those of an event loop."""
        self._transport.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"
