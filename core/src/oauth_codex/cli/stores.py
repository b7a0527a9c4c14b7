"""`oauth-codex stores` and `oauth-codex files`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from .common import Common, require_store, with_common
from .output import ago, collected, is_narrow, print_json, print_table, say, size, stderr, visible

if TYPE_CHECKING:
    from .. import OAuthCodexClient
    from ..types.files import FileObject
    from ..types.vector_stores import FileCounts, VectorStore, VectorStoreFile

Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many; all of them by default.")]
#: Up to so many files are looked up one by one; beyond that a listing of all files costs less.
_SINGLY = 100
_COLOURS = {"completed": "green", "processed": "green", "in_progress": "yellow", "failed": "red", "expired": "red"}
_WHOLE = {"no_wrap": True}
_NUMBER = {"justify": "right", **_WHOLE}
_STATUS: Any = ("Status", _WHOLE)


@with_common
def stores(common: Common, limit: Limit = None) -> None:
    """List vector stores, newest first."""
    with common.client() as client:
        found: list[VectorStore] = collected(client.vector_stores.list(limit=min(limit or 100, 100)), limit)
    if common.json:
        print_json({"object": "list", "data": [_plain(store) for store in found]})
    elif found:
        columns = ["Name", ("Id", _WHOLE), _STATUS, "Files", ("Size", _NUMBER), ("Active", _WHOLE)]
        rows: list[list[str | Text]] = []
        for store in found:
            counts = file_counts(store.file_counts)
            if is_narrow() and store.status == "expired":
                counts += ", expired"
            taken, active = size(store.usage_bytes), ago(store.last_active_at)
            rows.append([store.name or "-", store.id, coloured(store.status), counts, taken, active])
        _print_without(columns, rows, {_STATUS[0]} if is_narrow() else set())
    else:
        stderr().print("There are no vector stores here. Make one: oauth-codex ingest PATH --store NAME")


@with_common
def files(
    common: Common,
    store: Annotated[
        str | None, typer.Argument(metavar="STORE", help="Id or name of a store; without it, all uploaded files.")
    ] = None,
    limit: Limit = None,
) -> None:
    """List the files of a store, or all uploaded files, newest first."""
    with common.client() as client:
        if store is None:
            _uploaded(common, collected(client.files.list(limit=min(limit or 10_000, 10_000)), limit))
        else:
            _attached(common, client, require_store(client, store), limit)


def _uploaded(common: Common, found: list[FileObject]) -> None:
    if common.json:
        print_json({"object": "list", "data": [_plain(file) for file in found]})
    elif found:
        columns = ["Name", ("Id", _WHOLE), ("Size", _NUMBER), _STATUS, ("Uploaded", _WHOLE)]
        rows: list[list[str | Text]] = [
            [f.filename, f.id, size(f.bytes), coloured(f.status), ago(f.created_at)] for f in found
        ]
        _print_without(columns, rows, {"Status", "Uploaded"} if is_narrow() else set())
    else:
        stderr().print("No files were uploaded here.")


def _attached(common: Common, client: OAuthCodexClient, store: VectorStore, limit: int | None) -> None:
    found: list[VectorStoreFile] = collected(
        client.vector_stores.files.list(store.id, limit=min(limit or 100, 100)), limit
    )
    uploads = _uploads(client, found)
    if common.json:
        data = []
        for file in found:
            upload = uploads.get(file.id)
            named = {"filename": upload.filename, "bytes": upload.bytes} if upload else {}
            data.append({**_plain(file), **named})
        print_json({"object": "list", "vector_store_id": store.id, "data": data})
    elif found:
        columns = ["Name", ("Id", _WHOLE), _STATUS, ("Size", _NUMBER), "Error or attributes"]
        rows: list[list[str | Text]] = []
        for file in found:
            upload = uploads.get(file.id)
            name = upload.filename if upload else "-"
            note = Text(visible(file.last_error.message), style="red") if file.last_error else Text(_pairs(file, name))
            taken = size(upload.bytes if upload else file.usage_bytes)
            rows.append([name, file.id, coloured(file.status), taken, note])
        _print_without(columns, rows, {"Id"} if is_narrow() else set())
    else:
        say(f"The store {visible(store.name or store.id)} is empty.")


def _plain(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.to_dict(mode="json", exclude_unset=False)
    return found


def _print_without(columns: Sequence[Any], rows: Sequence[Sequence[str | Text]], left_out: set[str]) -> None:
    """Print a table without the columns of these titles."""
    kept = [i for i, column in enumerate(columns) if (column if isinstance(column, str) else column[0]) not in left_out]
    print_table([columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _uploads(client: OAuthCodexClient, attached: list[VectorStoreFile]) -> dict[str, FileObject]:
    """The uploads behind files of a store, which know their names; one deleted meanwhile is missing."""
    from ..errors import NotFoundError

    if len(attached) > _SINGLY:
        wanted = {file.id for file in attached}
        return {file.id: file for file in client.files.list(limit=10_000) if file.id in wanted}
    found = {}
    for file in attached:
        try:
            found[file.id] = client.files.retrieve(file.id)
        except NotFoundError:
            continue
    return found


def _pairs(file: VectorStoreFile, name: str) -> str:
    """The attributes, without those that repeat the name."""
    pairs = [(key, str(value)) for key, value in (file.attributes or {}).items() if value != name]
    return " ".join(f"{visible(key)}={_short(visible(value))}" for key, value in pairs)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}..."


def coloured(status: str) -> Text:
    """A status in the colour of its meaning."""
    return Text(visible(status), style=_COLOURS.get(status, ""))


def file_counts(counts: FileCounts) -> str:
    """`1,512`, or `1,512, 3 failed`."""
    parts = [f"{counts.completed:,}"]
    for number, word in (
        (counts.failed, "failed"),
        (counts.in_progress, "in progress"),
        (counts.cancelled, "cancelled"),
    ):
        if number:
            parts.append(f"{number:,} {word}")
    return ", ".join(parts)


COMMANDS = {"stores": stores, "files": files}
