"""`import oauth_codex`: seconds, modules, and that the heavy libraries stay away."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import probe, spread
from benchmarks.report import Aim, Row

NAME = "import"
_HEAVY = ("httpx", "numpy", "pydantic", "sqlalchemy")


def run(bench: Bench) -> Iterator[Row]:
    """Import in fresh processes."""
    times = 3 if bench.quick else 7
    bench.say("import")
    bare = [probe("imports", "-") for _ in range(times)]
    heavy = [name for name in _HEAVY if name in bare[0]["top"]]
    seconds = [found["seconds"] * 1e3 for found in bare]
    yield Row(
        NAME, "import oauth_codex", median(seconds), "ms", spread(seconds), remark=f"{bare[0]['modules']} modules"
    )
    yield Row(
        NAME,
        "heavy libraries that it loads",
        len(heavy),
        aim=Aim("<=", 0, "value"),
        remark=", ".join(heavy) or f"none of {', '.join(_HEAVY)}",
    )
    client = [probe("imports", "OAuthCodexClient") for _ in range(times)]
    seconds = [found["seconds"] * 1e3 for found in client]
    heavy = [name for name in _HEAVY if name in client[0]["top"]]
    remark = f"{client[0]['modules']} modules; loads {', '.join(heavy) or 'no heavy library'}"
    yield Row(NAME, "from oauth_codex import OAuthCodexClient", median(seconds), "ms", spread(seconds), remark=remark)
