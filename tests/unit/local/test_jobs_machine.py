"""Any sequence of announcing, claiming, working, dying and cancelling, by several workers on a clock that also jumps back.

Whatever happens: an attachment is settled once, by whoever holds it; counters add up at every instant; a file that was completed is
found until it leaves, however often it is attached anew; and work that is left alone for long enough is always finished by a worker
that lives.
"""

from __future__ import annotations

import logging
from typing import Any

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
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local import Catalog
from oauth_codex.local.catalog import attachments, batches, jobs, replacing
from oauth_codex.local.catalog.jobs import Task
from oauth_codex.local.ingest.prepare import Preparer, Refused
from oauth_codex.local.ingest.publishing import Work
from oauth_codex.local.ingest.queue import Queue
from oauth_codex.types.vector_stores import StaticChunking

NAMESPACE = "tests"
EMBEDDER = HashingEmbedder()
PREPARED = Preparer(EMBEDDER, {}, None).prepare(
    b"zanzibar", "a.txt", StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=0)
)
REFUSED = Refused("invalid_file", "unreadable")
WORKERS = 3
numbers = st.integers(0, WORKERS - 1)


class QueueMachine(RuleBasedStateMachine):
    """Workers are numbers; each holds at most one task, which it may forget, as a process does that dies."""

    room_type: Any

    @initialize()
    def begin(self) -> None:
        self.room = self.room_type(Catalog.open_memory())
        self.store = self.room.add_store()
        self.queues = [
            Queue(self.room.catalog, self.room.time, EMBEDDER, logging.getLogger("tests"), beat_seconds=3600)
            for _ in range(WORKERS)
        ]
        self.tasks: dict[int, Task] = {}
        self.forgotten: list[tuple[int, Task]] = []
        self.batches: list[Any] = []
        self.settled: set[int] = set()
        self.files: dict[int, Any] = {}
        self.found: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "room"):
            self.leave_alone()
            self.room.catalog.close()

    @rule(count=st.integers(1, 4), mine=st.booleans(), number=numbers)
    def announce(self, count: int, mine: bool, number: int) -> None:
        files = self.room.add_files(count)
        self.files.update({file.id: file for file in files})
        ids = self.room.attach(self.store, files)
        self.announced(number, ids, mine)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), size=st.sampled_from([100, 200]), mine=st.booleans(), number=numbers)
    def attach_anew(self, data: Any, size: int, mine: bool, number: int) -> None:
        files = data.draw(st.lists(st.sampled_from(sorted(self.files)), min_size=1, max_size=3, unique=True))
        window = StaticChunking(max_chunk_size_tokens=size, chunk_overlap_tokens=0)
        with self.room.catalog.write() as connection:
            entries = [(self.files[file], window, None) for file in files]
            admitted = replacing.admit(connection, NAMESPACE, self.store, entries, self.room.now)
        if admitted.pending:
            self.announced(number, admitted.pending, mine)

    def announced(self, number: int, ids: list[int], mine: bool) -> None:
        self.batches.append(self.room.add_batch(self.store, ids))
        with self.room.catalog.write() as connection:
            claims = self.queues[number].announce(connection, NAMESPACE, self.store.id, ids, mine=mine)
        if mine:  # and the process dies before it has begun
            self.forgotten.append((number, Task(NAMESPACE, self.store.id, self.rows(ids), claims, (), False)))

    def rows(self, ids: list[int]) -> Any:
        return self.queues[0].announced(NAMESPACE, self.store.id, dict.fromkeys(ids, 0)).rows

    @rule(number=numbers)
    def claim(self, number: int) -> None:
        if (task := self.queues[number].take()) is not None:
            if number in self.tasks:
                self.forgotten.append((number, self.tasks[number]))
            self.tasks[number] = task

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), refused=st.booleans())
    def publish(self, data: Any, refused: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.tasks)))
        self.write(number, self.tasks.pop(number), refused)

    @precondition(lambda self: self.forgotten)
    @rule(data=st.data(), refused=st.booleans())
    def publish_late(self, data: Any, refused: bool) -> None:
        """A worker that everybody took for dead wakes up and goes on."""
        number, task = self.forgotten.pop(data.draw(st.integers(0, len(self.forgotten) - 1)))
        self.write(number, task, refused)

    def write(self, number: int, task: Task, refused: bool) -> None:
        now = dict(map(tuple, self.room.query("SELECT attachment_id, fence FROM jobs")))
        right = {each for each, fence in task.claims.items() if now.get(each) == fence}
        holder = dict(map(tuple, self.room.query("SELECT attachment_id, owner FROM jobs")))
        right = {each for each in right if holder[each] == self.queues[number].who.owner}
        work = [(Work(row.id, row.generation, row.blob_id), REFUSED if refused else PREPARED) for row in task.rows]
        assert self.queues[number].publish(task, work) == right
        assert not right & self.settled, "a file was settled twice"
        self.settled |= right
        if not refused:
            self.found |= {row[0] for each in right for row in self.room.query(_FILE, each)}

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), how=st.sampled_from(["put_off", "release", "die", "beat"]))
    def end_otherwise(self, data: Any, how: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.tasks)))
        task, queue = self.tasks[number], self.queues[number]
        if how == "beat":
            with queue.holding(task.claims):
                assert queue.beat()
            return
        del self.tasks[number]
        if how == "put_off":
            queue.put_off(task, list(task.claims), "broken")
        elif how == "release":
            queue.release(task.claims, attempted=False)
        else:
            self.forgotten.append((number, task))

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        batch = data.draw(st.sampled_from(self.batches))
        with self.room.catalog.write() as connection:
            batches.cancel(connection, NAMESPACE, batch)
        with self.room.catalog.read() as connection:
            assert batches.require(connection, NAMESPACE, self.store, batch.public_id).in_progress == 0

    @rule(data=st.data())
    def detach(self, data: Any) -> None:
        present = [row[0] for row in self.room.query("SELECT id FROM attachments")]
        if present:
            gone = data.draw(st.sampled_from(present))
            (file,) = self.room.query(_FILE, gone)[0]
            self.found.discard(file)
            del self.files[file]
            with self.room.catalog.write() as connection:
                attachments.detach(connection, NAMESPACE, self.store.id, [gone], self.room.now)

    @rule(seconds=st.sampled_from([1, 2, 8, 30, 59, 60, 61, 600, -5, -60, -(10**5)]))
    def time_passes(self, seconds: int) -> None:
        self.room.time.now += seconds

    @invariant()
    def counters_add_up(self) -> None:
        if not hasattr(self, "room"):
            return
        for batch in self.room.query("SELECT * FROM batches"):
            counted = dict(
                map(
                    tuple,
                    self.room.query("SELECT status, count(*) FROM batch_files WHERE batch_id = ? GROUP BY 1", batch.id),
                )
            )
            assert {name: getattr(batch, name) for name in counted} == counted
            assert sum(counted.values()) == sum(
                getattr(batch, name) for name in ("in_progress", "completed", "failed", "cancelled")
            )
        assert self.room.query("SELECT count(*) FROM attachments WHERE status = 'in_progress'") == self.room.query(
            "SELECT count(*) FROM jobs"
        )
        assert self.room.query("SELECT count(*) FROM jobs WHERE attempts > ?", jobs.MAX_ATTEMPTS) == [(0,)]

    @invariant()
    def what_was_completed_is_found(self) -> None:
        if not hasattr(self, "room"):
            return
        assert sorted(row[0] for row in self.room.query(_FOUND)) == sorted(self.found)
        assert self.room.query("SELECT count(*) FROM generations WHERE removed IS NULL") == [(len(self.found),)]
        assert self.room.query("SELECT count(*) FROM chunks") == [(len(self.found),)]
        assert self.room.store(self.store).usage_bytes == len(b"zanzibar") * len(self.found)

    def leave_alone(self) -> None:
        """Every process is dead, and one comes that works; nothing hangs, whatever the clock has done."""
        survivor = self.queues[0]
        for _ in range(50 * WORKERS):
            task = survivor.take()
            if task is None:
                if survivor.left() == (0, 0):
                    break
                self.room.time.now += jobs.LEASE_SECONDS
                continue
            survivor.publish(task, [(Work(row.id, row.generation, row.blob_id), PREPARED) for row in task.rows])
        assert survivor.left() == (0, 0)
        self.counters_add_up()


_FILE = "SELECT file_id FROM attachments WHERE id = ?"
#: Files of which one version can be found, as a whole.
_FOUND = """
    SELECT a.file_id FROM generations AS g
    JOIN attachments AS a ON a.id = g.attachment_id AND a.generation = g.generation AND a.text_blob_id IS NOT NULL
    JOIN chunks AS c ON c.id = g.first_chunk AND c.attachment_id = a.id
    WHERE g.removed IS NULL
"""


def test_any_sequence(room: Any) -> None:
    kind = type("Machine", (QueueMachine,), {"room_type": type(room)})
    examples = settings(
        max_examples=40,
        stateful_step_count=40,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=examples)
