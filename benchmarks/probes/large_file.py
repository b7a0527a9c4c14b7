"""Uploads a file to a server and downloads it again: `URL PATH`. Prints seconds, and the memory that each added at most."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

from oauth_codex import OAuthCodexClient

from benchmarks.measure import peak_memory


def main(url: str, path: Path) -> dict[str, float]:
    """Both ways, by a client that has made other calls before."""
    with OAuthCodexClient(base_url=url, api_key="none", timeout=600) as client:
        small = client.files.create(file=("small.txt", b"small"), purpose="user_data")
        client.files.content(small.id)
        before = peak_memory()
        started = time.perf_counter()
        large = client.files.create(file=path, purpose="user_data")
        uploaded, up = time.perf_counter(), peak_memory()
        digest = hashlib.sha256()
        with client.files.with_streaming_response.content(large.id) as answer:
            for piece in answer.iter_bytes():
                digest.update(piece)
        downloaded, down = time.perf_counter(), peak_memory()
        with path.open("rb") as source:
            if hashlib.file_digest(source, "sha256").digest() != digest.digest():
                raise RuntimeError("What came back is not what was sent.")
        return {
            "upload_seconds": uploaded - started,
            "upload_memory": up - before,
            "download_seconds": downloaded - uploaded,
            "download_memory": down - before,
        }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
