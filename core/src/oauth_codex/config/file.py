"""The profile file: where it is, what may stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import messages, variables
from .redaction import has_password, looks_secret

PROFILE_NAME = re.compile(r"[a-z][a-z0-9-]*")

_KEYS = ("default_profile", "profiles")
_PROFILE_KEYS = ("backend", "storage_dir", "embedder", "ingest", "base_url", "options")


@dataclass(frozen=True)
class ProfileFile:
    """A checked profile file.

    Attributes:
        path: Where it is, or would be.
        read: Whether it was there.
        default: Name of the profile to use when none is named.
        profiles: The profiles by name; their keys are known ones, and their values have the right types.
    """

    path: Path
    read: bool = False
    default: str | None = None
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read(path: Path | None, origin: str) -> ProfileFile:
    """Read and check the file.

    Args:
        path: A file that must be there; None for the user's own, which need not.
        origin: Where the path came from, for messages.

    Raises:
        ConfigurationError: The file is absent though named, unreadable, no TOML, or has a key, value or
            secret that may not stand in it.
    """
    named = path is not None
    if path is None:
        import platformdirs

        path = platformdirs.user_config_path("oauth-codex") / "config.toml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if named:
            raise messages.no_file(path, origin) from None
        return ProfileFile(path)
    except (OSError, UnicodeDecodeError) as error:
        raise messages.unreadable(path, origin, error) from error
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise messages.unreadable(path, origin, error) from error
    return _checked(path, content)


def _checked(path: Path, content: Mapping[str, Any]) -> ProfileFile:
    _only(content, _KEYS, "", path)
    default = content.get("default_profile")
    if default is not None and not (isinstance(default, str) and PROFILE_NAME.fullmatch(default)):
        raise messages.bad_profile_name(default, f"{path} default_profile")
    profiles = _table(content, "profiles", "profiles", path)
    for name in profiles:
        if not PROFILE_NAME.fullmatch(name):
            raise messages.bad_profile_name(name, f"{path} [profiles]")
        _check_profile(name, _table(profiles, name, f"profiles.{name}", path), path)
    return ProfileFile(path, True, default, profiles)


def _check_profile(name: str, profile: Mapping[str, Any], path: Path) -> None:
    place = f"profiles.{name}"
    _only(profile, _PROFILE_KEYS, place, path)
    for key in ("backend", "storage_dir", "ingest", "base_url"):
        if key in profile and not isinstance(profile[key], str):
            raise messages.wrong_value(f"{place}.{key}", profile[key], str(path), "text")
    embedder = profile.get("embedder")
    if isinstance(embedder, dict):
        if not isinstance(embedder.get("name"), str):
            raise messages.wrong_value(
                f"{place}.embedder.name", embedder.get("name"), str(path), "the name of an embedder"
            )
    elif embedder is not None and not isinstance(embedder, str):
        raise messages.wrong_value(
            f"{place}.embedder", embedder, str(path), "a name, or a table with `name` and its options"
        )
    prefix = variables.profile_prefix(name)
    if has_password(profile.get("base_url", "")):
        raise messages.secret_in_file("base_url", place, path, f"{prefix}BASE_URL")
    _no_secrets(_table(profile, "options", f"{place}.options", path), f"{place}.options", path, prefix)
    if isinstance(embedder, dict):
        _no_secrets(embedder, f"{place}.embedder", path, None)


def _no_secrets(table: Mapping[str, Any], place: str, path: Path, prefix: str | None) -> None:
    for option, key, value in _leaves(table):
        if value in (None, ""):
            continue
        secret = any(looks_secret(part) for part in key.split("."))
        if secret or (isinstance(value, str) and has_password(value)):
            settable = prefix is not None and isinstance(table[option], str)  # a variable holds text
            variable = f"{prefix}OPTIONS__{option.upper()}" if settable else None
            raise messages.secret_in_file(key, place, path, variable)


def _leaves(value: Any, option: str = "", key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every single value in a table: the option it belongs to, its dotted key, the value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, option or name, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, option, key)
    else:
        yield option, key, value


def _table(parent: Mapping[str, Any], key: str, place: str, path: Path) -> Mapping[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise messages.wrong_value(place, value, str(path), f"a table, [{place}]")
    return value


def _only(table: Mapping[str, Any], known: tuple[str, ...], place: str, path: Path) -> None:
    for key in table:
        if key not in known:
            raise messages.unknown_key(key, place, path, known)
