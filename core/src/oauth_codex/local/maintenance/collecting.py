"""`gc`: what has expired, and what nothing refers to any more."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import StorageError
from ...spi.limits import TOMBSTONE_DAYS
from ...types.maintenance import GcReport
from ...types.params import OnProgress
from .. import caches
from ..catalog import attachments, blobs, expiry, remnants
from ..catalog.catalog import Catalog
from ..search.engine import Search
from .findings import Progress
from .verifying import all_stores, cache_folders

#: For so many seconds rows of what was removed are kept, because whoever still has it in memory learns of it by them. Whoever
#: comes later begins anew.
KEPT_SECONDS = 3600
#: Files that one transaction takes out of a store.
_GROUP = 200


class Collection:
    """One collection, or one look at what it would remove."""

    def __init__(
        self,
        catalog: Catalog,
        search: Search,
        now: int,
        *,
        dry_run: bool,
        compact: bool,
        on_progress: OnProgress | None,
    ) -> None:
        self._catalog = catalog
        self._search = search
        self._now = now
        self._dry = dry_run
        self._compact = compact
        self._removed: Counter[str] = Counter()
        self._steps = {
            "tombstones": self._tombstones,
            "expired_files": self._expired_files,
            "files_of_expired_stores": self._expired_stores,
            "contents": self._contents,
            "generations": self._generations,
            "unused_vectors": self._unused_vectors,
            "caches": self._caches,
            "stray_files": self._strays,
        }
        self._progress = Progress(on_progress, len(self._steps) + 1)

    def run(self) -> GcReport:
        """Remove it.

        Raises:
            StorageError: The disk refuses; what was removed before stays removed.
        """
        begun = time.monotonic()
        before = self._files()
        freed = 0
        for name, step in self._steps.items():
            freed += step()
            self._progress.step(name)
        if not self._dry:
            freed = max(0, before - self._files())
        if self._compact and not self._dry:
            before = self._database()
            self._catalog.compact()
            freed += max(0, before - self._database())
        self._progress.end("catalog")
        return GcReport(
            dry_run=self._dry,
            removed={name: self._removed[name] for name in self._steps},
            bytes_freed=freed,
            bytes_reusable=self._reusable(),
            seconds=round(time.monotonic() - begun, 3),
        )

    # -- each returns how many bytes on disk it would free; what it did free is measured -------------------------------------

    def _expired_files(self) -> int:
        with self._catalog.read() as connection:
            row = connection.exec_driver_sql(_EXPIRED_FILES, {"now": self._now}).one()
            large = connection.exec_driver_sql(_EXPIRED_CONTENT, {"now": self._now}).scalar_one()
            namespaces = list(connection.exec_driver_sql(_NAMESPACES, {"now": self._now}).scalars())
        if self._dry:
            self._removed["expired_files"] = row.files
            return int(large)
        for namespace in namespaces:
            gone = 1
            while gone:
                with self._catalog.write() as connection:
                    gone = expiry.purge(connection, namespace, self._now)
                self._removed["expired_files"] += gone
        return 0

    def _expired_stores(self) -> int:
        """Empty the stores that have expired: they cannot be searched or changed, and do not come back."""
        for store in all_stores(self._catalog):
            if store.expires_at is None or store.expires_at > self._now:
                continue
            with self._catalog.read() as connection:
                ids = list(connection.exec_driver_sql(_MEMBERS, (store.namespace, store.id)).scalars())
            self._removed["files_of_expired_stores"] += len(ids)
            if not ids or self._dry:
                continue
            for start in range(0, len(ids), _GROUP):
                with self._catalog.write() as connection:
                    group = ids[start : start + _GROUP]
                    attachments.detach(connection, store.namespace, store.id, group, self._now)
            self._search.drop_store(store.id)
        return 0

    def _contents(self) -> int:
        """Contents that nothing refers to, which only damage leaves."""
        with self._catalog.read() as connection:
            rows = connection.exec_driver_sql(_UNUSED).all()
        self._removed["contents"] = len(rows)
        if not self._dry:
            for namespace in {row.namespace for row in rows}:
                ids = [row.id for row in rows if row.namespace == namespace]
                with self._catalog.write() as connection:
                    blobs.release(connection, namespace, ids)
        return sum(row.size for row in rows if row.on_disk)

    def _generations(self) -> int:
        """Rows of removed generations; whoever has not seen so far learns it from `forgotten`."""
        before = {"before": time.time_ns() // 1_000_000 - KEPT_SECONDS * 1000}
        if self._dry:
            with self._catalog.read() as connection:
                self._removed["generations"] = connection.exec_driver_sql(_OLD_GENERATIONS, before).scalar_one()
            return 0
        for store in all_stores(self._catalog):
            with self._catalog.read() as connection:
                here = {"store": store.id, "namespace": store.namespace, **before}
                last = connection.exec_driver_sql(_LAST_REMOVED, here).scalar()
            if last is not None:
                with self._catalog.write() as connection:
                    here["before"] = last
                    connection.exec_driver_sql(_FORGET, here)
                    self._removed["generations"] += connection.exec_driver_sql(_DROP, here).rowcount
        return 0

    def _unused_vectors(self) -> int:
        """Vectors that `reembed` prepared for what is gone by now."""
        with self._catalog.read() as connection:
            found = connection.exec_driver_sql(f"SELECT count(*) {_UNUSED_VECTORS}").scalar_one()
        self._removed["unused_vectors"] = found
        if found and not self._dry:
            with self._catalog.write() as connection:
                connection.exec_driver_sql(f"DELETE {_UNUSED_VECTORS}")
        return 0

    def _tombstones(self) -> int:
        oldest = (self._now - TOMBSTONE_DAYS * 86400,)
        with self._catalog.read() as connection:
            found = connection.exec_driver_sql(f"SELECT count(*) {_OLD_TOMBSTONES}", oldest).scalar_one()
        self._removed["tombstones"] = found
        if found and not self._dry:
            with self._catalog.write() as connection:
                connection.exec_driver_sql(f"DELETE {_OLD_TOMBSTONES}", oldest)
        return 0

    def _caches(self) -> int:
        """Caches of stores that are gone, and of a kind that the driver in use does not read."""
        folders = cache_folders(self._catalog)  # before the stores are looked up: a store is there before its cache
        kept = {store.id for store in all_stores(self._catalog)} if folders else set()
        kinds = self._search.kinds
        freed = 0
        for folder in folders:
            number, _, kind = folder.name.partition(".")
            if int(number) in kept and (kinds is None or kind in kinds):
                if not self._dry:
                    caches.tidy(folder)
                continue
            self._removed["caches"] += 1
            freed += _size(folder)
            if not self._dry:
                caches.remove(folder)
        return freed

    def _strays(self) -> int:
        if not self._dry:
            self._removed["stray_files"], freed = remnants.sweep(self._catalog)
            return freed
        found = remnants.find(self._catalog)
        self._removed["stray_files"] = len(found)
        return sum(path.stat().st_size for path in found if path.exists())

    # -- space ---------------------------------------------------------------------------------------------------------

    def _files(self) -> int:
        directory = self._catalog.directory
        return 0 if directory is None else _size(directory / "blobs") + _size(directory / "cache")

    def _database(self) -> int:
        directory = self._catalog.directory
        return 0 if directory is None else sum(path.stat().st_size for path in directory.glob("catalog.sqlite3*"))

    def _reusable(self) -> int:
        def pragma(connection: Any, name: str) -> int:
            return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

        with self._catalog.read() as connection:
            return pragma(connection, "freelist_count") * pragma(connection, "page_size")


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; others may remove some meanwhile."""
    found = 0

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise StorageError(f"{error.filename!r} cannot be read: {error.strerror}.", raw_error=error) from error

    for parent, _, names in os.walk(folder, onerror=failed):
        for name in names:
            try:
                found += os.lstat(os.path.join(parent, name)).st_size
            except OSError as error:
                failed(error)
    return found


_EXPIRED = "expires_at IS NOT NULL AND expires_at <= :now"
_EXPIRED_FILES = f"SELECT count(*) AS files FROM files WHERE {_EXPIRED}"
_NAMESPACES = f"SELECT DISTINCT namespace FROM files WHERE {_EXPIRED}"
_EXPIRED_CONTENT = f"""
    SELECT coalesce(sum(b.size), 0) FROM blobs AS b WHERE length(b.data) IS NULL
    AND EXISTS (SELECT 1 FROM files WHERE blob_id = b.id AND {_EXPIRED})
    AND NOT EXISTS (SELECT 1 FROM files WHERE blob_id = b.id AND (expires_at IS NULL OR expires_at > :now))
    AND NOT EXISTS (SELECT 1 FROM blobs AS o WHERE o.digest = b.digest AND o.id <> b.id)
"""
_MEMBERS = "SELECT id FROM attachments WHERE namespace = ? AND store_id = ? ORDER BY id"
_UNUSED = """
    SELECT id, namespace, size, length(data) IS NULL AS on_disk FROM blobs AS t
    WHERE NOT EXISTS (SELECT 1 FROM files AS f WHERE f.blob_id = t.id)
    AND NOT EXISTS (SELECT 1 FROM attachments AS a WHERE a.text_blob_id = t.id)
"""
_OLD_GENERATIONS = "SELECT count(*) FROM generations WHERE removed IS NOT NULL AND removed <= :before"
_OF_STORE = "namespace = :namespace AND store_id = :store AND removed IS NOT NULL AND removed <= :before"
_LAST_REMOVED = f"SELECT max(removed) FROM generations WHERE {_OF_STORE}"
_FORGET = "UPDATE stores SET forgotten = max(forgotten, :before) WHERE id = :store"
_DROP = f"DELETE FROM generations WHERE {_OF_STORE}"
_UNUSED_VECTORS = "FROM reembedded WHERE generation_id NOT IN (SELECT id FROM generations WHERE removed IS NULL)"
_OLD_TOMBSTONES = "FROM tombstones WHERE deleted_at < ?"
