"""From the two legs of a search to one score in [0, 1].

`fuse` is absolute: it depends on the query, the chunk and the term statistics of the chunk's store, never on the
other hits, so a threshold means the same for every query and the order of hits is the order of scores. Both maps are
monotone in both legs.

- An embedder that knows meanings: 0.5 T / (T + 0.15) + 0.5 max(0, c)**2. Good BM25 hits have T between .2 and .5, so
  the first map spreads them over the range that cosines take; squaring tames an embedder that does not know the
  language of the text.
- An embedder that only knows spellings (`hashing`): (1 - w) sqrt(T) + w max(0, c) with w = 0.03 + 0.4 * rarity.
  Spelling helps with what the store's vocabulary lacks or hardly has (misspelled, inflected, compound words) and is
  noise beside words that are well known there. `Query.rarity` measures just that; the 0.03 orders what is equal.

nDCG@10, every document one chunk; `hashing` of 512 dimensions, and the vectors of all-MiniLM-L6-v2:

                              cranfield   cacm  cosqa  xquad_en  xquad_de  xquad_ru
    text alone                     .384   .490   .400      .968      .930      .952
    fused with hashing             .385   .492   .401      .970      .936      .954
    hashing, constant w = .2       .386   .478   .411      .969      .936      .955
    fused with MiniLM              .428   .554   .579      .976      .939      .935
    MiniLM, 0.7 sqrt(T) + 0.3 c^2  .425   .539   .520      .977      .941      .950

A leg that does not exist leaves the whole score to the other one: a query without terms (stop words only) has no
text leg, a query without a vector (zero, or no embedder) has no vector leg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Scores = NDArray[np.float32]

_HALF_TEXT: Final = 0.15
_SPELLING_BASE: Final = 0.03
_SPELLING_SHARE: Final = 0.4
RRF_K: Final = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)."""


def fuse(text: ArrayLike | None, cosine: ArrayLike | None, *, semantic: bool, rarity: float = 1.0) -> Scores:
    """The scores of chunks, in [0, 1], elementwise.

    Args:
        text: BM25 over its attainable maximum (`Postings.score`), or None: the query has no terms.
        cosine: Cosine of query and chunk, or None: the query has no vector.
        semantic: Whether the embedder knows meanings.
        rarity: `Query.rarity`; matters only for an embedder that does not.

    Raises:
        ValueError: Both legs are None.
    """
    if text is None and cosine is None:
        raise ValueError("neither a text score nor a cosine")
    t = None if text is None else _clipped(text)
    c = None if cosine is None else _clipped(cosine)
    if semantic:
        t = None if t is None else t / (t + _HALF_TEXT)
        c = None if c is None else c * c
        weight = 0.5
    else:
        t = None if t is None else np.sqrt(t)
        weight = _SPELLING_BASE + _SPELLING_SHARE * min(1.0, max(0.0, rarity))
    if t is None or c is None:
        alone = c if t is None else t
        return np.asarray(alone, dtype=np.float32)
    return np.asarray((1 - weight) * t + weight * c, dtype=np.float32)


def _clipped(values: ArrayLike) -> NDArray[Any]:
    return np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)


def fuse_ranks(text_rank: ArrayLike, vector_rank: ArrayLike, *, text_weight: float, embedding_weight: float) -> Scores:
    """Weighted reciprocal rank fusion for an explicit `hybrid_search`, in [0, 1].

    The weights are normalised to a sum of 1, and the sum is divided by what a chunk that is first in both lists gets.

    Args:
        text_rank: Place of each chunk in the keyword list, from 1; 0 for a chunk that is not in it.
        vector_rank: The same for the vector list.
        text_weight: Weight of the keyword list, at least 0.
        embedding_weight: Weight of the vector list, at least 0.

    Raises:
        ValueError: A weight is negative or not finite, or both are zero.
    """
    total = text_weight + embedding_weight
    if not (text_weight >= 0 and embedding_weight >= 0 and 0 < total < float("inf")):
        raise ValueError(f"text_weight={text_weight!r}, embedding_weight={embedding_weight!r}")
    scores: NDArray[Any] = np.zeros(1)
    for ranks, weight in ((text_rank, text_weight), (vector_rank, embedding_weight)):
        rank = np.asarray(ranks, dtype=np.float64)
        scores = scores + np.where(rank > 0, weight / total * (RRF_K + 1) / (RRF_K + rank), 0.0)
    return np.asarray(scores, dtype=np.float32)
