"""`reembed`: a store gets the vectors of another embedder, and answers all the time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import (
    ConfigurationError,
    EmbedderMismatchError,
    NotFoundError,
    NotSupportedError,
    OAuthCodexClient,
    StorageError,
)
from oauth_codex.local.maintenance import reembedding
from oauth_codex.testing.story import VECTORS_ONLY

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from letters import Letters  # noqa: E402

FRUIT = ("apple", "birne", "cherry", "damson", "elderberry", "fig", "grape")


@pytest.fixture(params=["sqlite", "faiss"])
def driver(request: pytest.FixtureRequest) -> str:
    if request.param == "faiss":
        pytest.importorskip("oauth_codex_faiss")
    return str(request.param)


@pytest.fixture
def storage(tmp_path: Path, driver: str) -> Path:
    with OAuthCodexClient(driver, storage_dir=tmp_path / "storage") as client:
        store = client.vector_stores.create(name="fruit").id
        for name in FRUIT:
            upload(client, store, name)
    return tmp_path / "storage"


def upload(client: OAuthCodexClient, store: str, name: str) -> None:
    client.vector_stores.files.upload(store, file=(name, f"{name} is a fruit".encode()), attributes={"first": name[0]})


def the_store(client: OAuthCodexClient) -> str:
    return client.vector_stores.list().data[0].id


def answers(client: OAuthCodexClient, *, vectors: bool = False) -> list[tuple[str, float]]:
    options: dict[str, Any] = {"ranking_options": VECTORS_ONLY} if vectors else {}
    hits = client.vector_stores.search(the_store(client), query="damson", max_num_results=50, **options)
    return [(hit.filename, hit.score) for hit in hits]


def fresh(driver: str, embedder: Any, *names: str) -> list[tuple[str, float]]:
    """What a store answers that was made with this embedder at once."""
    with OAuthCodexClient("memory", embedder=embedder) as client:
        store = client.vector_stores.create().id
        for name in names:
            upload(client, store, name)
        return answers(client, vectors=True)


def test_everything_is_as_if_made_with_the_other_embedder(
    storage: Path, driver: str, audit: Callable[[Any], None]
) -> None:
    letters = Letters()
    told: list[tuple[int, int]] = []
    with OAuthCodexClient(driver, storage_dir=storage) as client:
        store = the_store(client)
        assert answers(client)[0][0] == "damson"
        before = client.vector_stores.files.list(store).data
        report = client.maintenance.reembed(store, letters, on_progress=lambda d, t, _: told.append((d, t)))
        assert (report.files, report.chunks, report.embedded) == (7, 7, 7)
        assert (report.before.name, report.after.name, report.searchable_here) == ("hashing", "letters", False)
        assert told[-1] == (7, 7)
        assert client.vector_stores.files.list(store).data == before
        with pytest.raises(EmbedderMismatchError, match="reembed"):
            answers(client)
        with pytest.raises(EmbedderMismatchError):
            upload(client, store, "honey")
        audit(client)
        assert client.maintenance.verify().ok
        assert client.maintenance.reembed(store, letters).embedded == 0
    with OAuthCodexClient(driver, storage_dir=storage, embedder=letters) as client:
        assert answers(client, vectors=True) == fresh(driver, Letters(), *FRUIT)
        upload(client, store, "honey")
        assert answers(client, vectors=True) == fresh(driver, Letters(), *FRUIT, "honey")
        assert client.maintenance.reembed(store, "hashing").embedded == 8
    with OAuthCodexClient(driver, storage_dir=storage) as client:
        assert answers(client, vectors=True) == fresh(driver, "hashing", *FRUIT, "honey")
        audit(client)


def test_the_old_vectors_answer_meanwhile_and_what_comes_meanwhile_is_not_lost(
    storage: Path, driver: str, monkeypatch: pytest.MonkeyPatch, audit: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(reembedding, "_FILES", 2)
    client = OAuthCodexClient(driver, storage_dir=storage)
    store = the_store(client)
    expected = answers(client)
    calls = 0

    def meanwhile(_: Sequence[str]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            assert answers(client) == expected
        elif calls == 2:
            upload(client, store, "honey")
            (gone,) = [each.id for each in client.files.list() if each.filename == "apple"]
            client.files.delete(gone)
        elif calls == 3:
            assert [hit.filename for hit in client.vector_stores.search(store, query="honey")] == ["honey"]

    with client:
        client.maintenance.reembed(store, Letters(before=meanwhile))
        assert calls == 4
        audit(client)
        with client.backend._engine.catalog.read() as connection:  # type: ignore[attr-defined]
            assert connection.exec_driver_sql("SELECT count(*) FROM reembedded").scalar_one() == 0
    with OAuthCodexClient(driver, storage_dir=storage, embedder=Letters()) as client:
        assert answers(client, vectors=True) == fresh(driver, Letters(), *FRUIT[1:], "honey")


def test_what_comes_at_the_last_moment_is_not_lost(
    storage: Path, driver: str, monkeypatch: pytest.MonkeyPatch, audit: Callable[[Any], None]
) -> None:
    """After the last vectors were made, and before the transaction that exchanges them."""
    real = reembedding.Reembedding._switched
    answered: list[bool] = []
    with OAuthCodexClient(driver, storage_dir=storage) as client:

        def late(run: reembedding.Reembedding) -> bool:
            if not answered:
                upload(client, the_store(client), "honey")
            answered.append(real(run))
            return answered[-1]

        monkeypatch.setattr(reembedding.Reembedding, "_switched", late)
        report = client.maintenance.reembed(the_store(client), Letters())
        assert (answered, report.files, report.embedded) == ([False, True], 8, 8)
        audit(client)
    with OAuthCodexClient(driver, storage_dir=storage, embedder=Letters()) as client:
        assert answers(client, vectors=True) == fresh(driver, Letters(), *FRUIT, "honey")


_DIES = """
import sys
sys.path.insert(0, sys.argv[3])
from letters import Letters, dying
from oauth_codex import OAuthCodexClient
from oauth_codex.local.maintenance import reembedding
reembedding._FILES = 2
client = OAuthCodexClient(sys.argv[1], storage_dir=sys.argv[2])
client.maintenance.reembed(client.vector_stores.list().data[0].id, Letters(before=dying(int(sys.argv[4]))))
"""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_killed_in_the_middle(storage: Path, driver: str, after: int, audit: Callable[[Any], None]) -> None:
    with OAuthCodexClient(driver, storage_dir=storage) as client:
        expected = answers(client)
    done = subprocess.run(
        [sys.executable, "-c", _DIES, driver, str(storage), str(HERE), str(after)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with OAuthCodexClient(driver, storage_dir=storage) as client:
        assert answers(client) == expected
        audit(client)
        letters = Letters()
        report = client.maintenance.reembed(the_store(client), letters)
        assert (report.embedded, letters.documents) == (7 - 2 * after, 7 - 2 * after)
        audit(client)
    with OAuthCodexClient(driver, storage_dir=storage, embedder=Letters()) as client:
        assert answers(client, vectors=True) == fresh(driver, Letters(), *FRUIT)


def test_vectors_of_a_third_embedder_are_not_mixed_in(
    storage: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembedding, "_FILES", 2)
    calls = 0

    def failing(_: Sequence[str]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ValueError("out of letters")

    with OAuthCodexClient(driver, storage_dir=storage) as client:
        expected = answers(client)
        with pytest.raises(StorageError, match=r"letters.*out of letters.*answers as before"):
            client.maintenance.reembed(the_store(client), Letters(13, before=failing))
        assert answers(client) == expected
        assert client.maintenance.reembed(the_store(client), Letters()).embedded == 7


def test_files_prepared_before_the_switch_cannot_be_published_after_it(storage: Path, driver: str) -> None:
    """Whoever prepared a file with the old embedder writes nothing: a store never holds vectors of two."""
    with OAuthCodexClient(driver, storage_dir=storage) as client:
        store = the_store(client)
        file = client.files.create(file=("honey", b"honey is no fruit"), purpose="assistants").id
        many = [client.files.create(file=(f"n{i}", b"nothing %d" % i), purpose="assistants").id for i in range(3)]
        ingest = client.backend._engine.ingest  # type: ignore[attr-defined]
        preparer = ingest._preparer
        for attach in (
            lambda: client.vector_stores.files.create(store, file_id=file),
            lambda: client.vector_stores.file_batches.create(store, file_ids=many),
        ):
            real, letters = type(preparer).index, Letters()
            switched = threading.Event()

            def index(self: Any, cut: Any, real: Any = real, switched: Any = switched, letters: Any = letters) -> Any:
                found = real(self, cut)
                if not switched.is_set():
                    switched.set()
                    client.maintenance.reembed(store, letters)
                return found

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(type(preparer), "index", index)
                with suppress(EmbedderMismatchError):
                    attach()
            with client.backend._engine.catalog.read() as connection:  # type: ignore[attr-defined]
                wrong = connection.exec_driver_sql(
                    "SELECT count(*) FROM generations WHERE removed IS NULL AND length(vectors) <> 2 * 26 * chunk_count"
                ).scalar_one()
            assert (switched.is_set(), wrong) == (True, 0)
            client.maintenance.reembed(store, "hashing")


def test_what_cannot_be(tmp_path: Path) -> None:
    with OAuthCodexClient("sqlite", storage_dir=tmp_path) as client:
        store = client.vector_stores.create().id
        with pytest.raises(NotFoundError):
            client.maintenance.reembed("vs_unknown", Letters())
        with pytest.raises(ConfigurationError, match="nonesuch"):
            client.maintenance.reembed(store, "nonesuch")
        with pytest.raises(ConfigurationError, match="int"):
            client.maintenance.reembed(store, 3)  # type: ignore[arg-type]
        client.vector_stores.delete(store)
    with OAuthCodexClient("memory") as client, pytest.raises(NotSupportedError, match="migrate"):
        client.maintenance.reembed(client.vector_stores.create().id, Letters())
