"""Calls that mypy and pyright must refuse: each line marked `# wrong`, and no other.

Never run; `test_typing.py` has mypy and pyright read it.
"""

from __future__ import annotations

import oauth_codex
from oauth_codex import AsyncOAuthCodexClient, OAuthCodexClient


def wrong(client: OAuthCodexClient) -> None:
    stores = client.vector_stores
    files, batches = stores.files, stores.file_batches
    # one positional argument only
    files.retrieve("vs_1")  # wrong
    files.create("vs_1")  # wrong
    files.delete("file-1")  # wrong
    files.content("file-1")  # wrong
    files.poll("file-1", poll_interval_ms=5)  # wrong
    files.create_and_poll("vs_1")  # wrong
    batches.retrieve("vsfb_1")  # wrong
    batches.cancel("vs_1")  # wrong
    batches.list_files("vs_1", limit=5)  # wrong
    # three, or a value given twice
    files.retrieve("vs_1", "file-1", "file-2")  # wrong
    files.retrieve("vs_1", "file-1", vector_store_id="vs_1")  # wrong
    files.retrieve("vs_1", "file-1", file_id="file-1")  # wrong
    batches.poll("vs_1", "vsfb_1", 1000)  # wrong
    stores.retrieve("vs_1", "vs_2")  # wrong
    # misspelt names
    files.create("vs_1", file_ids="file-1")  # wrong
    files.list("vs_1", limits=5)  # wrong
    files.poll("file-1", vector_store_id="vs_1", poll_intervall_ms=5)  # wrong
    files.retrieve("file-1", vector_store="vs_1")  # wrong
    files.retrieve("file-1", vector_store_id="vs_1", extra_heders={})  # wrong
    files.upload("vs_1", files=b"alpha")  # wrong
    batches.create("vs_1", file_id="file-1")  # wrong
    batches.upload_and_poll("vs_1", file=b"alpha")  # wrong
    stores.delete(vector_store="vs_1")  # wrong
    stores.serch("vs_1", query="oauth")  # wrong
    client.vector_store.list()  # wrong
    client.beta.assistants.create()  # wrong
    oauth_codex.vectorstores.list()  # wrong
    # a list where a string is due, and other wrong types
    stores.retrieve(["vs_1"])  # wrong
    stores.update(["vs_1"], name="docs")  # wrong
    stores.delete(["vs_1"])  # wrong
    stores.create(name=["docs"])  # wrong
    stores.create(file_ids=[1])  # wrong
    stores.search(["vs_1"], query="oauth")  # wrong
    stores.search("vs_1", query=5)  # wrong
    files.create("vs_1", file_id=["file-1"])  # wrong
    files.retrieve(["vs_1"], "file-1")  # wrong
    files.retrieve("file-1", vector_store_id=["vs_1"])  # wrong
    files.update("vs_1", "file-1", attributes={"k": ["a"]})  # wrong
    files.list(["vs_1"])  # wrong
    files.list("vs_1", filter="done")  # wrong
    files.upload(["vs_1"], file=b"alpha")  # wrong
    files.upload_and_poll("vs_1", file=5)  # wrong
    files.content(["vs_1"], "file-1")  # wrong
    files.delete("vs_1", ["file-1"])  # wrong
    files.poll("vs_1", "file-1", poll_interval_ms="5")  # wrong
    batches.create(["vs_1"], file_ids=["file-1"])  # wrong
    batches.upload_and_poll("vs_1", files=[5])  # wrong
    batches.create("vs_1", file_ids=[1, 2])  # wrong
    batches.list_files("vs_1", ["vsfb_1"])  # wrong
    stores.list(order="newest")  # wrong
    stores.list(limit="5")  # wrong
    # results used as what they are not
    assert files.content("vs_1", "file-1").data  # wrong
    files.content("file-1", vector_store_id="vs_1").decode()  # wrong
    assert stores.retrieve("vs_1").nme  # wrong


async def wrong_async(client: AsyncOAuthCodexClient) -> None:
    stores = client.vector_stores
    await stores.files.retrieve("vs_1")  # wrong
    await stores.files.retrieve("vs_1", "file-1", "file-2")  # wrong
    await stores.files.create("vs_1", file_ids="file-1")  # wrong
    await stores.retrieve(["vs_1"])  # wrong
    await stores.file_batches.cancel("vs_1")  # wrong
    assert stores.list().data  # wrong
    for _ in stores.list():  # wrong
        pass
