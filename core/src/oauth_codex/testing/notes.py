"""What a test tells a report about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

RULE, REQUIRES = "oauth_codex_rule", "oauth_codex_requires"

#: Name of the user property under which a test carries its note.
NOTE = "oauth_codex"


def note(item: pytest.Item) -> dict[str, Any]:
    """The note of a test, which is attached to it; what is found out while it runs is put into the same dict."""
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    made = {
        "suite": item.parent.nodeid if item.parent else "?",
        "test": item.name,
        "rules": sorted(set(names(item, RULE))),
        "mode": {name: params[name] for name in ("face", "ranking") if name in params},
        "refused": False,
        "facts": {},
    }
    item.user_properties.append((NOTE, made))
    return made


def names(item: pytest.Item, marker: str) -> list[str]:
    """What the marks of a test name, in their order."""
    return [name for mark in item.iter_markers(marker) for name in mark.args]
