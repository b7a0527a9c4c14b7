"""OpenAI `files` and `vector_stores` over storage that you choose by name.

```python
from oauth_codex import OAuthCodexClient

client = OAuthCodexClient()  # one SQLite file in your data directory, offline
```

Names are loaded at first use, so that `import oauth_codex` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "5.0.0"

_ERRORS = (
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthRequiredError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "DriverError",
    "EmbedderMismatchError",
    "InternalServerError",
    "NotFoundError",
    "NotSupportedError",
    "OAuthCodexError",
    "OpenAIError",
    "ParameterValidationError",
    "PermissionDeniedError",
    "PollTimeoutError",
    "RateLimitError",
    "SDKRequestError",
    "SchemaVersionError",
    "StorageBusyError",
    "StorageError",
    "UnprocessableEntityError",
)
_NAMES = {
    **dict.fromkeys(_ERRORS, "errors"),
    "OAuthCodexClient": "client",
    "AsyncOAuthCodexClient": "client",
    "files": "client.module_level",
    "vector_stores": "client.module_level",
    "NOT_GIVEN": "types.sentinels",
    "NotGiven": "types.sentinels",
    "Omit": "types.sentinels",
    "not_given": "types.sentinels",
    "omit": "types.sentinels",
    "errors": "errors",
    "types": "types",
}
_MODULES = frozenset({"errors", "types"})

__all__ = [
    *_ERRORS,
    "NOT_GIVEN",
    "AsyncOAuthCodexClient",
    "NotGiven",
    "OAuthCodexClient",
    "Omit",
    "__version__",
    "errors",
    "files",
    "not_given",
    "omit",
    "types",
    "vector_stores",
]

if TYPE_CHECKING:
    from . import errors as errors
    from . import types as types
    from .client import AsyncOAuthCodexClient as AsyncOAuthCodexClient
    from .client import OAuthCodexClient as OAuthCodexClient
    from .client.module_level import files as files
    from .client.module_level import vector_stores as vector_stores
    from .errors import APIConnectionError as APIConnectionError
    from .errors import APIError as APIError
    from .errors import APIResponseValidationError as APIResponseValidationError
    from .errors import APIStatusError as APIStatusError
    from .errors import APITimeoutError as APITimeoutError
    from .errors import AuthenticationError as AuthenticationError
    from .errors import AuthRequiredError as AuthRequiredError
    from .errors import BadRequestError as BadRequestError
    from .errors import ClientClosedError as ClientClosedError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import ConflictError as ConflictError
    from .errors import DriverError as DriverError
    from .errors import EmbedderMismatchError as EmbedderMismatchError
    from .errors import InternalServerError as InternalServerError
    from .errors import NotFoundError as NotFoundError
    from .errors import NotSupportedError as NotSupportedError
    from .errors import OAuthCodexError as OAuthCodexError
    from .errors import OpenAIError as OpenAIError
    from .errors import ParameterValidationError as ParameterValidationError
    from .errors import PermissionDeniedError as PermissionDeniedError
    from .errors import PollTimeoutError as PollTimeoutError
    from .errors import RateLimitError as RateLimitError
    from .errors import SchemaVersionError as SchemaVersionError
    from .errors import SDKRequestError as SDKRequestError
    from .errors import StorageBusyError as StorageBusyError
    from .errors import StorageError as StorageError
    from .errors import UnprocessableEntityError as UnprocessableEntityError
    from .types.sentinels import NOT_GIVEN as NOT_GIVEN
    from .types.sentinels import NotGiven as NotGiven
    from .types.sentinels import Omit as Omit
    from .types.sentinels import not_given as not_given
    from .types.sentinels import omit as omit
else:  # hidden from type checkers, so that a misspelt name is still an error to them

    def __getattr__(name: str) -> Any:
        room = _NAMES.get(name)
        if room is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"{__name__}.{room}")
        value = module if name in _MODULES else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
