"""The three distributions as a user gets them: built, looked into, and installed over another author's `oauth-codex` 4.0.0.

Nothing is downloaded: the build runs with the hatchling of this environment if there is one, and the new environment borrows the
libraries of this one.
"""

from __future__ import annotations

import ast
import base64
import email
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = {
    "oauth_codex": ROOT,
    "oauth_codex_memory": ROOT / "drivers" / "memory",
    "oauth_codex_sqlite": ROOT / "drivers" / "sqlite",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels and sdists; each wheel is built from its sdist."""
    folder = tmp_path_factory.mktemp("built")
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []

    def build(project: Path) -> None:
        command = [sys.executable, "-m", "build", *isolation, "--outdir", str(folder), str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(build, PROJECTS.values()))
    return folder


def _wheel(built: Path, name: str) -> Path:
    (found,) = built.glob(f"{name}-5.0.0-py3-none-any.whl")
    return found


def _files(archive: Path) -> dict[str, bytes]:
    """Files of a wheel, or of an sdist without its leading folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as sdist:
        for member in sdist:
            if member.isfile():
                file = sdist.extractfile(member)
                assert file is not None
                found[member.name.partition("/")[2]] = file.read()
    return found


def _metadata(built: Path, name: str) -> Message:
    return email.message_from_bytes(_files(_wheel(built, name))[f"{name}-5.0.0.dist-info/METADATA"])


def test_exactly_the_six_archives(built: Path) -> None:
    expected = {f"{name}-5.0.0{end}" for name in PROJECTS for end in ("-py3-none-any.whl", ".tar.gz")}
    assert {path.name for path in built.iterdir() if path.name != ".gitignore"} == expected


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_holds_its_package_whole_and_nothing_else(built: Path, name: str) -> None:
    files = _files(_wheel(built, name))
    assert {PurePosixPath(file).parts[0] for file in files} == {name, f"{name}-5.0.0.dist-info"}
    source = (ROOT / "core" / "src" if name == "oauth_codex" else PROJECTS[name] / "src") / name
    here = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    present = {
        f"{name}/{path.as_posix()}"
        for path in here
        if not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }
    packaged = {
        file for file in files if file.startswith(f"{name}/") and not file.startswith("oauth_codex/cli/documents/")
    }
    assert packaged == present
    assert f"{name}/py.typed" in files
    assert [
        file for file in files if "test" in PurePosixPath(file).name or "/tests/" in file or "benchmark" in file
    ] == []
    assert files[f"{name}-5.0.0.dist-info/WHEEL"].count(b"Root-Is-Purelib: true") == 1


def test_the_core_wheel_holds_ranks_notice_and_documents(built: Path) -> None:
    files = _files(_wheel(built, "oauth_codex"))
    data = "oauth_codex/local/text/data/"
    assert len(files[f"{data}cl100k_base.tiktoken.gz"]) > 500_000
    assert b"MIT" in files[f"{data}NOTICE.md"]
    assert any(file.endswith("/licenses/LICENSE") for file in files)
    assert any(file.endswith("/NOTICE.md") and "dist-info" in file for file in files)
    documents = {file.removeprefix("oauth_codex/cli/documents/") for file in files if "/cli/documents/" in file}
    docs = ROOT / "docs"
    assert documents == {path.relative_to(docs).as_posix() for path in docs.rglob("*") if path.is_file()}


def test_an_sdist_holds_the_sources_and_nothing_else(built: Path) -> None:
    for name, project in PROJECTS.items():
        files = _files(built / f"{name}-5.0.0.tar.gz")
        tops = {PurePosixPath(file).parts[0] for file in files}
        sources = {"core", "docs", "CHANGELOG.md", "LICENSE"} if name == "oauth_codex" else {"src"}
        # hatchling adds PKG-INFO always, and the file by which git ignores, if there is one
        assert tops - {".gitignore"} == {*sources, "README.md", "pyproject.toml", "PKG-INFO"}
        assert [
            file
            for file in files
            if re.search(r"(^|/)(tests?|benchmarks|\.github|__pycache__|\.hypothesis)(/|$)|\.lock$", file)
        ] == []
        assert [
            file for file in files if file.startswith("core/") and not file.startswith("core/src/oauth_codex/")
        ] == []
        assert files["pyproject.toml"] == (project / "pyproject.toml").read_bytes()


@pytest.mark.parametrize("name", PROJECTS)
def test_no_archive_names_the_machine_it_was_made_on(built: Path, name: str) -> None:
    here = [str(place).encode() for place in (ROOT, Path.home(), built) if len(str(place)) > 4]
    for archive in (_wheel(built, name), built / f"{name}-5.0.0.tar.gz"):
        assert [file for file, data in _files(archive).items() if any(place in data for place in here)] == []


def test_entry_points_and_requirements(built: Path) -> None:
    points = {
        name: _files(_wheel(built, name))[f"{name}-5.0.0.dist-info/entry_points.txt"].decode() for name in PROJECTS
    }
    assert "[console_scripts]\noauth-codex = oauth_codex.cli:main" in points["oauth_codex"]
    assert "[oauth_codex.embedders]\nhashing = " in points["oauth_codex"]
    assert "[oauth_codex.drivers]\nmemory = oauth_codex_memory:driver" in points["oauth_codex_memory"]
    assert "[oauth_codex.drivers]\nsqlite = oauth_codex_sqlite:driver" in points["oauth_codex_sqlite"]
    needs = {name: set(_metadata(built, name).get_all("Requires-Dist", [])) for name in PROJECTS}
    assert {"oauth-codex-memory==5.0.0", "oauth-codex-sqlite==5.0.0"} <= needs["oauth_codex"]
    for name in ("oauth_codex_memory", "oauth_codex_sqlite"):
        assert needs[name] == {"oauth-codex<6,>=5.0"}
    for name in PROJECTS:
        metadata = _metadata(built, name)
        assert (metadata["Version"], metadata["Requires-Python"]) == ("5.0.0", ">=3.11")
        assert len(str(metadata.get_payload())) > 100, "no README on the page of the index"


_DISTRIBUTIONS = {"Stemmer": "pystemmer"}


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_every_library_that_is_imported_is_required_and_the_other_way_round(built: Path) -> None:
    files = _files(_wheel(built, "oauth_codex"))
    used = {name for file, source in files.items() if file.endswith(".py") for name in _imported(source)}
    libraries = {
        _DISTRIBUTIONS.get(name, name) for name in used - sys.stdlib_module_names - {"oauth_codex", "pydantic_core"}
    }
    needs = {
        re.split(r"[^A-Za-z0-9_-]", need)[0].lower()
        for need in _metadata(built, "oauth_codex").get_all("Requires-Dist", [])
        if "extra ==" not in need
    }
    assert libraries == needs - {"oauth-codex-memory", "oauth-codex-sqlite"}


# -- over another author's package -------------------------------------------------------------------------------------

_FAKE = {
    "oauth_codex/__init__.py": "class OAuthCodexClient:\n    def __init__(self, **named):\n        raise RuntimeError('the old one')\n",
    "oauth_codex/_module_client.py": "old = True\n",
    "oauth_codex/auth/__init__.py": "old = True\n",
    "oauth_codex/local.py": "old = True\n",  # a module where we have a package
    "oauth_codex/client.py": "old = True\n",
    "oauth_codex/errors/__init__.py": "old = True\n",  # a package where we have a module
    "oauth_codex/types/old.py": "old = True\n",
    "oauth_codex/resources/vector_stores/files.py": "old = True\n",
}


def _fake_wheel(folder: Path) -> Path:
    info = "oauth_codex-4.0.0.dist-info"
    files = {
        **_FAKE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: oauth-codex\nVersion: 4.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\noauth-codex = oauth_codex:main\nold-codex = oauth_codex:main\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text.encode())}\n"
    path = folder / "oauth_codex-4.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


_USE = """
from oauth_codex import OAuthCodexClient, __version__
assert __version__ == "5.0.0", __version__
import oauth_codex, oauth_codex_memory, oauth_codex_sqlite, sys
assert all(sys.prefix in module.__file__ for module in (oauth_codex, oauth_codex_memory, oauth_codex_sqlite))
with OAuthCodexClient(backend="memory") as client:
    store = client.vector_stores.create(name="fruit")
    client.vector_stores.files.upload_and_poll(store.id, file=("a.txt", b"apples and pears"))
    print(client.vector_stores.search(store.id, query="apples").data[0].text)
with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    print(client.files.create(file=b"kept", purpose="assistants").bytes)
"""


def test_upgrading_from_another_authors_4_0_0(built: Path, tmp_path: Path, clean_environment: None) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
        return done.stdout

    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # Only a folder on the path: what is installed there editably is not found through it.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps", "--quiet")
    run(*pip, _fake_wheel(tmp_path))
    old = {name for name in _FAKE if (site / name).exists()}
    assert old == set(_FAKE)
    run(*pip, *(_wheel(built, name) for name in PROJECTS))

    ours = set(_files(_wheel(built, "oauth_codex")))
    there = {path.relative_to(site).as_posix() for path in (site / "oauth_codex").rglob("*") if path.is_file()}
    assert {file for file in there if "__pycache__" not in file} == {
        file for file in ours if file.startswith("oauth_codex/")
    }
    assert [path.name for path in site.glob("oauth_codex-*")] == ["oauth_codex-5.0.0.dist-info"]
    assert not (python.parent / "old-codex").exists()
    assert run(python, "-W", "error", "-c", _USE, tmp_path / "storage") == "apples and pears\n4\n"
    assert "5.0.0" in run(python.parent / "oauth-codex", "--version")
    assert "sqlite" in run(python.parent / "oauth-codex", "drivers")
