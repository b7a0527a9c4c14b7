"""`oauth-codex search`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .common import Common, pair, require_store, with_common
from .output import print_json, stderr
from .passages import distinct, print_hits

#: As `spi.limits.MAX_RESULTS`, which would load half of the package for a `--help`.
_MOST = 50


@with_common
def search(
    common: Common,
    store: Annotated[
        str, typer.Argument(metavar="STORE", help="Id or name of a store; of several with the name, the newest.")
    ],
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for; quote it.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=_MOST, help="How many passages.")] = 5,
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="KEY=VALUE",
            help="Only files with this attribute; may be repeated. 3 and true match text, number and truth value.",
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out passages with a lower score.")
    ] = None,
) -> None:
    """Find passages that answer a question, best first.

    For example: oauth-codex search notes "how do I renew a passport?"

    The score of a passage lies between 0 and 1 and does not depend on the other
    passages. Passages that overlap a better one are left out; --json prints
    every hit. Finding nothing is no failure: the exit status is 0.
    """
    # Overlapping ones are folded afterwards, so more of them are asked for.
    arguments: dict[str, Any] = {"max_num_results": limit if common.json else min(3 * limit, _MOST)}
    if filter_:
        arguments["filters"] = filters(filter_)
    if threshold is not None:
        arguments["ranking_options"] = {"score_threshold": threshold}
    with common.client() as client:
        found = require_store(client, store)
        page = client.vector_stores.search(found.id, query=query, **arguments)
    if common.json:
        print_json(page)
    elif page.data:
        print_hits(distinct(page.data)[:limit], query)
    else:
        searched = found.file_counts.completed
        stderr().print(f"Nothing found in {searched:,} file{'' if searched == 1 else 's'}.")


def filters(texts: Sequence[str]) -> dict[str, Any]:
    """The filter that `--filter` asks for: all pairs, each with the text or with the number or truth value that it reads as."""
    every = []
    for text in texts:
        key, value = pair(text, "--filter")
        accepted = [{"type": "eq", "key": key, "value": each} for each in _readings(value)]
        every.append(accepted[0] if len(accepted) == 1 else {"type": "or", "filters": accepted})
    return every[0] if len(every) == 1 else {"type": "and", "filters": every}


def _readings(text: str) -> list[str | int | float | bool]:
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e300):
        return [text, value]
    return [text]


COMMANDS = {"search": search}
