"""Run as a program: works on a storage until its disk is full, goes on, gets space again. Prints one JSON document.

python full_disk.py DIRECTORY
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from oauth_codex import OAuthCodexError, StorageError


def _support() -> Any:
    spec = importlib.util.spec_from_file_location("support", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["support"] = module
    spec.loader.exec_module(module)
    return module


def main(directory: Path) -> dict[str, Any]:
    support = _support()
    clock, storage = support.Clock(), directory / "storage"
    opened = support.OpenClient("sqlite", storage, clock, support.Ids())
    client = opened.client
    kept = client.files.create(file=("kept.txt", b"apples and pears"), purpose="assistants").id
    loose = client.files.create(file=("loose.txt", b"plums " * 60_000), purpose="assistants").id
    store = client.vector_stores.create(name="kept", file_ids=[kept]).id
    soon = {"anchor": "created_at", "seconds": 3600}
    client.files.create(file=("soon.txt", b"quinces"), purpose="assistants", expires_after=soon)

    filler = directory / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass

    outcomes: dict[str, str] = {}

    def attempt(name: str, call: Any) -> None:
        state = support.dump_of(client)
        try:
            call()
            outcomes[name] = "done"
        except OAuthCodexError as error:
            outcomes[name] = type(error).__name__ if isinstance(error, StorageError) else f"not StorageError: {error!r}"
            outcomes[f"{name}: message"] = str(error)
        except Exception as error:
            outcomes[name] = f"raw {error!r}"
        if outcomes[name] == "StorageError" and support.dump_of(client) != state:
            changed = [table for table, rows in support.dump_of(client).items() if rows != state[table]]
            outcomes[name] = f"changed {changed}"

    attempt("upload 8 MB", lambda: client.files.create(file=b"x" * 8_000_000, purpose="assistants"))
    attempt("upload 900 kB", lambda: client.files.create(file=b"y" * 900_000, purpose="assistants"))
    attempt("upload and attach", lambda: client.vector_stores.files.upload_and_poll(store, file=b"z " * 450_000))
    attempt("attach", lambda: client.vector_stores.files.create(store, file_id=loose))
    attempt("create with files", lambda: client.vector_stores.create(name="n" * 500, file_ids=[loose]))

    def read() -> list[Any]:
        return [
            client.vector_stores.retrieve(store).file_counts.to_dict(),
            [hit.file_id == kept for hit in client.vector_stores.search(store, query="apples").data],
            client.files.content(kept).read() == b"apples and pears",
            [file.filename for file in client.files.list() if file.filename != "soon.txt"],
        ]

    reading = []
    for _ in range(2):
        # The store was not used for a while: a search notes that it is, if it can. In the second round a file has expired.
        clock.advance(2000)
        try:
            reading.append(read())
        except Exception as error:
            reading.append(repr(error))
    filler.unlink()
    names = sorted(file.filename for file in client.files.list())
    stuck = [batch.status for batch in client.vector_stores.files.list(store)]
    new = client.files.create(file=("new.txt", b"quinces"), purpose="assistants").id
    client.vector_stores.files.create(store, file_id=new)
    found = [hit.file_id == new for hit in client.vector_stores.search(store, query="quinces").data[:1]]
    support.audit_of(client)
    left = sorted(path.name for path in (storage / "blobs").iterdir()) if (storage / "blobs").exists() else []
    opened.close()
    return {"outcomes": outcomes, "reading": reading, "stuck": stuck, "found": found, "left": left, "names": names}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
