"""A server in a process of its own in which the placeholder ids of other people's tests always name something.

Run as a script it serves the memory driver on a free port of 127.0.0.1, writes `{"url": ...}` in one line once it answers, and
stops at SIGTERM. What a request deletes is there again before the next one begins. That is the work of a layer around the
application; the driver and the server are those of every user, and no request or answer is changed.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import anyio.to_thread
from oauth_codex import NotFoundError, OAuthCodexClient, registry
from oauth_codex.local.catalog import tombstones
from oauth_codex.server import Listener, create_app, run
from oauth_codex.spi import DriverContext, time_ordered_id

#: The ids in the openai package's own tests, and of the examples in a schema that has them.
STORES = ("vs_abc123", "vector_store_id")
FILES = ("file-abc123", "file_id", "string")
BATCHES = {"vsfb_abc123": "vs_abc123", "batch_id": "vector_store_id"}


class ChosenIds:
    """Gives new objects the ids that drivers always give, unless this thread has chosen the next one."""

    def __init__(self) -> None:
        self._chosen = threading.local()

    def __call__(self, prefix: str) -> str:
        """The id of a new object."""
        return self._chosen.__dict__.pop("id", None) or time_ordered_id(prefix)

    def choose(self, id: str) -> None:
        """Give this id to the next object that this thread makes."""
        self._chosen.id = id


class Placeholders:
    """The objects behind the placeholder ids."""

    def __init__(self, client: OAuthCodexClient, ids: ChosenIds) -> None:
        self._client = client
        self._ids = ids
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Make those that are missing."""
        client = self._client
        with self._lock:
            for file in FILES:
                if not _exists(client.files.retrieve, file):
                    self._again(tombstones.FILES, file)
                    client.files.create(file=(f"{file}.txt", f"The text of {file}.".encode()), purpose="assistants")
            for store in STORES:
                if not _exists(client.vector_stores.retrieve, store):
                    self._again(tombstones.STORES, store)
                    client.vector_stores.create(name=store)
                for file in FILES:
                    if not _exists(client.vector_stores.files.retrieve, store, file):
                        client.vector_stores.files.create(store, file_id=file)
            for batch, store in BATCHES.items():
                if not _exists(client.vector_stores.file_batches.retrieve, store, batch):
                    self._ids.choose(batch)
                    client.vector_stores.file_batches.create(store, file_ids=[FILES[0]])

    def _again(self, scope: str, id: str) -> None:
        """Let the next new object have an id that may have been deleted, which happens to no other object."""
        self._ids.choose(id)
        with self._client.backend._engine.catalog.write() as connection:  # type: ignore[attr-defined]
            tombstones.forget(connection, "default", scope, [id])


def _exists(retrieve: Any, *ids: str) -> bool:
    try:
        retrieve(*ids)
    except NotFoundError:
        return False
    return True


class Seeding:
    """The layer: before each request the placeholders are there."""

    def __init__(self, app: Any, placeholders: Placeholders) -> None:
        self._app = app
        self._placeholders = placeholders

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        await anyio.to_thread.run_sync(self._placeholders.ensure)
        await self._app(scope, receive, send)


def main() -> None:
    """Serve."""
    ids = ChosenIds()
    context = DriverContext(embedder=registry.open_embedder("hashing", {}), directory=None, new_id=ids)
    backend = registry.open_driver(registry.load_driver("memory"), {}, context)
    client = OAuthCodexClient(backend)
    app = create_app(client)
    app.add_middleware(Seeding, placeholders=Placeholders(client, ids))
    listener = Listener.bind("127.0.0.1", 0)

    def started() -> None:
        sys.stdout.write(json.dumps({"url": listener.url}) + "\n")
        sys.stdout.flush()

    try:
        run(app, listener, started=started)
    finally:
        client.close()
        backend.close()


if __name__ == "__main__":
    main()
