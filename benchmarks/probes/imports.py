"""What an import costs and loads: `python -m benchmarks.probes.imports NAME`, NAME being a name of the package or `-`."""

from __future__ import annotations

import json
import sys
import time

before = set(sys.modules)
start = time.perf_counter()

import oauth_codex  # noqa: E402

if sys.argv[1] != "-":
    getattr(oauth_codex, sys.argv[1])
seconds = time.perf_counter() - start
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"seconds": seconds, "modules": len(set(sys.modules) - before), "top": sorted(loaded)}))
