"""The driver record and what a driver receives when it is opened."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .capabilities import Capabilities

if TYPE_CHECKING:
    from .embedder import Embedder
    from .parts import Chunker, Parser, QueryRewriter, Reranker

#: Version of this interface, `(major, minor)`. A driver of the same major and no higher minor version is accepted.
#: A minor version adds optional fields, flags and protocols; a major one changes what a driver must do. Something that is to
#: go is first marked deprecated in a minor version, warns for at least two further ones, and goes with the next major one.
INTERFACE = (1, 0)

Clock = Callable[[], float]
IdSource = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Driver:
    """What an entry point of the group `oauth_codex.drivers` names: cheap to import, opens the real thing.

    Attributes:
        name: Name of the entry point.
        summary: One line for listings.
        interface: Version of the interface that the driver was written for, `(major, minor)`.
        open: `module:callable`, called as `open(options, context)`, which returns a `Backend`.
        capabilities: What backends of this driver can do at most.
        options: `module:Model`, a pydantic model of the driver's own options; None if there are none.
        local: Keeps its data under `DriverContext.directory` and needs an embedder.
        modules: Libraries that must be importable.
        install: What to run when one is missing, if there is a command that works.
    """

    name: str
    summary: str
    interface: tuple[int, int]
    open: str
    capabilities: Capabilities
    options: str | None = None
    local: bool = True
    modules: tuple[str, ...] = ()
    install: str | None = None


def time_ordered_id(prefix: str, clock: Clock = time.time, random: Callable[[int], str] = secrets.token_hex) -> str:
    """`prefix` and 32 hexadecimal digits: 12 of the time in milliseconds, so that ids sort by creation, and 20 at random."""
    return f"{prefix}{int(clock() * 1000) & 0xFFFFFFFFFFFF:012x}{random(10)}"


@dataclass(frozen=True, kw_only=True)
class DriverContext:
    """What a driver receives from the client that opens it.

    Attributes:
        directory: Where a local driver keeps everything; None for one that keeps nothing on disk.
        embedder: Embedder of new stores; None for a driver that is not local.
        namespace: Namespace of the view that is opened.
        clock: Time in Unix seconds.
        new_id: Makes an id from a prefix such as `vs_`.
        logger: Where to report; never contents or secrets.
        ingest: Whether attaching a file returns after it was processed (`inline`) or at once (`background`).
        parsers: Extra parsers by file extension, lower case with its dot (`.pdf`).
        chunker: Replaces the token windows.
        reranker: Reorders and rescores hits.
        rewrite_query: Rewrites a query when the caller asks for it.
    """

    directory: Path | None
    embedder: Embedder | None
    namespace: str = "default"
    clock: Clock = time.time
    new_id: IdSource = time_ordered_id
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("oauth_codex"))
    ingest: Literal["inline", "background"] = "inline"
    parsers: Mapping[str, Parser] = field(default_factory=dict)
    chunker: Chunker | None = None
    reranker: Reranker | None = None
    rewrite_query: QueryRewriter | None = None
