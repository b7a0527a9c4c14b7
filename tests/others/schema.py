"""Let schemathesis loose on the OpenAPI document that our server serves, and on the server itself.

The status is 1 if it finds a failure of the server or a difference between the document and the answers, and if it did not get every
operation to succeed at least once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serving import HERE, serving

#: Cases of each operation in each phase that generates.
CASES = 20


def explore(url: str, folder: Path, arguments: list[str]) -> tuple[int, dict[str, Any]]:
    """The status of schemathesis and its report."""
    report = folder / "report.json"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--checks", "all"]
    options = [
        "--generation-deterministic",
        "--max-examples",
        str(CASES),
        "--no-color",
        "--report-json-path",
        str(report),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": str(HERE)}
    ended = subprocess.run([*command, *options, *arguments], cwd=folder, env=environment, check=False)
    return ended.returncode, json.loads(report.read_text())


def main() -> int:
    """Serve, explore, and judge."""
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        status, report = explore(url, Path(folder), sys.argv[1:])
    operations, cases = report["operations"], report["test_cases"]
    done = [name for name, phases in report["valid_rates"].items() if any(rate["accepted"] for rate in phases.values())]
    sys.stdout.write(
        f"schemathesis {version('schemathesis')}: {operations['tested']} of {operations['total']} operations, {len(done)} of them"
        f" with success, {cases['generated']} cases, {cases['with_failures']} failures, {len(report['errors'])} errors\n"
    )
    every = operations["total"] == operations["tested"] == len(done) > 0
    return 0 if status == 0 and report["complete"] and every else 1


if __name__ == "__main__":
    sys.exit(main())
