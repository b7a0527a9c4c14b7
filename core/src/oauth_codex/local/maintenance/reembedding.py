"""`reembed`: new vectors for a store, by another embedder.

They are made of the texts and chunks that the catalog has, and kept beside the old ones, some files a transaction; meanwhile the old
ones answer. The last transaction looks whether any file has none yet, and if not, exchanges them and pins the store to the new
embedder. So what was made before an interruption is not made again, and a file that was attached meanwhile is not forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ConfigurationError, NotSupportedError, StorageError
from ...spi.embedder import takes_words
from ...types.maintenance import EmbedderIdentity, ReembedReport
from ..catalog import blobs, reembedded, stores
from ..ingest.prepare import unit_rows
from ..text.terms import count_words

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Row

    from ...spi.embedder import Embedder
    from ...types.params import OnProgress
    from ..engine import Engine

#: Files that are read at a time, and bytes of text from which on no further one is.
_FILES, _BYTES = 64, 4_000_000


class Reembedding:
    """One run for one store."""

    def __init__(
        self, engine: Engine, name: str, vector_store_id: str, embedder: Embedder, on_progress: OnProgress | None
    ) -> None:
        self._engine = engine
        self._catalog = engine.catalog
        self._namespace = engine.context.namespace
        self._driver = name
        self._store_id = vector_store_id
        self._embedder = embedder
        self._on_progress = on_progress

    def run(self) -> ReembedReport:
        """Do it.

        Raises:
            NotFoundError: There is no such store.
            BadRequestError: It has expired.
            NotSupportedError: The storage ends with this client.
            ConfigurationError: The index cannot hold vectors of this dimension.
            StorageError: The embedder failed, or the disk is full or refuses; what was made stays for the next run.
        """
        begun = time.monotonic()
        self._refuse()
        store = self._store()
        before = EmbedderIdentity(
            name=store.embedder_name, dimension=store.embedder_dimension, fingerprint=store.embedder_fingerprint
        )
        with self._catalog.write() as connection:
            reembedded.begin(connection, store, self._embedder)
            files, chunks, found = reembedded.counts(connection, store)
        made = 0
        if not stores.has_embedder(store, self._embedder):
            while True:
                made += self._make(store, found + made, files)
                if self._switched():
                    break
            self._engine.search.drop_store(store.id)
            with self._catalog.read() as connection:
                files, chunks, _ = reembedded.counts(connection, store)
        if self._on_progress is not None:
            self._on_progress(files, files, None)
        after = EmbedderIdentity(
            name=self._embedder.name, dimension=self._embedder.dimension, fingerprint=self._embedder.fingerprint
        )
        return ReembedReport(
            vector_store_id=self._store_id,
            before=before,
            after=after,
            files=files,
            chunks=chunks,
            embedded=made,
            searchable_here=stores.has_embedder(self._store(), self._engine.embedder),
            seconds=round(time.monotonic() - begun, 3),
        )

    def _refuse(self) -> None:
        mine = self._engine.embedder
        if self._catalog.directory is None:
            raise NotSupportedError(
                f"The storage of {self._driver!r} ends with this client, which keeps the embedder {mine.name!r}, so nothing could"
                " search the store any more. Open a client with the other embedder and copy everything to it:"
                " client.maintenance.migrate(other)."
            )
        limit = self._engine.search.max_dimension
        if limit is not None and self._embedder.dimension > limit:
            raise ConfigurationError(
                f"The driver {self._driver!r} takes vectors of at most {limit} dimensions; those of the embedder"
                f" {self._embedder.name!r} have {self._embedder.dimension}. Give an embedder of fewer dimensions.",
                key="embedder",
                value=self._embedder.name,
            )

    def _store(self) -> Row[Any]:
        with self._catalog.read() as connection:
            return stores.require_active(connection, self._namespace, self._store_id, int(self._engine.context.clock()))

    def _make(self, store: Row[Any], done: int, total: int) -> int:
        """Make the vectors that are missing, and return of how many files."""
        made = after = 0
        while True:
            rows, texts = blobs.settled(lambda after=after: self._read(store, after))  # type: ignore[misc]
            if not rows:
                return made
            vectors = self._vectors(texts)
            with self._catalog.write() as connection:
                reembedded.keep(
                    connection,
                    store,
                    self._embedder,
                    {row.id: found.tobytes() for row, found in zip(rows, vectors, strict=True)},
                )
            made += len(rows)
            after = rows[-1].id
            if self._on_progress is not None:
                self._on_progress(min(done + made, total - 1), total, None)

    def _read(self, store: Row[Any], after: int) -> tuple[Sequence[Row[Any]], list[tuple[str, NDArray[np.int64]]]]:
        """Some generations that have no vectors yet, and the text and chunks of each."""
        with self._catalog.read() as connection:
            rows: list[Row[Any]] = []
            size = 0
            for row in reembedded.pending(connection, store, after, _FILES):
                if rows and size + row.usage_bytes > _BYTES:
                    break
                rows.append(row)
                size += row.usage_bytes
            return rows, [
                (
                    blobs.read(connection, row.text_blob_id).decode(),
                    np.array([tuple(each) for each in reembedded.chunks(connection, row)], dtype=np.int64).reshape(
                        -1, 2
                    ),
                )
                for row in rows
            ]

    def _vectors(self, texts: Sequence[tuple[str, NDArray[np.int64]]]) -> list[NDArray[np.float16]]:
        embedder = self._embedder
        try:
            if takes_words(embedder):
                counted = (count_words(text, spans[:, 0], spans[:, 1]) for text, spans in texts)
                return [embedder.embed_words(each).astype(np.float16) for each in counted]
            pieces = [text[a:b] for text, spans in texts for a, b in spans.tolist()]
            most = embedder.max_batch
            rows = [
                unit_rows(embedder.embed(part, kind="document"), embedder, len(part))
                for part in (pieces[start : start + most] for start in range(0, len(pieces), most))
            ]
        except MemoryError:
            raise
        except Exception as error:  # somebody else's code: whatever it raises is told
            raise StorageError(
                f"The embedder {embedder.name!r} failed: {type(error).__name__}: {error} The store answers as before; the next"
                " run goes on where this one ended.",
                raw_error=error,
            ) from error
        ends = np.cumsum([len(spans) for _, spans in texts])[:-1]
        return list(np.split(np.concatenate(rows).astype(np.float16), ends))

    def _switched(self) -> bool:
        """Exchange the vectors, unless files without new ones have come meanwhile."""
        with self._catalog.write() as connection:
            store = stores.require_active(
                connection, self._namespace, self._store_id, int(self._engine.context.clock())
            )
            files, _, made = reembedded.counts(connection, store)
            if stores.has_embedder(store, self._embedder):  # another run was faster
                return True
            if made < files:
                return False
            reembedded.switch(connection, store, self._embedder)
        return True
