"""The OpenAI REST API over any backend: `create_app` for embedding, `run` for a process of its own.

`oauth-codex serve` is the command for it. Needs the extra `server`.
"""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import DriverError

_NEEDED = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus_client",
}
_missing = [library for module, library in _NEEDED.items() if find_spec(module) is None]
if _missing:
    raise DriverError(
        f"The server needs {', '.join(_missing)}, which cannot be imported. From a checkout of oauth-codex run"
        ' `python -m pip install -r requirements.txt ".[server]"`; from built wheels run'
        ' `python -m pip install --find-links dist "oauth-codex[server]>=5.0"`.',
        key="server",
    )

from .app import create_app  # noqa: E402  (only with the libraries)
from .keys import Keys  # noqa: E402
from .running import Listener, run  # noqa: E402

__all__ = ["Keys", "Listener", "create_app", "run"]
