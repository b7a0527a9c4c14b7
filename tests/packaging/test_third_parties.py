"""Drivers of other people: built, installed beside our wheels into a clean environment, and run through the conformance kit there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "write-a-driver.md"
THIRD_PARTY = ROOT / "tests" / "thirdparty" / "acme-usearch-store"


@pytest.fixture
def kit(environment: Any) -> Any:
    """A clean environment with our wheels and what the kit needs."""
    environment.run('python -m pip install --quiet --find-links dist "oauth-codex[testing]>=5.0"')
    return environment


def _check_report(path: Path, driver: str, distribution: str, provider: str) -> None:
    """The suites of the driver and of its index ran, and every test passed."""
    suites = json.loads(path.read_text())["suites"]
    (found,) = [suite for suite in suites if suite.get("driver") == driver]
    assert found["distribution"] == distribution
    assert {suite["provider"] for suite in suites if suite is not found} == {provider}
    for suite in suites:
        counts = suite["counts"]
        assert counts["failed"] == counts["expected_failure"] == 0, counts
        skipped = {test["reason"] for test in suite["tests"] if test["outcome"] == "skipped"}
        assert skipped <= {"declared: multi_process"}, "a test of what happens where it is not declared"
        assert counts["passed"] > 100


def test_a_third_partys_driver_passes_the_kit_from_its_wheel(
    kit: Any, build: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    assert "usearch" not in (ROOT / "pyproject.toml").read_text(), "a library that we use ourselves proves nothing"
    build(THIRD_PARTY, tmp_path / "wheels")
    kit.run(
        f"python -m pip install --quiet {shlex.quote(str(tmp_path / 'wheels'))}/acme_usearch_store-1.2.3-py3-none-any.whl"
    )
    listed = json.loads(kit.run("oauth-codex drivers --json"))["data"]
    (usearch,) = [each for each in listed if each["name"] == "usearch"]
    assert (usearch["distribution"], usearch["version"], usearch["usable"]) == ("acme-usearch-store", "1.2.3", True)
    tests = tmp_path / "tests"  # a copy away from the sources, so that only what is installed can be imported
    tests.mkdir()
    (tests / "test_conformance.py").write_text((THIRD_PARTY / "tests" / "test_conformance.py").read_text())
    kit.run(
        "python -m pytest -q -W error tests --oauth-codex-examples 8 --oauth-codex-report report.json", cwd=tmp_path
    )
    _check_report(tmp_path / "report.json", "usearch", "acme-usearch-store", "acme_usearch_store.index:UsearchProvider")


_FENCE = re.compile(r"^```(console|bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_from_an_empty_folder_to_an_installed_wheel_as_the_page_says(kit: Any, tmp_path: Path) -> None:
    """Every command of the how-to is run, in its order; what the page shows is what the last command before it prints."""
    here = tmp_path / "here"
    (here / "notes").mkdir(parents=True)
    (here / "notes" / "holidays.md").write_text("# Holidays\n\nEveryone has 28 days of holiday a year.\n")
    printed = ""
    for kind, body in _FENCE.findall(PAGE.read_text(encoding="utf-8")):
        commands = re.findall(r"^\$ (.+)$", body, re.MULTILINE) if kind == "console" else body.splitlines()
        if kind == "text":
            pattern = ".*?".join(map(re.escape, body.strip().split("...")))
            assert re.fullmatch(pattern, printed.strip(), re.DOTALL), printed
            continue
        for command in commands:
            printed = kit.run(command, cwd=here)
    _check_report(here / "shelf.json", "shelf", "oauth-codex-shelf", "oauth_codex_shelf.index:ShelfProvider")
    # What is installed now is the wheel, not the folder.
    where = kit.python("import oauth_codex_shelf; print(oauth_codex_shelf.__file__)")
    assert Path(where.strip()).is_relative_to(kit.site)
