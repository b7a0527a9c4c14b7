"""What one namespace does, another cannot see: not by an id, a list, a cursor, a search, a score, nor by what becomes of content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import BadRequestError, NotFoundError, OAuthCodexClient

LARGE = b"zanzibar and its rivers\n" * 60_000


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_namespaces_share_nothing_that_can_be_seen(
    driver: str, tmp_path: Path, open_client: Callable[..., Any], audit: Callable[[Any], None]
) -> None:
    opened = open_client(driver, tmp_path)
    ours, theirs = (OAuthCodexClient(opened.backend.scoped(name)) for name in ("ours", "theirs"))
    file, store, batch = {}, {}, {}
    for name, client in (("ours", ours), ("theirs", theirs)):
        file[name] = [client.files.create(file=LARGE, purpose="assistants").id]
        file[name] += [client.files.create(file=b"zanzibar", purpose="assistants").id]
        store[name] = client.vector_stores.create(name=name).id
        batch[name] = client.vector_stores.file_batches.create(store[name], file_ids=file[name]).id
    alone = ours.vector_stores.search(store["ours"], query="zanzibar rivers").model_dump()
    for number in range(20):
        upload = ("n.txt", b"zanzibar rivers %d" % number)
        theirs.vector_stores.files.upload(store["theirs"], file=upload)
    assert ours.vector_stores.search(store["ours"], query="zanzibar rivers").model_dump() == alone

    assert [found.id for found in ours.vector_stores.list()] == [store["ours"]]
    assert {found.id for found in ours.files.list()} == set(file["ours"])
    s, f, b = store["theirs"], file["theirs"][0], batch["theirs"]
    api = ours.vector_stores
    foreign: list[Callable[[], Any]] = [
        lambda: api.retrieve(s),
        lambda: api.update(s, name="mine"),
        lambda: api.delete(s),
        lambda: api.search(s, query="zanzibar"),
        lambda: api.files.list(s),
        lambda: api.files.create(s, file_id=file["ours"][0]),
        lambda: api.files.create(store["ours"], file_id=f),
        lambda: api.files.retrieve(store["ours"], f),
        lambda: api.files.delete(s, f),
        lambda: api.files.content(s, f),
        lambda: api.create(file_ids=[f]),
        lambda: api.update(store["ours"], file_ids=[f]),
        lambda: api.file_batches.create(store["ours"], file_ids=[f]),
        lambda: api.file_batches.retrieve(store["ours"], b),
        lambda: api.file_batches.cancel(store["ours"], b),
        lambda: ours.files.retrieve(f),
        lambda: ours.files.content(f),
        lambda: ours.files.delete(f),
    ]
    for call in foreign:
        with pytest.raises(NotFoundError):
            call()
    for cursor in (
        lambda: api.list(after=s),
        lambda: ours.files.list(after=f),
        lambda: api.files.list(store["ours"], after=f),
    ):
        with pytest.raises(BadRequestError):
            cursor()

    # The same large content lies on the disk once; it goes when nobody needs it any more, and not before.
    ours.files.delete(file["ours"][0])
    assert theirs.files.content(f).read() == LARGE
    assert len({hit.file_id for hit in theirs.vector_stores.search(s, query="rivers").data} & {f}) <= 1
    theirs.vector_stores.delete(s)
    theirs.files.delete(f)
    if driver == "sqlite":
        assert list((tmp_path / "blobs").iterdir()) == []
    assert ours.vector_stores.search(store["ours"], query="zanzibar").data[0].file_id == file["ours"][1]
    audit(opened.client)
