"""The wheels and source distributions as they are built: what is in them, and what they say of themselves."""

from __future__ import annotations

import ast
import configparser
import email
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
DRIVERS = ("oauth_codex_chroma", "oauth_codex_faiss", "oauth_codex_memory", "oauth_codex_openai", "oauth_codex_sqlite")
#: Those that an extra adds.
OPTIONAL = ("chroma", "faiss", "openai")
NAMES = ("oauth_codex", *DRIVERS)


def _wheel(dist: Path, name: str) -> Path:
    return dist / f"{name}-5.0.0-py3-none-any.whl"


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


def _metadata(dist: Path, name: str) -> Message:
    return email.message_from_bytes(_files(_wheel(dist, name))[f"{name}-5.0.0.dist-info/METADATA"])


def test_exactly_the_archives_of_five_distributions(dist: Path) -> None:
    expected = {f"{name}-5.0.0{end}" for name in NAMES for end in ("-py3-none-any.whl", ".tar.gz")}
    assert {path.name for path in dist.iterdir() if path.name != ".gitignore"} == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_holds_its_package_whole_and_nothing_else(dist: Path, projects: Mapping[str, Path], name: str) -> None:
    files = _files(_wheel(dist, name))
    assert {PurePosixPath(file).parts[0] for file in files} == {name, f"{name}-5.0.0.dist-info"}
    source = (ROOT / "core" / "src" if name == "oauth_codex" else projects[name] / "src") / name
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


def test_the_core_wheel_holds_ranks_notice_and_documents(dist: Path) -> None:
    files = _files(_wheel(dist, "oauth_codex"))
    data = "oauth_codex/local/text/data/"
    assert len(files[f"{data}cl100k_base.tiktoken.gz"]) > 500_000
    assert b"MIT" in files[f"{data}NOTICE.md"]
    assert any(file.endswith("/licenses/LICENSE") for file in files)
    assert any(file.endswith("/NOTICE.md") and "dist-info" in file for file in files)
    documents = {file.removeprefix("oauth_codex/cli/documents/") for file in files if "/cli/documents/" in file}
    docs = ROOT / "docs"
    assert documents == {path.relative_to(docs).as_posix() for path in docs.rglob("*") if path.is_file()}


def test_an_sdist_holds_the_sources_and_nothing_else(dist: Path, projects: Mapping[str, Path]) -> None:
    for name, project in projects.items():
        files = _files(dist / f"{name}-5.0.0.tar.gz")
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


@pytest.mark.parametrize("name", NAMES)
def test_no_archive_names_the_machine_it_was_made_on(dist: Path, name: str) -> None:
    here = [str(place).encode() for place in (ROOT, Path.home(), dist) if len(str(place)) > 4]
    for archive in (_wheel(dist, name), dist / f"{name}-5.0.0.tar.gz"):
        assert [file for file, data in _files(archive).items() if any(place in data for place in here)] == []


def test_entry_points(dist: Path) -> None:
    points = {name: _entry_points(dist, name) for name in NAMES}
    assert points.pop("oauth_codex") == {
        "console_scripts": {"oauth-codex": "oauth_codex.cli:main"},
        "oauth_codex.embedders": {"hashing": "oauth_codex.embedders:hashing_record"},
        "pytest11": {"oauth_codex.testing.plugin": "oauth_codex.testing.plugin"},
    }
    assert points["oauth_codex_openai"].pop("oauth_codex.embedders") == {"openai": "oauth_codex_openai:embedder"}
    for name, found in points.items():
        assert found == {"oauth_codex.drivers": {name.removeprefix("oauth_codex_"): f"{name}:driver"}}


def _entry_points(dist: Path, name: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(_files(_wheel(dist, name))[f"{name}-5.0.0.dist-info/entry_points.txt"].decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_requirements(dist: Path) -> None:
    needs = {name: set(_metadata(dist, name).get_all("Requires-Dist", [])) for name in NAMES}
    assert {"oauth-codex-memory==5.0.0", "oauth-codex-sqlite==5.0.0"} <= needs["oauth_codex"]
    extras = {need for need in needs["oauth_codex"] if "extra ==" in need}
    server = (
        "httptools>=0.6",
        "prometheus-client>=0.21",
        "python-multipart>=0.0.18",
        "starlette>=0.41",
        "uvicorn>=0.32",
    )
    uvloop = "uvloop>=0.21; (sys_platform != 'win32') and extra"
    assert extras == {
        *(f"oauth-codex-{driver}==5.0.0; extra == '{extra}'" for driver in OPTIONAL for extra in (driver, "all")),
        *(f"{library}; extra == '{extra}'" for library in server for extra in ("server", "all")),
        *(f"{uvloop} == '{extra}'" for extra in ("server", "all")),
        "hypothesis>=6.100; extra == 'testing'",
        "pytest>=8; extra == 'testing'",
    }
    for name in DRIVERS:
        assert "oauth-codex<6,>=5.0" in needs[name]
    for name in ("oauth_codex_memory", "oauth_codex_sqlite"):
        assert len(needs[name]) == 1, "a plain install needs no more than the core does"


@pytest.mark.parametrize("name", NAMES)
def test_metadata(dist: Path, name: str) -> None:
    metadata = _metadata(dist, name)
    assert (metadata["Version"], metadata["Requires-Python"]) == ("5.0.0", ">=3.11")
    assert metadata["License-Expression"] == "MIT"
    assert len(str(metadata.get_payload())) > 100, "no README on the page of the index"


#: Where a module and the distribution that has it are named differently.
_DISTRIBUTIONS = {
    "Stemmer": "pystemmer",
    "_pytest": "pytest",
    "faiss": "faiss-cpu",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
}


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def _libraries(files: Mapping[str, bytes]) -> set[str]:
    """The distributions that modules import, other than ours and Python's own."""
    used = {name for file, source in files.items() if file.endswith(".py") for name in _imported(source)}
    used = {name for name in used if not name.startswith("oauth_codex")} - sys.stdlib_module_names - {"pydantic_core"}
    return {_DISTRIBUTIONS.get(name, name) for name in used}


def _needs(dist: Path, name: str, extra: str | None = None) -> set[str]:
    """The distributions, other than ours, that a wheel requires always, or those that an extra adds."""
    needs = _metadata(dist, name).get_all("Requires-Dist", [])
    wanted = [need for need in needs if (f"extra == '{extra}'" in need if extra else "extra ==" not in need)]
    names = {re.split(r"[^A-Za-z0-9_-]", need)[0].lower() for need in wanted}
    return {each for each in names if not each.startswith("oauth-codex")}


def test_every_library_that_is_imported_is_required_and_the_other_way_round(dist: Path) -> None:
    files = _files(_wheel(dist, "oauth_codex"))
    always = _needs(dist, "oauth_codex")
    rest = dict(files)
    for extra in ("testing", "server"):
        room = {file: rest.pop(file) for file in files if file.startswith(f"oauth_codex/{extra}/")}
        # uvicorn imports these two by itself.
        assert _libraries(room) - always == _needs(dist, "oauth_codex", extra) - {"httptools", "uvloop"}
    assert _libraries(rest) == always


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_requires_what_it_imports(dist: Path, name: str) -> None:
    # numpy and pydantic come with the core, whose types a driver speaks.
    core = {"anyio", "httpx", "numpy", "pydantic", "sqlalchemy"}
    assert _libraries(_files(_wheel(dist, name))) - core == _needs(dist, name) - core
