"""Memory and opening of a driver: `python -m benchmarks.probes.driver_memory BACKEND OPTIONS STORAGE STORE QUERY...`."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks import vectors
from benchmarks.measure import peak_memory
from benchmarks.scenarios.drivers import VECTORS_ONLY

backend, options, storage, store, *queries = sys.argv[1:]
# What is imported is not what is opened; the driver's modules are those that its first search would load.
importlib.import_module("chromadb" if backend == "chroma" else "faiss")
for module in (
    "oauth_codex.client",
    "oauth_codex.local",
    f"oauth_codex_{backend}.backend",
    f"oauth_codex_{backend}.index",
):
    importlib.import_module(module)
start = time.perf_counter()
with vectors.client(Path(storage), backend, **json.loads(options)) as client:
    client.vector_stores.search(store, query=queries[0], ranking_options=VECTORS_ONLY)
    opened = time.perf_counter() - start
    for query in queries:
        client.vector_stores.search(store, query=query, ranking_options=VECTORS_ONLY)
    print(json.dumps({"peak": peak_memory(), "open": opened}))
