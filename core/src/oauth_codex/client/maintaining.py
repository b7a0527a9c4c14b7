"""What looks after the storage of a client, and the checks of what it is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import messages as say
from ..errors import ConfigurationError, NotSupportedError, ParameterValidationError
from .polling import told_of_progress

if TYPE_CHECKING:
    from ..spi.embedder import Embedder
    from ..spi.maintenance import Maintenance
    from .base import Core


def keeper(core: Core) -> Maintenance:
    """What looks after the storage.

    Raises:
        NotSupportedError: The backend has no such thing.
        ClientClosedError: The client is closed, or was made before a fork.
    """
    backend = core.opened.live()
    found: Maintenance | None = getattr(backend, "maintenance", None)
    if found is None:
        raise NotSupportedError(
            f"The backend '{backend.name}' cannot look after its storage: maintenance is for local drivers, and not for a view of"
            " one namespace."
        )
    return found


def other(core: Core, target: Any) -> Core:
    """What is behind another client.

    Raises:
        ParameterValidationError: It is none, or has the same open backend.
        ClientClosedError: It is closed.
    """
    found: Any = getattr(target, "_core", None)
    if found is None:
        raise say.wrong_type("target", target, "a client, or a mapping of the arguments of one")
    if found.opened.live() is core.opened.live():
        raise ParameterValidationError("Invalid 'target': it is this client itself.", param="target")
    opened: Core = found
    return opened


def embedder(value: Any) -> Embedder:
    """An embedder that was given, or the one of that name, with its own defaults.

    Raises:
        DriverError: It is not installed or broken.
        ConfigurationError: It is no embedder.
    """
    from .. import registry
    from ..spi.embedder import is_embedder

    if isinstance(value, str):
        return registry.open_embedder(value, {}, origin="argument")
    if not is_embedder(value):
        raise ConfigurationError(
            "embedder takes the name of an embedder or an object with name, dimension, fingerprint, semantic, max_batch and"
            f" embed(), not {type(value).__name__}.",
            key="embedder",
            origin="argument",
        )
    return value


def folder(value: Any, name: str) -> Path:
    """A path that was given.

    Raises:
        ParameterValidationError: It is none.
    """
    path = os.fsdecode(value) if isinstance(value, str | os.PathLike) else ""
    if not path or "\0" in path:
        raise say.wrong_type(name, value, "the path of a directory")
    return Path(path)


def switch(value: Any, name: str) -> bool:
    """A truth value that was given.

    Raises:
        ParameterValidationError: It is none.
    """
    if not isinstance(value, bool):
        raise say.wrong_type(name, value, "a boolean")
    return value


def listener(value: Any) -> Any:
    """A function that shall be told of progress, or None.

    Raises:
        ParameterValidationError: It is neither.
    """
    return None if value is None else told_of_progress(value)
