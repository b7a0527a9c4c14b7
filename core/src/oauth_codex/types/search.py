"""Objects that a search returns."""

from __future__ import annotations

from typing import Literal

from ._base import Model


class SearchContent(Model):
    """A piece of text of a hit."""

    type: Literal["text"] = "text"
    text: str


class SearchLocation(Model):
    """Where the text of a hit stands in its file: character offsets from 0, end exclusive; lines from 1, end inclusive."""

    chunk: int
    char_start: int
    char_end: int
    line_start: int
    line_end: int


class VectorStoreSearchResponse(Model):
    """One hit: a chunk of a file, with a score in [0, 1] that does not depend on the other hits."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | bool | int | float] | None = None
    content: list[SearchContent]
    #: Local drivers only.
    location: SearchLocation | None = None

    @property
    def text(self) -> str:
        """The text of the hit."""
        return "".join(part.text for part in self.content)

    @property
    def metadata(self) -> dict[str, str | bool | int | float] | None:
        """The attributes of the file, under their older name."""
        return self.attributes
