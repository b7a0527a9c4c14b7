"""The queue: who may claim what, what a lease and a fence are worth, and what becomes of attempts that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from oauth_codex.local.catalog import jobs
from oauth_codex.local.catalog.jobs import LEASE_SECONDS, MAX_ATTEMPTS, PAUSES, Task, Worker

NAMESPACE = "tests"
_EMBEDDER = ("hashing", 512, "hashing-1:3-grams:512")
ME, OTHER = Worker("me", *_EMBEDDER), Worker("other", *_EMBEDDER)


class Jobs:
    """A store with files that are in progress, and the queue."""

    def __init__(self, room: Any, count: int = 3) -> None:
        self.room = room
        self.store = room.add_store()
        self.ids: list[int] = room.attach(self.store, room.add_files(count))

    def announce(self, who: Worker | None = None, ids: Sequence[int] | None = None) -> jobs.Claims:
        with self.room.catalog.write() as connection:
            chosen = self.ids if ids is None else ids
            return jobs.announce(connection, NAMESPACE, self.store.id, chosen, self.room.now, who)

    def claim(self, who: Worker = ME) -> Task | None:
        with self.room.catalog.read() as connection:
            due = jobs.any_due(connection, self.room.now, who)
        with self.room.catalog.write() as connection:
            task = jobs.claim(connection, self.room.now, who)
        assert due or task is None, "what is cheap to ask must not say that nothing is due"
        return task

    def claimed(self, who: Worker = ME) -> list[int]:
        task = self.claim(who)
        return [] if task is None else [row.id for row in task.rows]

    def held(self, who: Worker, claims: jobs.Claims) -> set[int]:
        with self.room.catalog.read() as connection:
            return jobs.held(connection, who, claims)

    def put_off(self, who: Worker, claims: jobs.Claims, error: str = "broken") -> set[int]:
        with self.room.catalog.write() as connection:
            return jobs.put_off(connection, who, claims, self.room.now, error)

    def row(self, attachment_id: int) -> Any:
        return self.room.query("SELECT * FROM jobs WHERE attachment_id = ?", attachment_id)[0]


@pytest.fixture
def make(room: Any) -> Callable[..., Jobs]:
    return lambda count=3: Jobs(room, count)


def test_what_nobody_has_begun_is_claimed_once(make: Callable[..., Jobs]) -> None:
    queue = make()
    assert queue.announce() == {}
    assert queue.claimed(ME) == queue.ids
    assert queue.claimed(OTHER) == []


def test_what_was_begun_at_once_is_not_to_be_had(make: Callable[..., Jobs]) -> None:
    queue = make()
    assert queue.announce(ME) == dict.fromkeys(queue.ids, 1)
    assert queue.claimed(OTHER) == []


def test_working_on_one_file_does_not_keep_the_lease_of_another(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(2)
    working, abandoned = queue.ids
    queue.announce(ME)
    room.time.now += LEASE_SECONDS
    with room.catalog.write() as connection:
        jobs.renew(connection, ME, {working: 1}, room.now)
    assert queue.claimed(OTHER) == [abandoned]


def test_a_claim_is_worth_nothing_after_somebody_else_has_claimed(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(1)
    queue.announce()
    first = queue.claim(ME)
    assert first is not None
    room.time.now += LEASE_SECONDS - 1
    assert queue.claim(OTHER) is None
    room.time.now += 1
    second = queue.claim(OTHER)
    assert second is not None
    assert (queue.held(ME, first.claims), queue.held(OTHER, second.claims)) == (set(), set(queue.ids))
    with room.catalog.write() as connection:
        jobs.renew(connection, ME, first.claims, room.now + 1000)
        jobs.release(connection, ME, first.claims, attempted=True)
    assert queue.put_off(ME, first.claims) == set()
    assert queue.held(OTHER, second.claims) == set(queue.ids)
    assert queue.row(queue.ids[0]).lease_until == room.now + LEASE_SECONDS


def test_the_fence_tells_two_claims_of_one_process_apart(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(1)
    queue.announce()
    first = queue.claim(ME)
    room.time.now += LEASE_SECONDS
    second = queue.claim(ME)
    assert first is not None
    assert second is not None
    assert (queue.held(ME, first.claims), queue.held(ME, second.claims)) == (set(), set(queue.ids))


def test_a_failed_attempt_is_followed_by_others_after_ever_longer_pauses(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(1)
    queue.announce()
    for attempt in range(1, MAX_ATTEMPTS):
        task = queue.claim()
        assert task is not None
        assert queue.put_off(ME, task.claims, f"broken {attempt}") == set()
        assert queue.row(queue.ids[0]).error == f"broken {attempt}"
        room.time.now += PAUSES[attempt - 1] - 1
        assert queue.claim() is None
        room.time.now += 1
    task = queue.claim()
    assert task is not None
    assert queue.put_off(ME, task.claims) == set(queue.ids)


def test_letting_go_in_an_orderly_way_is_no_attempt(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(1)
    queue.announce()
    for _ in range(2 * MAX_ATTEMPTS):
        task = queue.claim()
        assert task is not None
        assert task.rows, "it was given up"
        with room.catalog.write() as connection:
            jobs.release(connection, ME, task.claims, attempted=False)


def test_what_was_begun_too_often_is_given_up_with_what_was_noted(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(1)
    queue.announce()
    task = queue.claim()
    assert task is not None
    queue.put_off(ME, task.claims, "the reader crashed")
    room.time.now += PAUSES[-1]
    for _ in range(MAX_ATTEMPTS - 1):
        assert queue.claimed() == queue.ids
        room.time.now += LEASE_SECONDS
    task = queue.claim()
    assert task is not None
    assert ([*task.rows], [(row.id, row.error) for row in task.given_up]) == (
        [],
        [(queue.ids[0], "the reader crashed")],
    )


def test_the_last_attempt_of_a_file_is_made_alone(room: Any, make: Callable[..., Jobs]) -> None:
    """What kills every process that touches it does not take its neighbours along."""
    queue = make(3)
    queue.announce()
    for _ in range(MAX_ATTEMPTS - 1):
        assert queue.claimed() == queue.ids
        room.time.now += LEASE_SECONDS
    assert [queue.claimed() for _ in range(4)] == [*([each] for each in queue.ids), []]


def test_a_claim_takes_the_oldest_files_of_one_store_and_only_so_many(room: Any, make: Callable[..., Jobs]) -> None:
    one, other = make(jobs.MOST_FILES + 2), make(1)
    one.announce(ids=one.ids[:1])
    other.announce()
    one.announce(ids=one.ids[1:])
    first = one.claim()
    assert first is not None
    assert ([row.id for row in first.rows], first.full) == (one.ids[: jobs.MOST_FILES], True)
    assert one.claimed() == other.ids
    assert one.claimed() == one.ids[jobs.MOST_FILES :]


def test_a_claim_takes_only_so_many_bytes_but_at_least_one_file(room: Any, make: Callable[..., Jobs]) -> None:
    queue = make(3)
    with room.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE files SET bytes = ?", (jobs.MOST_BYTES // 2 + 1,))
        connection.exec_driver_sql("UPDATE files SET bytes = ? WHERE id = 1", (jobs.MOST_BYTES * 3,))
    queue.announce()
    assert [queue.claimed() for _ in range(4)] == [*([each] for each in queue.ids), []]


def test_stores_of_another_embedder_are_left_to_others(make: Callable[..., Jobs], room: Any) -> None:
    queue = make()
    queue.announce()
    stranger = Worker("me", "hashing", 512, "another")
    assert queue.claim(stranger) is None
    task = queue.claim(ME)
    assert task is not None
    assert queue.held(ME._replace(embedder_fingerprint="another"), task.claims) == set()
    with room.catalog.read() as connection:
        assert (jobs.left(connection, ME), jobs.left(connection, stranger)) == ((3, 0), (0, 3))


@pytest.mark.parametrize("back", [10, LEASE_SECONDS + 1, 10**6])
def test_a_clock_that_is_set_back_neither_hangs_nor_takes_work_away(
    room: Any, make: Callable[..., Jobs], back: int
) -> None:
    queue = make(2)
    queue.announce()
    task = queue.claim(ME)
    assert task is not None
    with room.catalog.write() as connection:
        jobs.put_off(connection, ME, {queue.ids[1]: 1}, room.now, "broken")
    room.time.now -= back
    # The lease of the one counts from now on, so that a holder that lives has the time to renew it.
    assert queue.claimed(OTHER) == []
    assert queue.held(ME, task.claims) == {queue.ids[0]}
    room.time.now += min(back, LEASE_SECONDS) - 1
    assert queue.ids[0] not in queue.claimed(OTHER)
    room.time.now += LEASE_SECONDS
    waited = [*queue.claimed(OTHER), *queue.claimed(OTHER)]
    assert queue.ids[0] in waited, "it hangs"
    assert queue.room.query("SELECT count(*) FROM jobs WHERE owner = 'other'")[0][0] == 2


def test_looking_for_work_and_claiming_it_do_not_read_the_whole_queue(room: Any) -> None:

    for statement in jobs._SET_BACK:
        assert any("jobs_by_lease" in step for step in room.plan(statement)), room.plan(statement)
