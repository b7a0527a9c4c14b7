"""Run the openai package's own tests of files and vector stores against our server.

They come inside the source distribution of the version that is installed, which is fetched into a temporary folder. The status is 1
unless exactly as many tests pass, fail as expected and are skipped as `EXPECTED` says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from serving import HERE, serving

RESOURCES = "tests/api_resources"
TESTS = ("test_vector_stores.py", "vector_stores/test_files.py", "vector_stores/test_file_batches.py", "test_files.py")
#: Of 470: the 40 expected failures are listed in `nonsense.py`; the skipped ones openai's own conftest skips.
EXPECTED = {"passed": 427, "expected failures": 40, "skipped": 3}


def fetch(folder: Path) -> Path:
    """The unpacked source distribution of the installed version."""
    wanted = f"openai=={version('openai')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-binary", "openai", "--dest", str(folder), wanted], check=True)
    (archive,) = folder.glob("openai-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def run_tests(sources: Path, url: str, arguments: list[str]) -> Counter[str]:
    """How often each outcome occurred."""
    report = sources / "outcomes.xml"
    options = ["-o", "addopts=", "-p", "nonsense", "--quiet", "--tb=short", f"--junitxml={report}", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environment |= {"TEST_API_BASE_URL": f"{url}/v1", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "pytest", *options, *(f"{RESOURCES}/{name}" for name in TESTS)]
    subprocess.run(command, cwd=sources, env=environment, check=False)
    return Counter(_outcome(case) for case in ET.parse(report).getroot().iter("testcase"))


def _outcome(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "expected failures" if skipped.get("type") == "pytest.xfail" else "skipped"


def main() -> int:
    """Fetch, serve, test, and judge."""
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        found = run_tests(fetch(Path(folder)), url, sys.argv[1:])
    wanted = ", ".join(f"{count} {name}" for name, count in EXPECTED.items())
    counted = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    sys.stdout.write(f"openai {version('openai')}: {counted}; wanted: {wanted}\n")
    return 0 if found == EXPECTED else 1


if __name__ == "__main__":
    sys.exit(main())
