"""`oauth-codex migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Common, options, with_common
from .maintenance import plain, shown
from .output import counted, print_failures, print_json, say, size

if TYPE_CHECKING:
    from ..types.maintenance import MigrationReport

_PANEL = "Where to"


@with_common
def migrate(
    common: Common,
    to_backend: Annotated[
        str | None, typer.Option(metavar="NAME", help="Driver to copy to.", rich_help_panel=_PANEL)
    ] = None,
    to_profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Profile to copy to.", rich_help_panel=_PANEL)
    ] = None,
    to_storage_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Storage directory to copy to.", rich_help_panel=_PANEL)
    ] = None,
    to_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Option of the driver to copy to; may be repeated.", rich_help_panel=_PANEL
        ),
    ] = None,
) -> None:
    """Copy all files and stores to another driver or directory.

    Nothing there is overwritten. If it is interrupted, run it again; what is
    there is not copied again. Local drivers keep ids and, with the same
    embedder, vectors; a service gives new ids, which --json lists. The exit
    status is 1 if something could not be copied.
    """
    if to_backend is None and to_profile is None and to_storage_dir is None:
        raise typer.BadParameter("Say where to: --to-backend, --to-profile or --to-storage-dir.")
    other = Common(
        backend=to_backend,
        profile=to_profile,
        storage_dir=to_storage_dir,
        options=options(to_option or [], "--to-option"),
        json=common.json,
    )
    with common.existing_client() as client, other.client() as target, shown(common, "Copying") as on_progress:
        report = client.maintenance.migrate(target, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _print(report: MigrationReport) -> None:
    say(
        f"Copied {counted(report.files, 'file')}, {size(report.bytes)}, and {counted(report.stores, 'store')}"
        f" from {report.source} to {report.target} in {report.seconds:.1f} s."
    )
    say(f"Attached {counted(report.members, 'file')}; {report.vectors_kept:,} kept their vectors.")
    if report.already:
        say(f"Were there already: {report.already:,}.")
    if report.expired:
        say(f"Not copied, because they have expired: {len(report.expired):,}.")
    if report.ids:
        say(f"New ids: {len(report.ids):,}; --json lists them.")
    if report.unverified:
        say(f"Compared by size only: {report.unverified:,}.")
    if report.failed:
        print_failures(list(report.failed.items()))


COMMANDS = {"migrate": migrate}
