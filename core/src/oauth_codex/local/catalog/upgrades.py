"""From one version of the schema to the next.

An older catalog is upgraded when it is opened, in one transaction: interrupted, it stays what it was. Statements only add, so that a
process of the older version, which still has the catalog open, goes on.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from .tables import SCHEMA_VERSION

_log = logging.getLogger("oauth_codex")

#: What makes version `n + 1` of version `n`.
STEPS: dict[int, tuple[str, ...]] = {
    # Up to which revision `gc` has dropped the rows of removed generations; when a generation got another attachment; the work
    # of one store; and the vectors that `reembed` prepares.
    1: (
        "ALTER TABLE stores ADD COLUMN forgotten INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE generations ADD COLUMN moved INTEGER",
        "CREATE INDEX generations_by_move ON generations (namespace, store_id, moved) WHERE moved IS NOT NULL",
        "CREATE INDEX jobs_by_store ON jobs (store_id)",
        "CREATE TABLE reembedded (generation_id INTEGER NOT NULL, namespace VARCHAR(128) NOT NULL, store_id INTEGER NOT NULL,"
        " fingerprint TEXT NOT NULL, vectors BLOB NOT NULL, PRIMARY KEY (generation_id))",
        "CREATE INDEX reembedded_by_store ON reembedded (namespace, store_id)",
    ),
}
#: The oldest version that can be upgraded.
OLDEST = min(STEPS)


def upgrade(connection: Connection) -> None:
    """Bring the catalog to `SCHEMA_VERSION`, inside a write transaction; another process may have done it meanwhile."""
    found = _version(connection)
    for version in range(found, SCHEMA_VERSION):
        for statement in STEPS[version]:
            connection.exec_driver_sql(statement)
    if found < SCHEMA_VERSION:
        connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(SCHEMA_VERSION),))
        _log.info("The catalog was upgraded from version %d of its schema to %d.", found, SCHEMA_VERSION)


def _version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema_version'").scalar_one())
