"""The sentence for every failure of finding, loading and opening a driver or an embedder, in one place.

A sentence says what was asked for, what is installed, who registered it, and a command that works today: the
names of the sibling distributions are not on the public index, so commands go by path in a checkout or by a
directory of built wheels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint

from .. import __version__
from ..config import Setting, display, redacted, redacted_text
from ..config.messages import nearest
from ..errors import ConfigurationError, DriverError, StorageError
from ..messages import shown
from ..spi.driver import INTERFACE
from .kinds import CORE, Kind

PIP = "python -m pip"


def distribution(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that registered an entry point."""
    return _metadata(entry, "Name"), _metadata(entry, "Version")


def _metadata(entry: EntryPoint, field: str) -> str:
    dist = entry.dist
    if dist is not None and field in dist.metadata:
        return dist.metadata[field]
    return f"(unknown {field.lower()})"  # a broken installation must not hide the others


def _from(entry: EntryPoint) -> str:
    return " ".join(distribution(entry))


def _install(names: tuple[str, str], upgrade: bool = False) -> str:
    command = f"{PIP} install --upgrade" if upgrade else f"{PIP} install"
    wheels = f"{command} --find-links dist {names[1]}"
    return f"From a checkout of oauth-codex run `{command} {names[0]}`; from built wheels run `{wheels}`."


# -- finding and loading -------------------------------------------------------------------------------------


def not_installed(kind: Kind, name: str, origin: str | None, installed: Iterable[str]) -> DriverError:
    """Nothing of that name is installed."""
    installed = sorted(installed)
    source = f" (from {origin})" if origin is not None else ""
    text = f"no {kind.word} named {display('', name)}{source} is installed;"
    text += f" installed: {', '.join(installed) or 'none'}."
    if name in kind.own:
        text += f" {_install(kind.own[name])}"
    elif (near := nearest(name, [*installed, *kind.own])) is not None:
        text += f" Did you mean {near!r}?"
        if near not in installed:
            text += f" It is not installed either. {_install(kind.own[near])}"
    else:
        text += f" Another {kind.word} is found once a distribution that registers it in the entry-point group"
        text += f" {kind.group!r} is installed; `oauth-codex drivers` lists what can be used now."
    return DriverError(text, key=kind.word, value=name, origin=origin)


def ambiguous(kind: Kind, name: str, entries: Sequence[EntryPoint]) -> DriverError:
    """Several entry points have the name."""
    sources = ", ".join(f"{_from(entry)} ({entry.value})" for entry in entries)
    names = list(dict.fromkeys(distribution(entry)[0] for entry in entries))
    text = f"{kind.word} {name!r} is registered {len(entries)} times: {sources}."
    if len(names) > 1:
        commands = " or ".join(f"`{PIP} uninstall {name}`" for name in names)
        text += f" Uninstall all but one: {commands}."
    else:
        text += f" Only the author of {names[0]} can correct that; until then run `{PIP} uninstall {names[0]}`."
    return DriverError(text, key=kind.word, value=name)


def not_importable(kind: Kind, entry: EntryPoint, error: BaseException) -> DriverError:
    """The record of an entry point cannot be imported."""
    name, version = distribution(entry)
    return DriverError(
        f"{kind.word} {entry.name!r} ({name} {version}) is installed, but its record {entry.value} cannot"
        " be imported:"
        f" {_reason(error)}. Reinstall {name}, or uninstall it with `{PIP} uninstall {name}`.",
        key=kind.word,
        value=entry.name,
    )


def not_a_record(kind: Kind, entry: EntryPoint, found: object) -> DriverError:
    """An entry point names something else than a record."""
    return DriverError(
        f"{kind.word} {entry.name!r} ({_from(entry)}): {entry.value} is {_kind_of(found)}, and must be an"
        f" oauth_codex.spi.{kind.record.__name__}.",
        key=kind.word,
        value=entry.name,
    )


def other_name(kind: Kind, entry: EntryPoint, found: object) -> DriverError:
    """Entry point and record have different names."""
    return DriverError(
        f"{kind.word} {entry.name!r} ({_from(entry)}): the record {entry.value} is named {shown(found)}."
        " Entry point and"
        " record must have the same name.",
        key=kind.word,
        value=entry.name,
    )


def bad_interface(kind: Kind, entry: EntryPoint, found: object) -> DriverError:
    """A record does not say which interface it was written for."""
    return DriverError(
        f"{kind.word} {entry.name!r} ({_from(entry)}): interface={shown(found)} is not a version. Expected"
        " two numbers,"
        f" as in {INTERFACE!r}.",
        key=kind.word,
        value=entry.name,
    )


def other_interface(kind: Kind, entry: EntryPoint, found: tuple[int, int]) -> DriverError:
    """A record was written for an interface that this version does not offer."""
    name, version = distribution(entry)
    text = (
        f"{kind.word} {entry.name!r} ({name} {version}) was written for interface {_dotted(found)}, and"
        " oauth-codex"
        f" {__version__} offers {_dotted(INTERFACE)}."
    )
    if found > INTERFACE:
        text += f" oauth-codex is the older side: upgrade it. {_install(CORE, upgrade=True)}"
    elif entry.name in kind.own and name.startswith("oauth-codex"):
        text += f" {name} is the older side: upgrade it. {_install(kind.own[entry.name], upgrade=True)}"
    else:
        text += f" {name} is the older side: upgrade it with `{PIP} install --upgrade {name}`."
    return DriverError(text, key=kind.word, value=entry.name)


# -- opening -------------------------------------------------------------------------------------------------


def missing_library(kind: Kind, name: str, modules: Sequence[str], install: str | None) -> DriverError:
    """A library that the plug needs is not installed."""
    verb = "which is not installed" if len(modules) == 1 else "which are not installed"
    text = f"{kind.word} {name!r} needs {_and(modules)}, {verb}."
    return DriverError(f"{text} Run `{install}`." if install else text, key=kind.word, value=name)


def not_found(kind: Kind, name: str, field: str, text: str, error: BaseException | None = None) -> DriverError:
    """The import string of a record leads nowhere."""
    reason = "expected the form 'module:attribute'" if error is None else _reason(error)
    return DriverError(
        f"{kind.word} {name!r}: its {field} {text!r} cannot be imported: {reason}.", key=kind.word, value=name
    )


def wrong_part(kind: Kind, name: str, field: str, text: str, found: object, wanted: str) -> DriverError:
    """The import string of a record leads to the wrong thing."""
    return DriverError(
        f"{kind.word} {name!r}: its {field} {text!r} is {_kind_of(found)}, and must be {wanted}.",
        key=kind.word,
        value=name,
    )


def wrong_result(kind: Kind, name: str, text: str, found: object, missing: Sequence[str]) -> DriverError:
    """The open function returned something incomplete."""
    return DriverError(
        f"{kind.word} {name!r}: {text} returned {_kind_of(found)}, which lacks {', '.join(missing)}.",
        key=kind.word,
        value=name,
    )


def exceeds(kind: Kind, name: str, flags: Sequence[str]) -> DriverError:
    """An opened backend claims more than its record."""
    return DriverError(
        f"{kind.word} {name!r}: the opened backend claims {_and(flags)}, which its record does not promise."
        " Capabilities"
        " of a backend must not exceed those of its record.",
        key=kind.word,
        value=name,
    )


def library_broken(kind: Kind, name: str, error: ImportError) -> DriverError:
    """A library is there but cannot be imported."""
    return DriverError(
        f"{kind.word} {name!r} could not be opened, because an import failed: {_reason(error)}.",
        key=kind.word,
        value=name,
    )


def driver_failed(name: str, error: Exception) -> StorageError:
    """A driver raised a foreign exception while it was opened."""
    return StorageError(f"driver {name!r} could not be opened: {_reason(error)}", driver=name, raw_error=error)


def embedder_failed(kind: Kind, name: str, error: Exception) -> DriverError:
    """An embedder raised a foreign exception while it was opened."""
    return DriverError(f"{kind.word} {name!r} could not be opened: {_reason(error)}.", key=kind.word, value=name)


# -- options -------------------------------------------------------------------------------------------------


def unknown_option(
    kind: Kind, name: str, option: str, setting: Setting | None, known: Mapping[str, str]
) -> ConfigurationError:
    """An option that the plug does not have."""
    origin = f" (from {setting.origin})" if setting is not None else ""
    text = f"{kind.word} {name!r} has no option {option!r}{origin}."
    text += f" Its options: {_with_types(known)}." if known else " It has no options."
    if (near := nearest(option, known)) is not None:
        text += f" Did you mean {near!r}?"
    return ConfigurationError(text, key=option, origin=setting.origin if setting is not None else None)


def missing_option(kind: Kind, name: str, option: str, known: Mapping[str, str]) -> ConfigurationError:
    """An option that must be given was not."""
    return ConfigurationError(
        f"{kind.word} {name!r} needs the option {option!r}. Its options: {_with_types(known)}.", key=option
    )


def wrong_option(
    kind: Kind, name: str, option: str, setting: Setting, reason: str, accepted: str
) -> ConfigurationError:
    """An option has a value that its model refuses."""
    value = display(option, setting.value)
    return ConfigurationError(
        f"{kind.word} {name!r}: option {option} = {value} (from {setting.origin}) is wrong: {reason}."
        f" Accepted: {accepted}.",
        key=option,
        value=redacted(option, setting.value),
        origin=setting.origin,
    )


def wrong_together(kind: Kind, name: str, options: Mapping[str, Setting], reason: str) -> ConfigurationError:
    """Each option is fine, but not with the others."""
    given = ", ".join(
        f"{key} = {display(key, setting.value)} (from {setting.origin})" for key, setting in options.items()
    )
    return ConfigurationError(f"{kind.word} {name!r}: the options are wrong: {reason}. Given: {given or 'none'}.")


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _and(words: Sequence[str]) -> str:
    quoted = [repr(word) for word in words]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _with_types(known: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in known.items())


def _kind_of(found: object) -> str:
    if isinstance(found, type):
        return f"the class {found.__name__}"
    return f"an object of type {type(found).__name__}"


def _reason(error: BaseException) -> str:
    return redacted_text(f"{type(error).__name__}: {error}")
