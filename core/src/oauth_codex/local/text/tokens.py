"""Counting cl100k tokens, and cutting a text into exact token windows.

`cl100k_base` is the encoding of OpenAI's embedding models, so a "token" of a chunking strategy means the same
here as there. The ranks are packaged (``data/NOTICE.md``); nothing is ever downloaded.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import threading
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tiktoken

_RANKS = "cl100k_base.tiktoken.gz"
_RANKS_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"

# The definition of cl100k_base: how text is split before byte pairs are merged, and the ids outside the
# ranks.
_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_SPECIAL = {
    "<|endoftext|>": 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}

# tiktoken's regex engine gives up ("Max stack size exceeded") on a run of a million blanks before a visible
# character, because of the pattern's `\s+(?!\S)`. Runs of this length are cut out and encoded by themselves;
# see `_pieces`.
_LONG_RUN = 250_000
# What `\s` is to that engine, without \r and \n.
_BLANKS = "\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# The lookbehind keeps the search linear: a run that is too short is measured once, not from each of its
# blanks.
_BLANK_RUN = re.compile(rf"(?<![{_BLANKS}])[{_BLANKS}]{{{_LONG_RUN},}}+")
_BLANK_PROBE = re.compile(rf"[{_BLANKS}]{{64}}")

_MISMATCH = "data is not the UTF-8 encoding of text"

Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spans:
    """Windows of one text: five int64 arrays of one length.

    ``data[byte_start[i]:byte_end[i]].decode() == text[char_start[i]:char_end[i]]`` is the text of window
    ``i``; ``tokens[i]`` is how many tokens of the whole text's encoding it was cut from. Encoding that slice
    by itself may give one more or less at each end.
    """

    byte_start: Offsets
    byte_end: Offsets
    char_start: Offsets
    char_end: Offsets
    tokens: Offsets

    def __len__(self) -> int:
        return len(self.tokens)


class _Cl100k(NamedTuple):
    encoding: tiktoken.Encoding
    lengths: npt.NDArray[np.uint8]  # bytes of each token; the longest has 128


_lock = threading.Lock()
_loaded: _Cl100k | None = None


def _cl100k() -> _Cl100k:
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _load()
    return _loaded


def _load() -> _Cl100k:
    import tiktoken

    raw = gzip.decompress(resources.files(__package__).joinpath("data", _RANKS).read_bytes())
    found = hashlib.sha256(raw).hexdigest()
    if found != _RANKS_SHA256:
        raise RuntimeError(
            f"the packaged token ranks {_RANKS} are damaged (sha256 {found}, "
            f"expected {_RANKS_SHA256}): reinstall oauth-codex"
        )
    ranks: dict[bytes, int] = {}
    for line in raw.splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    lengths = np.zeros(max(ranks.values()) + 1, np.uint8)
    lengths[list(ranks.values())] = [len(token) for token in ranks]
    encoding = tiktoken.Encoding("cl100k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=_SPECIAL)
    return _Cl100k(encoding, lengths)


def _pieces(text: str) -> list[str]:
    """Cuts around long runs of blanks, where the pattern splits anyway: the pieces' tokens are the whole's.

    In the whole, such a run before a visible character is one match but for its last blank, which goes with
    that character (``\\s+(?!\\S)``). By itself, the run without its last blank is one match too (``\\s++$``).
    What precedes it ends with a newline or a visible character, and no match crosses from either into a
    blank.
    """
    # A long run covers a multiple of half its length and at least as much after it.
    probes = range(0, len(text), _LONG_RUN // 2)
    if len(text) <= _LONG_RUN or not any(_BLANK_PROBE.match(text, at) for at in probes):
        return [text]
    pieces = []
    start = 0
    for run in _BLANK_RUN.finditer(text):
        if text[run.end() : run.end() + 1] in ("", "\r", "\n"):
            continue  # `\s++$` or `\s*[\r\n]` takes it, without that limit
        pieces += [text[start : run.start()], text[run.start() : run.end() - 1]]
        start = run.end() - 1
    return [*pieces, text[start:]]


def _encode(text: str) -> npt.NDArray[np.uint32]:
    # Nothing is disallowed and nothing is allowed: "<|endoftext|>" in a document is ordinary text.
    encode = _cl100k().encoding.encode_to_numpy
    pieces = _pieces(text)
    if len(pieces) == 1:
        return encode(text, disallowed_special=())
    return np.concatenate([encode(piece, disallowed_special=()) for piece in pieces])


def count(text: str) -> int:
    """Number of cl100k tokens of `text`.

    Raises:
        ValueError: `text` holds a lone surrogate.
    """
    return len(_encode(text))


def windows(text: str, data: bytes, *, size: int = 800, overlap: int = 400) -> Spans:
    """Cuts a text into overlapping windows of tokens, losing no character.

    With ``step = size - overlap``, window ``i`` is made of tokens ``i * step`` to ``i * step + size``; the
    first one that reaches the end is the last. A token may end inside a code point, so both cuts go back to
    the start of the code point that they fall into. (A window of under four tokens may then hold no
    character; such a window is left out.)

    Args:
        text: The text to cut.
        data: Its UTF-8 bytes.
        size: Tokens in a window, at least 1.
        overlap: Tokens that a window shares with the next, at least 0 and less than `size`.

    Returns:
        The windows in order; none for an empty text.

    Raises:
        ValueError: `size` or `overlap` is out of range, `text` holds a lone surrogate, or `data` cannot be
            `text` in UTF-8 (its length tells; it is not compared byte by byte).
    """
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"size must be at least 1 and overlap from 0 to size - 1, not size={size}, overlap={overlap}")
    encoded = _encode(text)
    n = len(encoded)
    if n == 0:
        if data:
            raise ValueError(_MISMATCH)
        return Spans(*(np.zeros(0, np.int64) for _ in range(5)))

    step = size - overlap
    first = np.arange(0, max(n - overlap, 1), step, dtype=np.int64)
    last = np.minimum(first + size, n)
    edges = np.unique(np.concatenate((first, last)))
    edge_bytes = _running_total(_cl100k().lengths[encoded], edges)
    edge_chars = edge_bytes
    if edge_bytes[-1] != len(data):
        raise ValueError(_MISMATCH)
    if len(text) != len(data):
        starts = np.frombuffer(data, np.int8) > -65  # 10xxxxxx, inside a code point, is -128..-65
        inner = edge_bytes[:-1]
        for _ in range(3):
            inner -= ~starts[inner]
        edge_chars = _running_total(starts, edge_bytes)
        if edge_chars[-1] != len(text):
            raise ValueError(_MISMATCH)

    begin, end = np.searchsorted(edges, first), np.searchsorted(edges, last)
    kept = edge_bytes[begin] < edge_bytes[end]
    begin, end = begin[kept], end[kept]
    return Spans(edge_bytes[begin], edge_bytes[end], edge_chars[begin], edge_chars[end], (last - first)[kept])


def _running_total(values: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], at: Offsets) -> Offsets:
    """``values[:i].sum()`` for each `i` in `at`, which ascends from 0 to the length of `values`."""
    parts = np.add.reduceat(values, at[:-1], dtype=np.int64)
    parts[at[:-1] == at[1:]] = 0  # reduceat gives the element itself for an empty part
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(parts)))
