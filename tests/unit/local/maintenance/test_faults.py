"""A disk that is full or read-only, and places where one may not write: typed errors, nothing left behind, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_OWN_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=4m small "$0" && exec "$@"',
)


def _run(*command: object) -> Any:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    own = (*_OWN_DISK, str(tmp_path))
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of their own")
    said = _run(*own, sys.executable, "-W", "error", _HERE / "full_disk.py", tmp_path)
    assert (said.pop("ok"), said.pop("ok again"), said.pop("found")) == (True, True, "The apple is round.")
    left = {name: each[-1] for name, each in said.items()}
    ended = {name: each[0] for name, each in said.items()}
    assert [ended.pop(name) for name in ("verify full", "repair", "snapshot")] == ["done"] * 3
    assert ended.pop("repair full") in ("done", "StorageError")
    assert set(ended.values()) == {"StorageError"}, said
    assert left["snapshot full"] == ["filler", "storage"]
    assert left["restore full"] == ["filler", "snapshot", "storage"]
    for name in ("snapshot full", "restore full"):
        assert "full" in said[name][1] or "No space" in said[name][1]
        assert "Nothing of it was kept" in said[name][1]


_DENIED = """
import json, os, sys
from oauth_codex import OAuthCodexClient, OAuthCodexError
with OAuthCodexClient("memory") as client:
    client.files.create(file=b"x", purpose="assistants")
    client.maintenance.snapshot(sys.argv[1] + "/mine/snapshot")
    client.maintenance.restore(sys.argv[1] + "/mine/snapshot", storage_dir=sys.argv[1] + "/mine/first")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    said = []
    for call in (
        lambda: client.maintenance.snapshot(sys.argv[1] + "/closed/snapshot"),
        lambda: client.maintenance.restore(sys.argv[1] + "/mine/snapshot", storage_dir=sys.argv[1] + "/open/storage"),
    ):
        try:
            call()
            said.append("no error")
        except OAuthCodexError as error:
            said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


def test_without_permission(tmp_path: Path) -> None:
    place = tmp_path
    for name, mode in (("mine", 0o700), ("closed", 0o500), ("open", 0o777)):
        (place / name).mkdir()
        (place / name).chmod(mode)
    if os.geteuid() == 0:
        for parent in (place, *place.parents):
            if str(parent) not in ("/", "/tmp"):
                parent.chmod(0o755)
    written, read = _run(sys.executable, "-W", "error", "-c", _DENIED, place)
    assert written.startswith("StorageError: ")
    assert "closed" in written
    assert "Permission denied" in written
    if os.geteuid() == 0:  # else the snapshot is one's own
        assert read.startswith("StorageError: ")
        assert "Permission denied" in read
    assert list((place / "closed").iterdir()) == []
    assert list((place / "open").iterdir()) == [] or os.geteuid() != 0
