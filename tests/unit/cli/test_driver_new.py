"""`driver new`: what it writes works, and what it cannot write leaves nothing behind. The written driver goes through the conformance
kit in `tests/packaging/test_third_parties.py`.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from oauth_codex import OAuthCodexClient
from oauth_codex.cli.app import app
from typer.testing import CliRunner

FILES = {
    "pyproject.toml",
    "README.md",
    "src/oauth_codex_acme_store/__init__.py",
    "src/oauth_codex_acme_store/options.py",
    "src/oauth_codex_acme_store/backend.py",
    "src/oauth_codex_acme_store/index.py",
    "src/oauth_codex_acme_store/py.typed",
    "tests/test_conformance.py",
}


def new(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["driver", "new", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_written_and_every_file_is_named(tmp_path: Path) -> None:
    said = new("acme-store", "--into", tmp_path / "deep" / "er")
    folder = tmp_path / "deep" / "er" / "oauth-codex-acme-store"
    assert present(folder) == FILES
    for path in FILES:
        assert f"  {path} " in said
    assert f"python -m pytest {folder}" in said


def test_every_template_is_used(tmp_path: Path) -> None:
    new("acme-store", "--into", tmp_path)
    templates = {path.name for path in (files("oauth_codex.cli") / "templates").iterdir()}
    assert len(templates) == len(FILES) - 1, "py.typed is empty and has none"


def test_as_json_it_says_what_was_written_and_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(new("acme-store", "--into", "my drivers", "--json"))
    assert found["folder"] == "my drivers/oauth-codex-acme-store"
    assert set(found["files"]) == FILES
    assert found["next"] == [
        "python -m pip install --editable './my drivers/oauth-codex-acme-store[test]'",
        "python -m pytest 'my drivers/oauth-codex-acme-store'",
        "oauth-codex drivers",
    ]


def test_the_package_registers_the_driver_and_keeps_other_authors_versions_out(tmp_path: Path) -> None:
    new("acme-store", "--into", tmp_path)
    project = tomllib.loads((tmp_path / "oauth-codex-acme-store" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["oauth_codex.drivers"] == {"acme-store": "oauth_codex_acme_store:driver"}
    assert "oauth-codex>=5.0,<6" in project["dependencies"]
    assert project["optional-dependencies"]["test"] == ["oauth-codex[testing]>=5.0,<6"]


def test_the_driver_keeps_and_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened without being installed, as the record says, twice on one storage."""
    new("acme-store", "--into", tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "oauth-codex-acme-store" / "src")
    import oauth_codex_acme_store as acme  # type: ignore[import-not-found]
    from oauth_codex import registry
    from oauth_codex.config import Setting
    from oauth_codex.spi import DriverContext

    vectors = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}
    context = DriverContext(directory=tmp_path / "storage", embedder=registry.open_embedder("hashing", {}))
    options = {"save_share": Setting(0.0, "argument", "save_share")}
    for opening in range(2):
        backend = registry.open_driver(acme.driver, options, context)
        client = OAuthCodexClient(backend)
        if opening == 0:
            store = client.vector_stores.create()
            client.vector_stores.files.upload(store.id, file=("a.txt", b"The key is in the shed."))
            client.vector_stores.files.upload(store.id, file=("b.txt", b"The car is in the garage."))
        found = client.vector_stores.search(store.id, query="garrage", ranking_options=vectors)
        assert found.data[0].filename == "b.txt"
        backend.close()
    assert [path.suffix for path in (tmp_path / "storage" / "cache").iterdir() if path.is_dir()] == [".acme-store"]


def test_what_is_written_is_typed_and_formatted(tmp_path: Path) -> None:
    """By the rules that ruff and mypy have without configuration."""
    new("shelf", "--into", tmp_path)
    folder = tmp_path / "oauth-codex-shelf"
    for command in (
        ["ruff", "check", "--isolated", "--select", "E,F,I,UP,B,RUF", "."],
        ["ruff", "format", "--isolated", "--diff", "."],
        ["mypy", "--strict", "src"],
    ):
        done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["Acme", "9acme", "acme_store", "acme--store", "acme-", "-acme", "ä", "", "a/b", "a" * 41]
)
def test_a_name_that_cannot_be_one_is_wrong_use(name: str, tmp_path: Path) -> None:
    said = new("--into", tmp_path, "--json", "--", name, code=2)
    assert "Expected lower-case letters and digits" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["memory", "sqlite", "faiss", "chroma", "openai", "postgres"])
def test_a_name_of_ours_is_refused(name: str, tmp_path: Path) -> None:
    assert f"'{name}' is the name of a driver of oauth-codex itself" in new(name, "--into", tmp_path, code=1)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_another_distribution_has_registered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for distribution in ("acme-things", "oauth-codex-again"):
        name = distribution.rpartition("-")[2]
        info = site / f"{distribution}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[oauth_codex.drivers]\n{name} = nowhere:driver\n")
    monkeypatch.syspath_prepend(site)
    assert "is installed already, by acme-things 1.2" in " ".join(new("things", "--into", tmp_path, code=1).split())
    new("again", "--into", tmp_path)  # its own folder may be written anew


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "oauth-codex-acme"
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    assert "exists already" in new("acme", "--into", tmp_path, code=1)
    assert present(folder) == {"precious.txt"}


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(self: Path, *arguments: object, **named: object) -> int:
        if self.name == "index.py":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left on device" in new("acme", "--into", tmp_path, code=1)
    assert list(tmp_path.iterdir()) == []
