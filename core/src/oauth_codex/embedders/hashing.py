"""The default embedder: signed feature hashing of the character n-grams of words.

It adds to the keyword index what whole words and stems lack: misspellings, inflection, compounds, languages without a
stemmer. It needs no download and is not semantic: near vectors mean near spellings. Words themselves are no features;
the keyword index has them already.

The vector of a text is the sum, over its distinct words other than stop words, of (1 + ln count) times the signed
counts of the hashed n-grams of `<word>`, scaled to length 1 (Weinberger et al. 2009 for the hashing trick;
Bojanowski et al. 2017 for n-grams with boundary marks).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import numpy as np

from ..spi.words import STOP_WORDS, WordCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_Number = TypeVar("_Number", bound=np.generic)

_CACHED_WORDS: Final = 1 << 18
_MAX_WORD: Final = 64
_BLOCK: Final = 1024
_GRAM: Final = 3

# What a word is when `embed` has to split a text by itself: as in `spi.words.WordCounts`.
_TOKEN: Final = re.compile(r"\w+")
_PAIRED: Final = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3096\u3099-\u30fa"
    "\u30fc-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+"
)
_SINGLE: Final = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]")


class HashingEmbedder:
    """Embeds words by their spelling. Thread-safe.

    Attributes: see `oauth_codex.spi.embedder.Embedder` and, for `recipe`, `PortableEmbedder` there.
    """

    name: Final = "hashing"
    semantic: Final = False
    max_batch: Final = 1024

    def __init__(self, dimension: int = 512) -> None:
        """
        Args:
            dimension: Length of the vectors, a power of two from 64 to 65536.

        Raises:
            ValueError: Another dimension.
        """
        if not 64 <= dimension <= 65536 or dimension & (dimension - 1):
            raise ValueError(f"dimension {dimension!r}: not a power of two from 64 to 65536")
        self.dimension: Final = dimension
        self.fingerprint: Final = f"hashing-1:{_GRAM}-grams:{dimension}"
        self.recipe: Final = ("oauth_codex.embedders.hashing:HashingEmbedder", {"dimension": dimension})
        self._cache = _Features(dimension)

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> Vectors:
        """Vectors of texts: float32 (len(texts), dimension), rows of length 1, or zero where a text has no words.

        Stop words count only in a query that has no other words.
        """
        words: dict[str, int] = {}
        rows: list[int] = []
        columns: list[int] = []
        counts: list[int] = []
        for row, text in enumerate(texts):
            found = _split(text)
            if kind == "query" and not any(_fold(word) for word in found):
                found = [f"{word}_" for word in found]  # spelt so, a word is not looked up among the stop words
            for word, count in Counter(found).items():
                rows.append(row)
                columns.append(words.setdefault(word, len(words)))
                counts.append(count)
        return self.embed_words(
            WordCounts(
                words=list(words),
                chunk=np.array(rows, dtype=np.int32),
                word=np.array(columns, dtype=np.int32),
                count=np.array(counts, dtype=np.int32),
                chunks=len(texts),
            )
        )

    def embed_words(self, counts: WordCounts) -> Vectors:
        """Vectors of the chunks of a document: float32 (counts.chunks, dimension), as `embed` makes them."""
        cache = self._cache
        if len(cache.ids) > _CACHED_WORDS:
            cache = self._cache = _Features(self.dimension)
        if len(counts.words) > _CACHED_WORDS:
            cache = _Features(self.dimension)  # the words of a huge document are not worth keeping
        features, starts, sizes = cache.lookup(counts.words)
        damped = 1 + np.log(counts.count, dtype=np.float64)
        vectors = np.zeros((counts.chunks, self.dimension), dtype=np.float32)
        # In blocks, because a word becomes several features, and a huge document would become gigabytes.
        for first in range(0, counts.chunks, _BLOCK):
            last = min(first + _BLOCK, counts.chunks)
            low, high = np.searchsorted(counts.chunk, (first, last))
            words = counts.word[low:high]
            sizes_here = sizes[words]
            picked = features[_ranges(starts[words], sizes_here)]
            weights = np.repeat(damped[low:high], sizes_here)
            weights[picked < 0] *= -1
            # A feature is +-(index of the dimension + 1).
            row = (counts.chunk[low:high].astype(np.int64) - first) * self.dimension - 1
            cells = np.repeat(row, sizes_here) + np.abs(picked)
            summed = np.bincount(cells, weights=weights, minlength=(last - first) * self.dimension)
            block = summed.reshape(last - first, self.dimension)
            norms = np.sqrt(np.einsum("ij,ij->i", block, block))
            norms[norms == 0] = 1
            vectors[first:last] = block / norms[:, None]
        return vectors


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """`starts[0] .. starts[0] + sizes[0] - 1`, then the same for the next."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - ends + sizes, sizes) + np.arange(int(ends[-1]) if len(ends) else 0)


def _split(text: str) -> list[str]:
    """Words of a text, each as often as it occurs; a longer one is cut at 64 characters."""
    words = []
    if not text.isascii():
        for run in _PAIRED.findall(text):
            words += [run[i : i + 2] for i in range(len(run) - 1)]
            words += _SINGLE.findall(run) if len(run) > 1 else [run]
        text = _PAIRED.sub(" ", text)
    words += [word[:_MAX_WORD] for word in _TOKEN.findall(text)]
    return words


class _Features:
    """Hashed n-grams of the words met so far. Entries are only added, arrays before the dict: readers need no lock."""

    def __init__(self, dimension: int) -> None:
        self.ids: dict[str, int] = {}
        self._mask = np.uint64(dimension - 1)
        self._lock = threading.Lock()
        self._features: NDArray[np.int32] = np.empty(1 << 14, dtype=np.int32)
        self._offsets: NDArray[np.int64] = np.zeros(1 << 12, dtype=np.int64)

    def lookup(self, words: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """All features, and for each of the words where its own begin and how many there are."""
        at = np.fromiter(map(self.ids.get, words, repeat(-1)), np.int64, len(words))
        new = np.flatnonzero(at < 0)
        if len(new):
            self._add([words[i] for i in new.tolist()])
            at[new] = [self.ids[words[i]] for i in new.tolist()]
        # Offsets first: features are published before the offsets that point at them.
        offsets, features = self._offsets, self._features
        return features, offsets[at], offsets[at + 1] - offsets[at]

    def _add(self, words: Sequence[str]) -> None:
        with self._lock:
            new = [word for word in dict.fromkeys(words) if word not in self.ids]
            features, sizes = _hashed([_fold(word) for word in new], self._mask)
            known = len(self.ids)
            used = int(self._offsets[known])
            # Doubling: copying everything for each document would take longer than the hashing.
            self._features = _with_room(self._features, used + len(features))
            self._features[used : used + len(features)] = features
            offsets = _with_room(self._offsets, known + len(new) + 1)
            offsets[known + 1 : known + 1 + len(new)] = used + np.cumsum(sizes)
            self._offsets = offsets
            self.ids.update(zip(new, range(known, known + len(new)), strict=True))


def _with_room(array: NDArray[_Number], size: int) -> NDArray[_Number]:
    """The array itself, or a copy of at least twice its length."""
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def _fold(word: str) -> str:
    """The spelling that is cut into n-grams; empty for a stop word. `getUserName` and `get_user_name` are one."""
    if word.isascii():
        folded = word.lower()
    else:
        folded = unicodedata.normalize("NFKC", word).casefold()
    return "" if folded in STOP_WORDS else folded.replace("_", "")[:_MAX_WORD]


def _hashed(words: Sequence[str], mask: np.uint64) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Features of words, one after another, and their number for each word."""
    joined = "".join([f"<{word}>" for word in words])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
    sizes = lengths - (_GRAM - 1)
    # A word without letters is `<>` here: too short for a single n-gram.
    at = _ranges(np.cumsum(lengths) - lengths, sizes)
    # Three code points of 21 bits are one integer; SplitMix64's output function scatters it.
    z = codes[at] | codes[at + 1] << np.uint64(21) | codes[at + 2] << np.uint64(42)
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    features = (z & mask).astype(np.int32) + 1
    return np.where(z >> np.uint64(63), -features, features), sizes
