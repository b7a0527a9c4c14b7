"""The options of the driver."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FaissOptions(BaseModel):
    """How FAISS stores and searches vectors. None of it changes what is in the catalog; all may be changed at any time.

    Attributes:
        index: `flat` compares with every vector; `hnsw` walks a graph, which is approximate and, from some 100,000 vectors on,
            much faster; `auto` is `flat` below `hnsw_from` vectors and `hnsw` from there on.
        quantisation: How a vector is kept: `none` (float32), `float16` (half the memory), `sq8` (8 bits a dimension, a quarter).
            Quantised vectors nominate hits; scores come from the exact ones of the catalog.
        hnsw_from: Vectors of a store from which on `auto` builds a graph.
        links: Neighbours of a vector in the graph (M of HNSW). More find better, and need memory and time to build.
        ef_construction: Candidates that are weighed when a vector is added to the graph.
        ef_search: Candidates that a query keeps at least while it walks the graph.
        flush_seconds: Changes are written after so many seconds at the earliest, unless there are thousands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: Literal["auto", "flat", "hnsw"] = "auto"
    quantisation: Literal["none", "float16", "sq8"] = "none"
    hnsw_from: int = Field(default=100_000, ge=1000)
    links: int = Field(default=32, ge=4, le=256)
    ef_construction: int = Field(default=200, ge=8, le=10_000)
    ef_search: int = Field(default=128, ge=1, le=100_000)
    flush_seconds: float = Field(default=30.0, ge=0, allow_inf_nan=False)
