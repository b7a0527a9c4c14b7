"""mypy --strict and pyright accept the calls of both documents, and refuse wrong ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
USAGE = ("usage_s0.py", "usage_s1.py")
WRONG = "wrong_calls.py"
Found = dict[str, dict[int, str]]


def run(*command: str, folder: Path) -> str:
    """What a checker prints; its exit status says no more than that it found something."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_mypy(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Errors by file and line."""
    folder = tmp_path_factory.mktemp("mypy")
    modules = [str(HERE / name) for name in (*USAGE, WRONG)]
    options = ("--strict", "--config-file=", "--output=json", f"--cache-dir={folder}")
    found: Found = {name: {} for name in (*USAGE, WRONG)}
    for line in run("mypy", *options, *modules, folder=folder).splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            if report["severity"] == "error":
                found[Path(report["file"]).name][report["line"]] = report["message"]
    return found


@pytest.fixture(scope="module")
def by_pyright(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Errors by file and line, lines from 1."""
    folder = tmp_path_factory.mktemp("pyright")
    settings: dict[str, Any] = {
        "include": [str(HERE / name) for name in (*USAGE, WRONG)],
        "typeCheckingMode": "strict",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    options = ("--outputjson", "--pythonpath", sys.executable, "--project", str(folder))
    report = json.loads(run("basedpyright", *options, folder=folder))
    assert report["summary"]["filesAnalyzed"] == len(USAGE) + 1
    found: Found = {name: {} for name in (*USAGE, WRONG)}
    for problem in report["generalDiagnostics"]:
        if problem["severity"] == "error":
            line = problem["range"]["start"]["line"] + 1
            found[Path(problem["file"]).name][line] = problem["message"]
    return found


@pytest.mark.parametrize("checker", ["by_mypy", "by_pyright"])
@pytest.mark.parametrize("name", USAGE)
def test_s0_and_s1_calls_are_accepted(request: pytest.FixtureRequest, checker: str, name: str) -> None:
    found: Found = request.getfixturevalue(checker)
    assert found[name] == {}


@pytest.mark.parametrize("checker", ["by_mypy", "by_pyright"])
def test_wrong_calls_are_refused(request: pytest.FixtureRequest, checker: str) -> None:
    found: Found = request.getfixturevalue(checker)
    lines = (HERE / WRONG).read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if re.search(r"# wrong$", line)}
    refused = set(found[WRONG])
    assert {lines[number - 1].strip() for number in wrong - refused} == set()
    assert {f"{lines[number - 1].strip()}: {found[WRONG][number]}" for number in refused - wrong} == set()
