"""Words into the 64-bit terms of the keyword index.

A word becomes zero or more *terms*: none for a stop word; its stem for an ordinary word; for an identifier the whole,
written the same for every style (`getUserName`, `get_user_name`), and the stem of each part. The script says which
Snowball stemmer is used; English for all that is Latin.

What these choices are worth, nDCG@10 of text search alone (cranfield, cacm, cosqa, xquad_en, xquad_de, xquad_ru):

    as it is                 .384 .490 .400 .968 .930 .952
    stop words kept          .375 .465 .388 .967 .927 .952
    no stems                 .362 .420 .373 .962 .919 .871
    Porter's first stemmer   .385 .491 .399 .966 .930 .952
    digits not split off     .384 .484 .396 .968 .929 .952
    identifiers not split    .384 .486 .344 .968 .928 .952
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import TYPE_CHECKING, Final

import numpy as np
import Stemmer

from ...spi.words import STOP_WORDS
from .arrays import concatenated_ranges, run_sizes, run_starts, with_room
from .words import IS_PAIR, MAX_WORD, PAIR_RUN, WORD, count_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ...spi.words import WordCounts
    from .arrays import Ints

    Terms = NDArray[np.uint64]

__all__ = [
    "TermCounts",
    "concatenated_ranges",
    "count_words",
    "document_terms",
    "hash_strings",
    "index_terms",
    "query_terms",
]

_CACHED_WORDS: Final = 1 << 18

_END: Final = "\n"
_END_TERM: Final = 1
_PARTS: Final = re.compile("[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|[0-9]+|\n")
_INVISIBLE: Final = re.compile("[\u00ad\u0640\u200c\u200d\ufe00-\ufe0f]+")
_STRIPPED_MARKS: Final = re.compile("[\u0591-\u05c7\u064b-\u065f\u0670]+")
_LATIN_MARKS: Final = re.compile("(?<=[a-z])[\u0300-\u036f]+")

# (first code point, one past the last, Snowball algorithm): the script says which stemmer; English for all Latin.
_STEMMERS: Final = (
    (0x0000, 0x0250, "english"),
    (0x0370, 0x0400, "greek"),
    (0x0400, 0x0530, "russian"),
    (0x0530, 0x0590, "armenian"),
    (0x0600, 0x0700, "arabic"),
    (0x0900, 0x0980, "hindi"),
    (0x0B80, 0x0C00, "tamil"),
)


@dataclass(frozen=True, slots=True)
class TermCounts:
    """The terms of one document, as rows of postings.

    Attributes:
        terms: uint64[t], distinct, ascending.
        offsets: int64[t + 1]; the postings of term i are `offsets[i] : offsets[i + 1]`.
        rows: int32[p], chunk number within the document, ascending within a term.
        tfs: int32[p], occurrences of the term in the chunk.
        lengths: int32[chunks], occurrences of all terms in the chunk.
    """

    terms: Terms
    offsets: Ints
    rows: NDArray[np.int32]
    tfs: NDArray[np.int32]
    lengths: NDArray[np.int32]


def _fold(word: str) -> str:
    """One spelling for what readers take for the same word; the word is not ASCII."""
    word = _STRIPPED_MARKS.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", word))).casefold()
    word = word.replace("ё", "е")
    # Accents on Latin letters only: elsewhere a mark is part of the letter (й) or a vowel.
    return unicodedata.normalize("NFC", _LATIN_MARKS.sub("", unicodedata.normalize("NFD", word)))


def _parts(word: str) -> list[str]:
    """The parts of an identifier that is not ASCII, case kept."""
    parts = []
    for part in word.split("_"):
        begin = 0
        for i in range(1, len(part)):
            if part[i].isupper() and part[i - 1].islower():
                parts.append(part[begin:i])
                begin = i
        parts.append(part[begin:])
    return [part for part in parts if part]


def _foreign_tokens(word: str) -> tuple[list[str], str]:
    """The parts of a word that is not ASCII, folded, and its whole if that is a term of its own."""
    if len(word) <= 2 and PAIR_RUN.fullmatch(word) and unicodedata.is_normalized("NFKC", word):
        return [word], ""
    tokens = [_fold(part) for part in _parts(word)]
    whole = "".join(tokens)
    if not PAIR_RUN.search(whole):
        return tokens, whole if len(tokens) > 1 else ""
    # A pair of characters; or decomposed Korean, which turns out to be paired only when it is composed.
    found = []
    for is_pair, run in groupby(whole, key=lambda c: bool(IS_PAIR[ord(c)])):
        piece = "".join(run)
        found += _pairs(piece) if is_pair else [piece]
    return found, ""


def _pairs(run: str) -> list[str]:
    """Each character of a run with the next one; a single character alone."""
    return [run[i : i + 2] for i in range(max(1, len(run) - 1))]


def _hash_table() -> Terms:
    """The SplitMix64 output function (Steele, Lea, Flood 2014) of every (position, byte)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, 256 * 4 * MAX_WORD + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


_HASHES: Final = _hash_table()


def hash_strings(strings: Sequence[str]) -> Terms:
    """64-bit hashes of the first 64 characters of each string: equal on every platform and version.

    Tabulation hashing (Zobrist): the sum, modulo 2**64, of one random number for each (position, byte) of UTF-8.
    """
    if not strings:
        return np.empty(0, dtype=np.uint64)
    encoded = [s[:MAX_WORD].encode("utf-8", "surrogatepass") or b"\0" for s in strings]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    starts = np.cumsum(sizes) - sizes
    buffer = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    position = np.arange(len(buffer), dtype=np.int64) - np.repeat(starts, sizes)
    return np.add.reduceat(_HASHES[position << 8 | buffer], starts)


class _Vocabulary:
    """Words met so far and their terms. Readers need no lock: entries are only added, arrays before the dict."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self._lock = threading.Lock()
        # PyStemmer is not thread-safe; its own cache is slow to purge, and no word comes here twice.
        self._stemmers = {name: Stemmer.Stemmer(name, maxCacheSize=0) for _, _, name in _STEMMERS}
        # Term of each token; 0 for those that have none.
        self._tokens: dict[str, int] = dict.fromkeys((*STOP_WORDS, ""), 0) | {_END: _END_TERM}
        self._terms: Terms = np.empty(1 << 12, dtype=np.uint64)
        self._offsets: Ints = np.zeros(1 << 12, dtype=np.int64)

    def lookup(self, words: Sequence[str]) -> tuple[Terms, Ints]:
        at = np.fromiter(map(self.ids.get, words, repeat(-1)), np.int64, len(words))
        new = np.flatnonzero(at < 0)
        if len(new):
            self._add([words[i] for i in new.tolist()])
            at[new] = [self.ids[words[i]] for i in new.tolist()]
        # Offsets first: terms are published before the offsets that point at them.
        offsets, terms = self._offsets, self._terms
        starts = offsets[at]
        sizes = offsets[at + 1] - starts
        result = np.zeros(len(at) + 1, dtype=np.int64)
        np.cumsum(sizes, out=result[1:])
        return terms[concatenated_ranges(starts, sizes)], result

    def _add(self, words: Iterable[str]) -> None:
        with self._lock:
            new = [word for word in dict.fromkeys(words) if word not in self.ids]
            plain = [word for word in new if word.isascii()]
            # All words in one pass of the expression, each closed by an end mark.
            tokens = " ".join(_PARTS.findall(_END.join([*plain, ""]))).lower().split(" ") if plain else []
            wholes = _END.join(plain).lower().replace("_", "").split(_END) if plain else []
            foreign = [word for word in new if not word.isascii()]
            for word in foreign:
                parts, whole = _foreign_tokens(word)
                tokens += [*parts, _END]
                wholes.append(whole)
            new = plain + foreign

            unknown = list(set(tokens).difference(self._tokens))
            self._tokens.update(zip(unknown, hash_strings(self._stem(unknown)).tolist(), strict=True))
            terms = np.fromiter(map(self._tokens.__getitem__, tokens), np.uint64, len(tokens))
            ends = np.flatnonzero(terms == _END_TERM)
            if len(ends) != len(new):
                raise ValueError("a word contains a line feed")
            starts = np.concatenate((np.zeros(1, dtype=np.int64), ends + 1))
            # In place of its end mark comes the whole, if a word has several parts.
            named = [i for i in np.flatnonzero(np.diff(starts) > 2).tolist() if wholes[i]]
            terms[ends] = 0
            terms[ends[named]] = hash_strings([wholes[i] for i in named])
            present = terms != 0
            before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(present)))
            terms = terms[present]

            known = len(self.ids)
            used = int(self._offsets[known])
            all_terms = with_room(self._terms, used + len(terms))
            all_terms[used : used + len(terms)] = terms
            offsets = with_room(self._offsets, known + len(new) + 1)
            offsets[known + 1 : known + len(new) + 1] = used + before[starts[1:]]
            self._terms, self._offsets = all_terms, offsets
            self.ids.update(zip(new, range(known, known + len(new)), strict=True))

    def _stem(self, words: list[str]) -> list[str]:
        stems: list[str] = self._stemmers["english"].stemWords(words)
        for i, word in enumerate(words):
            if not word.isascii():
                code = ord(word[0])
                scripts = _STEMMERS if code < _STEMMERS[-1][1] else ()
                algorithm = next((name for low, high, name in scripts if low <= code < high), None)
                stems[i] = self._stemmers[algorithm].stemWord(word) if algorithm else word
        return stems


_vocabulary = _Vocabulary()


def index_terms(words: Sequence[str]) -> tuple[Terms, Ints]:
    """The terms of each word. Words met before cost one dictionary look-up. Thread-safe.

    Returns:
        `(terms uint64[t], offsets int64[len(words) + 1])`: word i has `terms[offsets[i] : offsets[i + 1]]`.

    Raises:
        ValueError: A word contains a line feed.
    """
    global _vocabulary
    if len(words) > _CACHED_WORDS:
        return _Vocabulary().lookup(words)
    if len(_vocabulary.ids) > _CACHED_WORDS:
        # Whoever still works with the old one keeps it; starting afresh is cheaper than bookkeeping per word.
        _vocabulary = _Vocabulary()
    return _vocabulary.lookup(words)


def document_terms(counts: WordCounts) -> TermCounts:
    """Term counts of a document from its word counts."""
    terms, offsets = index_terms(counts.words)
    order = np.argsort(terms)
    ordered = terms[order]
    change = run_starts(ordered)
    distinct = ordered[change]
    local = np.empty(len(terms), dtype=np.int64)
    local[order] = np.repeat(np.arange(len(distinct)), run_sizes(change, len(terms)))

    starts = offsets[counts.word]
    sizes = offsets[counts.word + 1] - starts
    chunk = np.repeat(counts.chunk, sizes)
    tf = np.repeat(counts.count, sizes)
    lengths = np.bincount(chunk, weights=tf, minlength=counts.chunks)
    # Term, chunk and count packed into one integer: sorting plain numbers is many times faster than an argsort.
    bits = int(tf.max(initial=1)).bit_length()
    width = max(1, counts.chunks)
    keys = local[concatenated_ranges(starts, sizes)]
    keys *= width
    keys += chunk
    keys <<= bits
    keys |= tf
    keys.sort()
    tfs = keys & ((1 << bits) - 1)
    keys >>= bits
    change = run_starts(keys)
    keys = keys[change]
    term = keys // width
    # A word without an occurrence in any chunk leaves its term without postings, hence the counts over all of them.
    ends = np.zeros(len(distinct) + 1, dtype=np.int64)
    np.cumsum(np.bincount(term, minlength=len(distinct)), out=ends[1:])
    return TermCounts(
        terms=distinct,
        offsets=ends,
        rows=(keys - term * width).astype(np.int32),
        tfs=(np.add.reduceat(tfs, change) if len(change) else tfs).astype(np.int32),
        lengths=lengths.astype(np.int32),
    )


def query_terms(query: str) -> tuple[Terms, Ints]:
    """Distinct terms of a query, ascending, and how often each occurs in it (repeated words count as often).

    A single Chinese or Korean character counts only where it stands alone; elsewhere its pairs say more. A query
    of stop words only has no terms.
    """
    words = Counter(word[:MAX_WORD] for word in WORD.findall(PAIR_RUN.sub(" ", query)))
    words.update(pair for run in PAIR_RUN.findall(query) for pair in _pairs(run))
    terms, offsets = index_terms(list(words))
    repeated = np.repeat(np.fromiter(words.values(), np.int64, len(words)), np.diff(offsets))
    distinct, inverse = np.unique(terms, return_inverse=True)
    return distinct, np.bincount(inverse, weights=repeated, minlength=len(distinct)).astype(np.int64)
