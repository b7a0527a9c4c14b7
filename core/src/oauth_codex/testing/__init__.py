"""The conformance kit: proves that a driver keeps its contract.

```python
import pytest
from oauth_codex.testing import DriverCase, DriverSuite


class TestAcme(DriverSuite):
    @pytest.fixture
    def case(self):
        return DriverCase("acme", options={"host": "127.0.0.1"})
```

Names are loaded at first use, because pytest imports this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {
    "DriverCase": "case",
    "DriverSuite": "driver_suite",
    "FakeClock": "clock",
    "Ids": "clock",
    "IndexSuite": "index_suite",
    "SemanticEmbedder": "semantic",
    "Storage": "case",
}

__all__ = ["DriverCase", "DriverSuite", "FakeClock", "Ids", "IndexSuite", "SemanticEmbedder", "Storage"]

if TYPE_CHECKING:
    from .case import DriverCase as DriverCase
    from .case import Storage as Storage
    from .clock import FakeClock as FakeClock
    from .clock import Ids as Ids
    from .driver_suite import DriverSuite as DriverSuite
    from .index_suite import IndexSuite as IndexSuite
    from .semantic import SemanticEmbedder as SemanticEmbedder
else:  # hidden from type checkers, so that a misspelt name is still an error to them

    def __getattr__(name: str) -> Any:
        module = _NAMES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            found = import_module(f"{__name__}.{module}")
        except ModuleNotFoundError as error:
            if error.name in ("pytest", "hypothesis"):
                raise ImportError(
                    f"oauth_codex.testing needs {error.name}, which is not installed. Install it together with the kit:"
                    ' pip install "oauth-codex[testing]"',
                    name=error.name,
                ) from error
            raise
        value = getattr(found, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
