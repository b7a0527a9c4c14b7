"""The environment variables, and their one naming rule.

A variable is `OAUTH_CODEX_` and the path of a setting in capitals, with two underscores between the levels
and one for each hyphen of a profile's name. `OAUTH_CODEX_PROFILES__<NAME>__...` is for that profile only; the
other names are for whatever profile is chosen, and are the weaker ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

from . import messages

PREFIX = "OAUTH_CODEX_"
OPTIONS = f"{PREFIX}OPTIONS__"
PROFILES = f"{PREFIX}PROFILES__"

#: Settings that have a variable for whatever profile is chosen, strongest name first.
GENERAL: Mapping[str, tuple[str, ...]] = {
    "profile": ("OAUTH_CODEX_PROFILE",),
    "config_path": ("OAUTH_CODEX_CONFIG",),
    "backend": ("OAUTH_CODEX_BACKEND",),
    "storage_dir": ("OAUTH_CODEX_STORAGE_DIR", "CODEX_COMPAT_STORAGE_DIR"),
    "embedder": ("OAUTH_CODEX_EMBEDDER",),
    "ingest": ("OAUTH_CODEX_INGEST",),
}
#: Settings that a variable can set for one profile.
OF_A_PROFILE = ("backend", "storage_dir", "embedder", "ingest", "base_url")

#: Every fixed name; OAUTH_CODEX_LOG is read by the client.
KNOWN = (
    *(name for names in GENERAL.values() for name in names if name.startswith(PREFIX)),
    "OAUTH_CODEX_LOG",
)
_PATTERNS = (f"{OPTIONS}<KEY>", f"{PROFILES}<NAME>__<KEY>")


def profile_prefix(profile: str) -> str:
    """What the variables of a profile begin with: `my-team` has `OAUTH_CODEX_PROFILES__MY_TEAM__`."""
    return f"{PROFILES}{profile.upper().replace('-', '_')}__"


def names_of(key: str, profile: str | None) -> Iterator[str]:
    """Variables of a setting, strongest first."""
    if profile is not None and key in OF_A_PROFILE:
        yield profile_prefix(profile) + key.upper()
    yield from GENERAL.get(key, ())


def options(environ: Mapping[str, str], profile: str | None) -> Iterator[tuple[str, str]]:
    """Driver options in the environment as (option, variable), weakest first."""
    prefixes = [OPTIONS] if profile is None else [OPTIONS, f"{profile_prefix(profile)}OPTIONS__"]
    for prefix in prefixes:
        for variable in environ:
            if variable.startswith(prefix) and variable != prefix:
                yield variable[len(prefix) :].lower(), variable


def profiles(environ: Mapping[str, str]) -> set[str]:
    """Names of the profiles that variables speak of."""
    tails = (name[len(PROFILES) :] for name in environ if name.startswith(PROFILES))
    return {tail.partition("__")[0].lower().replace("_", "-") for tail in tails}


def warn_unknown(environ: Mapping[str, str]) -> None:
    """Warn of each variable that begins like ours and means nothing: most likely a misspelling."""
    for name in environ:
        if name.startswith(PREFIX) and not _known(name):
            near = _nearest(name)
            text = messages.unknown_variable(name, near, (*KNOWN, *_PATTERNS))
            warnings.warn(text, UserWarning, stacklevel=3)


def _known(name: str) -> bool:
    if name in KNOWN or (name.startswith(OPTIONS) and name != OPTIONS):
        return True
    if not name.startswith(PROFILES):
        return False
    # From the right, because a profile's name may itself hold two hyphens.
    profile, _, key = name[len(PROFILES) :].rpartition("__OPTIONS__")
    if profile:
        return bool(key)
    profile, _, key = name[len(PROFILES) :].rpartition("__")
    return bool(profile) and key.lower() in OF_A_PROFILE


def _nearest(name: str) -> str | None:
    tail = name[len(PREFIX) :]  # the prefix, shared by all, would make everything near
    if tail.startswith("PROFILES__"):
        head, _, key = tail.rpartition("__")
        near = messages.nearest(key, [known.upper() for known in OF_A_PROFILE])
        return None if near is None else f"{PREFIX}{head}__{near}"
    if "__" in tail:
        head, _, rest = tail.partition("__")
        near = messages.nearest(head, ["OPTIONS", "PROFILES"]) if rest else None
        return None if near is None else f"{PREFIX}{near}__{rest}"
    near = messages.nearest(tail, [known[len(PREFIX) :] for known in KNOWN])
    return None if near is None else PREFIX + near
