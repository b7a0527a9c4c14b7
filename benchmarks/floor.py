"""The floor: what a search costs when nothing is kept, checked or typed.

The product's own chunker and embedder feed a flat FAISS index in memory; texts stand in a list. There is no keyword index, no
durability, no filter, no result type. Nothing that does the same work can be much faster, so ratios to it say what the rest costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.text.terms import count_words
from oauth_codex.local.text.tokens import windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZE = 800
OVERLAP = 400


class Floor:
    """Chunks in memory.

    Attributes:
        texts: Texts of the chunks.
        embedder: The default embedder of the product.
    """

    def __init__(self, *, words_once: bool = True) -> None:
        """Make an empty one.

        Args:
            words_once: Count the words of a file once and embed the counts, as the product does (`embed_words`); else embed the
                text of each chunk (`embed`), which reads overlapping text twice.
        """
        faiss.omp_set_num_threads(1)
        self.embedder = HashingEmbedder()
        self.texts: list[str] = []
        self._index: Any = faiss.IndexFlatIP(self.embedder.dimension)
        self._words_once = words_once

    def add_file(self, path: Path) -> None:
        """Read, cut, embed and add one file."""
        data = path.read_bytes()
        text = data.decode()
        spans = windows(text, data, size=SIZE, overlap=OVERLAP)
        pieces = [text[a:b] for a, b in zip(spans.char_start.tolist(), spans.char_end.tolist(), strict=True)]
        if self._words_once:
            vectors = self.embedder.embed_words(count_words(text, spans.char_start, spans.char_end))
        else:
            vectors = self.embedder.embed(pieces, kind="document")
        self._index.add(vectors)
        self.texts += pieces

    def embed(self, query: str) -> NDArray[np.float32]:
        """The vector of a query: float32 (1, dimension)."""
        return self.embedder.embed([query], kind="query")

    def search(self, vector: NDArray[np.float32], limit: int = 10) -> list[tuple[float, str]]:
        """The best chunks for a query vector, as score and text."""
        scores, rows = self._index.search(vector, limit)
        texts = self.texts
        return [(score, texts[row]) for score, row in zip(scores[0].tolist(), rows[0].tolist(), strict=True)]


def chunks(path: Path) -> int:
    """Number of chunks of a file."""
    data = path.read_bytes()
    return len(windows(data.decode(), data, size=SIZE, overlap=OVERLAP))
