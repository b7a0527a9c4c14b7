"""What `resolve` answers: every value with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .redaction import display


@dataclass(frozen=True)
class Setting:
    """A value and where it came from.

    Attributes:
        value: The value; text if it came from a variable.
        origin: `argument`, a variable such as `OAUTH_CODEX_EMBEDDER`, `config.toml [profiles.dev.options]` or
            `default`.
        name: Name of the setting, which says whether its value is a secret.
    """

    value: Any
    origin: str
    name: str = field(default="", compare=False)

    def __repr__(self) -> str:
        return f"Setting(value={self.shown()}, origin={self.origin!r})"

    def shown(self) -> str:
        """The value as it may be shown: without secrets, and short."""
        return display(self.name or self.origin, self.value)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which driver to open, and with what.

    Attributes:
        driver: Name of the driver.
        options: Options of the driver by name, not yet validated: that is for the driver's own model.
        embedder: Name of the embedder.
        embedder_options: Options of the embedder, from the profile that names it.
        ingest: `inline` or `background`.
        profile: Name of the profile, or None without one.
        profile_origin: Where that name came from; None without a profile.
        config_file: The file that was read, if one was.
        given_storage_dir: The storage directory if something set it; read `storage_dir` instead.
    """

    driver: Setting
    options: Mapping[str, Setting]
    embedder: Setting
    embedder_options: Mapping[str, Any]
    ingest: Setting
    profile: str | None
    profile_origin: str | None
    config_file: Path | None
    given_storage_dir: Setting | None = field(repr=False)

    @cached_property
    def storage_dir(self) -> Setting:
        """Directory in which local drivers keep everything, as an absolute `Path`.

        The default, under the user's data directory, is found when it is first read, because a driver that
        keeps nothing on disk has no need of it.
        """
        if self.given_storage_dir is not None:
            return self.given_storage_dir
        import platformdirs

        return Setting(platformdirs.user_data_path("oauth-codex"), "default")


def describe(selection: Selection) -> list[tuple[str, str, str]]:
    """Rows of `config show`: key, value as it may be shown, origin. Secrets are hidden."""
    rows = []
    if selection.profile is not None:
        rows.append(("profile", selection.profile, selection.profile_origin or ""))
    rows.append(("backend", selection.driver.value, selection.driver.origin))
    rows.append(("storage_dir", str(selection.storage_dir.value), selection.storage_dir.origin))
    rows.append(("embedder", selection.embedder.value, selection.embedder.origin))
    if selection.embedder_options and selection.config_file is not None:
        origin = f"{selection.config_file.name} [profiles.{selection.profile}.embedder]"
        for name, value in sorted(selection.embedder_options.items()):
            rows.append((f"embedder.{name}", display(name, value), origin))
    rows.append(("ingest", selection.ingest.value, selection.ingest.origin))
    for name, setting in sorted(selection.options.items()):
        rows.append((f"options.{name}", display(name, setting.value), setting.origin))
    return rows
