"""A fresh process answers one search: `python -m benchmarks.probes.first_answer STORAGE STORE QUERY`."""

from __future__ import annotations

import sys
import time

start = time.perf_counter()

from oauth_codex import OAuthCodexClient  # noqa: E402

with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    opened = time.perf_counter()
    hits = client.vector_stores.search(sys.argv[2], query=sys.argv[3]).data
    answered = time.perf_counter()
    print(f'{{"hits": {len(hits)}, "open": {opened - start}, "search": {answered - opened}}}', flush=True)
