"""From arguments, environment and file to one selection.

Arguments beat the environment, the environment beats the file, the file beats the defaults, key by key; a
value counts because it was given, not because it is true.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import file, messages, variables
from .settings import Selection, Setting

DEFAULT_DRIVER = "sqlite"
DEFAULT_EMBEDDER = "hashing"
INGEST = ("inline", "background")
#: The driver that a foreign `base_url` selects.
REMOTE_DRIVER = "openai"

ARGUMENT = "argument"
DEFAULT = "default"

#: Layers, strongest first.
_ARGUMENTS, _ENVIRONMENT, _TABLE = range(3)


def resolve(
    *,
    backend: str | None = None,
    profile: str | None = None,
    config_path: str | os.PathLike[str] | None = None,
    storage_dir: str | os.PathLike[str] | None = None,
    embedder: str | None = None,
    ingest: str | None = None,
    base_url: object = None,
    driver_options: Mapping[str, Any] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
) -> Selection:
    """Decide which driver to open and with what.

    Args:
        backend: Name of a driver. Without `profile` the file is not read.
        profile: Name of a profile.
        config_path: The profile file; it must exist if it is read.
        storage_dir: Where local drivers keep everything.
        embedder: Name of an embedder.
        ingest: `inline` or `background`.
        base_url: Address of a service; one that is not the Codex one selects the driver `openai`.
        driver_options: Options of the driver; `compat_storage_dir` among them is another name of
            `storage_dir`.
        environ: The environment; by default that of the process.

    Raises:
        ConfigurationError: Something is unknown, contradictory, absent or wrong; the message says what, where
            from, and what is accepted.

    A variable that begins with `OAUTH_CODEX_` and means nothing is a `UserWarning`.
    """
    env = os.environ if environ is None else environ
    variables.warn_unknown(env)
    arguments = {
        "backend": backend,
        "storage_dir": storage_dir,
        "embedder": embedder,
        "ingest": ingest,
        "base_url": None if base_url is None else str(base_url),
    }
    given_options = dict(driver_options)
    if (compat := given_options.pop("compat_storage_dir", None)) is not None:
        if storage_dir is not None and str(storage_dir) != str(compat):
            raise messages.two_names("storage_dir", storage_dir, "compat_storage_dir", compat)
        arguments["storage_dir"] = compat
    given = {key: value for key, value in arguments.items() if value is not None}
    layers = _Layers(given, given_options, env)
    if profile is not None or not (backend is not None or _is_foreign(arguments["base_url"])):
        layers.choose_profile(profile, config_path)
    driver = layers.driver()
    chosen = layers.pick("embedder", Setting(DEFAULT_EMBEDDER, DEFAULT))
    table = layers.table.get("embedder")
    named = dict(table) if isinstance(table, dict) else {}
    if isinstance(chosen.value, dict):
        chosen = Setting(chosen.value["name"], f"{layers.place}.embedder]")
    _text("embedder", chosen)
    # The options in the table are those of the embedder that the table names, and of no other.
    embedder_options = named if named.pop("name", None) == chosen.value else {}
    how = layers.pick("ingest", Setting(INGEST[0], DEFAULT))
    if how.value not in INGEST:
        raise messages.unknown_choice("ingest", how.value, how.origin, INGEST)
    return Selection(
        driver=driver,
        options=layers.options(driver),
        embedder=chosen,
        embedder_options=embedder_options,
        ingest=how,
        profile=layers.profile_name,
        profile_origin=layers.profile.origin if layers.profile is not None else None,
        config_file=layers.file.path if layers.file is not None and layers.file.read else None,
        given_storage_dir=layers.storage_dir(),
    )


@dataclass
class _Layers:
    """Where values come from, strongest first: arguments, environment, table of the chosen profile."""

    arguments: Mapping[str, Any]
    given_options: Mapping[str, Any]
    environ: Mapping[str, str]
    file: file.ProfileFile | None = None
    profile: Setting | None = None
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def profile_name(self) -> str | None:
        """Name of the chosen profile."""
        return None if self.profile is None else self.profile.value

    @property
    def place(self) -> str:
        """Origin of a value in the profile's table, without the closing bracket."""
        assert self.file is not None
        return f"{self.file.path.name} [profiles.{self.profile_name}"

    def choose_profile(self, name: str | None, config_path: str | os.PathLike[str] | None) -> None:
        """Read the file and find the profile that is asked for, if one is."""
        config = Setting(config_path, ARGUMENT) if config_path is not None else self._variable("config_path")
        if config is None:
            self.file = file.read(None, DEFAULT)
        else:
            self.file = file.read(_path("config_path", config), config.origin)
        self.profile = Setting(name, ARGUMENT) if name is not None else self._variable("profile")
        if self.profile is None and self.file.default is not None:
            self.profile = Setting(self.file.default, f"{self.file.path.name} default_profile")
        if self.profile is None:
            return
        chosen, origin = self.profile.value, self.profile.origin
        if not (isinstance(chosen, str) and file.PROFILE_NAME.fullmatch(chosen)):
            raise messages.bad_profile_name(chosen, origin)
        prefix = variables.profile_prefix(chosen)
        if chosen not in self.file.profiles and not any(name.startswith(prefix) for name in self.environ):
            existing = {*self.file.profiles, *variables.profiles(self.environ)}
            raise messages.no_profile(chosen, origin, existing, self.file.path, self.file.read)
        self.table = self.file.profiles.get(chosen, {})

    def _variable(self, key: str) -> Setting | None:
        for variable in variables.names_of(key, self.profile_name):
            if variable in self.environ:
                return Setting(self.environ[variable], variable, key)
        return None

    def _ranked(self, key: str) -> Iterator[tuple[int, Setting]]:
        """Every value that the setting was given, strongest first, with the number of its layer."""
        if key in self.arguments:
            yield _ARGUMENTS, Setting(self.arguments[key], ARGUMENT, key)
        if (found := self._variable(key)) is not None:
            yield _ENVIRONMENT, found
        if key in self.table:
            yield _TABLE, Setting(self.table[key], f"{self.place}]", key)

    def pick(self, key: str, default: Setting) -> Setting:
        """The strongest value of a setting."""
        return next((setting for _, setting in self._ranked(key)), default)

    def driver(self) -> Setting:
        """The driver: `backend`, or `openai` for a foreign address in a stronger layer than `backend`."""
        candidates = [(rank, _text("backend", setting)) for rank, setting in self._ranked("backend")]
        address = next(self._ranked("base_url"), None)
        if address is not None and _is_foreign(_text("base_url", address[1]).value):
            rank, origin = address[0], address[1].origin
            named = origin if rank == _ENVIRONMENT else f"{origin} base_url"
            candidates.append((rank, Setting(REMOTE_DRIVER, named)))
            candidates.sort(key=lambda candidate: candidate[0])  # stable: `backend` first within a layer
        if not candidates:
            return Setting(DEFAULT_DRIVER, DEFAULT)
        (rank, chosen), *weaker = candidates
        self._refuse_mixture(rank, chosen, [found for found in weaker if found[0] > rank])
        return chosen

    def _refuse_mixture(self, rank: int, chosen: Setting, weaker: list[tuple[int, Setting]]) -> None:
        """Refuse a profile asked for together with another driver, or whose options are for another one."""
        if self.profile is None:
            return
        name = self.profile.value
        rivals = [(other, setting) for other, setting in weaker if setting.value != chosen.value]
        if rank == _ARGUMENTS and self.profile.origin == ARGUMENT:
            # OAUTH_CODEX_BACKEND is no part of the profile, and an argument beats it without a word.
            part = [setting for _, setting in rivals if setting.origin not in variables.GENERAL["backend"]]
            if part:
                given = "backend" if chosen.origin == ARGUMENT else "base_url"
                raise messages.disagree(given, self.arguments[given], chosen.value, name, part[0])
        options = [*self.table.get("options", {}), *(["base_url"] if "base_url" in self.table else [])]
        written = [setting for other, setting in rivals if other == _TABLE]
        if rank == _ENVIRONMENT and written and options:
            raise messages.foreign_options(chosen, name, written[0], options)

    def options(self, driver: Setting) -> dict[str, Setting]:
        """Options of the driver, merged key by key."""
        merged: dict[str, tuple[int, Setting]] = {}
        for key, value in self.table.get("options", {}).items():
            merged[key] = _TABLE, Setting(value, f"{self.place}.options]", key)
        for key, variable in variables.options(self.environ, self.profile_name):
            merged[key] = _ENVIRONMENT, Setting(self.environ[variable], variable, key)
        for key, value in self.given_options.items():
            merged[key] = _ARGUMENTS, Setting(value, ARGUMENT, key)
        address = next(self._ranked("base_url"), None)
        # The Codex address stands for "no remote service", which is no option of a local driver.
        if address is not None and (driver.value == REMOTE_DRIVER or _is_foreign(address[1].value)):
            merged["base_url"] = min(merged.get("base_url", address), address, key=lambda found: found[0])
        return {key: setting for key, (_, setting) in merged.items()}

    def storage_dir(self) -> Setting | None:
        """The storage directory, if something sets it."""
        found = next(self._ranked("storage_dir"), None)
        if found is None:
            return None
        rank, setting = found
        path = _path("storage_dir", setting)
        if rank == _TABLE and self.file is not None:
            # What a file says must not depend on the directory in which a program happens to be started.
            path = self.file.path.parent / path
        return Setting(path.absolute(), setting.origin)


def _is_foreign(base_url: object) -> bool:
    """Whether an address is not the Codex one, whose files and stores are kept locally."""
    return base_url is not None and "/backend-api/codex" not in str(base_url)


def _text(key: str, setting: Setting) -> Setting:
    if not isinstance(setting.value, str) or not setting.value.strip():
        raise messages.wrong_value(key, setting.value, setting.origin, "a text that is not empty")
    return setting


def _path(key: str, setting: Setting) -> Path:
    try:
        text = os.fspath(setting.value)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise messages.wrong_value(key, setting.value, setting.origin, "a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # `~name` of an unknown user
        accepted = "a path whose `~` is the home of a known user"
        raise messages.wrong_value(key, text, setting.origin, accepted) from None
