"""`oauth-codex verify`, `repair`, `gc`, `snapshot` and `restore`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from .common import Common, Failure, with_common
from .output import bar, counted, print_json, print_table, say, size, stderr, visible

if TYPE_CHECKING:
    from ..types.maintenance import Finding, RestoreReport, VerifyReport
    from ..types.params import OnProgress

_WHOLE = {"no_wrap": True}
#: What `verify` looked at, for people.
_LOOKED_AT = (("stores", "store"), ("files", "file"), ("chunks", "chunk"), ("blobs", "content"), ("indexes", "index"))
_COLLECTED = {
    "expired_files": "files that have expired",
    "files_of_expired_stores": "files in stores that have expired",
    "contents": "contents that nothing refers to",
    "generations": "rows of what was removed from search",
    "unused_vectors": "vectors of 'reembed' for what is gone",
    "tombstones": "places of what was deleted long ago",
    "caches": "caches that nobody reads",
    "stray_files": "files that nothing refers to",
}


@with_common
def verify(
    common: Common,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not read contents: compare sizes and counts only.")
    ] = False,
) -> None:
    """Compare everything that is stored with everything else; change nothing.

    Others may use the storage meanwhile. The exit status is 1 if anything is
    not as it must be; 'oauth-codex repair' mends it.
    """
    with common.existing_client() as client, shown(common, "Verifying") as on_progress:
        report = client.maintenance.verify(deep=not quick, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
    else:
        _print_verified(report)
    if not report.ok:
        raise typer.Exit(1)


@with_common
def repair(common: Common) -> None:
    """Mend what verify finds.

    Counters are counted anew, remnants removed, indexes made anew from the
    catalog, and files with damaged text or vectors processed anew. Content that
    is lost cannot be mended: its files are listed, and the exit status is 1.
    """
    with common.existing_client() as client, shown(common, "Repairing") as on_progress:
        report = client.maintenance.repair(on_progress=on_progress)
    if common.json:
        print_json(plain(report))
    else:
        if not (report.mended or report.lost):
            say("There is nothing to mend.")
        _print_findings("Mended", "green", report.mended, report.counts)
        _print_findings("Lost", "red", report.lost, report.counts)
        if report.resumed:
            say(f"Processed {counted(report.resumed, 'file')} that waited.")
    if not report.ok:
        raise typer.Exit(1)


@with_common
def gc(
    common: Common,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Tell what would be removed, and keep it.")] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Give free space in the catalog back to the disk; nobody can write meanwhile."),
    ] = False,
) -> None:
    """Remove what has expired and what nothing refers to."""
    with common.existing_client() as client, shown(common, "Collecting") as on_progress:
        report = client.maintenance.gc(dry_run=dry_run, compact=compact, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
        return
    verb = "Would remove" if dry_run else "Removed"
    for name, number in report.removed.items():
        if number:
            say(f"{verb} {number:,} {_COLLECTED.get(name, name)}.")
    if not any(report.removed.values()):
        say("There is nothing to remove.")
    say(f"{'Would free' if dry_run else 'Freed'} {size(report.bytes_freed)} on disk.")
    if report.bytes_reusable and not compact:
        say(f"{size(report.bytes_reusable)} in the catalog are free for new content; --compact gives them back.")


@with_common
def snapshot(
    common: Common,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put it; made, and must be empty if it exists.")
    ],
) -> None:
    """Copy the storage as it is now, with a checksum of every file.

    Others may use the storage meanwhile. The exit status is 1 if contents that
    the storage should have were lost before, and are missing in the copy too.
    """
    with common.existing_client() as client, shown(common, "Copying") as on_progress:
        report = client.maintenance.snapshot(directory, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
    else:
        say(f"Copied {counted(report.files, 'file')}, {size(report.bytes)}, to {visible(report.directory)}.")
        for name in report.lost:
            say(Text(f"Lost before: {visible(name)}", style="red"))
    if report.lost:
        raise typer.Exit(1)


@with_common
def restore(
    common: Common,
    snapshot: Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="Directory that 'oauth-codex snapshot' made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a storage that is there aside. No program may have it open.")
    ] = False,
) -> None:
    """Make the storage directory from a snapshot.

    All checksums are compared first; a damaged snapshot is refused, and
    nothing is changed. The storage that is there is not opened, so it may be
    broken. The exit status is 1 if the restored storage lacks contents.
    """
    from ..local.maintenance.restoring import restore as restored

    directory = _storage_directory(common)
    with shown(common, "Restoring") as on_progress:
        report = restored(snapshot, directory, replace=replace, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
    else:
        _print_restored(report)
    if not report.verify.ok:
        raise typer.Exit(1)


def _storage_directory(common: Common) -> Path:
    from .. import registry

    selection = common.selection()
    driver = registry.load_driver(selection.driver.value, origin=selection.driver.origin)
    if not (driver.local and driver.capabilities.persistent):
        raise Failure(f"The driver {driver.name!r} keeps nothing in a directory. Choose another with --backend.")
    return Path(selection.storage_dir.value)


@contextmanager
def shown(common: Common, label: str) -> Iterator[OnProgress | None]:
    """A bar on a terminal; nothing elsewhere."""
    console = stderr()
    if common.json or not console.is_terminal:
        yield None
        return
    with bar(console) as shown:
        task = shown.add_task(label, total=None)

        def on_progress(done: int, total: int, item: Any) -> None:
            shown.update(task, completed=done, total=total)

        yield on_progress


def plain(report: Any) -> dict[str, Any]:
    found: dict[str, Any] = report.to_dict(mode="json", exclude_unset=False)
    return found


def _print_verified(report: VerifyReport) -> None:
    looked_at = ", ".join(counted(report.checked[name], noun) for name, noun in _LOOKED_AT if name in report.checked)
    say(f"Looked at {looked_at or 'the catalog'} in {report.seconds:.1f} s.")
    if report.ok:
        say(Text("Everything is as it must be.", style="green"))
        return
    _print_findings("Found", "red", report.findings, report.found)
    if all(finding.lost for finding in report.findings):
        say("This is lost; only a snapshot brings it back.")
    else:
        say("'oauth-codex repair' mends what can be mended.")


def _print_findings(title: str, style: str, findings: Sequence[Finding], counts: dict[str, int]) -> None:
    if not findings:
        return
    number = sum(counts[code] for code in {finding.code for finding in findings})
    say("", Text(f"{title}: {number:,}", style=style))
    rows = [[each.code, each.where, f"{each.message} {each.remedy}"] for each in findings]
    print_table([("Code", _WHOLE), "Where", "What"], rows)


def _print_restored(report: RestoreReport) -> None:
    say(f"Restored {counted(report.files, 'file')}, {size(report.bytes)}, in {visible(report.directory)}.")
    if report.replaced is not None:
        say(f"What was there lies in {visible(report.replaced)} now.")
    _print_verified(report.verify)


COMMANDS = {"verify": verify, "repair": repair, "gc": gc, "snapshot": snapshot, "restore": restore}
