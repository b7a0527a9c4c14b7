"""Any program, and any damage: what is found is mended or told as lost, and the answers are those of the model."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from oauth_codex import StorageError
from oauth_codex.local import matrix
from oauth_codex.local.search import view

_WORDS = ("harbour", "meadow", "lantern", "copper", "winter", "orchard")
#: Statements on a row that is picked by a number; none of them takes anything away that cannot be made again.
_HARMLESS = (
    "UPDATE stores SET completed = completed + 3, usage_bytes = 1 WHERE id = {stores}",
    "UPDATE batches SET in_progress = in_progress + 1 WHERE id = {batches}",
    "UPDATE batch_files SET status = 'in_progress' WHERE attachment_id = {attachments}",
    "UPDATE attachments SET status = 'in_progress' WHERE id = {attachments}",
    "UPDATE attachments SET generation = generation + 1 WHERE id = {attachments}",
    "UPDATE stores SET revision = 0 WHERE id = {stores}",
    # Where no chunk is left, any number will do.
    "UPDATE meta SET value = '1' WHERE key = 'next_chunk' AND EXISTS (SELECT 1 FROM chunks)",
    "UPDATE generations SET vectors = substr(vectors, 3) WHERE id = {generations}",
    "UPDATE segments SET live_count = 9 WHERE id = {segments}",
    "UPDATE segments SET data = x'00' WHERE id = {segments}",
    "UPDATE files SET bytes = 0 WHERE id = {files}",
    "DELETE FROM attributes WHERE attachment_id = {attachments}",
    "DELETE FROM chunks WHERE id = {chunks}",
    "DELETE FROM generations WHERE id = {generations}",
    "DELETE FROM segments WHERE id = {segments}",
    "INSERT INTO blobs (namespace, digest, size, data) VALUES ('default', '{number}', 1, x'00')",
    "INSERT INTO chunks SELECT id + 1000, namespace, 999, ordinal, 0, 0, 0, 0, 0, 0, 0 FROM chunks WHERE id = {chunks}",
)


class Maintained(RuleBasedStateMachine):
    """A storage of a few stores and files, with a model of what it holds."""

    support: Any

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.directory = Path(self.folder.name) / "storage"
        self.opened = self.support.OpenClient("sqlite", self.directory, self.support.Clock(), self.support.Ids())
        self.client = self.opened.client
        #: Word of each file, and the files of each store with their attributes; None for a file whose content is lost.
        self.files: dict[str, str | None] = {}
        self.stores: dict[str, dict[str, dict[str, Any]]] = {}

    def teardown(self) -> None:
        self.opened.close()
        self.folder.cleanup()

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.directory / "catalog.sqlite3", isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    # -- what users do -------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.make_store()
        for number, word in enumerate(_WORDS[:3]):
            self.upload(word, large=number == 2)
            self.attach(number * 3, batch=number > 0)

    @rule(word=st.sampled_from(_WORDS), large=st.booleans())
    def upload(self, word: str, large: bool) -> None:
        text = f"the {word} and a number {len(self.files)}\n".encode() + (b"-" * 15 + b"\n") * 70_000 * large
        file = self.client.files.create(file=(f"{word}.txt", text), purpose="assistants").id
        self.files[file] = word

    @rule()
    def make_store(self) -> None:
        self.stores[self.client.vector_stores.create(name="s").id] = {}

    def _some(self, among: Any, number: int) -> Any:
        found = sorted(among)
        return found[number % len(found)] if found else None

    @precondition(lambda self: self.stores and any(self.files.values()))
    @rule(number=st.integers(0, 99), batch=st.booleans())
    def attach(self, number: int, batch: bool) -> None:
        store = self._some(self.stores, number)
        file = self._some([file for file, word in self.files.items() if word], number // 3)
        resource = self.client.vector_stores
        if batch:
            resource.file_batches.create(store, file_ids=[file], attributes={"n": number})
        else:
            resource.files.create(store, file_id=file, attributes={"n": number})
        self.stores[store][file] = {"n": number}

    @precondition(lambda self: self.files)
    @rule(number=st.integers(0, 99))
    def delete_file(self, number: int) -> None:
        file = self._some(self.files, number)
        self.client.files.delete(file)
        del self.files[file]
        for members in self.stores.values():
            members.pop(file, None)

    @precondition(lambda self: self.stores)
    @rule(number=st.integers(0, 99))
    def delete_store(self, number: int) -> None:
        store = self._some(self.stores, number)
        self.client.vector_stores.delete(store)
        del self.stores[store]

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    @rule(damage=st.sampled_from(_HARMLESS), number=st.integers(0, 99))
    def damage_row(self, damage: str, number: int) -> None:
        picked = {"number": number}
        for table in ("stores", "batches", "attachments", "generations", "segments", "files", "chunks"):
            living = " WHERE removed IS NULL" if table == "generations" else ""
            ids = [row for (row,) in self.sql(f"SELECT id FROM {table}{living} ORDER BY id")]
            picked[table] = ids[number % len(ids)] if ids else -1
        before = self.sql(_EVERYTHING)
        self.sql(damage.format(**picked))
        self._mend(changed=self.sql(_EVERYTHING) != before)

    @precondition(lambda self: any(self.files.values()))
    @rule(number=st.integers(0, 99), gone=st.booleans())
    def damage_content(self, number: int, gone: bool) -> None:
        file = self._some([file for file, word in self.files.items() if word], number)
        ((blob, digest, inline),) = self.sql(
            "SELECT b.id, b.digest, b.data IS NOT NULL FROM files f JOIN blobs b ON b.id = f.blob_id WHERE public_id = :id",
            id=file,
        )
        path = self.directory / "blobs" / digest
        if inline:
            self.sql("DELETE FROM blobs WHERE id = :blob" if gone else _OTHER, blob=blob)
        elif gone:
            path.unlink()
        else:
            path.write_bytes(b"+" * path.stat().st_size)
        self.files[file] = None
        self._mend(changed=True)

    @rule(number=st.integers(0, 99), what=st.sampled_from(["stray", "cache", "index"]))
    def damage_beside(self, number: int, what: str) -> None:
        if what == "stray":
            (self.directory / "blobs").mkdir(exist_ok=True)
            (self.directory / "blobs" / f"{number:064x}").write_bytes(b"stray")
            self._mend(changed=True)
            return
        folder = self.directory / "cache"
        found = sorted(path for path in folder.rglob("*.npy") if path.stat().st_size) if folder.exists() else []
        if what == "cache" and found:
            path = found[number % len(found)]
            path.write_bytes(path.read_bytes()[:-1])
            self._mend(changed=True)
        elif what == "index":
            views = list(self.client.backend._engine.search._views.values())
            index = views[number % len(views)].vectors._index if views else None
            keys = list(index.keys())[:1] if index is not None else []
            if keys:
                index.delete(matrix.np.array(keys))
            self._mend(changed=bool(keys))

    @rule()
    def collect(self) -> None:
        self.client.maintenance.gc()

    def _mend(self, changed: bool) -> None:
        found = self.client.maintenance.verify()
        lost = {file for file, word in self.files.items() if word is None}
        assert found.ok == (not changed and not lost), (changed, lost, found.findings)
        repaired = self.client.maintenance.repair()
        assert repaired.ok == (not lost), repaired.lost
        left = self.client.maintenance.verify()
        assert set(left.found) <= {"lost_content"}, left.findings
        assert left.found.get("lost_content", 0) == len(lost)
        for file in lost:
            for members in self.stores.values():
                members.pop(file, None)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def answers(self) -> None:
        assert {file.id for file in self.client.files.list()} == set(self.files)
        for file, word in self.files.items():
            if word is None:
                with pytest.raises(StorageError):
                    self.client.files.content(file).read()
            else:
                assert word.encode() in self.client.files.content(file).read()[:60]
        assert {store.id for store in self.client.vector_stores.list()} == set(self.stores)
        for store, members in self.stores.items():
            listed = {file.id: file for file in self.client.vector_stores.files.list(store)}
            done = {file: each.attributes for file, each in listed.items() if each.status == "completed"}
            assert done == members
            assert all(self.files[file] is None for file in listed.keys() - members.keys())
            seen = self.client.vector_stores.retrieve(store).file_counts
            assert (seen.completed, seen.in_progress, seen.total) == (len(members), 0, len(listed))
            for word in _WORDS[:2]:
                hits = self.client.vector_stores.search(store, query=word, max_num_results=50).data
                expected = {file for file in members if self.files[file] == word}
                assert {hit.file_id for hit in hits if word in hit.text} == expected


_OTHER = "UPDATE blobs SET data = CAST(replace(data, 'the', 'tHe') AS BLOB) WHERE id = :blob"
_EVERYTHING = " UNION ALL ".join(
    f"SELECT '{table}', group_concat(quote(row), '') FROM (SELECT {columns} AS row FROM {table})"
    for table, columns in {
        "stores": "printf('%s %s %s %s', id, completed, usage_bytes, revision)",
        "batches": "printf('%s %s', id, in_progress)",
        "batch_files": "printf('%s %s', attachment_id, status)",
        "attachments": "printf('%s %s %s', id, status, generation)",
        "meta": "printf('%s %s', key, value)",
        "generations": "printf('%s %s', id, length(vectors))",
        "segments": "printf('%s %s %s', id, live_count, length(data))",
        "files": "printf('%s %s', id, bytes)",
        "attributes": "printf('%s %s', attachment_id, key)",
        "chunks": "id",
        "blobs": "id",
    }.items()
)


def test_any_damage_is_mended_or_told(support: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (matrix, view):
        monkeypatch.setattr(module, "_SAVE_FROM", 1)
    kind = type("SupportedMaintained", (Maintained,), {"support": support})
    examples = settings(
        max_examples=12,
        stateful_step_count=12,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
