"""What a run of the kit found, as JSON, and the driver matrix that is made of such files.

```console
$ pytest --oauth-codex-report faiss.json
$ python -m oauth_codex.testing.report faiss.json sqlite.json --write docs/reference/drivers.md
```
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from .notes import NOTE

if TYPE_CHECKING:
    import pytest

#: Version of the format of a report.
FORMAT = 1

#: Outcomes of a test: `refused` is a test of something undeclared, which was refused as it must be.
OUTCOMES = ("passed", "refused", "expected_failure", "skipped", "failed")

BEGIN = "<!-- driver matrix: begin -->"
END = "<!-- driver matrix: end -->"


class Reporter:
    """Collects the outcomes of a run and writes them when it ends; under pytest-xdist in the process that started the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[tuple[str, str], dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of the phases of a test."""
        for name, note in report.user_properties:
            if name == NOTE and isinstance(note, dict):
                found = self._tests.setdefault((note["suite"], note["test"]), {"outcome": "passed"})
                found.update(note)
                outcome, reason = _outcome(report, bool(note["refused"]))
                if OUTCOMES.index(outcome) >= OUTCOMES.index(found["outcome"]):
                    found["outcome"], found["reason"] = outcome, reason

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        suites: dict[str, list[dict[str, Any]]] = {}
        for (suite, _), test in sorted(self._tests.items()):
            suites.setdefault(suite, []).append(test)
        body = {
            "format": FORMAT,
            "kit": __version__,
            "python": platform.python_version(),
            "platform": platform.system(),
            "suites": [_suite(name, tests) for name, tests in suites.items()],
        }
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _outcome(report: pytest.TestReport, refused: bool) -> tuple[str, str | None]:
    if hasattr(report, "wasxfail") and report.outcome == "skipped":
        return "expected_failure", str(report.wasxfail).removeprefix("reason: ")
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return "skipped", reason.removeprefix("Skipped: ")
    if report.outcome == "failed":
        return "failed", None
    return ("refused" if refused else "passed"), None


def _suite(name: str, tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(test["outcome"] for test in tests)
    facts: Mapping[str, Any] = next((test["facts"] for test in tests if test["facts"]), {})
    return {
        "suite": name,
        **facts,
        "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
        "expected_failures": {t["test"]: t["reason"] for t in tests if t["outcome"] == "expected_failure"},
        "rules": sorted({rule for test in tests for rule in test["rules"]}, key=_rule_order),
        "tests": [
            {key: test[key] for key in ("test", "outcome", "rules", "mode", "reason") if test.get(key)}
            for test in tests
        ],
    }


def _rule_order(rule: str) -> tuple[str, int]:
    return rule[:1], int(rule[1:]) if rule[1:].isdecimal() else 0


# -- the matrix --------------------------------------------------------------------------------------------------------


def matrix(reports: Sequence[Mapping[str, Any]]) -> str:
    """The driver matrix as Markdown: results of every driver, what each declares, and what it is excused from.

    Args:
        reports: Reports as `--oauth-codex-report` writes them.

    Raises:
        ValueError: A report is of another format, or none has the results of a driver.
    """
    for report in reports:
        if report.get("format") != FORMAT:
            raise ValueError(f"A report has the format {report.get('format')!r}; this version reads {FORMAT}.")
    suites = [(report, suite) for report in reports for suite in report["suites"]]
    drivers = [(report, suite) for report, suite in suites if "capabilities" in suite]
    indexes = [(report, suite) for report, suite in suites if "traits" in suite]
    if not drivers:
        raise ValueError("None of the reports has the results of a DriverSuite.")
    drivers.sort(key=lambda each: (each[1]["driver"], each[1]["suite"], each[0]["python"]))
    indexes.sort(key=lambda each: (each[1].get("provider", ""), each[1]["suite"], each[0]["python"]))
    parts = [_results(drivers, "driver", "Driver"), _declared(drivers, "driver", "capabilities", "Capability")]
    if indexes:
        parts += [_results(indexes, "provider", "Index"), _declared(indexes, "provider", "traits", "Trait")]
    excused = [
        (suite.get("driver") or suite.get("provider"), test, reason)
        for _, suite in suites
        for test, reason in suite["expected_failures"].items()
    ]
    if excused:
        parts.append(
            _table(["Where", "Expected failure", "Reason"], sorted({(f"`{a}`", f"`{b}`", c) for a, b, c in excused}))
        )
    return "\n\n".join(parts)


Suites = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]


def _results(suites: Suites, key: str, title: str) -> str:
    head = [
        title,
        "Distribution",
        "Kit",
        "Python",
        "Passed",
        "Refused as undeclared",
        "Expected failures",
        "Skipped",
        "Failed",
    ]
    rows = []
    for report, suite in suites:
        package = " ".join(filter(None, [suite.get("distribution"), suite.get("version")])) or "–"
        counts = [str(suite["counts"][outcome]) for outcome in OUTCOMES]
        rows.append([f"`{suite[key]}`", package, report["kit"], report["python"], *counts])
    return _table(head, rows)


def _declared(suites: Suites, key: str, what: str, title: str) -> str:
    columns = {suite[key]: suite[what] for _, suite in suites}
    names = list(dict.fromkeys(name for declared in columns.values() for name in declared))
    rows = [[f"`{name}`", *(_shown(declared.get(name)) for declared in columns.values())] for name in names]
    return _table([title, *(f"`{name}`" for name in columns)], rows)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "yes" if value else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the driver matrix, or write it between its markers.

    Returns:
        0; 2 when a file cannot be used, with the reason on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m oauth_codex.testing.report", description="Makes the driver matrix."
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="FILE", help="written by pytest --oauth-codex-report")
    parser.add_argument("--write", type=Path, metavar="PAGE", help=f"replace what stands between {BEGIN} and {END}")
    given = parser.parse_args(arguments)
    try:
        table = matrix([json.loads(path.read_text(encoding="utf-8")) for path in given.reports])
        if given.write is None:
            sys.stdout.write(table + "\n")
            return 0
        page = given.write.read_text(encoding="utf-8")
        before, begin, rest = page.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise ValueError(f"{given.write} lacks the lines {BEGIN} and {END}, between which the matrix is written.")
        given.write.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
