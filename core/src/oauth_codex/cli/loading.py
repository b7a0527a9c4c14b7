"""Putting many files into a store: a group is uploaded, then attached in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .. import OAuthCodexClient

#: Files, and bytes of content, of a group: enough for batches to pay, little enough for a bar to move and for memory.
GROUP_FILES = 50
GROUP_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to put into a store.

    Attributes:
        name: Its name.
        content: Its content, or where that lies.
        size: Bytes of the content.
        attributes: Its attributes in the store.
    """

    name: str
    content: bytes | Path
    size: int
    attributes: Mapping[str, str]


@dataclass
class Loaded:
    """What became of a group.

    Attributes:
        ids: Ids of the files that can be searched now, by name.
        bytes: Their size.
        failed: Name and reason of the others; nothing is left of them.
    """

    ids: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def load(client: OAuthCodexClient, store_id: str, entries: Sequence[Entry]) -> Loaded:
    """Upload files and attach them to a store, all in one batch.

    A file that cannot be read or that the backend refuses is reported, and the others go on. When the whole group fails, or is
    interrupted, its uploads are deleted again.

    Raises:
        OAuthCodexError: The backend failed.
    """
    done = Loaded()
    uploaded: dict[str, Entry] = {}
    try:
        _upload(client, entries, uploaded, done)
        if uploaded:
            batch = client.vector_stores.file_batches.create_and_poll(
                store_id,
                files=[{"file_id": each, "attributes": entry.attributes} for each, entry in uploaded.items()],
            )
            if batch.file_counts.completed < len(uploaded):
                _sort_out(client, store_id, batch.id, uploaded, done)
    except BaseException as error:
        _delete(client, uploaded, error)
        raise
    done.ids = {entry.name: each for each, entry in uploaded.items()}
    done.bytes = sum(entry.size for entry in uploaded.values())
    return done


def count_chunks(client: OAuthCodexClient, store_id: str, file_ids: Iterable[str]) -> int:
    """How many chunks files have in a store. Reads their texts: cheap for a local backend, a request a file for a remote one."""
    content = client.vector_stores.files.content
    return sum(len(content(each, vector_store_id=store_id).data) for each in file_ids)


def _upload(client: OAuthCodexClient, entries: Sequence[Entry], uploaded: dict[str, Entry], done: Loaded) -> None:
    from ..client.contents import open_regular
    from ..client.finding import reason
    from ..errors import BadRequestError

    for entry in entries:
        try:
            with ExitStack() as stack:
                content = entry.content
                if isinstance(content, Path):
                    content = stack.enter_context(open_regular(content))  # type: ignore[assignment]
                file = client.files.create(file=(entry.name, content), purpose="assistants")
        except OSError as error:
            done.failed.append((entry.name, reason(error)))
        except BadRequestError as error:
            done.failed.append((entry.name, error.user_message))
        else:
            uploaded[file.id] = entry


def _sort_out(client: OAuthCodexClient, store_id: str, batch_id: str, uploaded: dict[str, Entry], done: Loaded) -> None:
    """Report the files of a batch that cannot be searched, and delete them: a store of the command line holds what it can find."""
    batch_files = client.vector_stores.file_batches.list_files(store_id, batch_id, limit=100)
    for file in [file for file in batch_files if file.status != "completed"]:
        entry = uploaded.pop(file.id)
        done.failed.append((entry.name, file.last_error.message if file.last_error else f"It was {file.status}."))
        client.files.delete(file.id)


def _delete(client: OAuthCodexClient, uploaded: Mapping[str, Entry], because: BaseException) -> None:
    for file_id in uploaded:
        try:
            client.files.delete(file_id)
        except Exception as error:
            because.add_note(f"The uploaded file {file_id} could not be deleted again: {error}")
            return


def groups(entries: Iterator[Entry], files: int = GROUP_FILES) -> Iterator[list[Entry]]:
    """Entries in groups of at most `files`, that are loaded together."""
    group: list[Entry] = []
    held = 0
    for entry in entries:
        group.append(entry)
        held += entry.size
        if len(group) >= files or held >= GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group
