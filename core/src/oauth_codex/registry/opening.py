"""Opening a driver or an embedder from its record."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..config import Setting
from ..errors import OAuthCodexError
from ..spi.backends import Backend
from ..spi.capabilities import Capabilities
from ..spi.driver import Driver, DriverContext
from ..spi.embedder import Embedder
from . import messages
from .kinds import DRIVERS, EMBEDDERS, Kind
from .loading import load_record
from .options import describe_type, validated


def open_driver(driver: Driver, options: Mapping[str, Setting], context: DriverContext) -> Backend:
    """Open a driver.

    Args:
        driver: Its record.
        options: Its options, not yet validated.
        context: What it receives besides.

    Raises:
        DriverError: A library is missing, the record's import strings lead nowhere, or the driver returned
            something that is no `Backend` or claims more than its record promises.
        ConfigurationError: An option is unknown, missing or wrong.
        StorageError: The driver raised a foreign exception; it is the `__cause__`.
        OAuthCodexError: Whatever the driver itself raised.
    """
    _check_libraries(DRIVERS, driver.name, driver.modules, driver.install)
    checked = _driver_options(driver, options)
    function = _imported(DRIVERS, driver.name, "open function", driver.open)
    try:
        backend = function(checked, context)
    except OAuthCodexError:
        raise
    except ImportError as error:
        raise messages.library_broken(DRIVERS, driver.name, error) from error
    except Exception as error:
        raise messages.driver_failed(driver.name, error) from error
    if missing := _missing(backend, Backend):
        raise messages.wrong_result(DRIVERS, driver.name, driver.open, backend, missing)
    opened: Backend = backend
    capabilities: object = opened.capabilities
    try:
        if not isinstance(capabilities, Capabilities):
            wanted = "an oauth_codex.spi.Capabilities"
            raise messages.wrong_part(DRIVERS, driver.name, "attribute", "capabilities", capabilities, wanted)
        if excess := capabilities.exceeding(driver.capabilities):
            raise messages.exceeds(DRIVERS, driver.name, excess)
    except OAuthCodexError:
        opened.close()
        raise
    return opened


def open_embedder(name: str, options: Mapping[str, Any], *, origin: str | None = None) -> Embedder:
    """Load and open an installed embedder.

    Args:
        name: Name of its entry point.
        options: Its options, given to it as keywords.
        origin: Where the name came from, for the error.

    Raises:
        DriverError: It is not installed, broken, lacks a library, or could not be opened.
        ConfigurationError: An option is unknown or missing.
        OAuthCodexError: Whatever the embedder itself raised.
    """
    record = load_record(EMBEDDERS, name, origin)
    _check_libraries(EMBEDDERS, name, record.modules, record.install)
    function = _imported(EMBEDDERS, name, "open function", record.open)
    _check_keywords(name, function, options)
    try:
        embedder = function(**options)
    except OAuthCodexError:
        raise
    except ImportError as error:
        raise messages.library_broken(EMBEDDERS, name, error) from error
    except Exception as error:
        raise messages.embedder_failed(EMBEDDERS, name, error) from error
    if missing := _missing(embedder, Embedder):
        raise messages.wrong_result(EMBEDDERS, name, record.open, embedder, missing)
    opened: Embedder = embedder
    return opened


def _check_libraries(kind: Kind, name: str, modules: tuple[str, ...], install: str | None) -> None:
    missing = [module for module in modules if not _importable(module)]
    if missing:
        raise messages.missing_library(kind, name, missing, install)


def _importable(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def _imported(kind: Kind, name: str, field: str, text: str, wanted: str = "callable") -> Callable[..., Any]:
    module, colon, attribute = text.partition(":")
    if not (module and colon and attribute):
        raise messages.not_found(kind, name, field, text)
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # a driver's module may do anything when it is imported
        raise messages.not_found(kind, name, field, text, error) from error
    if not callable(found):
        raise messages.wrong_part(kind, name, field, text, found, wanted)
    function: Callable[..., Any] = found
    return function


def _driver_options(driver: Driver, options: Mapping[str, Setting]) -> object:
    if driver.options is None:
        for option, setting in options.items():
            raise messages.unknown_option(DRIVERS, driver.name, option, setting, {})
        return None
    from pydantic import BaseModel

    model = _imported(DRIVERS, driver.name, "options model", driver.options, "a pydantic model")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        field = "options model"
        raise messages.wrong_part(DRIVERS, driver.name, field, driver.options, model, "a pydantic model")
    return validated(DRIVERS, driver.name, model, options)


def _check_keywords(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse unknown and missing keywords by name; a function that takes any keyword decides for itself."""
    parameters = inspect.signature(function).parameters.values()
    named = [part for part in parameters if part.kind in (part.POSITIONAL_OR_KEYWORD, part.KEYWORD_ONLY)]
    known = {part.name: _annotated(part) for part in named}
    if not any(part.kind is part.VAR_KEYWORD for part in parameters):
        for option in options:
            if option not in known:
                raise messages.unknown_option(EMBEDDERS, name, option, None, known)
    for part in named:
        if part.default is part.empty and part.name not in options:
            raise messages.missing_option(EMBEDDERS, name, part.name, known)


def _annotated(parameter: inspect.Parameter) -> str:
    if parameter.annotation is parameter.empty:
        return "any"
    return parameter.annotation if isinstance(parameter.annotation, str) else describe_type(parameter.annotation)


def _missing(found: object, protocol: type[Any]) -> list[str]:
    """Names of the protocol that an object lacks; a property is not read, because that may load a model."""
    names = [name for base in reversed(protocol.__mro__) for name in vars(base) if not name.startswith("_")]
    return [name for name in names if not _has(found, name)]


def _has(found: object, name: str) -> bool:
    try:
        inspect.getattr_static(found, name)
    except AttributeError:
        return hasattr(found, name)  # one that answers through __getattr__
    return True
