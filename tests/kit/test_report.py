"""The report of a run and the driver matrix that is made of it."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from oauth_codex import __version__
from oauth_codex.testing import report

pytest_plugins = ["pytester"]

CODE = """
import pytest
from oauth_codex.testing import DriverCase, DriverSuite

class TestIt(DriverSuite):
    expected_failures = {"test_ids_come_from_the_context": "never"}

    @pytest.fixture
    def case(self):
        return DriverCase("memory")

    def test_my_own(self, client):
        assert False

    def test_torn(self, client, torn):
        pass

    @pytest.fixture
    def torn(self):
        raise OSError("torn")

class TestTwo(DriverSuite):
    @pytest.fixture
    def case(self):
        return DriverCase("memory")
"""
SELECT = "test_equal_contents_are_two or test_ids_come or test_my or test_torn or test_batches_and_their"


def written(pytester: pytest.Pytester, *options: str) -> dict[str, Any]:
    pytester.makepyfile(test_it=CODE)
    pytester.runpytest_subprocess(
        *("-p", "oauth_codex.testing.plugin", "-k", SELECT, "--oauth-codex-report", "report.json", *options)
    )
    found: dict[str, Any] = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["in this process", "in a worker"])
def test_report_has_every_test_and_what_it_was(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    found = written(pytester, *options)
    assert (found["format"], found["kit"], found["python"]) == (report.FORMAT, __version__, platform.python_version())
    one, two = found["suites"]
    assert (one["suite"], two["suite"]) == ("test_it.py::TestIt", "test_it.py::TestTwo")
    assert (one["driver"], one["distribution"], one["version"]) == ("memory", "oauth-codex-memory", __version__)
    assert one["capabilities"]["filters"] is True
    assert one["capabilities"]["persistent"] is False
    outcomes = {test["test"]: test["outcome"] for test in one["tests"]}
    assert outcomes == {
        "test_equal_contents_are_two_files[sync]": "passed",
        "test_equal_contents_are_two_files[async]": "passed",
        "test_ids_come_from_the_context[sync]": "failed",  # it passes, although it is expected to fail
        "test_ids_come_from_the_context[async]": "failed",
        "test_my_own[sync]": "failed",
        "test_my_own[async]": "failed",
        "test_torn[sync]": "failed",
        "test_torn[async]": "failed",
        "test_batches_and_their_counts_stay": "skipped",
    }
    assert one["counts"] == {"passed": 2, "refused": 0, "expected_failure": 0, "skipped": 1, "failed": 6}
    same = next(test for test in one["tests"] if test["test"] == "test_equal_contents_are_two_files[async]")
    assert same == {"test": same["test"], "outcome": "passed", "rules": ["R4"], "mode": {"face": "async"}}
    skipped = next(test for test in one["tests"] if test["outcome"] == "skipped")
    assert skipped["reason"] == "not declared: persistent"
    assert two["counts"]["passed"] == 4


def a_suite(name: str, **changes: Any) -> dict[str, Any]:
    counts = {"passed": 10, "refused": 2, "expected_failure": 1, "skipped": 3, "failed": 0}
    return {
        "suite": f"tests/test_{name}.py::TestIt",
        "driver": name,
        "distribution": f"oauth-codex-{name}",
        "version": "1.2",
        "capabilities": {"filters": name == "a", "max_file_bytes": 1024 * 1024},
        "counts": counts,
        "expected_failures": {},
        "rules": [],
        "tests": [],
        **changes,
    }


def a_report(*suites: dict[str, Any]) -> dict[str, Any]:
    return {"format": report.FORMAT, "kit": "5.0.0", "python": "3.11.4", "platform": "Linux", "suites": list(suites)}


def test_matrix_tells_results_declarations_and_excuses() -> None:
    excused = {"test_x[async]": "the server | has none"}
    index = {**a_suite("i"), "provider": "acme:Provider", "traits": {"exact": True, "max_dimension": None}}
    del index["driver"], index["capabilities"]
    table = report.matrix([a_report(a_suite("b", expected_failures=excused)), a_report(a_suite("a"), index)])
    lines = table.splitlines()
    assert "| `a` | oauth-codex-a 1.2 | 5.0.0 | 3.11.4 | 10 | 2 | 1 | 3 | 0 |" in lines
    assert lines.index("| Capability | `a` | `b` |") > 0
    assert "| `filters` | yes | – |" in lines
    assert "| `max_file_bytes` | 1,048,576 | 1,048,576 |" in lines
    assert "| `exact` | yes |" in lines
    assert "| `b` | `test_x[async]` | the server \\| has none |" in lines


def test_matrix_is_written_between_its_markers(tmp_path: Path) -> None:
    results, page = tmp_path / "a.json", tmp_path / "drivers.md"
    results.write_text(json.dumps(a_report(a_suite("a"))), encoding="utf-8")
    page.write_text(f"# Drivers\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n", encoding="utf-8")
    for _ in range(2):
        assert report.main([str(results), "--write", str(page)]) == 0
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# Drivers\n\n{report.BEGIN}\n| Driver |")
        assert text.endswith(f"|\n{report.END}\n\nAfter.\n")
        assert "old" not in text


@pytest.mark.parametrize(
    ("body", "page", "words"),
    [
        ('{"format": 99}', f"{report.BEGIN}\n{report.END}\n", "format 99"),
        ("{", f"{report.BEGIN}\n{report.END}\n", "JSON"),
        (json.dumps(a_report()), f"{report.BEGIN}\n{report.END}\n", "DriverSuite"),
        (json.dumps(a_report(a_suite("a"))), f"{report.END}\n{report.BEGIN}\n", report.BEGIN),
        (json.dumps(a_report(a_suite("a"))), None, "drivers.md"),
    ],
    ids=["other format", "no JSON", "no driver", "markers reversed", "no page"],
)
def test_what_cannot_be_used_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, page: str | None, words: str
) -> None:
    results, target = tmp_path / "a.json", tmp_path / "drivers.md"
    results.write_text(body, encoding="utf-8")
    if page is not None:
        target.write_text(page, encoding="utf-8")
    assert report.main([str(results), "--write", str(target)]) == 2
    assert words in capsys.readouterr().err
    assert (target.read_text(encoding="utf-8") if target.exists() else None) == page
