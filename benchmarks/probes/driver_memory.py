"""Memory and opening of a driver: `python -m benchmarks.probes.driver_memory BACKEND OPTIONS STORAGE STORE QUERY...`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import vectors
from benchmarks.measure import peak_memory
from benchmarks.scenarios.drivers import VECTORS_ONLY

backend, options, storage, store, *queries = sys.argv[1:]
with tempfile.TemporaryDirectory() as warm, vectors.client(Path(warm), backend, **json.loads(options)) as client:
    small = client.vector_stores.create().id
    client.vector_stores.files.upload(small, file=b"A storage of its own: what is measured is opening, not importing.")
    client.vector_stores.search(small, query=queries[0], ranking_options=VECTORS_ONLY)
start = time.perf_counter()
with vectors.client(Path(storage), backend, **json.loads(options)) as client:
    client.vector_stores.search(store, query=queries[0], ranking_options=VECTORS_ONLY)
    opened = time.perf_counter() - start
    for query in queries:
        client.vector_stores.search(store, query=query, ranking_options=VECTORS_ONLY)
    print(json.dumps({"peak": peak_memory(), "open": opened}))
