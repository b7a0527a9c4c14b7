"""An embedder for tests: deterministic, needs no model, and declared semantic.

Because it is semantic, the vector leg has its full weight in every score; because synonyms share a direction, a search can
find a text with which it has no word in common. So what a search returns really depends on the index.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Words of one row mean the same to `SemanticEmbedder`, and no two of a row share a stem.
SYNONYMS: Final = (
    ("car", "automobile", "vehicle"),
    ("doctor", "physician", "medic"),
    ("house", "dwelling", "residence"),
    ("money", "cash", "currency"),
    ("river", "stream", "brook"),
    ("ship", "vessel", "boat"),
    ("stone", "rock", "boulder"),
    ("forest", "woodland", "jungle"),
)
_MEANINGS: Final = {word: row[0] for row in SYNONYMS for word in row}
_WORD: Final = re.compile(r"\w+")


class SemanticEmbedder:
    """The vector of a text is the sum of the directions of its words' meanings; order and case do not matter.

    A text without a word has the zero vector.

    Attributes: see `oauth_codex.spi.Embedder`.
    """

    name: Final = "semantic-test"
    semantic: Final = True
    max_batch: Final = 256

    def __init__(self, dimension: int = 48) -> None:
        """
        Args:
            dimension: Length of the vectors, at least 1.

        Raises:
            ValueError: It is less than 1.
        """
        if dimension < 1:
            raise ValueError(f"Invalid 'dimension': {dimension!r}. Expected an integer of at least 1.")
        self.dimension = dimension
        self.fingerprint = f"semantic-test-1-{dimension}"

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> NDArray[np.float32]:
        """Vectors of the texts: float32, of unit length or all zero, one row each."""
        found = np.zeros((len(texts), self.dimension))
        for row, text in zip(found, texts, strict=True):
            for word in _WORD.findall(text.casefold()):
                row += _direction(_MEANINGS.get(word, word), self.dimension)
        lengths = np.sqrt((found * found).sum(axis=1, keepdims=True))
        return (found / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


@lru_cache(maxsize=1 << 16)
def _direction(meaning: str, dimension: int) -> NDArray[np.float64]:
    """Numbers from -1 to 1 that follow from the word alone, on every platform and with every version of numpy."""
    drawn = hashlib.shake_128(meaning.encode("utf-8", "surrogatepass")).digest(2 * dimension)
    return np.frombuffer(drawn, dtype="<u2").astype(np.float64) / 32767.5 - 1.0
