"""An embedded Chroma: one process at a time, damage, death and full disks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.errors import StorageError
from oauth_codex_chroma import lock
from oauth_codex_chroma.connection import Connection
from oauth_codex_chroma.options import Options

from .conftest import Open, keys_of, unit_rows

OpenClient = Callable[..., OAuthCodexClient]


def run(program: str, *arguments: object, expected: int = 0) -> str:
    """Run a program in another process; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
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
    connection = Connection(Options(), tmp_path)
    connection.client()
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
        lock.acquire(tmp_path)


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
    settings = provider._connection.client().get_settings()
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
    assert "has lost vectors" in caplog.text
    assert (index.watermark, index.count()) == (0, 0)
    index.upsert(keys_of(3000), unit_rows(3000))
    assert len(index.query(unit_rows(1)[0], limit=50)) == 50


def test_a_sound_graph_is_kept(open_provider: Open, caplog: pytest.LogCaptureFixture) -> None:
    filled(open_provider)
    index = open_provider().open(spec())
    assert (index.watermark, index.count()) == (5, 3000)
    assert not caplog.records


def test_a_damaged_database_is_an_error_that_says_what_to_do(open_provider: Open) -> None:
    database = filled(open_provider).parent / "chroma.sqlite3"
    database.write_bytes(b"nonsense" * 1000)
    with pytest.raises(StorageError, match="not a database") as caught:
        open_provider().open(spec())
    assert f"delete {str(database.parent)!r}" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_the_remedy_works(tmp_path: Path, open_client: OpenClient) -> None:
    client = open_client(tmp_path)
    store = client.vector_stores.create()
    client.vector_stores.files.upload(store.id, file=("a.txt", b"the red fox"))
    before = client.vector_stores.search(store.id, query="foxes").to_dict()
    client.close()
    (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"nonsense" * 1000)
    client = open_client(tmp_path)
    with pytest.raises(StorageError, match="delete"):
        client.vector_stores.search(store.id, query="foxes")
    client.close()
    shutil.rmtree(tmp_path / "chroma")
    assert open_client(tmp_path).vector_stores.search(store.id, query="foxes").to_dict() == before


def test_a_full_disk(tmp_path: Path) -> None:
    """A file size limit stands for it: writing is an error, and works again when there is room."""
    said = run("""
        import os, resource, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from conftest import CATALOG, Connection, ChromaProvider, Options, keys_of, spec_of, unit_rows, logging
        from oauth_codex import StorageError
        def opened():
            provider = ChromaProvider(Connection(Options(), Path(sys.argv[1])), CATALOG, logging.getLogger())
            return provider, provider.open(spec_of("full"))
        provider, index = opened()
        index.upsert(keys_of(100), unit_rows(100))
        index.flush(1)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = os.path.getsize(sys.argv[1] + "/chroma/chroma.sqlite3") + 20_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            index.upsert(keys_of(4000, first=101), unit_rows(4000))
        except StorageError as error:
            print(error.__cause__ is not None, "writing vectors" in str(error))
        provider.close()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        provider, index = opened()
        print(index.watermark, index.count() >= 100)
        index.upsert(keys_of(4000, first=101), unit_rows(4000))
        print(index.count(), len(index.query(unit_rows(1)[0], limit=100)))
        provider.close()
        """, tmp_path, Path(__file__).parent)  # fmt: skip
    assert said.splitlines() == ["True True", "1 True", "4100 100"]


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
        from conftest import CATALOG, Connection, ChromaProvider, Options, keys_of, spec_of, unit_rows, logging
        provider = ChromaProvider(Connection(Options(), Path(sys.argv[1])), CATALOG, logging.getLogger())
        provider.open(spec_of("damaged")).upsert(keys_of(3000, first=11), unit_rows(3000, seed=2))
        provider.close()
        """, tmp_path / "storage", Path(__file__).parent)  # fmt: skip
    index = open_provider().open(spec())
    assert index.query(unit_rows(3000, seed=2)[2000], limit=1).tolist() == [2011]
    assert index.count() == 3010
