"""Every sentence of the errors of the configuration, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..messages import listed
from .redaction import HIDDEN, display, looks_secret, redacted
from .settings import Setting


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely stands for, if one is near."""
    from difflib import get_close_matches  # needed for a message only

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f" Did you mean {near!r}?" if near is not None else ""


def _names(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def wrong_value(key: str, value: Any, origin: str, accepted: str, hint: str = "") -> ConfigurationError:
    """A setting has a value that it cannot have."""
    return ConfigurationError(
        f"{key} = {display(key, value)} (from {origin}) is not accepted. Accepted: {accepted}.{hint}",
        key=key,
        value=redacted(key, value),
        origin=origin,
    )


def unknown_choice(key: str, value: str, origin: str, accepted: tuple[str, ...]) -> ConfigurationError:
    """A setting has none of the words that it can have."""
    return wrong_value(key, value, origin, listed(accepted), _did_you_mean(value, accepted))


def two_names(first: str, first_value: Any, second: str, second_value: Any) -> ConfigurationError:
    """Two names of one setting were given different values."""
    return ConfigurationError(
        f"{first}={display(first, first_value)} and {second}={display(second, second_value)} are two names"
        " of one"
        f" setting and disagree. Leave {second} out.",
        key=first,
        value=redacted(first, first_value),
        origin="argument",
    )


def disagree(key: str, value: Any, wanted: str, profile: str, own: Setting) -> ConfigurationError:
    """`backend=` or `base_url=` asks for one driver and `profile=` for another."""
    remedy = "Leave one of the two out"
    if key == "base_url":
        remedy += f", or add backend={own.value!r} to give the address to that driver"
    return ConfigurationError(
        f"{key}={display(key, value)} and profile={profile!r} disagree: the first selects the driver"
        f" {wanted!r}, the"
        f" profile selects {own.value!r} (from {own.origin}). {remedy}.",
        key=key,
        value=redacted(key, value),
        origin="argument",
    )


def foreign_options(chosen: Setting, profile: str, own: Setting, options: Iterable[str]) -> ConfigurationError:
    """A variable replaces the driver of a profile whose options are for another driver."""
    return ConfigurationError(
        f"{chosen.origin} selects the driver {chosen.value!r}, but the options of profile {profile!r}"
        f" ({_names(options)}) are for {own.value!r} (from {own.origin}). Unset {chosen.origin}, or choose"
        " another"
        " profile.",
        key="backend",
        value=chosen.value,
        origin=chosen.origin,
    )


def bad_profile_name(name: Any, origin: str) -> ConfigurationError:
    """A name that no profile can have."""
    accepted = "a lower-case letter, then lower-case letters, digits and hyphens, as in 'my-team'"
    return wrong_value("profile", name, origin, accepted)


def no_profile(name: str, origin: str, existing: Iterable[str], file: Path, read: bool) -> ConfigurationError:
    """A profile was named that nobody wrote."""
    existing = sorted(existing)
    where = f"Profiles in {file}: {_names(existing)}" if read else f"The file {file} does not exist"
    return ConfigurationError(
        f"there is no profile {name!r} (from {origin}). {where}.{_did_you_mean(name, existing)}",
        key="profile",
        value=name,
        origin=origin,
    )


def no_file(file: Path, origin: str) -> ConfigurationError:
    """A file was named that is not there."""
    return ConfigurationError(
        f"there is no configuration file {str(file)!r} (from {origin}).",
        key="config_path",
        value=str(file),
        origin=origin,
    )


def unreadable(file: Path, origin: str, error: Exception) -> ConfigurationError:
    """The file cannot be read, or is not TOML."""
    return ConfigurationError(
        f"the configuration file {str(file)!r} (from {origin}) cannot be read: {error}.",
        key="config_path",
        value=str(file),
        origin=origin,
    )


def unknown_key(key: str, table: str, file: Path, known: Iterable[str]) -> ConfigurationError:
    """The file has a key that means nothing."""
    known = list(known)
    place = f"[{table}] of {file}" if table else str(file)
    hint = _did_you_mean(key, known)
    if not hint and table:
        hint = f" An option of the driver belongs in [{table}.options]."
    full = f"{table}.{key}" if table else key
    return ConfigurationError(
        f"unknown key {key!r} in {place}. Known: {_names(known)}.{hint}", key=full, origin=str(file)
    )


def secret_in_file(key: str, table: str, file: Path, variable: str | None) -> ConfigurationError:
    """The file holds a secret.

    Args:
        key: Dotted key inside the table.
        table: Name of the table.
        file: The file.
        variable: The variable that sets this very key, if there is one.
    """
    ways = []
    if looks_secret(key) and "." not in key:
        example = "OPENAI_API_KEY" if key == "api_key" else "MY_" + key.upper().replace("-", "_")
        ways.append(f'name a variable that holds it, as in `{key}_env = "{example}"`')
    if variable is not None:
        ways.append(f"set the variable {variable}")
    return ConfigurationError(
        f"{key!r} in [{table}] of {file} holds a secret, and secrets are not read from files. Instead"
        f" {', or '.join(ways) or 'pass it as an argument'}.",
        key=f"{table}.{key}",
        value=HIDDEN,
        origin=str(file),
    )


def unknown_variable(name: str, near: str | None, known: Iterable[str]) -> str:
    """Text of the warning for a variable that looks like one of ours and is none."""
    hint = f"Did you mean {near}?" if near is not None else f"Known: {', '.join(known)}."
    return f"the environment variable {name} means nothing to oauth-codex and is ignored. {hint}"
