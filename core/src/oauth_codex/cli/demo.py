"""`oauth-codex demo`."""

from __future__ import annotations

import importlib.util
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.text import Text

from .common import Common, Failure, with_common
from .loading import Entry, count_chunks, groups, load
from .output import counted, print_failures, print_json, progress, say, size, visible
from .passages import distinct, print_hits

if TYPE_CHECKING:
    from .. import OAuthCodexClient
    from ..types.pages import SyncPage
    from ..types.search import VectorStoreSearchResponse

_STORE = "demo"
#: Question, what it shows, and the value of the attribute `about` that its answers must have.
_QUESTIONS = (
    ("how do I make a generator?", "", None),
    ("step through a program line by line", "", None),
    ("which values are false?", "", None),
    ("global varables", "misspelt on purpose", None),
    ("attach files to a vector store", "only files with about=oauth-codex", "oauth-codex"),
)
_HITS, _LINES = 2, 3
_NEXT = """\
Next, with files of your own:
  oauth-codex ingest . --store mine
  oauth-codex search mine "how do I install it?"
  oauth-codex ingest --stdlib --store python
  oauth-codex search python "parse command line arguments"

Or in Python:
  from oauth_codex import vector_stores
  store = vector_stores.create(name="notes")
  vector_stores.files.upload(store.id, file=("a.txt", b"The key is upstairs."))
  print(vector_stores.search(store.id, query="where is the key?").data[0].text)"""


@dataclass
class _Outcome:
    """What was read, and the answers: question, what it shows, milliseconds, page."""

    store_id: str
    files: int
    bytes: int
    chunks: int
    seconds: float
    failed: list[tuple[str, str]]
    answers: list[tuple[str, str, float, SyncPage[VectorStoreSearchResponse]]] = field(default_factory=list)


@with_common
def demo(common: Common) -> None:
    """See it work: reads documents that every Python carries, and asks them a few questions.

    Everything happens in a temporary directory that is removed at the end,
    with the sqlite driver, unless --backend, --profile or --storage-dir say
    otherwise. Nothing is downloaded.
    """
    entries, notes = _documents()
    if not entries:
        raise Failure(" ".join(["There is nothing to read.", *notes]))
    chosen = common.backend is not None or common.profile is not None
    keep = common.storage_dir is not None
    with ExitStack() as stack:
        directory = None if keep else Path(stack.enter_context(TemporaryDirectory(prefix="oauth-codex-demo-")))
        client = stack.enter_context(common.client(backend=None if chosen else "sqlite", storage_dir=directory))
        if not common.json:
            _introduce(entries, notes, client.backend.name, common.storage_dir)
        outcome = _read(client, entries, shown=not common.json)
        if not common.json:
            _summarize(outcome)
        available = {None, *(entry.attributes["about"] for entry in entries)}
        for question, shows, about in [each for each in _QUESTIONS if each[2] in available]:
            _ask(client, outcome, question, shows, about)
            if not common.json:
                _answer(outcome)
        if chosen and not keep:  # a server, say, knows nothing of the temporary directory
            _remove(client, outcome.store_id)
    if common.json:
        print_json(_document(outcome, notes))
        return
    say("")
    if common.storage_dir is not None:
        say(
            f"The store {_STORE} stays in {visible(str(common.storage_dir))}; name that directory to search it again.",
            "",
        )
    say(_NEXT)


def _documents() -> tuple[list[Entry], list[str]]:
    """What there is to read, and a word on what is not there."""
    notes = []
    entries = []
    if importlib.util.find_spec("pydoc_data") and importlib.util.find_spec("pydoc_data.topics"):
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
        for name, text in sorted(topics.items()):
            entries.append(_entry(f"python/{name}.txt", text.encode(), "python"))
    else:
        notes.append("This Python comes without its help topics (pydoc_data).")
    pages = _project_documents()
    for name, path in pages:
        entries.append(_entry(f"oauth-codex/{name}", path.read_bytes(), "oauth-codex"))
    if not pages:
        notes.append("This installation comes without the documentation of oauth-codex.")
    return entries, notes


def _entry(name: str, content: bytes, about: str) -> Entry:
    return Entry(name, content, len(content), {"about": about})


def _project_documents() -> list[tuple[str, Path]]:
    """The documentation: packed beside this module in a wheel, the folder `docs` of a checkout.

    The README is left out: it shows what this command prints, and would answer every question with it.
    """
    packed = Path(__file__).with_name("documents")
    checkout = Path(__file__).parents[4]
    folder = packed if packed.is_dir() else checkout / "docs"
    if not packed.is_dir() and not (checkout / "core" / "src" / "oauth_codex").is_dir():
        return []
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*.md"))]


def _read(client: OAuthCodexClient, entries: list[Entry], *, shown: bool) -> _Outcome:
    begun = time.monotonic()
    store = client.vector_stores.create(name=_STORE)
    outcome = _Outcome(store.id, 0, 0, 0, 0.0, [])
    ids: list[str] = []
    with progress("Reading", len(entries), shown=shown) as advance:
        for group in groups(iter(entries), files=20):
            loaded = load(client, store.id, group)
            ids += loaded.ids.values()
            outcome.bytes += loaded.bytes
            outcome.failed += loaded.failed
            advance(len(group))
    outcome.seconds = time.monotonic() - begun
    outcome.files = len(ids)
    outcome.chunks = count_chunks(client, store.id, ids)
    return outcome


def _ask(client: OAuthCodexClient, outcome: _Outcome, question: str, shows: str, about: str | None) -> None:
    filters = {"type": "eq", "key": "about", "value": about} if about else None
    begun = time.monotonic()
    page = client.vector_stores.search(
        outcome.store_id,
        query=question,
        max_num_results=3 * _HITS,
        filters=filters,
        rewrite_query=client.backend.capabilities.rewrite_query or None,
    )
    outcome.answers.append((question, shows, 1000 * (time.monotonic() - begun), page))


def _remove(client: OAuthCodexClient, store_id: str) -> None:
    ids = [file.id for file in client.vector_stores.files.list(store_id, limit=100)]
    client.vector_stores.delete(store_id)
    for each in ids:
        client.files.delete(each)


def _introduce(entries: list[Entry], notes: list[str], driver: str, directory: Path | None) -> None:
    topics = len([entry for entry in entries if entry.attributes["about"] == "python"])
    parts = []
    if topics:
        parts.append(f"{topics} help topics of Python {sys.version_info[0]}.{sys.version_info[1]}")
    if len(entries) > topics:
        parts.append(f"{counted(len(entries) - topics, 'page')} about oauth-codex")
    where = visible(str(directory)) if directory else "a temporary directory"
    say(f"Reading {' and '.join(parts)},", f"with the {visible(driver)} driver in {where}.", *notes)


def _summarize(outcome: _Outcome) -> None:
    rate = outcome.files / outcome.seconds
    say(
        f"{counted(outcome.files, 'file')}, {counted(outcome.chunks, 'chunk')}, {size(outcome.bytes)}"
        f" in {outcome.seconds:.1f} s ({rate:,.0f} files a second)."
    )
    if outcome.failed:
        print_failures(outcome.failed)


def _answer(outcome: _Outcome) -> None:
    question, shows, milliseconds, page = outcome.answers[-1]
    searched = page.search_query[0] if page.search_query else question
    shows = shows or (f'searched as "{searched}"' if searched != question else "")
    note = f"  ({shows})" if shows else ""
    say(
        "",
        Text.assemble(("> ", "bold magenta"), (question, "bold"), (note, "dim"), (f"  {milliseconds:.1f} ms", "dim")),
    )
    if page.data:
        print_hits(distinct(page.data)[:_HITS], searched, lines=_LINES)
    else:
        say("   Nothing found.")


def _document(outcome: _Outcome, notes: list[str]) -> dict[str, Any]:
    return {
        "object": "demo.report",
        "files": outcome.files,
        "chunks": outcome.chunks,
        "bytes": outcome.bytes,
        "seconds": round(outcome.seconds, 3),
        "notes": notes,
        "failed": [{"path": path, "reason": why} for path, why in outcome.failed],
        "answers": [
            {"query": question, "milliseconds": round(milliseconds, 2), "data": page["data"]}
            for question, _, milliseconds, page in outcome.answers
        ],
    }


COMMANDS = {"demo": demo}
