"""Runs suites of the kit in a pytest of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Failures = Callable[..., set[tuple[str, str]]]


@pytest.fixture
def failures() -> Failures:
    """Runs tests of a module of suites, and returns suite and test of those that failed.

    It is called with the path of the module, pairs of suite and test (None for all tests), and options of pytest.
    """

    def run(
        module: Path, tests: Mapping[str, str | None] | list[tuple[str, str | None]], *options: str
    ) -> set[tuple[str, str]]:
        pairs = tests.items() if isinstance(tests, Mapping) else tests
        wanted = [f"{module}::Test{suite}" + (f"::{test}" if test else "") for suite, test in pairs]
        command = [sys.executable, "-m", "pytest", "-p", "oauth_codex.testing.plugin", "-p", "no:cacheprovider"]
        command += ["-q", "-rfE", "--tb=no", *options, *wanted]
        answer = subprocess.run(command, capture_output=True, text=True, cwd=module.parents[2], check=False)
        assert answer.returncode in (0, 1), answer.stdout + answer.stderr
        assert not re.search(r"^ERROR ", answer.stdout, re.MULTILINE), answer.stdout
        return set(re.findall(r"^FAILED \S+::Test(\w+)::(\w+)", answer.stdout, re.MULTILINE))

    return run
