"""The distributions of this checkout, built once a process, and clean environments to install them into."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVERS = ("chroma", "faiss", "memory", "openai", "sqlite")


class Environment:
    """A virtual environment of its own, in which commands are run as a user types them."""

    def __init__(self, home: Path, folder: Path) -> None:
        venv.create(home, with_pip=True)
        self.folder = folder
        self._scripts = home / ("Scripts" if os.name == "nt" else "bin")
        self.site = Path(self.python("import sysconfig; print(sysconfig.get_path('purelib'))").strip())

    def run(self, command: str, *, cwd: Path | None = None, fails: bool = False) -> str:
        """Run a line of a shell in `folder`, or in another one; what it printed to stdout, or to stderr if it is to fail."""
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        variables["PATH"] = f"{self._scripts}{os.pathsep}{variables['PATH']}"
        variables |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1"}
        done = subprocess.run(
            command, shell=True, cwd=cwd or self.folder, env=variables, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) is fails, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stderr if fails else done.stdout

    def python(self, program: str, *arguments: object, fails: bool = False) -> str:
        """Run a program, with warnings as errors; see `run`."""
        return self.run(shlex.join(["python", "-W", "error", "-c", program, *map(str, arguments)]), fails=fails)


@pytest.fixture(scope="session")
def projects() -> Mapping[str, Path]:
    """Folder of every distribution, by its name in file names."""
    return {"oauth_codex": ROOT} | {f"oauth_codex_{name}": ROOT / "drivers" / name for name in DRIVERS}


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], None]:
    """Builds a project's sdist, and its wheel from the sdist, into a folder."""
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []

    def build(project: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "build", *isolation, "--outdir", str(folder), str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    return build


@pytest.fixture(scope="session")
def dist(
    tmp_path_factory: pytest.TempPathFactory,
    projects: Mapping[str, Path],
    build: Callable[[Path, Path], None],
) -> Path:
    """A folder `dist` with the wheel and the sdist of every distribution."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda project: build(project, folder), projects.values()))
    return folder


@pytest.fixture
def environment(dist: Path, tmp_path: Path, clean_environment: None) -> Environment:
    """A clean environment; its commands run beside the folder `dist`."""
    return Environment(tmp_path / "env", dist.parent)
