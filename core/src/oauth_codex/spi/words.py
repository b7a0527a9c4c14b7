"""The words of one document, counted once for everybody who needs them.

The keyword index and an embedder that works on words both start from the same counts, so the text of a
document is split a single time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_FUNCTION_WORDS = (
    "a about above after again all also am an and any are as at be because been before being "
    "below between both but by can could did do does doing don down during each etc few for from "
    "further had has have having he her here hers herself him himself his how i if in into is it "
    "its itself just ll me more most my myself no nor not now of off on once only or other our "
    "ours ourselves out over own re s same shall she should so some such t than that the their "
    "theirs them themselves then there these they this those through to too under until up ve "
    "very was we were what when where which while who whom whose why will with would you your "
    "yours yourself yourselves "
)
STOP_WORDS: frozenset[str] = frozenset(_FUNCTION_WORDS.split())
"""English function words, casefolded: they say nothing about the subject of a text or of a question."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each distinct word occurs in each chunk of one document.

    The three arrays are parallel (coordinate form), sorted by chunk and then by word, without repeated pairs.

    Attributes:
        words: The distinct words of the document as written. Case is kept because `getUserName` can only be
            taken apart while its capitals are there; an identifier is one word. In scripts that put no spaces
            between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) and in Korean, a word is a pair of
            neighbouring characters; single Chinese and Korean characters are words as well.
        chunk: int32[m], number of the chunk within the document, 0 .. chunks - 1.
        word: int32[m], index into `words`.
        count: int32[m], occurrences, at least 1.
        chunks: Number of chunks, those without any word included.
    """

    words: Sequence[str]
    chunk: NDArray[np.int32]
    word: NDArray[np.int32]
    count: NDArray[np.int32]
    chunks: int
