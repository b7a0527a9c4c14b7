"""`oauth-codex reembed`."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Common, require_store, with_common
from .maintenance import plain, shown
from .output import counted, print_json, say, visible


@with_common
def reembed(
    common: Common,
    store: Annotated[str, typer.Argument(metavar="STORE", help="Id or name of a store.")],
    embedder: Annotated[
        str, typer.Option("--embedder", metavar="NAME", help="The embedder that makes the new vectors.")
    ],
) -> None:
    """Make new vectors for a store with another embedder.

    The old ones answer until all are there. If it is interrupted, run it again;
    what was made is not made again. Afterwards the store is used with
    --option embedder=NAME, or with the profile that names it.
    """
    from .. import registry

    options = common.selection(embedder=embedder).embedder_options
    with common.existing_client() as client, shown(common, "Embedding") as on_progress:
        chosen = registry.open_embedder(embedder, options, origin="--embedder")
        report = client.maintenance.reembed(require_store(client, store).id, chosen, on_progress=on_progress)
    if common.json:
        print_json(plain(report))
        return
    say(f"Embedded {counted(report.embedded, 'file')} in {report.seconds:.1f} s.")
    say(
        f"{visible(report.vector_store_id)} is searched with the embedder {visible(report.after.name)!r} now"
        f" (dimension {report.after.dimension})."
    )
    if not report.searchable_here:
        say(f"Use it with --option embedder={visible(report.after.name)}.")


COMMANDS = {"reembed": reembed}
