"""Text into words, counted for every chunk of a document.

A *word* is a maximal run of letters, digits, marks and underscores, so `get_user_name` is one word, and the pieces
of a text between any two offsets can be split alone: a word belongs to the piece in which it starts. Chinese,
Japanese, Korean, Thai, Lao, Khmer and Burmese are split into pairs of neighbouring characters instead, because
a run of theirs is a sentence (or, in Korean, a word with its particles).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...spi.words import WordCounts
from .arrays import concatenated_ranges, run_sizes, run_starts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .arrays import Ints

MAX_WORD: Final = 64
"""Characters of a word that count; a longer run (base64, a hash, a line without a space) is cut there."""

_BLOCK: Final = 1 << 20

# Combining marks below U+10000, with what lies between them when that is letters: `\w` leaves marks out, and without
# them Hindi, Arabic with vowels and decomposed accents fall apart. Soft hyphen and the joiners sit inside words too.
_MARKS: Final = """
00AD 200C-200D 0300-036F 0483-0487 0591-05BD 05BF 05C1-05C2 05C4-05C5 05C7 0610-061A 064B-065F 0670 06D6-06DC
06DF-06E8 06EA-06ED 0711-07F3 07FD 0816-082D 0859-085B 0898-08E1 08E3-0963 0981-09E3 09FE-0A75 0A81-0AE3 0AFA-0B63
0B82-0BD7 0C00-0C63 0C81-0C83 0CBC-0D4D 0D57 0D62-0D63 0D81-0DF3 0F18-0F19 0F35 0F37 0F39 0F3E-0F84 0F86-0FBC 0FC6
135D-135F 1712-1734 1752-1773 180B-180D 180F-193B 1A17-1A1B 1A55-1A7F 1AB0-1ABD 1ABF-1B44 1B6B-1B73 1B80-1BF3
1C24-1C37 1CD0-1CD2 1CD4-1DFF 20D0-20DC 20E1 20E5-20F0 2CEF-2CF1 2D7F-2DFF 302A-302F A66F A674-A67D A69E-A69F
A6F0-A6F1 A802-A827 A82C A880-A8C5 A8E0-A8F1 A8FF-A92D A947-A953 A980-A9C0 A9E5-AA4D AAEB-AAEF AAF5-AAF6 ABE3-ABEA
ABEC-ABED FB1E FE00-FE0F FE20-FE2F
"""
# Scripts whose characters carry a meaning alone, then the others that are split into pairs.
_SINGLES: Final = "3005-3007 3400-4DBF 4E00-9FFF AC00-D7A3 F900-FAFF 20000-3FFFF"
_PAIRS: Final = (
    _SINGLES
    + """
0E01-0E3A 0E40-0E4E 0E81-0ECE 0EDC-0EDF 1000-103F 1050-109F 1780-17D3 17DC-17DD 3041-3096 3099-309A 309D-309F
30A1-30FA 30FC-30FF 3105-312F 31A0-31BF 31F0-31FF A9E0-A9E6 AA60-AA7F FF66-FF9F
"""
)


def _ranges(spec: str) -> list[tuple[int, int]]:
    bounds = (entry.partition("-") for entry in spec.split())
    return [(int(low, 16), int(high or low, 16)) for low, _, high in bounds]


def _character_class(spec: str) -> str:
    return "".join(f"\\U{low:08X}-\\U{high:08X}" for low, high in _ranges(spec))


def _member_table(spec: str) -> NDArray[np.bool_]:
    table = np.zeros(0x110000, dtype=np.bool_)
    for low, high in _ranges(spec):
        table[low : high + 1] = True
    return table


WORD: Final = re.compile(f"[\\w{_character_class(_MARKS)}]+")
_PLAIN_WORD: Final = re.compile(f"(?:[^\\W{_character_class(_PAIRS)}]++|[{_character_class(_MARKS)}]++)++")
PAIR_RUN: Final = re.compile(f"[{_character_class(_PAIRS)}]+")
_ASCII_WORDS: Final = bytes(c if chr(c).isalnum() or c == 95 else 32 for c in range(128)) + b" " * 128
IS_PAIR: Final = _member_table(_PAIRS)
IS_SINGLE: Final = _member_table(_SINGLES)


def count_words(text: str, starts: ArrayLike, ends: ArrayLike) -> WordCounts:
    """Count the words of the chunks of one document.

    Args:
        text: The whole document. Any text is accepted.
        starts: Character offset of each chunk's start. Chunks may overlap and come in any order.
        ends: Character offset of each chunk's end (exclusive), as many as `starts`.

    Raises:
        ValueError: `starts` and `ends` differ in number.
    """
    first = np.clip(np.asarray(starts, dtype=np.int64).reshape(-1), 0, len(text))
    last = np.asarray(ends, dtype=np.int64).reshape(-1)
    if len(first) != len(last):
        raise ValueError(f"{len(first)} starts, but {len(last)} ends")
    last = np.clip(last, first, len(text))
    cuts = np.unique(np.concatenate((first, last)))
    from_piece, to_piece = np.searchsorted(cuts, first), np.searchsorted(cuts, last)

    tokens, bounds, paired = _split(text, cuts, from_piece, to_piece)
    vocabulary: dict[str, int] = dict.fromkeys(tokens, 0)
    if vocabulary and max(map(len, vocabulary)) > MAX_WORD:
        tokens = [token[:MAX_WORD] for token in tokens]
        vocabulary = dict.fromkeys(tokens, 0)
    for number, word in enumerate(vocabulary):
        vocabulary[word] = number  # no resizing: the keys are there
    ids = np.fromiter(map(vocabulary.__getitem__, tokens), np.int64, len(tokens))
    del tokens
    if paired:
        ids, bounds = _add_pairs(text, cuts, vocabulary, ids, bounds)

    sizes = bounds[to_piece] - bounds[from_piece]
    width = max(1, len(vocabulary))
    # 32-bit keys sort twice as fast, and are enough but for huge documents.
    dtype = np.int32 if width * len(first) < 1 << 31 else np.int64
    keys: NDArray[Any] = np.repeat(np.arange(0, width * len(first), width, dtype=dtype), sizes)
    keys += ids.astype(dtype)[concatenated_ranges(bounds[from_piece], sizes)]
    keys.sort()
    change = run_starts(keys)
    distinct = keys[change]
    chunk = distinct // width
    return WordCounts(
        words=list(vocabulary),
        chunk=chunk.astype(np.int32),
        word=(distinct - chunk * width).astype(np.int32),
        count=run_sizes(change, len(keys)).astype(np.int32),
        chunks=len(first),
    )


def _split(text: str, cuts: Ints, from_piece: Ints, to_piece: Ints) -> tuple[list[str], Ints, bool]:
    """Words of all pieces in order, where each piece's begin, and whether pairs have to be added."""
    tokens: list[str] = []
    bounds = np.zeros(len(cuts), dtype=np.int64)
    plain = text.isascii()
    paired = not plain and PAIR_RUN.search(text) is not None
    if plain:
        # Spaces for all that is no word: splitting at them is five times faster than the expression, with equal results.
        text = text.encode("ascii").translate(_ASCII_WORDS).decode("ascii")
    covered = np.cumsum(np.bincount(from_piece, minlength=len(cuts)) - np.bincount(to_piece, minlength=len(cuts)))
    begin = 0
    for number, cut in enumerate(cuts.tolist()):
        end = begin if cut < begin else _after_cut_word(text, cut, plain)
        if number and covered[number - 1]:
            piece = text[begin:end]
            if plain:
                tokens += piece.split()
            elif piece.isascii():
                tokens += piece.encode("ascii").translate(_ASCII_WORDS).decode("ascii").split()
            else:
                tokens += WORD.findall(PAIR_RUN.sub(" ", piece) if paired else piece)
        bounds[number] = len(tokens)
        begin = end
    return tokens, bounds, paired


def _after_cut_word(text: str, cut: int, plain: bool) -> int:
    """The cut, or the end of the word in whose middle it lies; `plain`: words stand between spaces."""
    if not 0 < cut < len(text):
        return cut
    if plain:
        if text[cut - 1] == " " or text[cut] == " ":
            return cut
        end = text.find(" ", cut)
        return len(text) if end < 0 else end
    if _PLAIN_WORD.match(text, cut - 1, cut):
        match = _PLAIN_WORD.match(text, cut)
        if match:
            return match.end()
    return cut


def _add_pairs(text: str, cuts: Ints, vocabulary: dict[str, int], ids: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """Add the pairs of neighbouring characters (and the single characters) to the words of their pieces."""
    pieces = np.repeat(np.arange(len(cuts)), np.diff(bounds, prepend=0))
    all_ids, all_pieces = [ids], [pieces]
    low, high = (int(cuts[0]), int(cuts[-1])) if len(cuts) else (0, 0)
    for begin in range(low, high, _BLOCK):
        end = min(begin + _BLOCK, high)
        # One more character on either side: what stands alone, and the pair that crosses the border.
        codes = np.frombuffer(
            (text[begin - 1 : begin] or " ").encode("utf-32-le", "surrogatepass")
            + text[begin : end + 1].encode("utf-32-le", "surrogatepass")
            + (b" \0\0\0" if end == len(text) else b""),
            dtype="<u4",
        )
        member = IS_PAIR[codes]
        here, before, after = member[1:-1], member[:-2], member[2:]
        alone = here & ~before & ~after | IS_SINGLE[codes[1:-1]]
        pair_at, alone_at = np.flatnonzero(here & after), np.flatnonzero(alone)
        keys = np.concatenate(
            (codes[1:-1][pair_at] | codes[2:][pair_at].astype(np.int64) << 21, codes[1:-1][alone_at].astype(np.int64))
        )
        distinct, inverse = np.unique(keys, return_inverse=True)
        names = (chr(key & 0x1FFFFF) + (chr(key >> 21) if key >> 21 else "") for key in distinct.tolist())
        numbers = np.array([vocabulary.setdefault(name, len(vocabulary)) for name in names], dtype=np.int64)
        all_ids.append(numbers[inverse])
        at = np.concatenate((pair_at, alone_at)) + begin
        # bounds[i] closes piece i - 1, so piece p is numbered p + 1 here, as in `pieces`.
        all_pieces.append(np.searchsorted(cuts, at, side="right"))
    pieces = np.concatenate(all_pieces)
    order = np.argsort(pieces, kind="stable")
    return np.concatenate(all_ids)[order], np.cumsum(np.bincount(pieces, minlength=len(cuts)))
