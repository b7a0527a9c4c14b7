"""The two kinds of plugs, and those of them that this project offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..spi.driver import Driver
from ..spi.embedder import EmbedderRecord


@dataclass(frozen=True)
class Kind:
    """A kind of plug.

    Attributes:
        word: What it is called in a sentence.
        group: Its entry-point group.
        record: Class of its record.
        own: Plugs that this project offers, for advice only: by name what installs it, from a checkout and
            from wheels.
    """

    word: str
    group: str
    record: type[Any]
    own: Mapping[str, tuple[str, str]]


#: What installs this package, from a checkout and from wheels. The floor keeps older packages out.
CORE = ("./drivers/memory ./drivers/sqlite .", '"oauth-codex>=5.0"')
_OPENAI = ("./drivers/openai", '"oauth-codex[openai]>=5.0"')

DRIVERS = Kind(
    "driver",
    "oauth_codex.drivers",
    Driver,
    {
        "chroma": ("./drivers/chroma", '"oauth-codex[chroma]>=5.0"'),
        "faiss": ("./drivers/faiss", '"oauth-codex[faiss]>=5.0"'),
        "memory": ("./drivers/memory", CORE[1]),
        "openai": _OPENAI,
        "sqlite": ("./drivers/sqlite", CORE[1]),
    },
)
EMBEDDERS = Kind("embedder", "oauth_codex.embedders", EmbedderRecord, {"hashing": CORE, "openai": _OPENAI})
