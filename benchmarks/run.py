"""The benchmark: `python benchmarks/run.py` prints a table and writes results.json; see README.md beside it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCENARIOS = (
    "importing",
    "ingest",
    "background",
    "search",
    "filtered",
    "listing",
    "stores",
    "opening",
    "memory",
    "drivers",
    "server",
    "relevance",
)


def main() -> int:
    """Run what the command line asks for."""
    given = _arguments()
    _prepare()
    with tempfile.TemporaryDirectory(prefix="oauth-codex-benchmark-") as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        config = Path(temporary) / "config.toml"
        config.touch()
        os.environ["OAUTH_CODEX_CONFIG"] = str(config)  # the user's own settings must not change what is measured
        from benchmarks import report
        from benchmarks.bench import Bench

        bench = Bench(work.resolve(), given.quick, given.large, given.relevance)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        facts = report.facts(date=today, quick=given.quick, large=given.large)
        rows: list[report.Row] = []
        for name in given.only or SCENARIOS:
            began = time.perf_counter()
            rows += import_module(f"benchmarks.scenarios.{name}").run(bench)
            bench.say(f"{name}: {time.perf_counter() - began:.0f} s")
            if "corpus" in vars(bench):
                facts["corpus"] = bench.corpus.facts
            report.write_json(given.out, rows, facts)  # each time: a later scenario may be interrupted
    report.show(rows, facts)
    if given.write_readme:
        report.write_readme(HERE / "README.md", rows, facts)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure oauth-codex beside a floor.")
    parser.add_argument("--relevance", type=Path, metavar="DIR", help="folder of relevance collections")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter; the aims are not for it")
    parser.add_argument("--large", action="store_true", help="also at 150,000 chunks (minutes)")
    parser.add_argument("--out", type=Path, metavar="FILE", default=HERE / "results.json", help="where the JSON goes")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SCENARIOS, help=f"some of: {', '.join(SCENARIOS)}")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep corpora and stores here for the next run")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    return parser.parse_args()


def _prepare() -> None:
    """One thread for each library, no settings of the user, and this checkout's `benchmarks` importable."""
    for name in [name for name in os.environ if name.startswith(("OAUTH_CODEX_", "CODEX_COMPAT_"))]:
        del os.environ[name]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
    sys.path.insert(0, str(HERE.parent))


if __name__ == "__main__":
    sys.exit(main())
