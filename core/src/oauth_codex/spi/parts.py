"""Parts that a caller may replace with a plain callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..types.search import VectorStoreSearchResponse

#: `(content, filename)` to text; raises ValueError, with a sentence for the user, when the content cannot be read.
Parser = Callable[[bytes, str | None], str]

#: `(text, max_chunk_size_tokens, chunk_overlap_tokens)` to character spans `(start, end)` of the chunks, in order.
Chunker = Callable[[str, int, int], Sequence[tuple[int, int]]]

#: `(query, hits)` to one score in [0, 1] a hit, in the order of the hits.
Reranker = Callable[[str, Sequence[VectorStoreSearchResponse]], Sequence[float]]

#: A query to the query that is searched instead.
QueryRewriter = Callable[[str], str]
