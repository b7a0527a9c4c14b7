"""Start and stop the server of `seeded.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextmanager
def serving() -> Iterator[str]:
    """The address of a running server.

    Raises:
        RuntimeError: It did not start, or did not end as it should; what it wrote stands above.
    """
    process = subprocess.Popen([sys.executable, str(HERE / "seeded.py")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The server ended with {process.wait()} before it answered.")
        yield str(json.loads(line)["url"])
    finally:
        process.terminate()
        status = process.wait(timeout=60)
        process.stdout.close()
    if status != 0:
        raise RuntimeError(f"The server ended with {status}.")
