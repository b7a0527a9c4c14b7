"""Leading filler of a question is left out, its subject never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.search.rewriting import rewrite


@pytest.mark.parametrize(
    ("query", "searched"),
    [
        ("how do I make a generator?", "generator?"),
        ("Could you please tell me how to open a file", "open a file"),
        ("  what   is\tthe walrus operator ", "walrus operator"),
        ("explain to me garbage collection", "garbage collection"),
        ("make install", "make install"),
        ("how the west was won", "how the west was won"),
        ("The Who", "Who"),
        ("what is", "what is"),
        ("I", "I"),
    ],
)
def test_filler_goes_and_the_subject_stays(query: str, searched: str) -> None:
    assert rewrite(query) == searched


@given(st.text(min_size=1))
def test_what_is_left_is_the_end_of_the_query(query: str) -> None:
    plain = " ".join(query.split())
    assert plain.endswith(rewrite(query))
    assert rewrite(query) or not plain
