"""From the bytes of a file to everything that the catalog stores of it: one pass over the text, no database.

This runs outside every transaction, so that writers never wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...messages import shown
from ...spi.embedder import takes_words
from ..text.decode import Unreadable, read_text
from ..text.terms import TermCounts, count_words, document_terms
from ..text.tokens import Spans, count, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...spi.embedder import Embedder
    from ...spi.parts import Chunker, Parser
    from ...spi.words import WordCounts
    from ...types.vector_stores import StaticChunking


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is ready to be published.

    Attributes:
        text: The parsed text, UTF-8.
        derived: Whether `text` differs from the content of the file.
        spans: Where the chunks lie in it.
        lines: int64 (chunks, 2): first and last line of each chunk, from 1.
        terms: Term counts of the chunks.
        vectors: float16 (chunks, dimension), of unit length or zero.
    """

    text: bytes
    derived: bool
    spans: Spans
    lines: NDArray[np.int64]
    terms: TermCounts
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Cut:
    """A file that was parsed and cut: its text, that in UTF-8, whether it differs from the content, and the chunks."""

    text: str
    data: bytes
    derived: bool
    spans: Spans


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be processed, and why, as `last_error` shows it.

    Attributes:
        code: Kind of the error.
        message: What is wrong.
        passing: Whether another attempt may succeed, because what failed is not the file.
    """

    code: str
    message: str
    passing: bool = False


@dataclass(frozen=True)
class Preparer:
    """The parts that prepare files.

    Attributes:
        embedder: Makes the vectors; None leaves them out, for `embed` of another preparer.
        parsers: Readers by file extension (`.pdf`), tried before the built-in one.
        chunker: Replaces the token windows, or None.
    """

    embedder: Embedder | None
    parsers: Mapping[str, Parser]
    chunker: Chunker | None

    def built_in(self, filename: str) -> bool:
        """Whether the built-in reader and the token windows are all that a file needs, and no part of the caller."""
        return self.chunker is None and _extension(filename) not in self.parsers

    def prepare(self, content: bytes, filename: str, chunking: StaticChunking) -> Prepared | Refused:
        """Parse, cut, index and embed one file; what is wrong with the file is an answer, not an exception.

        Args:
            content: The bytes of the file.
            filename: Its name, which may help to recognise its kind.
            chunking: Tokens of a chunk, and those that neighbouring chunks share.
        """
        return self.index(self.cut(content, filename, chunking))

    def cut(self, content: bytes, filename: str, chunking: StaticChunking) -> Cut | Refused:
        """The first half of `prepare`: parse and cut. Counting tokens lets other threads run meanwhile."""
        size, overlap = chunking.max_chunk_size_tokens, chunking.chunk_overlap_tokens
        parser = self.parsers.get(_extension(filename))
        try:
            if parser is None:
                document = read_text(content, filename)
                text, data, derived = document.text, document.data, document.derived
            else:
                text, data, derived = _parsed(parser, content, filename)
            if self.chunker is None:
                return Cut(text, data, derived, windows(text, data, size=size, overlap=overlap))
            return Cut(text, data, derived, _spans(text, self._chunked(text, size, overlap)))
        except Unreadable as error:
            return Refused(error.code, error.message)
        except _BadPart as error:
            return Refused("server_error", str(error))

    def index(self, cut: Cut | Refused) -> Prepared | Refused:
        """The second half of `prepare`: words, terms and vectors."""
        if isinstance(cut, Refused):
            return cut
        counts = count_words(cut.text, cut.spans.char_start, cut.spans.char_end)
        prepared = Prepared(
            text=cut.data,
            derived=cut.derived,
            spans=cut.spans,
            lines=_lines(cut.data, cut.spans),
            terms=document_terms(counts),
            vectors=_NO_VECTORS,
        )
        return prepared if self.embedder is None else self._with_vectors(prepared, cut.text, counts)

    def embed(self, prepared: Prepared) -> Prepared | Refused:
        """Add the vectors to a file that was prepared without an embedder."""
        text = prepared.text.decode()
        counts = None
        if self.embedder is not None and takes_words(self.embedder):
            counts = count_words(text, prepared.spans.char_start, prepared.spans.char_end)
        return self._with_vectors(prepared, text, counts)

    def _with_vectors(self, prepared: Prepared, text: str, counts: WordCounts | None) -> Prepared | Refused:
        assert self.embedder is not None
        try:
            if counts is not None and takes_words(self.embedder):
                vectors = self.embedder.embed_words(counts).astype(np.float16)
            else:
                vectors = _vectors(self.embedder, text, prepared.spans)
        except MemoryError:
            raise
        except Exception as error:  # the embedder is somebody else's: whatever it raises fails this file, visibly
            message = f"The embedder {self.embedder.name!r} failed: {type(error).__name__}: {error}"
            return Refused("server_error", message, passing=True)
        return replace(prepared, vectors=vectors)

    def _chunked(self, text: str, size: int, overlap: int) -> Sequence[tuple[int, int]]:
        assert self.chunker is not None
        found = [(int(start), int(end)) for start, end in self.chunker(text, size, overlap)]
        for start, end in found:
            if not 0 <= start < end <= len(text):
                raise _BadPart(f"The chunker returned the span {(start, end)} for a text of {len(text)} characters.")
        if not found:
            raise _BadPart("The chunker returned no span.")
        return found


def _vectors(embedder: Embedder, text: str, spans: Spans) -> NDArray[np.float16]:
    pieces = [text[a:b] for a, b in zip(spans.char_start.tolist(), spans.char_end.tolist(), strict=True)]
    rows = [
        unit_rows(embedder.embed(pieces[i : i + embedder.max_batch], kind="document"), embedder, count)
        for i, count in _batches(len(pieces), embedder.max_batch)
    ]
    return np.concatenate(rows).astype(np.float16)


def unit_rows(vectors: NDArray[np.float32], embedder: Embedder, rows: int) -> NDArray[np.float32]:
    """Vectors scaled to unit length; zero rows stay zero.

    Raises:
        ValueError: They have another shape than the embedder declares, or are not finite.
    """
    found = np.asarray(vectors, dtype=np.float32)
    if found.shape != (rows, embedder.dimension):
        raise ValueError(f"{rows} texts gave vectors of shape {found.shape}; expected {(rows, embedder.dimension)}")
    lengths = np.linalg.norm(found.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all():
        raise ValueError("it returned a vector that is not finite")
    lengths[lengths == 0] = 1
    scaled: NDArray[np.float32] = (found / lengths[:, None]).astype(np.float32)
    return scaled


_NO_VECTORS: NDArray[np.float16] = np.zeros((0, 0), dtype=np.float16)


class _BadPart(Exception):
    """A part that the caller brought along breaks its contract."""


def _extension(filename: str) -> str:
    return os.path.splitext(filename)[1].lower()


def _batches(total: int, most: int) -> Sequence[tuple[int, int]]:
    return [(start, min(most, total - start)) for start in range(0, total, most)]


def _parsed(parser: Callable[[bytes, str | None], str], content: bytes, filename: str) -> tuple[str, bytes, bool]:
    try:
        text = parser(content, filename)
    except ValueError as error:
        raise Unreadable("invalid_file", f"The file could not be parsed: {error}") from error
    if not isinstance(text, str):
        raise _BadPart(f"The parser returned {shown(text)} instead of text.")
    if not text.strip():
        raise Unreadable("invalid_file", "The file could not be parsed: it holds no text.")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("invalid_file", "The file could not be parsed: its text has lone surrogates.") from error
    return text, data, data != content


def _spans(text: str, found: Sequence[tuple[int, int]]) -> Spans:
    """Spans of characters, as a chunker gives them, with their byte offsets and tokens."""
    starts = np.array([start for start, _ in found], dtype=np.int64)
    ends = np.array([end for _, end in found], dtype=np.int64)
    if text.isascii():
        byte_start, byte_end = starts, ends
    else:
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        widths = 1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF).astype(np.int64)
        at = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(widths, dtype=np.int64)))
        byte_start, byte_end = at[starts], at[ends]
    tokens = np.array([count(text[a:b]) for a, b in found], dtype=np.int64)
    return Spans(byte_start, byte_end, starts, ends, tokens)


def _lines(data: bytes, spans: Spans) -> NDArray[np.int64]:
    breaks = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    first = np.searchsorted(breaks, spans.byte_start, side="left")
    last = np.searchsorted(breaks, spans.byte_end - 1, side="left")
    return np.stack((first, last), axis=1) + 1
