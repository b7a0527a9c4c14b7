"""The built-in query rewriting: what a polite question says besides its subject is left out. Deterministic, no model."""

from __future__ import annotations

import re
from typing import Final

_LEAD: Final = re.compile(
    r"(?:please|hello|hi)[,\s]+"
    r"|(?:can|could|would) (?:you|someone|anybody) (?:please )?(?:tell|show|explain|help)(?: (?:to )?(?:me|us))?(?: to)?\s+"
    r"|(?:tell|show|explain|help)(?: (?:to )?(?:me|us))?(?: (?:how|to|about|what|where))*\s+"
    r"|i (?:want|need|would like|have) to (?:know|find|see|understand|learn)(?: (?:how|about|out))*\s+"
    r"|how (?:do|can|could|should|would|does|did|is|are|to)\s+"
    r"|(?:what|where|which|who|when|why) (?:is|are|was|were|do|does|did|can|should)\s+"
    r"|is there (?:a|any) way to\s+"
    r"|(?:i|you|we|one|someone|people)\s+(?=\w+\s)"
    r"|(?:make|create|write|use|do|get|find|add|have|define|build|set up)\s+(?=(?:a|an|the|my|your|some|new)\s)"
    r"|(?:a|an|the|my|your|some)\s+",
    re.IGNORECASE,
)


def rewrite(query: str) -> str:
    """The query without leading filler, and with single spaces; one that is nothing but filler stays as it is.

    `how do I make a generator?` becomes `generator?`.
    """
    plain = " ".join(query.split())
    rest = plain
    while match := _LEAD.match(rest):
        rest = rest[match.end() :]
    return rest if any(character.isalnum() for character in rest) else plain
