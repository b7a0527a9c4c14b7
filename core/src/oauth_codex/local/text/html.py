"""HTML to text: what a reader sees, one block a line.

The standard library's ``html.parser`` is not used: on broken markup it is quadratic in many Python releases
(60 kB of ``<a`` take half a minute in 3.11.7) or raises ``AssertionError``. Finding tags and text needs
neither attributes nor a tree, so one linear scan does, by the HTML standard's rules for where a tag or a
comment ends.
"""

from __future__ import annotations

import html
import re

# A quote delimits only after "=", as in an attribute's value, and only when it is closed. Everything is
# possessive, so that the scan never goes back; an unclosed quote is searched for once in the whole text,
# since there is none of its kind behind it.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+>""")
_COMMENT_END = re.compile(r"--!?>")
_DROPPED_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
_HUGE_REFERENCE = re.compile(r"&#[0-9]{20,};?")

# What stands between two pieces of text; the strongest of those asked for wins.
_GAPS = ("", " ", "\t", "\n", "\n\n")
_SPACE, _CELL, _LINE, _PARAGRAPH = 1, 2, 3, 4
_LINES = """
    address article aside body br caption center dd details dialog dir div dt fieldset figcaption figure
    footer form frameset head header hgroup html label legend li main menu nav noscript optgroup option search
    section select summary tbody textarea tfoot thead tr
"""
_PARAGRAPHS = "blockquote dl h1 h2 h3 h4 h5 h6 hr ol p pre table title ul"
_BREAKS = {
    "td": _CELL,
    "th": _CELL,
    **dict.fromkeys(_LINES.split(), _LINE),
    **dict.fromkeys(_PARAGRAPHS.split(), _PARAGRAPH),
}


def html_to_text(markup: str) -> str:
    """The text of an HTML page, in time linear in its length whatever its nesting and its errors.

    Scripts, styles, comments and tags go; character references are decoded; white space is collapsed as a
    browser does, except in ``pre``; blocks become lines, paragraphs and headings are set off by an empty
    line, table cells by a tab.

    Args:
        markup: A page or a fragment; broken markup is read as the HTML standard says, except that a tag which
            never ends is text.

    Returns:
        The text, without white space at its ends; empty when the page shows none.
    """
    out = _Text()
    at = 0
    while (tag_at := markup.find("<", at)) >= 0:
        out.add(markup[at:tag_at])
        follower = markup[tag_at + 1 : tag_at + 3]
        if tag := _TAG.match(markup, tag_at):
            at = out.tag(markup, tag)
        elif follower[:1].isascii() and follower.removeprefix("/")[:1].isalpha():
            at = tag_at
            break
        elif markup.startswith("<!--", tag_at):
            comment_end = _COMMENT_END.search(markup, tag_at + 2)
            at = comment_end.end() if comment_end else len(markup)
        elif follower[:1] in ("!", "?", "/"):
            at = markup.find(">", tag_at) + 1 or len(markup)
        else:
            out.add("<")
            at = tag_at + 1
    out.add(markup[at:])
    return "".join(out.parts).strip()


class _Text:
    """Pieces of text with the gap that waits before the next one."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._gap = 0
        self._pre = 0

    def add(self, data: str) -> None:
        if not data:
            return
        if "&" in data:
            # int() refuses the digits of a huge reference, and html.unescape lets that out.
            data = html.unescape(_HUGE_REFERENCE.sub("\ufffd", data))
        if self._pre:
            self._emit(data)
            return
        words = data.split()
        if not words or data[0].isspace():
            self._gap = max(self._gap, _SPACE)
        if words:
            self._emit(" ".join(words))
            if data[-1].isspace():
                self._gap = _SPACE

    def _emit(self, data: str) -> None:
        self.parts += (_GAPS[self._gap], data)
        self._gap = 0

    def tag(self, markup: str, tag: re.Match[str]) -> int:
        """Takes a tag into account; returns where to read on."""
        closing, name = tag[1], tag[2].lower()
        self._gap = max(self._gap, _BREAKS.get(name, 0))
        if name == "pre":
            self._pre = max(0, self._pre - 1) if closing else self._pre + 1
        elif name in _DROPPED_END and not closing and markup[tag.end() - 2] != "/":
            end = _DROPPED_END[name].search(markup, tag.end())
            return end.start() if end else len(markup)
        return tag.end()
