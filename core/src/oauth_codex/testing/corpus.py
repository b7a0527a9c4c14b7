"""Texts for tests: drawn from a seed, the same on every platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from .semantic import SYNONYMS

#: Words without a synonym, among them stop words, numbers, identifiers, and words of languages without spaces.
_TEXT = """
the a of and in winter summer harvest bridge candle mirror violin garden letter window copper silver engine signal
parse_json HTTPServer v2.1 2024-05-01 naïve straße 漢字 東京都 ภาษาไทย 한국어
"""
_WORDS = tuple(_TEXT.split())


@dataclass(frozen=True)
class Document:
    """A text that is attached under a name, with attributes that filters can tell apart.

    Attributes:
        filename: Name of the file; no two are equal.
        text: Its content.
        attributes: `number` counts up, `topic` is one of eight words, `even` is a boolean, `ratio` a number from 0 to 1; every
            fifth document has no `topic`.
    """

    filename: str
    text: str
    attributes: dict[str, str | float | bool]


def documents(count: int, *, seed: int = 1, words: int = 40) -> Sequence[Document]:
    """Documents about one topic each.

    Args:
        count: How many.
        seed: Other seeds give other texts.
        words: About how many words each has.
    """
    chance = Random(seed)
    return [_document(chance, number, words) for number in range(count)]


def queries(count: int, *, seed: int = 2) -> Sequence[str]:
    """Queries of one to four words that match some of `documents`, by word or by meaning."""
    chance = Random(seed)
    known = [*_WORDS, *(word for row in SYNONYMS for word in row)]
    return [" ".join(chance.choices(known, k=chance.randint(1, 4))) for _ in range(count)]


def _document(chance: Random, number: int, words: int) -> Document:
    topic = chance.choice(SYNONYMS)
    text = " ".join(chance.choice(topic if chance.random() < 0.3 else _WORDS) for _ in range(max(1, words)))
    attributes: dict[str, str | float | bool] = {
        "number": number,
        "topic": topic[0],
        "even": number % 2 == 0,
        "ratio": round(chance.random(), 3),
    }
    if number % 5 == 4:
        del attributes["topic"]
    return Document(f"{number:05d}.txt", text, attributes)
