"""`oauth-codex sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Common, Failure, usable_store, with_common
from .maintenance import plain, shown
from .output import print_failures, print_json, say, visible

if TYPE_CHECKING:
    from ..types.maintenance import SyncReport

#: Names of each kind that are printed.
_MOST = 20


@with_common
def sync(
    common: Common,
    store: Annotated[str, typer.Argument(metavar="STORE", help="Id or name of the store; one of a new name is made.")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", exists=True, file_okay=False, readable=False, help="The folder.")
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-x", metavar="PATTERN", help="Leave this out, as in a .gitignore; may be repeated."),
    ] = None,
    no_gitignore: Annotated[
        bool, typer.Option("--no-gitignore", help="Do not look at the .gitignore files in the folder.")
    ] = False,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Put this in front of every name; each prefix is a mirror of its own.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Tell what would be done, and do nothing.")] = False,
    keep_removed: Annotated[
        bool, typer.Option("--keep-removed", help="Keep files in the store that are gone from the folder.")
    ] = False,
) -> None:
    """Make a store hold what a folder holds.

    New files are added, changed ones replaced, and those that are gone from the
    folder are deleted; only files that sync itself has put there. Hidden and
    generated files and symbolic links are left out. The exit status is 1 if a
    file or folder could not be read or processed.
    """
    with common.client() as client, shown(common, "Syncing") as on_progress:
        target = usable_store(client, store)
        if target is None and dry_run:
            raise Failure(f"There is no store {store!r} yet; without --dry-run it is made.")
        report = client.maintenance.sync(
            (target or client.vector_stores.create(name=store)).id,
            directory,
            exclude=exclude or (),
            use_gitignore=not no_gitignore,
            prefix=prefix,
            delete=not keep_removed,
            dry_run=dry_run,
            on_progress=on_progress,
        )
    if common.json:
        print_json(plain(report))
    else:
        _print(report)
    if report.failed:
        raise typer.Exit(1)


def _print(report: SyncReport) -> None:
    for sign, names in (("+", report.added), ("~", report.changed), ("-", report.removed)):
        for name in names[:_MOST]:
            say(f"{sign} {visible(name)}")
        if len(names) > _MOST:
            say(f"{sign} ... and {len(names) - _MOST:,} more")
    kinds = ("added", "changed", "removed", "unchanged", "failed")
    parts = [f"{len(getattr(report, kind)):,} {kind}" for kind in kinds if getattr(report, kind)]
    say(f"{'Would be: ' if report.dry_run else ''}{', '.join(parts) or 'Nothing to do'}.")
    for why, number in report.skipped.items():
        say(f"Skipped {number:,}: {why}.")
    if report.failed:
        print_failures(list(report.failed.items()))


COMMANDS = {"sync": sync}
