"""The product as its users have it: the public client on the `sqlite` driver, everything else left at its default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import oauth_codex
from oauth_codex import OAuthCodexClient

from benchmarks.corpus import Corpus

#: Files that one batch takes.
BATCH = 2_000
#: Attribute of the file with number n: `part` is n modulo this, so one value keeps 1 % of the files; `number` is n.
PARTS = 100


@dataclass(frozen=True)
class Built:
    """A store that is ready to be searched.

    Attributes:
        directory: The storage directory.
        store: The id of the store.
        files: Files in it.
    """

    directory: Path
    store: str
    files: int


def client(directory: Path) -> OAuthCodexClient:
    """A client on a storage directory."""
    return OAuthCodexClient(backend="sqlite", storage_dir=directory)


def build(folder: Path, corpus: Corpus) -> Built:
    """A store that holds the corpus, each file with the attributes `number` and `part`; taken from `folder` if it is there.

    A store that another version of the engine made is not taken.
    """
    stamp = f"{engine_digest()}:{corpus.fingerprint}"
    note = folder / f"built-{stamp[:16]}-{corpus.fingerprint[:16]}.json"
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        return Built(Path(found["directory"]), found["store"], found["files"])
    directory = folder / f"storage-{stamp[:16]}-{corpus.fingerprint[:16]}"
    with client(directory) as opened:
        store = opened.vector_stores.create(name="benchmark").id
        for start in range(0, len(corpus.paths), BATCH):
            attach(opened, store, corpus.paths[start : start + BATCH], start)
        check(opened, store, len(corpus.paths))
    built = Built(directory, store, len(corpus.paths))
    note.write_text(json.dumps(asdict(built) | {"directory": str(directory)}), encoding="utf-8")
    return built


def attach(
    opened: OAuthCodexClient, store: str, paths: Sequence[Path], first: int, chunking: dict[str, object] | None = None
) -> None:
    """Upload files and attach them in one batch, with the attributes `number` and `part`."""
    entries = [
        {
            "file_id": opened.files.create(file=path, purpose="assistants").id,
            "attributes": {"number": number, "part": number % PARTS},
        }
        for number, path in enumerate(paths, first)
    ]
    if chunking is not None:
        entries = [{**entry, "chunking_strategy": chunking} for entry in entries]
    batch = opened.vector_stores.file_batches.create(store, files=entries)
    opened.vector_stores.file_batches.poll(batch.id, vector_store_id=store)


def check(opened: OAuthCodexClient, store: str, files: int, failed: int = 0) -> None:
    """Refuse to measure a store that does not hold what it should.

    Raises:
        RuntimeError: Its counts are others.
    """
    counts = opened.vector_stores.retrieve(store).file_counts
    if (counts.completed, counts.failed, counts.in_progress) != (files - failed, failed, 0):
        raise RuntimeError(f"Of {files} files the store says {counts!r}.")


def engine_digest() -> str:
    """Changes whenever the code of the package changes."""
    folder = Path(oauth_codex.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
