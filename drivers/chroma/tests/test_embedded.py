"""An embedded Chroma: one process at a time, damage, death and full disks."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import StorageError
from oauth_codex_chroma import lock
from oauth_codex_chroma.connection import Connection
from oauth_codex_chroma.options import Options

from .conftest import Open, chroma_of, keys_of, unit_rows

OpenClient = Callable[..., OAuthCodexClient]


def run(program: str, *arguments: object, expected: int = 0, prefix: Sequence[str] = ()) -> str:
    """Run a program in another process; what it prints."""
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == expected, done.stderr[-3000:]
    return done.stdout


OPEN = """
    import json, sys
    from oauth_codex import OAuthCodexClient, OAuthCodexError
    try:
        with OAuthCodexClient(backend="chroma", storage_dir=sys.argv[1]) as client:
            print(json.dumps(["opened", client.backend.capabilities.multi_process]))
    except OAuthCodexError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def test_a_second_process_is_refused_until_the_first_closes(tmp_path: Path, open_client: OpenClient) -> None:
    first = open_client(tmp_path)
    kind, text = json.loads(run(OPEN, tmp_path))
    assert kind == "StorageBusyError"
    for part in (str(tmp_path), f"process {os.getpid()}", "chroma run --host 127.0.0.1", 'host="127.0.0.1"'):
        assert part in text
    first.close()
    assert json.loads(run(OPEN, tmp_path)) == ["opened", False]


def test_clients_of_one_process_share(tmp_path: Path, open_client: OpenClient) -> None:
    first, second = open_client(tmp_path), open_client(tmp_path)
    store = first.vector_stores.create()
    first.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
    assert len(second.vector_stores.search(store.id, query="fox").data) == 1
    second.vector_stores.files.upload(store.id, file=("b.txt", b"a second fox"))
    assert len(first.vector_stores.search(store.id, query="fox").data) == 2
    first.close()
    assert json.loads(run(OPEN, tmp_path))[0] == "StorageBusyError"
    assert len(second.vector_stores.search(store.id, query="fox").data) == 2
    second.close()
    assert json.loads(run(OPEN, tmp_path))[0] == "opened"


def test_a_forgotten_client_gives_the_directory_back(tmp_path: Path) -> None:
    connection = Connection(Options(), tmp_path, logging.getLogger())
    with connection.call("a test"):
        pass
    assert json.loads(run(OPEN, tmp_path))[0] == "StorageBusyError"
    del connection
    assert json.loads(run(OPEN, tmp_path))[0] == "opened"


def test_a_lock_left_by_a_dead_process_does_not_matter(tmp_path: Path) -> None:
    run("""
        import os, sys, signal
        from oauth_codex import OAuthCodexClient
        client = OAuthCodexClient(backend="chroma", storage_dir=sys.argv[1])
        os.kill(os.getpid(), signal.SIGKILL)
        """, tmp_path, expected=-signal.SIGKILL)  # fmt: skip
    assert (tmp_path / "chroma.lock").exists()
    assert json.loads(run(OPEN, tmp_path))[0] == "opened"


def test_after_a_fork(tmp_path: Path) -> None:
    """A child has neither the lock nor Chroma's threads: it is told, and does not wait; nor does it keep the lock of its parent."""
    said = run("""
        import os, sys
        from oauth_codex import OAuthCodexClient, OAuthCodexError
        here, there = sys.argv[1:]
        client = OAuthCodexClient(backend="chroma", storage_dir=here)
        store = client.vector_stores.create()
        def child_says():
            if os.fork() == 0:
                for path in (here, there):
                    try:
                        OAuthCodexClient(backend="chroma", storage_dir=path).close()
                        print("opened", flush=True)
                    except OAuthCodexError as error:
                        print(type(error).__name__, str(error)[:60], flush=True)
                os._exit(0)  # as multiprocessing does; chromadb waits for its threads otherwise
            assert os.wait()[1] == 0
        child_says()
        client.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
        client.vector_stores.search(store.id, query="fox")
        child_says()
        ready, told = os.pipe()
        if os.fork() == 0:
            os.read(ready, 1)
            os._exit(0)  # as multiprocessing does; chromadb waits for its threads otherwise
        client.close()
        import subprocess
        code = "import sys; from oauth_codex import OAuthCodexClient as C; C(backend='chroma', storage_dir=sys.argv[1]).close()"
        subprocess.run([sys.executable, "-c", code, here], check=True)
        os.write(told, b"x")
        assert os.wait()[1] == 0
        """, tmp_path / "here", tmp_path / "there")  # fmt: skip
    forked = "StorageError Error code: 500 - Chroma was in use when this process was fo"
    first, second, *others = said.splitlines()
    assert first.startswith("StorageBusyError The Chroma index")
    assert second == "opened"  # Chroma had not been used yet
    assert others == [forked, forked]


def test_a_lock_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "chroma.lock").mkdir()
    with pytest.raises(StorageError, match=r"chroma\.lock"):
        lock.take(tmp_path)


def test_nothing_speaks_to_the_network(tmp_path: Path, open_provider: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*address: object) -> None:
        raise AssertionError(address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("CHROMA_SERVER_HOST", "elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("anonymized_telemetry=True\nchroma_server_host=elsewhere\n")
    provider = open_provider()
    index = provider.open(spec())
    index.upsert(keys_of(3), unit_rows(3))
    assert index.query(unit_rows(3)[1], limit=1).tolist() == [2]
    settings = chroma_of(provider).get_settings()
    assert settings.anonymized_telemetry is False
    assert settings.chroma_server_host is None


def test_opening_imports_chroma_only_for_a_search(tmp_path: Path) -> None:
    said = run("""
        import sys
        from oauth_codex import OAuthCodexClient, registry
        registry.installed_drivers()
        with OAuthCodexClient(backend="chroma", storage_dir=sys.argv[1]) as client:
            store = client.vector_stores.create()
            client.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
            print("chromadb" in sys.modules)
            client.vector_stores.search(store.id, query="fox")
            print("chromadb" in sys.modules)
        """, tmp_path)  # fmt: skip
    assert said.split() == ["False", "True"]


# -- damage ------------------------------------------------------------------------------------------------------------


def spec() -> Any:
    from .conftest import spec_of

    return spec_of("damaged")


def filled(open_provider: Open) -> Path:
    """Where the graph of a collection of 3000 vectors lies, closed."""
    provider = open_provider()
    index = provider.open(spec())
    index.upsert(keys_of(3000), unit_rows(3000))
    index.flush(5)
    provider.close()
    (header,) = provider._connection._path.glob("*/header.bin")
    return header.parent


def cut(graph: Path) -> None:
    for path in graph.iterdir():
        if path.name != "header.bin":
            os.truncate(path, path.stat().st_size // 2)


def emptied(graph: Path) -> None:
    os.truncate(graph / "data_level0.bin", 0)


@pytest.mark.parametrize("damage", [cut, emptied, shutil.rmtree])
def test_a_damaged_graph_is_made_anew(
    damage: Callable[[Path], None], open_provider: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its files Chroma goes on counting and listing all vectors, and finds only the latest."""
    damage(filled(open_provider))
    index = open_provider().open(spec())
    assert "cannot read vectors" in caplog.text
    assert (index.watermark, index.count()) == (0, 0)
    index.upsert(keys_of(3000), unit_rows(3000))
    assert len(index.query(unit_rows(1)[0], limit=50)) == 50


def test_a_sound_graph_is_kept(open_provider: Open, caplog: pytest.LogCaptureFixture) -> None:
    filled(open_provider)
    index = open_provider().open(spec())
    assert (index.watermark, index.count()) == (5, 3000)
    assert not caplog.records


def test_a_graph_whose_header_is_cut_off_is_never_opened(open_provider: Open, caplog: pytest.LogCaptureFixture) -> None:
    """chromadb reads past its end, and may be the end of the process."""
    graph = filled(open_provider)
    os.truncate(graph / "header.bin", 50)
    index = open_provider().open(spec())
    assert "header.bin is cut off" in caplog.text
    assert (index.watermark, index.count()) == (0, 0)


def halved(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def zeroed(database: Path) -> None:
    database.write_bytes(b"\0" * database.stat().st_size)


def nonsense(database: Path) -> None:
    database.write_bytes(b"nonsense" * 1000)


def tables_lost(database: Path) -> None:
    """Some pages in the middle: found when a collection is used, after the opening."""
    with database.open("r+b") as file:
        for page in range(6, 40):
            file.seek(page * 4096)
            file.write(b"\0" * 4096)


DAMAGES = [halved, zeroed, nonsense, tables_lost]


def two_stores(client: OAuthCodexClient) -> list[str]:
    stores = []
    for animal in ("fox", "owl"):
        stores.append(client.vector_stores.create().id)
        for number in range(20):
            content = f"the {animal} of number {number}".encode()
            client.vector_stores.files.upload(stores[-1], file=(f"{number}.txt", content))
    return stores


def answers(client: OAuthCodexClient, stores: list[str]) -> list[dict[str, Any]]:
    return [client.vector_stores.search(store, query="foxes and owls").to_dict() for store in stores]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_moved_aside_when_it_is_opened(
    damage: Callable[[Path], None], tmp_path: Path, open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_client(tmp_path)
    stores = two_stores(client)
    before = answers(client, stores)
    for number in (1, 2):
        client.close()
        damage(tmp_path / "chroma" / "chroma.sqlite3")
        damaged = (tmp_path / "chroma" / "chroma.sqlite3").read_bytes()
        caplog.clear()
        client = open_client(tmp_path)
        assert answers(client, stores) == before
        aside = tmp_path / f"chroma.damaged-{number}"
        if damage is not tables_lost:
            assert (aside / "chroma.sqlite3").read_bytes() == damaged
        assert str(aside) in caplog.text
        assert "vectors are copied from the catalog again" in caplog.text
    client.vector_stores.files.upload(stores[0], file=("new.txt", b"a new fox"))
    assert "a new fox" in str(answers(client, stores)[0])
    assert sorted(path.name for path in tmp_path.glob("chroma.d*")) == ["chroma.damaged-1", "chroma.damaged-2"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_damaged_in_use_is_moved_aside(
    damage: Callable[[Path], None], tmp_path: Path, open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Both stores are filled again, at their next searches, and their answers are those of another driver."""
    client = open_client(tmp_path)
    stores = two_stores(client)
    answers(client, stores)
    damage(tmp_path / "chroma" / "chroma.sqlite3")
    for store in stores:
        client.vector_stores.files.upload(store, file=("new.txt", b"a new fox and a new owl"))
    found = answers(client, stores)
    assert (tmp_path / "chroma.damaged-1").exists()
    assert not (tmp_path / "chroma.damaged-2").exists()
    assert "chroma.damaged-1" in caplog.text
    client.close()
    caplog.clear()
    again = open_client(tmp_path)
    assert answers(again, stores) == found
    assert not caplog.records
    again.close()
    assert answers(open_client(tmp_path, "sqlite"), stores) == found


def test_a_store_is_deleted_though_its_database_is_damaged(tmp_path: Path, open_client: OpenClient) -> None:
    client = open_client(tmp_path)
    stores = two_stores(client)
    found = answers(client, stores)
    client.close()
    tables_lost(tmp_path / "chroma" / "chroma.sqlite3")
    client = open_client(tmp_path)
    client.vector_stores.delete(stores[0])
    assert answers(client, stores[1:]) == found[1:]


def test_what_cannot_be_opened_is_left_in_its_place(tmp_path: Path, open_client: OpenClient) -> None:
    """A directory stands for whatever the system refuses: it is no damage."""
    client = open_client(tmp_path)
    stores = two_stores(client)
    before = answers(client, stores)
    client.close()
    database = tmp_path / "chroma" / "chroma.sqlite3"
    away = database.rename(tmp_path / "away")
    database.mkdir()
    client = open_client(tmp_path)
    for _ in range(2):
        with pytest.raises(StorageError, match="unable to open database file") as caught:
            answers(client, stores)
        assert "see to room and permissions" in str(caught.value)
        assert caught.value.__cause__ is not None
    database.rmdir()
    away.rename(database)
    assert answers(client, stores) == before
    assert not list(tmp_path.glob("chroma.damaged*"))


FULL = """
    import os, resource, signal, sys
    from pathlib import Path
    from oauth_codex import OAuthCodexClient, StorageError
    here, how = Path(sys.argv[1]), sys.argv[2]
    def fill_up():
        if how == "limit":
            size = os.path.getsize(here / "s/chroma/chroma.sqlite3")
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return
        with (here / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    def make_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (here / "filler").unlink(missing_ok=True)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    client, other = (OAuthCodexClient(backend="chroma", storage_dir=here / "s") for _ in range(2))
    stores = [client.vector_stores.create().id for _ in range(2)]
    def add(first):
        for number in range(first, first + 30):
            content = f"fox number {number} " * 40
            client.vector_stores.files.upload(stores[0], file=(f"{number}.txt", content.encode()))
    def search(client, store=0):
        try:
            return len(client.vector_stores.search(stores[store], query="foxes", max_num_results=50).data)
        except StorageError as error:
            assert error.__cause__ is not None and "failed at" in str(error), error
            return "StorageError"
    add(0)
    client.vector_stores.files.upload(stores[1], file=("a.txt", b"the other fox"))
    print(search(client), search(other), search(client, 1), search(other, 1))
    for first in (30, 60):
        add(first)  # accepted, and not yet in the index
        fill_up()
        for _ in range(3):
            print(search(client), search(other), search(client, 1) in (1, "StorageError"))
        make_room()
        print(search(client), search(other), search(client, 1), search(other, 1))
    print(list(here.glob("s/chroma.damaged*")))
    """


@pytest.mark.parametrize("how", ["limit", "filler"])
def test_a_full_disk_is_an_error_until_there_is_room(how: str, tmp_path: Path) -> None:
    """chromadb waits forever, with the whole process, at what follows a write that failed; also for the other client."""
    prefix: list[str] = []
    if how == "filler":
        mount = 'mount -t tmpfs -o size=24m full "$0" && exec "$@"'
        prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path)]
        if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
            pytest.skip("this system lets nobody mount a file system of their own")
    said = run(FULL, tmp_path, how, prefix=prefix).splitlines()
    refused, mended = ["StorageError StorageError True"] * 3, ["50 50 1 1"]
    assert said == ["30 30 1 1", *refused, *mended, *refused, *mended, "[]"]


# -- death -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 3, 6])
def test_killed_while_the_index_is_filled(after: int, tmp_path: Path, open_client: OpenClient) -> None:
    """Vectors are in Chroma, and the watermark is not: they are written again, and the answers are those of another driver."""
    victim = """
        import os, signal, sys
        from oauth_codex import OAuthCodexClient
        from oauth_codex_chroma.index import ChromaIndex
        client = OAuthCodexClient(backend="chroma", storage_dir=sys.argv[1])
        calls = 0
        def counted(call):
            def wrapper(*arguments):
                global calls
                calls += 1
                if calls == int(sys.argv[2]):
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments)
            return wrapper
        for name in ("upsert", "delete", "flush"):
            setattr(ChromaIndex, name, counted(getattr(ChromaIndex, name)))
        store = client.vector_stores.create()
        print(store.id, flush=True)
        for number in range(30):
            file = client.vector_stores.files.upload(store.id, file=(f"{number}.txt", f"fox number {number}".encode()))
            client.vector_stores.search(store.id, query="foxes")
            if number % 2:
                client.vector_stores.files.delete(file.id, vector_store_id=store.id)
        """
    store_id = run(victim, tmp_path, after, expected=-signal.SIGKILL).strip()
    client = open_client(tmp_path)
    client.vector_stores.files.upload(store_id, file=("last.txt", b"the last fox"))
    found = client.vector_stores.search(store_id, query="foxes", max_num_results=50).to_dict()
    client.close()
    assert found["data"]
    again = open_client(tmp_path, "sqlite").vector_stores.search(store_id, query="foxes", max_num_results=50)
    assert again.to_dict() == found


def test_closed_is_closed(tmp_path: Path, open_provider: Open) -> None:
    """What another process writes meanwhile is found afterwards: chromadb's own cache of open directories is let go as well."""
    provider = open_provider()
    provider.open(spec()).upsert(keys_of(10), unit_rows(10))
    provider.close()
    run("""
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from conftest import keys_of, provider_on, spec_of, unit_rows
        provider = provider_on(Path(sys.argv[1]))
        provider.open(spec_of("damaged")).upsert(keys_of(3000, first=11), unit_rows(3000, seed=2))
        provider.close()
        """, tmp_path / "storage", Path(__file__).parent)  # fmt: skip
    index = open_provider().open(spec())
    assert index.query(unit_rows(3000, seed=2)[2000], limit=1).tolist() == [2011]
    assert index.count() == 3010
