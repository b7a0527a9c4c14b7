"""A fresh process opens a storage, lists stores and searches one: `python -m benchmarks.probes.open_list STORAGE STORE`."""

from __future__ import annotations

import sys
import time

start = time.perf_counter()

from oauth_codex import OAuthCodexClient  # noqa: E402

with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    page = client.vector_stores.list(limit=20)
    client.vector_stores.search(sys.argv[2], query="a store of many")
    print(f'{{"rows": {len(page.data)}, "seconds": {time.perf_counter() - start}}}', flush=True)
