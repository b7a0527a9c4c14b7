"""A lease lasts for as long as somebody works on its file, and not because its holder works on others."""

from __future__ import annotations

from typing import Any

from oauth_codex.local.catalog import jobs

NAMESPACE = "default"


def test_working_on_one_file_does_not_keep_the_lease_of_another(room: Any) -> None:
    store, rows = room.add_store(), room.add_files(2)
    working, abandoned = room.attach(store, rows)
    with room.catalog.write() as connection:
        jobs.announce(connection, NAMESPACE, store.id, [working, abandoned], room.now, "me")
        later = room.now + jobs.LEASE_SECONDS
        jobs.renew(connection, "me", [working], later)
        claimed = jobs.claim_lapsed(connection, later, "other")
    assert [job.attachment_id for job in claimed] == [abandoned]
