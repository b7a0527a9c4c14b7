"""Memory of a process that only searches: `python -m benchmarks.probes.search_memory STORAGE STORE QUERY...`."""

from __future__ import annotations

import json
import sys

from oauth_codex import OAuthCodexClient

from benchmarks.measure import peak_memory, private_memory

storage, store, *queries = sys.argv[1:]
with OAuthCodexClient(backend="sqlite", storage_dir=storage) as client:
    for query in queries:
        client.vector_stores.search(store, query=query)
    print(json.dumps({"peak": peak_memory(), "private": private_memory()}))
