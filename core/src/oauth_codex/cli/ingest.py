"""`oauth-codex ingest`."""

from __future__ import annotations

import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Common, Failure, usable_store, with_common
from .loading import Entry, count_chunks, groups, load
from .output import counted, print_failures, print_json, progress, say, size, visible

if TYPE_CHECKING:
    from .. import OAuthCodexClient
    from ..client.finding import Found, Survey


@dataclass
class Report:
    """What an ingestion did; `bytes` and `chunks` are those of the files that it read, `chunks` of a local backend only.

    `store_id` is None when nothing could be taken and so no store was made.
    """

    store_id: str | None
    created: bool
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    bytes: int = 0
    chunks: int | None = None
    seconds: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def loaded(self) -> int:
        """Files that were read and made searchable."""
        return self.added + self.replaced

    def document(self, name: str) -> dict[str, Any]:
        """The answer of `--json`."""
        return {
            "object": "ingest.report",
            "vector_store_id": self.store_id,
            "name": name,
            "created": self.created,
            "files": {
                "added": self.added,
                "replaced": self.replaced,
                "unchanged": self.unchanged,
                "failed": len(self.failed),
            },
            "chunks": self.chunks,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "files_per_second": round(self.loaded / self.seconds, 1) if self.seconds else None,
            "skipped": dict(self.skipped),
            "failed": [{"path": path, "reason": why} for path, why in self.failed],
        }


@with_common
def ingest(
    common: Common,
    store: Annotated[str, typer.Option("--store", "-s", metavar="NAME", help="Store to fill; made if there is none.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", exists=True, readable=False, help="Files and folders.", show_default=False),
    ] = None,
    stdlib: Annotated[
        bool, typer.Option("--stdlib", help="Take the sources of this Python's standard library, tests included.")
    ] = False,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="Put this in front of every file name.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Take hidden files, caches and virtual environments too.")
    ] = False,
) -> None:
    """Put files and folders into a store, so that they can be searched.

    For example: oauth-codex ingest ~/notes --store notes

    Folders are read recursively; symbolic links in them are not followed. A
    file is stored under its path below the given folder; with several folders
    the name of the folder comes first.

    Run it again to bring the store up to date: what is unchanged is skipped,
    what has changed is replaced, and the upload that it replaces is deleted.
    Files that are gone from disk stay in the store.

    Files that cannot be read are listed with the reason. The exit status is 1
    only if no file at all could be taken.
    """
    from ..client.finding import survey

    if bool(paths) == stdlib:
        raise typer.BadParameter("Give PATH... or --stdlib, one of the two.", param_hint="PATH")
    if not store.strip():
        raise typer.BadParameter("A store needs a name.", param_hint="--store")
    begun = time.monotonic()
    found = _standard_library() if stdlib else survey(paths or [], everything=everything)
    with common.client() as client:
        report, ids = _ingest(client, store, found, prefix, shown=not common.json)
        report.seconds = time.monotonic() - begun
        if report.store_id is not None and common.local():
            report.chunks = count_chunks(client, report.store_id, ids)
    nothing = not (report.loaded or report.unchanged)
    if common.json:
        document = report.document(store)
        print_json({"error": {"message": _NOTHING, "type": "Failure"}, **document} if nothing else document)
    else:
        _print(report, store)
        if nothing:
            raise Failure(_NOTHING)
    if nothing:
        raise typer.Exit(1)


_NOTHING = (
    "No file could be taken. Give files or folders with text in them; --all takes hidden and generated files too."
)


def _standard_library() -> Survey:
    from ..client.finding import survey

    root = Path(sysconfig.get_path("stdlib"))
    if not root.is_dir():
        raise Failure(f"This Python has no folder with its standard library ({root} is none).")
    return survey([root], suffix=".py", leave_out=("site-packages", "dist-packages", "__pycache__"))


def _ingest(
    client: OAuthCodexClient, name: str, found: Survey, prefix: str, *, shown: bool
) -> tuple[Report, list[str]]:
    existing = usable_store(client, name)
    target = existing or client.vector_stores.create(name=name)
    report = Report(target.id, existing is None, skipped=found.skipped, failed=list(found.failed))
    known = _known(client, target.id) if existing else {}
    ids: list[str] = []
    with progress(f"Reading into {visible(name)}", len(found.files), shown=shown) as advance:
        for group in groups(_changed(client, found.files, prefix, known, report, advance)):
            ids += _load(client, target.id, group, known, report)
            advance(len(group))
    if existing is None and not report.loaded:
        client.vector_stores.delete(target.id)
        report.store_id, report.created = None, False
    return report, ids


@dataclass
class _Known:
    """A file that was ingested before: its id, its checksum (None if it cannot be searched) and the ids of older versions."""

    id: str
    checksum: str | None
    older: list[str] = field(default_factory=list)


def _known(client: OAuthCodexClient, store_id: str) -> dict[str, _Known]:
    """The files that were ingested into a store before, by path."""
    from ..client.contents import PATH, SHA256

    known: dict[str, _Known] = {}
    for file in client.vector_stores.files.list(store_id, limit=100):  # newest first
        attributes = file.attributes or {}
        path, checksum = attributes.get(PATH), attributes.get(SHA256)
        if not (isinstance(path, str) and isinstance(checksum, str)):
            continue
        if path in known:  # left over when a run was interrupted between adding the new and removing the old
            known[path].older.append(file.id)
        else:
            known[path] = _Known(file.id, checksum if file.status == "completed" else None)
    return known


def _changed(
    client: OAuthCodexClient,
    files: list[Found],
    prefix: str,
    known: dict[str, _Known],
    report: Report,
    advance: Callable[[int], None],
) -> Iterator[Entry]:
    """The files that the store does not have as they are, read and with their checksums."""
    from ..client.contents import PATH, SHA256, fitting, read
    from ..client.finding import reason

    for file in files:
        try:
            content, checksum = read(file.path)
        except OSError as error:
            report.failed.append((file.name, reason(error)))
            advance(1)
            continue
        name = prefix + file.name
        path = fitting(name)
        old = known.get(path)
        if old is not None and old.checksum == checksum:
            _remove(client, old.older)
            report.unchanged += 1
            advance(1)
        else:
            yield Entry(name, content, file.size, {PATH: path, SHA256: checksum})


def _load(
    client: OAuthCodexClient, store_id: str, group: list[Entry], known: dict[str, _Known], report: Report
) -> Iterable[str]:
    """Load a group, and return the ids of its files."""
    from ..client.contents import PATH

    loaded = load(client, store_id, group)
    report.failed += loaded.failed
    report.bytes += loaded.bytes
    paths = {entry.name: entry.attributes[PATH] for entry in group}
    for name in loaded.ids:
        old = known.get(paths[name])
        if old is None:
            report.added += 1
        else:  # only now that the new content can be searched
            _remove(client, [old.id, *old.older])
            report.replaced += 1
    return loaded.ids.values()


def _remove(client: OAuthCodexClient, file_ids: Iterable[str]) -> None:
    from ..errors import NotFoundError

    for each in file_ids:
        try:
            client.files.delete(each)
        except NotFoundError:  # gone already, which is what was wanted
            continue


def _print(report: Report, name: str) -> None:
    from ..client.finding import OPTIONAL

    if report.store_id is not None:
        say(f"{'New store' if report.created else 'Store'} {visible(name)} ({report.store_id})")
    kinds = (("added", report.added), ("replaced", report.replaced), ("unchanged", report.unchanged))
    parts = [f"{number:,} {kind}" for kind, number in (*kinds, ("failed", len(report.failed))) if number]
    say(f"Files: {', '.join(parts) or 'none'}.")
    if report.loaded:
        chunks = "" if report.chunks is None else f"{counted(report.chunks, 'chunk')}, "
        rate = report.loaded / report.seconds
        say(f"Read {chunks}{size(report.bytes)} in {report.seconds:.1f} s ({rate:,.0f} files a second).")
    for why, number in report.skipped.most_common():
        hint = "; --all takes them too" if why in OPTIONAL else ""
        say(f"Skipped {number:,}: {why}{hint}.")
    if report.failed:
        print_failures(report.failed)


COMMANDS = {"ingest": ingest}
