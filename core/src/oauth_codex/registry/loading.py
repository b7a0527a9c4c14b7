"""Finding plugs by entry point, and loading the record of one of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import DriverError
from ..spi.driver import INTERFACE, Driver
from . import messages
from .kinds import DRIVERS, Kind


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A driver that is installed.

    Attributes:
        name: Name under which it is selected.
        distribution: Distribution that registered it; of several with the same name, the first.
        version: Version of that distribution.
        value: The entry point's `module:attribute`.
        driver: Its record; None if it cannot be used.
        problem: Why it cannot be used; None if it can.
    """

    name: str
    distribution: str
    version: str
    value: str
    driver: Driver | None
    problem: str | None


def installed_drivers() -> Sequence[Installed]:
    """Every installed driver by name, broken ones included. Imports their records, never their libraries."""
    found = []
    for name, entries in sorted(_by_name(DRIVERS).items()):
        driver, problem = None, None
        try:
            driver = _load(DRIVERS, name, entries)
        except DriverError as error:
            problem = str(error)
        distribution, version = messages.distribution(entries[0])
        found.append(
            Installed(
                name=name,
                distribution=distribution,
                version=version,
                value=entries[0].value,
                driver=driver,
                problem=problem,
            )
        )
    return found


def load_driver(name: str, *, origin: str | None = None) -> Driver:
    """The record of an installed driver.

    Args:
        name: Name of its entry point.
        origin: Where the name came from, for the error.

    Raises:
        DriverError: It is not installed, registered twice, broken, or written for another interface version.
    """
    driver: Driver = load_record(DRIVERS, name, origin)
    return driver


def load_record(kind: Kind, name: str, origin: str | None) -> Any:
    """The record of an installed plug, of the class `kind.record`."""
    installed = _by_name(kind)
    if name not in installed:
        raise messages.not_installed(kind, name, origin, installed)
    return _load(kind, name, installed[name])


def _by_name(kind: Kind) -> dict[str, list[EntryPoint]]:
    # importlib.metadata and not stevedore's cache, which forgets the distribution and notices changes late.
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=kind.group):
        found.setdefault(entry.name, []).append(entry)
    return found


def _load(kind: Kind, name: str, entries: list[EntryPoint]) -> Any:
    if len(entries) > 1:
        raise messages.ambiguous(kind, name, entries)
    entry = entries[0]
    record = _import_record(kind, entry)
    if not isinstance(record, kind.record):
        raise messages.not_a_record(kind, entry, record)
    if record.name != name:
        raise messages.other_name(kind, entry, record.name)
    _check_interface(kind, entry, record.interface)
    return record


def _import_record(kind: Kind, entry: EntryPoint) -> object:
    from stevedore import DriverManager

    class Manager(DriverManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            return [entry]  # already found: nothing is missing, and nothing can conflict

    try:
        with _without_log_lines():
            return Manager(kind.group, entry.name).extensions[0].plugin
    except (Exception, SystemExit) as error:  # the module of a record may do anything when it is imported
        raise messages.not_importable(kind, entry, error) from error


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Keep stevedore's own log lines of this thread from the user's log."""
    thread = threading.get_ident()
    log = logging.getLogger("stevedore.extension")

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    log.addFilter(from_elsewhere)
    try:
        yield
    finally:
        log.removeFilter(from_elsewhere)


def _check_interface(kind: Kind, entry: EntryPoint, version: object) -> None:
    match version:
        case (int(major), int(minor)) if isinstance(version, tuple):
            if major != INTERFACE[0] or minor > INTERFACE[1]:
                raise messages.other_interface(kind, entry, (major, minor))
        case _:
            raise messages.bad_interface(kind, entry, version)
