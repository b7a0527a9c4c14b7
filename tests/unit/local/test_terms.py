"""Words and terms: what a user types must meet what a document says, in every script, on any input."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.text import terms as terms_module
from oauth_codex.local.text import words as words_module
from oauth_codex.local.text.terms import count_words, document_terms, hash_strings, index_terms, query_terms

TEXTS = st.text("ab Z_1.\n\0", max_size=60) | st.text(st.sampled_from("ab Z_1.\n\0é猫が물กา\u0301\ud800Ж"), max_size=60)


def found(document: str, query: str) -> bool:
    """Whether the query shares a term with the document."""
    document_side = document_terms(count_words(document, [0], [len(document)])).terms
    return bool(np.isin(query_terms(query)[0], document_side).any())


def table(text: str, starts: list[int], ends: list[int]) -> list[dict[str, int]]:
    counts = count_words(text, starts, ends)
    chunks: list[dict[str, int]] = [{} for _ in range(counts.chunks)]
    for chunk, word, count in zip(counts.chunk, counts.word, counts.count, strict=True):
        assert counts.words[word] not in chunks[chunk]
        chunks[chunk][counts.words[word]] = int(count)
    return chunks


def test_a_word_belongs_to_the_chunk_in_which_it_starts() -> None:
    assert table("alpha beta gamma", [0, 3, 8], [3, 8, 16]) == [{"alpha": 1}, {"beta": 1}, {"gamma": 1}]


def test_overlapping_chunks_count_their_common_words_each() -> None:
    assert table("one two one two", [0, 4, 8], [11, 15, 15]) == [
        {"one": 2, "two": 1},
        {"two": 2, "one": 1},
        {"one": 1, "two": 1},
    ]


def test_text_outside_all_chunks_is_not_counted() -> None:
    assert table("one two three", [0, 8], [4, 13]) == [{"one": 1}, {"three": 1}]
    assert count_words("one two three", [0, 8], [4, 13]).words == ["one", "three"]


def test_chunks_may_be_empty_or_missing() -> None:
    assert table("", [0], [0]) == [{}]
    assert table("one", [2, 9], [2, 12]) == [{}, {}]
    assert table("one", [], []) == []
    assert document_terms(count_words("", [], [])).lengths.tolist() == []


def test_starts_and_ends_must_agree() -> None:
    with pytest.raises(ValueError, match="2 starts, but 1 ends"):
        count_words("text", [0, 1], [2])


@given(TEXTS, st.lists(st.integers(0, 60), max_size=6))
def test_pieces_together_have_the_words_of_the_whole(text: str, cuts: list[int]) -> None:
    """Wherever a text is cut, no word is lost, doubled or broken."""
    bounds = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    (whole,) = table(text, [0], [len(text)])
    summed: dict[str, int] = {}
    for piece in table(text, bounds[:-1], bounds[1:]):
        for word, count in piece.items():
            summed[word] = summed.get(word, 0) + count
    assert summed == whole


@given(TEXTS)
def test_no_text_fails_and_a_document_answers_its_own_words(text: str) -> None:
    counts = document_terms(count_words(text, [0], [len(text)]))
    terms, weights = query_terms(text)
    assert np.isin(terms, counts.terms).all()
    assert np.all(np.diff(counts.terms.astype(object)) > 0)
    assert counts.lengths.sum() == counts.tfs.sum()
    assert np.all(weights > 0)


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("def get_user_name(self):", "getUserName"),
        ("def getUserName(self):", "user"),
        ("class HTTPServer:", "http server"),
        ("parse the URLs", "url"),
        ("os.path.join(a)", "path"),
        ("__init__", "init"),
        ("python3", "python"),
        ("utf8 text", "UTF8"),
        ("connections were closed", "connection closing"),
        ("Die Straße", "STRASSE"),
        ("café", "cafe"),
        ("cafe\u0301", "caf\u00e9"),
        ("co\u00adoperation", "cooperation"),
        ("собаками", "собака"),
        ("ёлка", "елка"),
        ("我喜欢吃苹果。", "苹果"),
        ("我喜欢吃苹果。", "我"),
        ("ひらがなカタカナ", "カタカナ"),
        ("집에서 왔다", "집"),
        ("\u110c\u1175\u11b8\u110b\u1166", "집에"),
        ("ภาษาไทย", "ไทย"),
        ("الكتاب", "كتاب"),
        ("मैं हिन्दी बोलता हूँ", "हिन्दी"),
        ("Ｐｙｔｈｏｎ", "python"),
        ("ÜberGröße", "größe"),
        ("Python程序", "程序"),
    ],
)
def test_query_meets_document(document: str, query: str) -> None:
    assert found(document, query)


@pytest.mark.parametrize(
    ("document", "query"), [("苹果", "果苹"), ("university", "universe_x"), ("the of and", "the"), ("猫", "犬")]
)
def test_query_does_not_meet_what_is_something_else(document: str, query: str) -> None:
    assert not found(document, query)


def test_stop_words_have_no_terms_and_do_not_count_in_the_length() -> None:
    assert len(query_terms("What is THIS, and what's that?")[0]) == 0
    assert document_terms(count_words("the cat is on the mat", [0], [21])).lengths.tolist() == [2]


def test_repeated_query_words_weigh_more() -> None:
    terms, weights = query_terms("error error handling")
    weight = dict(zip(terms.tolist(), weights.tolist(), strict=True))
    (error,), _ = index_terms(["error"])
    assert weight[int(error)] == 2
    assert sorted(weights.tolist()) == [1, 2]


def test_a_single_character_counts_in_a_query_only_where_it_stands_alone() -> None:
    assert len(query_terms("苹果")[0]) == 1
    assert len(query_terms("果")[0]) == 1


def test_words_with_a_common_stem_are_counted_together() -> None:
    counts = document_terms(count_words("walk walks walking", [0], [18]))
    assert counts.tfs.tolist() == [3]


def test_hashes_are_the_same_everywhere() -> None:
    """Stored in segments: another value on another machine or version would make every index unreadable."""
    assert [f"{value:016x}" for value in hash_strings(["walk", "собак", "苹果", "", "x" * 64]).tolist()] == HASHES
    assert hash_strings(["x" * 70]) == hash_strings(["x" * 64])
    assert len(hash_strings([])) == 0


HASHES = ["81d4fe042c9cbc56", "e07fe4cca111178a", "5665144577595b70", "e220a8397b1dcdaf", "61bef6d1b8da9ca3"]


def test_a_long_line_without_spaces_is_one_bounded_word() -> None:
    line = "a" * 1_000_000
    counts = count_words(line, list(range(0, len(line), 1000)), list(range(1000, len(line) + 1000, 1000)))
    assert counts.words == ["a" * 64]
    assert counts.chunk.tolist() == [0]


def test_long_words_that_differ_late_are_one() -> None:
    assert table("x" * 64 + "a " + "x" * 64 + "b", [0], [200]) == [{"x" * 64: 2}]


def test_pairs_across_the_blocks_of_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "猫犬鳥魚" * 5 + " a " + "犬猫"
    expected = table(text, [0, 7], [9, len(text)])
    monkeypatch.setattr(words_module, "_BLOCK", 3)
    assert table(text, [0, 7], [9, len(text)]) == expected


def test_a_word_with_a_line_feed_is_refused() -> None:
    with pytest.raises(ValueError, match="line feed"):
        index_terms(["two\nlines"])


def test_the_vocabulary_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms_module, "_CACHED_WORDS", 10)
    monkeypatch.setattr(terms_module, "_vocabulary", terms_module._Vocabulary())
    before = index_terms(["anchor"])[0].tolist()
    for round_ in range(20):
        index_terms([f"word{round_}x{i}" for i in range(5)])
    assert len(terms_module._vocabulary.ids) <= 15
    assert index_terms(["anchor"])[0].tolist() == before


def test_threads_share_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads meet the same new words at once; all must get the terms that one alone gets."""
    words = [f"sharedThread_{chr(97 + i % 26)}{i}ing" for i in range(2000)]
    expected = [part.tolist() for part in index_terms(words)]
    monkeypatch.setattr(terms_module, "_vocabulary", terms_module._Vocabulary())
    barrier = threading.Barrier(4)
    results: list[list[list[int]]] = []

    def work(shift: int) -> None:
        barrier.wait()
        for i in range(0, 2000, 20):
            at = (i * shift) % 2000
            terms, offsets = index_terms(words[at : at + 20])
            first, last = expected[1][at], expected[1][min(at + 20, 2000)]
            if terms.tolist() != expected[0][first:last] or offsets[-1] != last - first:
                results.append([])
        results.append([part.tolist() for part in index_terms(words)])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(shift,)) for shift in (1, 3, 7, 11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == [expected] * 4
