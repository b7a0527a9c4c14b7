"""What the author of a driver imports."""

from __future__ import annotations

from .backends import (
    AsyncBackend,
    AsyncStream,
    Backend,
    BackgroundWork,
    BatchBackend,
    FileBackend,
    Listing,
    ParsedContent,
    SearchResults,
    VectorStoreBackend,
    Watch,
)
from .capabilities import LOCAL, Capabilities
from .driver import INTERFACE, Clock, Driver, DriverContext, IdSource, time_ordered_id
from .embedder import Embedder, EmbedderRecord, PortableEmbedder, WordEmbedder
from .index import IndexLost, IndexSpec, IndexTraits, ScoringIndex, VectorIndex, VectorIndexProvider
from .paging import Position
from .parts import Chunker, Parser, QueryRewriter, Reranker

__all__ = [
    "INTERFACE",
    "LOCAL",
    "AsyncBackend",
    "AsyncStream",
    "Backend",
    "BackgroundWork",
    "BatchBackend",
    "Capabilities",
    "Chunker",
    "Clock",
    "Driver",
    "DriverContext",
    "Embedder",
    "EmbedderRecord",
    "FileBackend",
    "IdSource",
    "IndexLost",
    "IndexSpec",
    "IndexTraits",
    "Listing",
    "ParsedContent",
    "Parser",
    "PortableEmbedder",
    "Position",
    "QueryRewriter",
    "Reranker",
    "ScoringIndex",
    "SearchResults",
    "VectorIndex",
    "VectorIndexProvider",
    "VectorStoreBackend",
    "Watch",
    "WordEmbedder",
    "time_ordered_id",
]
