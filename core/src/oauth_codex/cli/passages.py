"""Hits as people read them: where, how well, and the best lines of the passage with the query's words in bold."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from .output import stdout, visible

if TYPE_CHECKING:
    from ..types.search import VectorStoreSearchResponse

_WORD = re.compile(r"[^\W_]+")
_INDENT = "   "
_CUT = "... "
#: A line of prose that was broken at the margin has at least so many characters.
_PROSE = 40
#: How alike two words must be for one to be taken for a misspelling of the other.
_ALIKE = 0.8


def query_words(query: str) -> list[str]:
    """The words of a query that say something; all of them if none does."""
    from ..spi.words import STOP_WORDS

    words = list(dict.fromkeys(word.casefold() for word in _WORD.findall(query)))
    return [word for word in words if word not in STOP_WORDS] or words


def matched_words(query: str, text: str) -> dict[str, frozenset[str]]:
    """For each word of the query the words of the text that it stands for.

    Those are the word itself and its other endings; when there are none, words that are spelt nearly like it.
    """
    present = {word.casefold() for word in _WORD.findall(text)}
    found = {}
    for word in query_words(query):
        same = frozenset(other for other in present if _same(word, other))
        found[word] = same or frozenset(other for other in present if _alike(word, other))
    return found


def _same(word: str, other: str) -> bool:
    if word == other or (not word.isascii() and word in other):  # scripts without spaces
        return True
    shorter, longer = sorted((word, other), key=len)
    # `attach`, `attached`, `attaching`; `query`, `queries`: equal but for an ending.
    stem = shorter[:-1] if len(shorter) > 4 else shorter
    return len(stem) >= 4 and longer.startswith(stem) and len(longer) - len(stem) <= 4


def _alike(word: str, other: str) -> bool:
    if len(word) < 4 or abs(len(word) - len(other)) > 2 or word[0] != other[0]:
        return False
    matcher = SequenceMatcher(None, word, other, autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def excerpt(text: str, query: str, *, width: int, lines: int = 4) -> list[Text]:
    """The lines of a passage that answer best, with the words of the query in bold.

    Args:
        text: The passage.
        query: What was asked.
        width: Columns of a line.
        lines: How many lines at most.

    Returns:
        Lines without blank ones at their ends, with an ellipsis where a sentence was cut; empty only for a passage without any
        visible character.
    """
    shown = list(_lines(text, width - 2 * len(_CUT)))
    found = matched_words(query, text)
    start = _best(shown, found, lines)
    end = min(start + lines, len(shown))
    while end > start and not shown[end - 1]:
        end -= 1
    margin = min((len(line) - len(line.lstrip()) for line in shown[start:end] if line), default=0)
    wanted = frozenset().union(*found.values())
    chosen = [_highlighted(line[margin:], wanted) for line in shown[start:end]]
    if chosen and not _begins(shown, start):
        indent = len(chosen[0].plain) - len(chosen[0].plain.lstrip())
        chosen[0] = Text.assemble(" " * indent, (_CUT, "dim"), chosen[0][indent:])
    if chosen and end < len(shown) and not _begins(shown, end):
        chosen[-1].append(" ...", style="dim")
    return chosen


def _lines(text: str, width: int) -> Iterable[str]:
    """The passage as lines of at most `width` columns; blank lines only between paragraphs, never two together."""
    blank, rest, rest_indent = True, "", -1
    for raw in textwrap.dedent(text.expandtabs(4)).splitlines():
        line = visible(raw.rstrip())
        indent = min(len(line) - len(line.lstrip()), width // 2)
        line = line.strip()
        if rest and not (indent == rest_indent and line[:1].isalnum()):
            yield rest
            rest = ""
        if line:
            # What a long line leaves over flows on into the next one, as in prose that was broken for a wider screen.
            line = f"{rest.strip()} {line}" if rest else line
            columns = width * len(line) // max(cell_len(line), 1)  # wide characters take two
            pieces = textwrap.wrap(
                line, max(columns, indent + 1), initial_indent=" " * indent, subsequent_indent=" " * indent
            )
            rest, rest_indent = (pieces.pop(), indent) if len(pieces) > 1 else ("", -1)
            yield from pieces
        elif not blank:
            yield ""
        blank = not line
    if rest:
        yield rest


def _begins(shown: Sequence[str], at: int) -> bool:
    """Whether a line begins something; one that goes on with a sentence follows a long, aligned line without a full stop."""
    if at == 0 or not shown[at] or not shown[at - 1]:
        return True
    before, text = shown[at - 1].lstrip(), shown[at].lstrip()
    aligned = len(shown[at - 1]) - len(before) == len(shown[at]) - len(text)
    return not aligned or len(before) < _PROSE or before.rstrip("\"')*`").endswith((".", ":", "!", "?"))


def _best(shown: Sequence[str], found: Mapping[str, frozenset[str]], lines: int) -> int:
    """Where the window begins that holds most of the query's words, the rare ones counting more, whole sentences preferred."""
    present = [{word.casefold() for word in _WORD.findall(line)} for line in shown]
    strengths = []  # for each word of the query, how well each line shows it
    for word, forms in found.items():
        strength = [1.0 if word in words else 0.7 if not forms.isdisjoint(words) else 0.0 for words in present]
        if any(strength):
            rarity = sum(each > 0 for each in strength) ** -0.5
            strengths.append([each * rarity for each in strength])
    total = sum(max(strength) for strength in strengths) or 1.0
    best, best_score = 0, -1.0
    for start in range(len(shown)):
        if not shown[start]:
            continue
        window = slice(start, start + lines)
        score = sum(max(strength[window]) + 0.1 * sum(strength[window]) for strength in strengths) / total
        score += 0.15 * _begins(shown, start) - 0.03 * sum(not line for line in shown[window])
        score -= 0.1 * (len(shown[window]) < min(lines, len(shown)))
        if score > best_score + 1e-9:
            best, best_score = start, score
    return best


def _highlighted(line: str, wanted: frozenset[str]) -> Text:
    text = Text(line)
    for match in _WORD.finditer(line):
        if match.group().casefold() in wanted:
            text.stylize("bold yellow", match.start(), match.end())
    return text


def distinct(hits: Sequence[VectorStoreSearchResponse]) -> list[VectorStoreSearchResponse]:
    """The hits without those whose text overlaps that of a better one: neighbouring chunks of a file share much of it."""
    kept: list[VectorStoreSearchResponse] = []
    for hit in hits:
        if not any(_overlap(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _overlap(one: VectorStoreSearchResponse, other: VectorStoreSearchResponse) -> bool:
    if one.file_id != other.file_id or one.location is None or other.location is None:
        return False
    return max(one.location.char_start, other.location.char_start) < min(one.location.char_end, other.location.char_end)


def print_hits(hits: Sequence[VectorStoreSearchResponse], query: str, *, lines: int = 4) -> None:
    """Print ranked passages."""
    console = stdout()
    width = min(console.width, 100) - len(_INDENT)
    for number, hit in enumerate(hits, 1):
        where = ""
        if hit.location is not None:
            first, last = hit.location.line_start, hit.location.line_end
            where = f"  line {first}" if first == last else f"  lines {first}-{last}"
        heading = Text.assemble(
            (f"{number}. ", "bold"),
            (f"{hit.score:.2f}", "green"),
            "  ",
            (visible(hit.filename), "bold cyan"),
            (where, "dim"),
        )
        console.print(heading, soft_wrap=True)
        for line in excerpt(hit.text, query, width=width, lines=lines):
            console.print(Text(_INDENT).append_text(line), soft_wrap=True)
        if number < len(hits):
            console.print()
