"""Run as a program, on a small file system of its own: maintenance while the disk is full, and while it is read-only.

    python full_disk.py DIRECTORY

prints, as JSON, what each attempt ended with, and what was left on the disk after it.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from oauth_codex import OAuthCodexClient, OAuthCodexError


def main(directory: Path) -> dict[str, Any]:
    storage, filler = directory / "storage", directory / "filler"
    client = OAuthCodexClient("sqlite", storage_dir=storage)
    store = client.vector_stores.create(name="fruit")
    client.vector_stores.files.upload(store.id, file=("a.txt", b"The apple is round."))
    client.files.create(file=("large.bin", b"x" * 1_200_000), purpose="assistants")
    maintenance, said = client.maintenance, {}

    def attempt(name: str, call: Callable[[], Any]) -> None:
        try:
            call()
            said[name] = ["done"]
        except OAuthCodexError as error:
            said[name] = [type(error).__name__, str(error)]
        except Exception as error:
            said[name] = [f"raw {error!r}"]
        said[name].append(sorted(path.name for path in directory.iterdir()))

    def fill() -> None:
        with open(filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass

    def damage() -> None:
        with closing(sqlite3.connect(storage / "catalog.sqlite3", isolation_level=None)) as connection:
            connection.execute("UPDATE stores SET completed = 9")

    damage()
    fill()
    attempt("verify full", lambda: maintenance.verify())
    attempt("repair full", lambda: maintenance.repair())
    attempt("gc full", lambda: maintenance.gc(compact=True))
    attempt("snapshot full", lambda: maintenance.snapshot(directory / "snapshot"))
    filler.unlink()
    attempt("repair", lambda: maintenance.repair())
    attempt("snapshot", lambda: maintenance.snapshot(directory / "snapshot"))
    fill()
    attempt("restore full", lambda: maintenance.restore(directory / "snapshot", storage_dir=directory / "restored"))
    filler.unlink()
    said["ok"] = maintenance.verify().ok

    client.close()

    subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)
    attempt("open read-only", lambda: OAuthCodexClient("sqlite", storage_dir=storage))
    with OAuthCodexClient("memory") as other:
        restored = directory / "restored"
        attempt("snapshot read-only", lambda: other.maintenance.snapshot(directory / "other"))
        attempt("restore read-only", lambda: other.maintenance.restore(directory / "snapshot", storage_dir=restored))
    subprocess.run(["mount", "-o", "remount,rw", str(directory)], check=True)
    with OAuthCodexClient("sqlite", storage_dir=storage) as client:
        said["ok again"] = client.maintenance.verify().ok
        said["found"] = client.vector_stores.search(store.id, query="apple").data[0].text
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
