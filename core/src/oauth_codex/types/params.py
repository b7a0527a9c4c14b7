"""Shapes of arguments that are plain dicts, for type checkers; at run time any mapping will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Required, TypedDict

from .sentinels import NotGiven

if TYPE_CHECKING:
    import httpx


#: Called with what is done, what there is to do, and the object that was seen: `on_progress(done, total, item)`.
OnProgress = Callable[[int, int, Any], object]


class RequestOptions(TypedDict, total=False):
    """Options that every call takes.

    Attributes:
        extra_headers: HTTP headers; local drivers ignore them.
        extra_query: Query parameters; local drivers ignore them.
        extra_body: Fields of the body; they win over the named arguments.
        timeout: Limit of this call in seconds; None for no limit.
    """

    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: float | httpx.Timeout | NotGiven | None


class StaticChunkingParam(TypedDict):
    """Window (100 to 4096) and overlap (at most half of it), in tokens."""

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class ChunkingStrategyParam(TypedDict, total=False):
    """`{"type": "auto"}` or `{"type": "static", "static": {...}}`."""

    type: Required[Literal["auto", "static"]]
    static: StaticChunkingParam


class ExpiresAfterParam(TypedDict):
    """`{"anchor": "last_active_at", "days": 7}`; 1 to 365 days."""

    anchor: Literal["last_active_at"]
    days: int


class FileExpiresAfterParam(TypedDict):
    """`{"anchor": "created_at", "seconds": 3600}`; 3600 to 2592000 seconds."""

    anchor: Literal["created_at"]
    seconds: int


class HybridSearchParam(TypedDict):
    """Weights of the two legs of a search; at least one above 0."""

    embedding_weight: float
    text_weight: float


class RankingOptionsParam(TypedDict, total=False):
    """How hits are ranked; `score_threshold` is in [0, 1]."""

    ranker: str
    score_threshold: float
    hybrid_search: HybridSearchParam


class BatchFileParam(TypedDict):
    """One file of a batch, with settings of its own."""

    file_id: str
    attributes: NotRequired[Mapping[str, str | float | bool] | None]
    chunking_strategy: NotRequired[ChunkingStrategyParam | None]
