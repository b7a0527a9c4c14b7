"""A storage that cannot be used: closed, forked, forbidden, full, newer, damaged. A typed error, and what was stored is still there."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import ClientClosedError, ConfigurationError, OAuthCodexClient, SchemaVersionError, StorageError

pytestmark = pytest.mark.usefixtures("clean_environment")
_NOBODY = 65534
_HERE = Path(__file__).parent


def _run(program: str, *arguments: object, prefix: tuple[str, ...] = ()) -> Any:
    """What a program printed as JSON; it runs in a process of its own, with warnings as errors."""
    command = [
        *prefix,
        sys.executable,
        "-W",
        "error",
        *(["-c", program] if "\n" in program else [program]),
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


# -- closed and forked -------------------------------------------------------------------------------------------------


def _calls(client: OAuthCodexClient, store: str, file: str) -> list[Callable[[], Any]]:
    stores = client.vector_stores
    return [
        lambda: client.files.create(file=b"x", purpose="assistants"),
        lambda: client.files.create(file="no such path", purpose="assistants"),
        client.files.list,
        lambda: client.files.content(file),
        lambda: client.files.delete(file),
        stores.create,
        lambda: stores.search(store, query="apples"),
        lambda: stores.delete(store),
        lambda: stores.files.upload_and_poll(store, file=b"x"),
        lambda: stores.files.update(store, file, attributes={}),
        lambda: stores.file_batches.create(store, file_ids=[file]),
        lambda: stores.file_batches.upload_and_poll(store, files=[b"x"]),
        lambda: client.with_options(timeout=5).files.list(),
        lambda: client.request("GET", "/vector_stores"),
        lambda: client.backend,
    ]


def _filled(client: OAuthCodexClient) -> tuple[str, str]:
    file = client.files.create(file=("apples.txt", b"about apples"), purpose="assistants").id
    return client.vector_stores.create(file_ids=[file]).id, file


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_a_closed_client_refuses_everything(driver: str, tmp_path: Path) -> None:
    client = OAuthCodexClient(backend=driver, storage_dir=tmp_path)
    store, file = _filled(client)
    client.vector_stores.create()
    page = client.vector_stores.list(limit=1)
    other = client.with_options(timeout=3)
    client.close()
    client.close()
    for call in [
        *_calls(client, store, file),
        page.get_next_page,
        lambda: list(page),
        lambda: other.vector_stores.list(),
    ]:
        with pytest.raises(ClientClosedError, match="closed"):
            call()
    if driver == "sqlite":
        with OAuthCodexClient(backend=driver, storage_dir=tmp_path) as again:
            assert again.vector_stores.search(store, query="apples").data[0].file_id == file


_FORK = """
import json, os, sys, traceback
from oauth_codex import ClientClosedError, OAuthCodexClient

client = OAuthCodexClient(backend=sys.argv[1], storage_dir=sys.argv[2])
file = client.files.create(file=("apples.txt", b"about apples"), purpose="assistants").id
store = client.vector_stores.create(file_ids=[file]).id
client.vector_stores.create()
page = client.vector_stores.list(limit=1)
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    said = []
    stores = client.vector_stores
    for call in (
        client.files.list, stores.create, lambda: stores.search(store, query="apples"), page.get_next_page,
        lambda: client.files.delete(file), lambda: client.files.create(file=b"x", purpose="assistants"),
        lambda: stores.file_batches.upload_and_poll(store, files=[b"x"]),
    ):
        try:
            call()
            said.append("no error")
        except ClientClosedError as error:
            said.append("fork" in str(error) and str(os.getpid()) in str(error) and str(os.getppid()) in str(error))
        except BaseException as error:
            said.append(repr(error))
    client.close()
    with OAuthCodexClient(backend=sys.argv[1], storage_dir=sys.argv[2]) as own:
        said.append(len(own.files.list().data))
    os.write(writing, json.dumps(said).encode())
    os._exit(0)
os.waitpid(child, 0)
client.files.create(file=b"after the fork", purpose="assistants")
found = [hit.file_id == file for hit in client.vector_stores.search(store, query="apples").data]
print(json.dumps({"child": json.loads(os.read(reading, 65536)), "found": found, "files": len(client.files.list().data)}))
"""


@pytest.mark.parametrize(("driver", "seen"), [("memory", 0), ("sqlite", 1)])
def test_a_forked_client_refuses_everything_and_the_parent_goes_on(driver: str, seen: int, tmp_path: Path) -> None:
    said = _run(_FORK, driver, tmp_path)
    assert said == {"child": [True] * 7 + [seen], "found": [True], "files": 2}


# -- places ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


#: Loads whatever is loaded late, and goes on as another user: the super-user may do anything.
_AS_USER = """
import json, os, sys, tempfile
from oauth_codex import OAuthCodexClient, OAuthCodexError
with tempfile.TemporaryDirectory() as warm, OAuthCodexClient(backend="sqlite", storage_dir=warm) as client:
    store = client.vector_stores.create().id
    client.vector_stores.file_batches.upload_and_poll(store, files=[b"x" * 2_000_000, b"words"])
    client.vector_stores.search(store, query="words")
from oauth_codex.registry import loading
plugs = {group: tuple(loading.entry_points(group=group)) for group in ("oauth_codex.drivers", "oauth_codex.embedders")}
loading.entry_points = lambda group: plugs[group]  # this user may not even enter the folder of the installation
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""
_OPEN = (
    _AS_USER
    + """
try:
    client = OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1])
    client.files.create(file=b"x" * int(sys.argv[2]), purpose="assistants")
    said = ["no error", ""]
except OAuthCodexError as error:
    said = [type(error).__name__, str(error)]
except BaseException as error:
    said = ["raw " + type(error).__name__, str(error)]
print(json.dumps(said))
"""
)


def _state(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize("case", ["parent", "empty", "foreign", "read-only catalog", "read-only content"])
def test_without_permission(place: Path, case: str) -> None:
    user = _NOBODY if os.geteuid() == 0 else None
    storage = place / "storage"
    if case != "parent":
        OAuthCodexClient(backend="sqlite", storage_dir=storage).close()
    if case == "empty":
        (storage / "catalog.sqlite3").unlink()
    if user is not None and case not in ("parent", "foreign"):
        for path in [storage, *storage.iterdir()]:
            os.chown(path, user, user)
    if case == "parent":
        place.chmod(0o555)
    elif case == "read-only catalog":
        (storage / "catalog.sqlite3").chmod(0o400)
    elif case == "read-only content":
        (storage / "blobs").mkdir(mode=0o500)
    else:
        storage.chmod(0o000 if user is None else 0o500 if case == "empty" else 0o700)
    size = 3_000_000 if case == "read-only content" else 1
    before = _state(place) if user is not None else None
    kind, message = _run(_OPEN, storage, size)
    assert kind == "StorageError"
    assert "ermission denied" in message
    assert case == "read-only content" or str(storage) in message
    if before is not None:
        after = _state(place)
        assert after.keys() == before.keys()
        assert case == "read-only content" or after == before


_UPLOAD = (
    _AS_USER
    + """
with OAuthCodexClient(backend="sqlite", storage_dir=tempfile.mkdtemp()) as client:
    store = client.vector_stores.create().id
    said = []
    for call in (
        lambda: client.files.create(file=sys.argv[1], purpose="assistants"),
        lambda: client.vector_stores.files.upload(store, file=sys.argv[1]),
        lambda: client.vector_stores.file_batches.upload_and_poll(store, files=[b"fine", sys.argv[1]]),
    ):
        try:
            call()
        except Exception as error:
            said.append([type(error).__name__, str(error)])
    print(json.dumps([said, len(client.files.list().data), client.vector_stores.retrieve(store).file_counts.total]))
"""
)


def test_an_unreadable_file_is_named_and_nothing_is_kept(place: Path) -> None:
    secret = place / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o000)
    said, files, attached = _run(_UPLOAD, secret)
    assert [kind for kind, _ in said] == ["PermissionError"] * 3
    assert all(str(secret) in message for _, message in said)
    assert (files, attached) == (0, 0)


def test_a_storage_directory_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    for path in (file, file / "below"):
        with pytest.raises(StorageError, match=str(path)):
            OAuthCodexClient(backend="sqlite", storage_dir=path)
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "name",
    ["what?x=1", "a#b", "50%20off", "\u0441\u043a\u043b\u0430\u0434 \U0001f642", "a b;c&d", "file:x", "~", "caf\udce9"],
)
def test_any_name_of_a_directory_holds_its_data_itself(name: str, tmp_path: Path) -> None:
    storage = tmp_path / name
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        store, file = _filled(client)
        assert list(tmp_path.iterdir()) == [storage]
    with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
        assert client.vector_stores.search(store, query="apples").data[0].file_id == file


def test_a_relative_directory_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with OAuthCodexClient(backend="sqlite", storage_dir="storage") as client:
        monkeypatch.chdir(tmp_path / "elsewhere")
        file = client.files.create(file=b"x" * 3_000_000, purpose="assistants")
        assert client.files.content(file.id).read() == b"x" * 3_000_000
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "sqlit"}, ("'sqlit'", "sqlite")),
        ({"backend": "sqlite", "ingets": "inline"}, ("'ingets'",)),
        ({"backend": "sqlite", "ingest": "later"}, ("'later'", "'inline'")),
        ({"backend": "sqlite", "embedder": "hashin"}, ("'hashin'", "hashing")),
        ({"backend": "sqlite", "embedder": 5}, ("embedder",)),
        ({"backend": "sqlite", "clock": 5}, ("clock",)),
        ({"backend": "sqlite", "storage_dir": ""}, ("storage_dir", "''")),
        ({"backend": "sqlite", "storage_dir": 5}, ("storage_dir", "5")),
        ({"backend": "sqlite", "storage_dir": "a\0b"}, ("storage_dir",)),
        ({"backend": "sqlite", "reranker": 5}, ("reranker", "callable")),
        ({"backend": "sqlite", "parsers": {".x": 5}}, ("parsers", "callable")),
        ({"backend": 5}, ("backend", "int")),
        ({"backend": "sqlite", "api_key": "k"}, ("api_key", "local")),
    ],
    ids=str,
)
def test_wrong_arguments_of_a_client_make_nothing(
    arguments: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OAuthCodexClient(**{"storage_dir": tmp_path / "storage", **arguments})
    assert [word for word in words if word not in str(caught.value)] == []
    assert not (tmp_path / "storage").exists()


# -- full --------------------------------------------------------------------------------------------------------------

_UNSHARE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=4m full "$0" && exec "$@"',
)


def test_a_full_disk_loses_nothing_and_stops_no_reading(tmp_path: Path) -> None:
    """A small file system of the test's own; the conformance kit bounds the size of files instead."""
    prefix = (*_UNSHARE, str(tmp_path))
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system lets nobody mount a file system of their own")
    said = _run(str(_HERE / "full_disk.py"), tmp_path, prefix=prefix)
    outcomes = {name: outcome for name, outcome in said["outcomes"].items() if not name.endswith(": message")}
    assert outcomes.pop("upload 8 MB") == "StorageError"
    assert set(outcomes.values()) <= {"StorageError", "done"}, outcomes
    assert all("kept" in text for name, text in said["outcomes"].items() if name.endswith(": message"))
    done = 1 + (outcomes["attach"] == "done")
    counts = {"in_progress": 0, "completed": done, "failed": 0, "cancelled": 0, "total": done}
    assert said["reading"] == [[counts, [True], True, ["loose.txt", "kept.txt"]]] * 2
    assert said["names"] == ["kept.txt", "loose.txt"], "what has expired goes when there is room"
    assert said["stuck"] == ["completed"] * done
    assert said["found"] == [True]
    assert said["left"] == []


# -- newer and damaged -------------------------------------------------------------------------------------------------


def _changed(storage: Path, sql: str) -> None:
    connection = sqlite3.connect(storage / "catalog.sqlite3")
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        _filled(client)
    _changed(tmp_path, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    before = _state(tmp_path)
    for _ in range(2):
        with pytest.raises(SchemaVersionError, match=r"99.*up to \d") as caught:
            OAuthCodexClient(backend="sqlite", storage_dir=tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert "pgrade" in str(caught.value)
    assert _state(tmp_path) == before


def test_a_damaged_catalog_is_refused_and_left_alone(tmp_path: Path) -> None:
    for name, damage in {
        "other": b"no database at all, but a letter to grandmother\n" * 50,
        "empty head": b"\0" * 8192,
    }.items():
        storage = tmp_path / name
        storage.mkdir()
        (storage / "catalog.sqlite3").write_bytes(damage)
        with pytest.raises(StorageError, match=str(storage)):
            OAuthCodexClient(backend="sqlite", storage_dir=storage)
        assert (storage / "catalog.sqlite3").read_bytes() == damage
    storage = tmp_path / "version"
    OAuthCodexClient(backend="sqlite", storage_dir=storage).close()
    _changed(storage, "UPDATE meta SET value = 'many' WHERE key = 'schema_version'")
    with pytest.raises((StorageError, SchemaVersionError), match="schema"):
        OAuthCodexClient(backend="sqlite", storage_dir=storage)


def test_content_that_vanished_is_an_error_and_not_empty(tmp_path: Path) -> None:
    with OAuthCodexClient(backend="sqlite", storage_dir=tmp_path) as client:
        file = client.files.create(file=("big.txt", b"zanzibar " * 200_000), purpose="assistants").id
        store = client.vector_stores.create(file_ids=[file]).id
        (blob,) = (tmp_path / "blobs").iterdir()
        blob.unlink()
        for call in (
            lambda: client.files.content(file),
            lambda: client.vector_stores.search(store, query="zanzibar"),
            lambda: client.vector_stores.files.content(store, file),
        ):
            with pytest.raises(StorageError, match=blob.name):
                call()
        assert client.files.delete(file).deleted
