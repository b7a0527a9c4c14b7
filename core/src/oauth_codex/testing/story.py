"""What a storage shall hold, the writes that change it, and a look at what it does hold.

Every write says what it changes, so after a failure the storage can be held against what it had before and what it would have had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..client import OAuthCodexClient
from ..spi import Capabilities
from ..types import omit

#: More than this is kept outside of the catalog, and attached as a job that others may take over.
_LARGE_BYTES = 1_100_000
_QUERY = "a garden with other trees"
#: All that is found in a store is asked for, so a store of the story must not have more chunks with words.
_MOST_HITS = 50
VECTORS_ONLY: Any = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}


def content_of(name: str) -> bytes:
    """The text of a file: words that all share, its own name, and in a large one many lines without any word."""
    text = f"{name} stands in a garden with other trees\n".encode()
    return text + (b"-" * 15 + b"\n") * (_LARGE_BYTES // 16) if name.startswith("large") else text


@dataclass
class Holdings:
    """What a storage holds.

    Attributes:
        files: Names of the files.
        stores: Name of each store to its files, and of each file to its attributes.
    """

    files: list[str] = field(default_factory=list)
    stores: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def keep(self, file: str) -> None:
        """Note that there is a file."""
        self.files = sorted([*self.files, file])

    def drop(self, file: str) -> None:
        """Note that a file is no more, in no store either."""
        self.files = [each for each in self.files if each != file]
        for members in self.stores.values():
            members.pop(file, None)


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        holdings: What the storage holds.
        unfinished: Store and file of everything that is not `completed`, with its status.
        files: Ids of the files by name.
        stores: Ids of the stores by name.
    """

    holdings: Holdings
    unfinished: list[str]
    files: dict[str, str]
    stores: dict[str, str]


def look(client: OAuthCodexClient, capabilities: Capabilities) -> Look:
    """Read everything, and fail where it contradicts itself: contents, counters, and what every kind of search finds."""
    listed = client.files.list(limit=1000).data
    names = {file.id: file.filename for file in listed}
    assert len(set(names.values())) == len(listed), f"a file is there twice: {Counter(f.filename for f in listed)}"
    for file, name in names.items():
        assert bytes(client.files.content(file)) == content_of(name), f"the content of {name} is another one"
    seen = Holdings(sorted(names.values()))
    unfinished: list[str] = []
    stores = client.vector_stores.list(limit=100).data
    for store in stores:
        label = store.name
        assert label is not None
        assert label not in seen.stores, f"the store {label} is there twice"
        attached = client.vector_stores.files.list(store.id, limit=100).data
        members = {names[each.id]: each for each in attached}
        assert len(members) == len(attached), f"{label} lists a file twice"
        seen.stores[label] = {name: each.attributes or {} for name, each in members.items()}
        store = client.vector_stores.retrieve(store.id)
        counted = dict.fromkeys(("in_progress", "completed", "failed", "cancelled"), 0)
        counted.update(Counter(each.status for each in attached))
        assert store.file_counts.to_dict() == {**counted, "total": len(attached)}, f"counts of {label} are wrong"
        assert store.usage_bytes == sum(each.usage_bytes for each in attached), f"usage of {label} is wrong"
        completed = {name for name, each in members.items() if each.status == "completed"}
        unfinished += [f"{label}/{name}: {members[name].status}" for name in sorted(members.keys() - completed)]
        # A file that was completed and is attached anew is found, and counted, as it was until it is completed again.
        answering = {name for name, each in members.items() if name in completed or each.usage_bytes}
        for ranking in (None, VECTORS_ONLY) if capabilities.hybrid_search else (None,):
            hits = client.vector_stores.search(
                store.id, query=_QUERY, max_num_results=_MOST_HITS, ranking_options=ranking or omit
            ).data
            found = Counter(hit.filename for hit in hits)
            assert found == Counter(answering), f"{label}: to be found are {sorted(answering)}, found {found}"
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
            assert {hit.filename: hit.attributes or {} for hit in hits} == {
                name: seen.stores[label][name] for name in answering
            }, f"hits of {label} have other attributes"
    return Look(
        seen, unfinished, {name: id for id, name in names.items()}, {store.name or "": store.id for store in stores}
    )


@dataclass(frozen=True)
class Step:
    """A write that is prepared.

    Attributes:
        act: Does it.
        change: What it changes.
    """

    act: Callable[[], object]
    change: Callable[[Holdings], object]


#: Prepares a write; the name must be a new one.
Write = Callable[["Story", str], Step]


class Story:
    """A client, what its storage shall hold, and the ids of that."""

    def __init__(self, client: OAuthCodexClient, capabilities: Capabilities) -> None:
        self.client = client
        self.capabilities = capabilities
        self.holds = Holdings()
        self.files: dict[str, str] = {}
        self.stores: dict[str, str] = {}

    def begin(self) -> None:
        """Fill an empty storage: the stores `one` and `two`, which share a file."""
        for name in ("apple", "birch"):
            self.upload(name)
        self.make_store("one", "apple", "birch")
        self.make_store("two", "birch")

    def look(self) -> Look:
        """See what is there, and learn the ids of it."""
        seen = look(self.client, self.capabilities)
        self.files, self.stores = dict(seen.files), dict(seen.stores)
        return seen

    def perform(self, write: str, name: str) -> None:
        """Do a write from its preparation to its end."""
        self.finish(WRITES[write](self, name))

    def finish(self, step: Step) -> None:
        """Do what a write has prepared."""
        step.act()
        step.change(self.holds)

    # -- what several writes need: `upload` and so on are done when they return -------------------------------------------

    def create_file(self, name: str) -> None:
        """Upload a file, and note nothing."""
        self.files[name] = self.client.files.create(file=(name, content_of(name)), purpose="assistants").id

    def create_store(self, name: str, *members: str) -> None:
        """Make a store, and note nothing."""
        ids = [self.files[member] for member in members]
        self.stores[name] = self.client.vector_stores.create(name=name, file_ids=ids).id

    def upload(self, name: str) -> str:
        """Upload a file."""
        self.create_file(name)
        self.holds.keep(name)
        return self.files[name]

    def attach(self, name: str) -> str:
        """Upload a file and attach it to the store `one`."""
        file = self.upload(name)
        self.client.vector_stores.files.create(self.stores["one"], file_id=file)
        self.holds.stores["one"][name] = {}
        return file

    def make_store(self, name: str, *members: str) -> str:
        """Make a store with files."""
        self.create_store(name, *members)
        self.holds.stores[name] = {member: {} for member in members}
        return self.stores[name]


def _upload(story: Story, name: str) -> Step:
    return Step(lambda: story.create_file(name), lambda holds: holds.keep(name))


def _create_store(story: Story, name: str) -> Step:
    return Step(lambda: story.create_store(name), lambda holds: holds.stores.update({name: {}}))


def _create_filled_store(story: Story, name: str) -> Step:
    made: dict[str, dict[str, Any]] = {"apple": {}, "birch": {}}
    return Step(lambda: story.create_store(name, *made), lambda holds: holds.stores.update({name: made}))


def _attach(story: Story, name: str) -> Step:
    file, files, store = story.upload(name), story.client.vector_stores.files, story.stores["one"]
    return Step(
        lambda: files.create(store, file_id=file, attributes={"a": 1}),
        lambda holds: holds.stores["one"].update({name: {"a": 1}}),
    )


def _upload_and_attach(story: Story, name: str) -> Step:
    files, store, uploaded = story.client.vector_stores.files, story.stores["one"], (name, content_of(name))

    def change(holds: Holdings) -> None:
        holds.keep(name)
        holds.stores["one"][name] = {"b": True}

    return Step(lambda: files.upload(store, file=uploaded, attributes={"b": True}), change)


def _batch(story: Story, name: str) -> Step:
    names = [f"{name} {number}" for number in range(3)]
    files, store = [story.upload(each) for each in names], story.stores["one"]
    batches = story.client.vector_stores.file_batches
    return Step(
        lambda: batches.create(store, file_ids=files, attributes={"c": "d"}),
        lambda holds: holds.stores["one"].update({each: {"c": "d"} for each in names}),
    )


def _change_attributes(story: Story, name: str) -> Step:
    file, files, store = story.attach(name), story.client.vector_stores.files, story.stores["one"]
    return Step(
        lambda: files.update(store, file, attributes={"a": 2, "e": "f"}),
        lambda holds: holds.stores["one"].update({name: {"a": 2, "e": "f"}}),
    )


def _chunk_anew(story: Story, name: str) -> Step:
    file, files, store = story.attach(name), story.client.vector_stores.files, story.stores["one"]
    chunking: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    return Step(lambda: files.create(store, file_id=file, chunking_strategy=chunking), lambda _: None)


def _replace_files(story: Story, name: str) -> Step:
    files, stores = [story.upload(name), story.files["birch"]], story.client.vector_stores
    return Step(
        lambda: stores.update(story.stores["two"], file_ids=files),
        lambda holds: holds.stores.update(two={name: {}, "birch": {}}),
    )


def _rename_store(story: Story, name: str) -> Step:
    store, stores = story.make_store(f"before {name}", "apple"), story.client.vector_stores
    return Step(
        lambda: stores.update(store, name=name),
        lambda holds: holds.stores.update({name: holds.stores.pop(f"before {name}")}),
    )


def _detach(story: Story, name: str) -> Step:
    file, files, store = story.attach(name), story.client.vector_stores.files, story.stores["one"]
    return Step(lambda: files.delete(store, file), lambda holds: holds.stores["one"].pop(name))


def _delete_file(story: Story, name: str) -> Step:
    file, files = story.attach(name), story.client.files
    return Step(lambda: files.delete(file), lambda holds: holds.drop(name))


def _delete_store(story: Story, name: str) -> Step:
    store, stores = story.make_store(name, "apple", "birch"), story.client.vector_stores
    stores.search(store, query=_QUERY)  # so that there is an index to be dropped
    return Step(lambda: stores.delete(store), lambda holds: holds.stores.pop(name))


def _search_what_changed(story: Story, name: str) -> Step:
    """Not a write to the caller, but the index is brought up to date, with something to add and something to remove."""
    stores, store = story.client.vector_stores, story.stores["one"]
    gone = story.attach(f"{name} gone")
    stores.search(store, query=_QUERY)
    story.attach(name)
    story.client.files.delete(gone)
    story.holds.drop(f"{name} gone")
    return Step(lambda: stores.search(store, query=_QUERY), lambda _: None)


#: Every kind of write by name. One whose name begins with `large` is to be given a name that does so too.
WRITES: dict[str, Write] = {
    "upload": _upload,
    "large upload": _upload,
    "create_store": _create_store,
    "create_filled_store": _create_filled_store,
    "attach": _attach,
    "large attach": _attach,
    "upload_and_attach": _upload_and_attach,
    "large upload_and_attach": _upload_and_attach,
    "batch": _batch,
    "change_attributes": _change_attributes,
    "chunk_anew": _chunk_anew,
    "replace_files": _replace_files,
    "rename_store": _rename_store,
    "detach": _detach,
    "delete_file": _delete_file,
    "large delete_file": _delete_file,
    "delete_store": _delete_store,
    "search_what_changed": _search_what_changed,
}
#: What the driver must declare for a write.
NEEDS = {
    "upload_and_attach": "upload_files",
    "large upload_and_attach": "upload_files",
    "batch": "file_batches",
    "change_attributes": "update_attributes",
    "replace_files": "replace_files",
}


_WORDS = ("harbour", "meadow", "lantern", "copper", "winter", "orchard", "violin", "glacier")


def fill(client: OAuthCodexClient, files: int, tag: str) -> None:
    """Make a store of files of which each has two of eight words, once or more often."""
    store = client.vector_stores.create(name=tag).id
    for number in range(files):
        one, two = _WORDS[number % 8], _WORDS[(number // 8 + number + 1) % 8]
        text = f"{tag} {number}: the {one} and the {two}, " + f"{one} " * (number % 5)
        file = client.files.create(file=(f"{tag} {number}", text.encode()), purpose="assistants").id
        client.vector_stores.files.create(store, file_id=file, attributes={"number": number})


def answers(client: OAuthCodexClient, capabilities: Capabilities) -> list[Any]:
    """What all stores answer to some queries: store, query, and the names, scores and texts of the hits."""
    rankings: list[dict[str, Any]] = [{}]
    if capabilities.hybrid_search:
        rankings.append({"ranking_options": VECTORS_ONLY})
    if capabilities.filters:
        rankings += [{**each, "filters": {"type": "gte", "key": "number", "value": 7}} for each in rankings]
    found = []
    for store in client.vector_stores.list(limit=100, order="asc").data:
        for query in (f"{_WORDS[2]} {_WORDS[5]}", "the"):
            for ranking in rankings:
                hits = client.vector_stores.search(store.id, query=query, max_num_results=_MOST_HITS, **ranking).data
                texts = [(hit.filename, hit.score, [part.text for part in hit.content]) for hit in hits]
                found.append((store.name, query, str(ranking), texts))
    return found
