"""Many threads on one client, and several processes on one directory: no error, no lost update, what was acknowledged is there once.

`LONG_TEST_SECONDS` says how long each of them works; 4 by default.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from oauth_codex import NotFoundError, OAuthCodexClient

SECONDS = float(os.environ.get("LONG_TEST_SECONDS", "4"))
WORKLOAD = Path(__file__).parent / "workload.py"
BACKGROUND = Path(__file__).parent / "background.py"
pytestmark = pytest.mark.usefixtures("clean_environment")  # of which the variable above would be taken for a setting


@pytest.fixture(scope="module")
def workload() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workload", WORKLOAD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _begin(client: OAuthCodexClient) -> tuple[str, str]:
    shared = client.files.create(file=("shared.txt", b"everybody attaches this one"), purpose="assistants").id
    return client.vector_stores.create(name="shared").id, shared


def _check(client: OAuthCodexClient, store: str, shared: str, results: list[dict[str, Any]]) -> None:
    """Everything that was acknowledged is there, once, and nothing else is."""
    live = {file: state for result in results for file, state in result["live"].items()}
    assert len(live) == sum(len(result["live"]) for result in results)
    assert sorted(file.id for file in client.files.list()) == sorted([*live, shared])
    members = {file.id: file.attributes for file in client.vector_stores.files.list(store, limit=100)}
    members.pop(shared, None)
    assert members == {file: attributes for file, (_, attributes) in live.items() if attributes is not None}
    seen = client.vector_stores.retrieve(store)
    assert seen.file_counts.completed == seen.file_counts.total
    assert seen.file_counts.total - len(members) in (0, 1)
    assert [found.id for found in client.vector_stores.list()] == [store]
    for file, (word, attributes) in live.items():
        hits = client.vector_stores.search(store, query=word, max_num_results=2).data
        assert [hit.file_id for hit in hits if word in hit.text] == ([] if attributes is None else [file]), word
    for word in [word for result in results for word in result["gone"]][:200]:
        assert not any(
            word in hit.text for hit in client.vector_stores.search(store, query=word, max_num_results=2).data
        )


def _no_content_left_over(client: OAuthCodexClient, directory: Path) -> None:
    assert [path.name for path in (directory / "blobs").iterdir()] == []


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_forty_threads_on_one_client(
    driver: str, tmp_path: Path, workload: ModuleType, audit: Callable[[Any], None]
) -> None:
    with OAuthCodexClient(backend=driver, storage_dir=tmp_path) as client:
        store, shared = _begin(client)
        end = time.monotonic() + SECONDS
        stop = threading.Event()

        def work(name: int) -> dict[str, Any]:
            try:
                found: dict[str, Any] = workload.Worker(client, store, shared, f"t{name}").run(
                    lambda: stop.is_set() or time.monotonic() > end
                )
                return found
            except BaseException:
                stop.set()
                raise

        with ThreadPoolExecutor(40) as pool:
            futures = [pool.submit(work, name) for name in range(40)]
            results = [future.result() for future in futures]
        _check(client, store, shared, results)
        audit(client)
        if driver == "sqlite":
            _no_content_left_over(client, tmp_path)


def test_four_processes_on_one_directory(tmp_path: Path, audit: Callable[[Any], None]) -> None:
    storage = tmp_path / "storage"
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        store, shared = _begin(client)
        command = [sys.executable, "-W", "error", str(WORKLOAD), str(storage), store, shared]
        workers = [
            subprocess.Popen(
                [*command, f"p{name}", str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for name in range(4)
        ]
        ends = [worker.communicate(timeout=SECONDS + 120) for worker in workers]
        assert [(worker.returncode, error[-2000:]) for worker, (_, error) in zip(workers, ends, strict=True)] == [
            (0, "")
        ] * 4
        # This client has looked at nothing while they worked; it must see all of it.
        _check(client, store, shared, [json.loads(said) for said, _ in ends])
        audit(client)
        _no_content_left_over(client, storage)
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        _check(client, store, shared, [json.loads(said) for said, _ in ends])


@pytest.mark.parametrize("clock", ["steady", "jumps"])
def test_four_processes_that_work_in_the_background_do_every_file_once(
    clock: str, tmp_path: Path, audit: Callable[[Any], None], record_property: Callable[[str, object], None]
) -> None:
    """Ten threads and two workers in each; where clocks jump, processes take work from each other that goes on."""
    storage = tmp_path / "storage"
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        store = client.vector_stores.create().id
        shared = [client.files.create(file=(f"{i}.txt", b"shared %d" % i), purpose="assistants").id for i in range(40)]
        seconds = SECONDS if clock == "steady" else SECONDS / 2
        workers = [
            subprocess.Popen(
                [
                    *(sys.executable, "-W", "error", str(BACKGROUND)),
                    *(str(storage), store, f"p{name}", str(seconds), clock, *shared),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in range(4)
        ]
        ends = [worker.communicate(timeout=SECONDS + 240) for worker in workers]
        # Warnings of workers that were overtaken may be there; an error of a caller may not.
        assert [(worker.returncode, error[-2000:]) for worker, (_, error) in zip(workers, ends, strict=True)] == [
            (0, "")
        ] * 4
        results = [json.loads(said) for said, _ in ends]
        own = {file: word for result in results for file, word in result["own"].items()}
        members = {file.id: file.status for file in client.vector_stores.files.list(store, limit=100)}
        assert set(own) <= set(members) <= {*own, *shared}
        assert set(members.values()) == {"completed"}
        # Once in the catalog, and once among all that the workers say they did.
        with client.backend._engine.catalog.read() as connection:  # type: ignore[attr-defined]
            rows = connection.exec_driver_sql(
                "SELECT count(*), count(DISTINCT attachment_id), max(generation) FROM generations"
            )
            assert rows.one() == (len(members), len(members), 1)
        assert sum(result["completed"] for result in results) == len(members)
        assert sum(result["failed"] for result in results) == 0
        looked = list(own.items())[:: max(1, len(own) // 200)]
        for file, word in looked:
            hits = client.vector_stores.search(store, query=word, max_num_results=50).data
            assert {hit.file_id for hit in hits if word in hit.text} == {file}, word
        audit(client)
        by_process = [result["completed"] for result in results]
        record_property(
            "counts", {"files": len(members), "by process": by_process, "looked for": len(looked), "twice": 0}
        )


_OPENER = """
import sys
from oauth_codex import OAuthCodexClient
sys.stdin.readline()
with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    print(client.vector_stores.create().id)
"""


def test_processes_that_make_one_storage_at_the_same_time(tmp_path: Path) -> None:
    storage = tmp_path / "new" / "storage"
    openers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _OPENER, str(storage)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    for opener in openers:  # all are started; now all open
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ends = [opener.communicate(timeout=60) for opener in openers]
    assert [error for _, error in ends] == [""] * 6
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        assert {store.id for store in client.vector_stores.list()} == {said.strip() for said, _ in ends}


def _together(calls: list[Callable[[], Any]]) -> list[Any]:
    """What calls give that begin at the same moment; an exception is a result too."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_attaching_one_file_at_the_same_time_in_the_background_attaches_it_once(
    driver: str, open_client: Callable[..., Any], tmp_path: Path, audit: Callable[[Any], None]
) -> None:
    opened = open_client(driver, tmp_path, ingest="background")
    client = opened.client
    file = client.files.create(file=b"zanzibar", purpose="assistants").id
    twin = client.files.create(file=b"zanzibar", purpose="assistants").id
    store = client.vector_stores.create().id
    files, batches = client.vector_stores.files, client.vector_stores.file_batches
    made = _together(
        [
            *([lambda: files.create(store, file_id=file)] * 6),
            *([lambda: batches.create(store, file_ids=[file])] * 2),
            lambda: files.create(store, file_id=twin),
        ]
    )
    assert not [each for each in made if isinstance(each, Exception)], made
    batches.create_and_poll(store, file_ids=[file, twin])
    counts = client.vector_stores.retrieve(store).file_counts
    assert (counts.completed, counts.total) == (2, 2)
    # Two files with one content stay two, and deleting one takes nothing from the other.
    client.files.delete(file)
    hits = client.vector_stores.search(store, query="zanzibar").data
    assert [hit.file_id for hit in hits] == [twin]
    assert client.files.content(twin).read() == b"zanzibar"
    opened.backend.background.close()
    assert opened.backend.background.completed == 2
    audit(client)


@pytest.mark.parametrize("size", [20, 1_300_000], ids=["small", "large"])
def test_attaching_one_file_at_the_same_time_attaches_it_once(
    client: OAuthCodexClient, audit: Callable[[Any], None], size: int
) -> None:
    file = client.files.create(file=b"zanzibar " * (size // 9), purpose="assistants").id
    store = client.vector_stores.create().id
    attach = client.vector_stores.files.create
    windows = [
        {"type": "auto"},
        {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}},
    ]
    made = _together([lambda i=i: attach(store, file_id=file, chunking_strategy=windows[i % 2]) for i in range(8)])
    assert {each.id for each in made} == {file}, made
    counts = client.vector_stores.files.poll(store, file), client.vector_stores.retrieve(store).file_counts
    assert (counts[0].status, counts[1].completed, counts[1].total) == ("completed", 1, 1)
    audit(client)


def test_deleting_while_attaching_ends_in_one_of_the_two_orders(
    client: OAuthCodexClient, audit: Callable[[Any], None]
) -> None:
    for round_ in range(6):
        store = client.vector_stores.create().id
        files = [client.files.create(file=b"zanzibar %d %d" % (round_, i), purpose="assistants").id for i in range(3)]
        large = client.files.create(file=b"zanzibar " * 130_000, purpose="assistants").id
        results = _together(
            [
                lambda s=store, f=files: client.vector_stores.file_batches.create(s, file_ids=f),
                lambda f=files: client.files.delete(f[0]),
                lambda s=store, f=files: client.vector_stores.files.create(s, file_id=f[1]),
                lambda s=store, f=large: client.vector_stores.files.create(s, file_id=f),
                lambda f=large: client.files.delete(f),
                lambda s=store: client.vector_stores.search(s, query="zanzibar"),
                *([lambda s=store: client.vector_stores.delete(s)] if round_ % 2 else []),
            ]
        )
        failures = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(failure, NotFoundError) for failure in failures), failures
        audit(client)


def test_reading_large_content_while_it_is_deleted_gives_all_of_it_or_not_found(client: OAuthCodexClient) -> None:
    content = b"zanzibar and its rivers\n" * 60_000
    store = client.vector_stores.create().id
    current = [client.vector_stores.files.upload(store, file=content).id]
    done = threading.Event()
    wrong: list[object] = []

    def read() -> int:
        times = 0
        while not done.is_set():
            for call, right in (
                (lambda file: client.files.content(file).read() == content, True),
                (
                    lambda file: (
                        {"zanzibar" in hit.text for hit in client.vector_stores.search(store, query="zanzibar").data}
                        <= {True}
                    ),
                    True,
                ),
                (lambda file: len(client.vector_stores.files.content(store, file)) == len(content), True),
            ):
                try:
                    if call(current[0]) is not right:
                        wrong.append(f"half: {call}")
                except NotFoundError:
                    pass
                except Exception as error:
                    wrong.append(error)
                times += 1
        return times

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for _ in range(4):
            gone = current[0]
            client.files.delete(gone)
            current[0] = client.vector_stores.files.upload(store, file=content).id
        done.set()
        assert all(reader.result() > 0 for reader in readers)
    assert wrong == []


def test_closing_while_others_work_is_an_error_of_theirs_and_loses_nothing(tmp_path: Path) -> None:
    client = OAuthCodexClient(backend="sqlite", storage_dir=tmp_path)
    store = client.vector_stores.create().id
    acknowledged: list[str] = []
    started = threading.Barrier(5)

    def work() -> BaseException:
        started.wait()
        try:
            while True:
                acknowledged.append(client.vector_stores.files.upload(store, file=b"zanzibar").id)
                client.vector_stores.search(store, query="zanzibar")
        except Exception as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work) for _ in range(4)]
        started.wait()
        while len(acknowledged) < 8:
            time.sleep(0.005)
        client.close()
        ends = {type(future.result()).__name__ for future in futures}
    assert ends == {"ClientClosedError"}
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as again:
        assert set(acknowledged) <= {file.id for file in again.vector_stores.files.list(store, limit=100)}
