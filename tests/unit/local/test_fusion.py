"""The score that users see: absolute, bounded, in the order of both legs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.search.fusion import fuse, fuse_ranks

UNIT = st.floats(0, 1)
COSINE = st.floats(-1, 1)


@given(UNIT, UNIT, COSINE, COSINE, UNIT, st.booleans())
def test_monotone_in_both_legs_and_within_bounds(
    t1: float, t2: float, c1: float, c2: float, rarity: float, semantic: bool
) -> None:
    low_t, high_t = sorted((t1, t2))
    low_c, high_c = sorted((c1, c2))
    text, cosine = [low_t, high_t, low_t, high_t], [low_c, low_c, high_c, high_c]
    worst, text_up, cosine_up, best = fuse(text, cosine, semantic=semantic, rarity=rarity).tolist()
    assert 0 <= worst <= text_up <= best <= 1
    assert worst <= cosine_up <= best


@given(st.lists(st.tuples(UNIT, COSINE), min_size=2, max_size=8), st.booleans())
def test_a_score_does_not_depend_on_the_other_hits(hits: list[tuple[float, float]], semantic: bool) -> None:
    text, cosine = (list(leg) for leg in zip(*hits, strict=True))
    together = fuse(text, cosine, semantic=semantic, rarity=0.3)
    alone = [fuse(t, c, semantic=semantic, rarity=0.3).item() for t, c in hits]
    assert together.tolist() == alone


@pytest.mark.parametrize("semantic", [True, False])
def test_a_missing_leg_leaves_the_whole_score_to_the_other(semantic: bool) -> None:
    assert fuse(None, [1.0, 0.0, -1.0], semantic=semantic).tolist() == [1.0, 0.0, 0.0]
    assert fuse([0.0], None, semantic=semantic).tolist() == [0.0]
    assert fuse([0.4], None, semantic=semantic)[0] > fuse([0.4], [0.0], semantic=semantic)[0]
    with pytest.raises(ValueError, match="neither"):
        fuse(None, None, semantic=semantic)


def test_scores_are_what_the_documentation_says() -> None:
    """A stored `score_threshold` must keep its meaning."""
    assert fuse(0.15, 0.6, semantic=True).item() == pytest.approx(0.5 * 0.5 + 0.5 * 0.36)
    assert fuse(0.25, 0.6, semantic=False, rarity=0.0).item() == pytest.approx(0.97 * 0.5 + 0.03 * 0.6)
    assert fuse(0.25, 0.6, semantic=False, rarity=1.0).item() == pytest.approx(0.57 * 0.5 + 0.43 * 0.6)


def test_spelling_counts_for_what_the_store_does_not_know() -> None:
    """A chunk that holds the misspelled word beats one that holds a common word of the query."""
    text, cosine = [0.05, 0.0], [0.1, 0.9]
    assert np.argmax(fuse(text, cosine, semantic=False, rarity=0.0)) == 0
    assert np.argmax(fuse(text, cosine, semantic=False, rarity=0.9)) == 1


def test_ranks_are_rescaled_to_the_attainable_maximum() -> None:
    scores = fuse_ranks([1, 2, 0, 0], [1, 0, 1, 0], text_weight=3, embedding_weight=1)
    assert scores.tolist() == pytest.approx([1.0, 0.75 * 61 / 62, 0.25, 0.0])


def test_only_the_ratio_of_the_weights_matters() -> None:
    ranks = ([1, 3, 0], [2, 0, 1])
    small = fuse_ranks(*ranks, text_weight=0.2, embedding_weight=0.6)
    large = fuse_ranks(*ranks, text_weight=20, embedding_weight=60)
    assert small.tolist() == pytest.approx(large.tolist())


@pytest.mark.parametrize(("text", "vector"), [(0, 0), (-1, 2), (float("nan"), 1), (float("inf"), 1)])
def test_useless_weights_are_refused(text: float, vector: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        fuse_ranks([1], [1], text_weight=text, embedding_weight=vector)
