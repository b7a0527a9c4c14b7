"""BM25 over segments: the scores are right, and the same however the rows came in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.search.postings import Postings, decode_segment, encode_segment
from oauth_codex.local.search.segments import Segment
from oauth_codex.local.text.terms import TermCounts, count_words, document_terms, query_terms

WORDS = ["apple", "banana", "cherry", "dune", "elder", "fig", "grape", "hazel"]
CHUNKS = st.lists(st.lists(st.sampled_from(WORDS[:6]), max_size=12), min_size=1, max_size=25)
QUERIES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


def document(chunks: list[list[str]]) -> TermCounts:
    """A document with these chunks."""
    text, starts, ends = "", [], []
    for words in chunks:
        starts.append(len(text))
        text += " ".join(words) + " "
        ends.append(len(text))
    return document_terms(count_words(text, starts, ends))


def segment(*documents: list[list[str]]) -> Segment:
    return decode_segment(encode_segment([document(chunks) for chunks in documents]))


def view(chunks: list[list[str]]) -> Postings:
    return Postings().append([segment(chunks)])


def expected(chunks: list[list[str]], query: list[str], alive: list[bool] | None = None) -> list[float]:
    """BM25 over its attainable maximum, by the book."""
    living = alive or [True] * len(chunks)
    texts = [words for words, lives in zip(chunks, living, strict=True) if lives]
    average = sum(map(len, texts)) / len(texts) if any(texts) else 1.0

    def idf(word: str) -> float:
        df = sum(word in words for words in texts)
        return math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))

    attainable = sum(idf(word) * 2.2 for word in query)
    return [
        sum(
            idf(word) * 2.2 * words.count(word) / (words.count(word) + 1.2 * (0.25 + 0.75 * len(words) / average))
            for word in query
            if word in words
        )
        / attainable
        if lives
        else 0.0
        for words, lives in zip(chunks, living, strict=True)
    ]


@given(CHUNKS, QUERIES)
def test_scores_are_bm25_over_the_attainable_maximum(chunks: list[list[str]], query: list[str]) -> None:
    terms = query_terms(" ".join(query))
    scores = view(chunks).score(terms, np.arange(len(chunks)))
    assert scores.tolist() == pytest.approx(expected(chunks, query), abs=1e-6)
    assert np.all((scores >= 0) & (scores < 1))


@given(CHUNKS, QUERIES, st.integers(1, 30))
def test_top_is_the_best_rows_in_order(chunks: list[list[str]], query: list[str], limit: int) -> None:
    postings, terms = view(chunks), query_terms(" ".join(query))
    scores = postings.score(terms, np.arange(len(chunks)))
    order = [row for row in np.lexsort((np.arange(len(chunks)), -scores)) if scores[row] > 0][:limit]
    rows, found = postings.top(terms, limit=limit)
    assert rows.tolist() == order
    assert found.tolist() == scores[order].tolist()


@given(CHUNKS, QUERIES, st.lists(st.integers(1, 5), min_size=1, max_size=25), st.data())
def test_segmentation_changes_nothing(
    chunks: list[list[str]], query: list[str], sizes: list[int], data: st.DataObject
) -> None:
    """One segment, many, tiers, a merge, or files on a disk: equal to the last bit."""
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=len(chunks), max_size=len(chunks))))
    terms = query_terms(" ".join(query))
    pieces, at = [], 0
    for size in sizes:
        pieces.append(chunks[at : at + size])
        at += size
    pieces = [piece for piece in [*pieces, chunks[at:]] if piece]
    segments = [segment(piece) for piece in pieces]
    bases = np.cumsum([0] + [len(piece) for piece in pieces]).tolist()
    tiers = Postings()
    for one in segments:
        tiers = tiers.append([one])
    views = [
        view(chunks),
        Postings().append(segments),
        tiers,
        Postings([(one, base) for one, base in zip(segments, bases, strict=False)]),
        Postings.merge([(one, base) for one, base in zip(segments, bases, strict=False)][::-1]),
        Postings.merge([(tiers, 0)]),
    ]
    results = []
    for postings in views:
        for living in (None, alive):
            rows, scores = postings.top(terms, alive=living, limit=7)
            every = postings.score(terms, np.arange(len(chunks)), alive=living)
            assert every[rows].tolist() == scores.tolist()
            results.append((living is None, rows.tolist(), scores.tobytes(), every.tobytes()))
    assert len(set(map(repr, results))) <= 2


@given(CHUNKS, QUERIES, st.data())
def test_removed_rows_leave_no_trace(chunks: list[list[str]], query: list[str], data: st.DataObject) -> None:
    """Neither among the hits, nor in N, the average length or the document frequencies."""
    alive = data.draw(st.lists(st.booleans(), min_size=len(chunks), max_size=len(chunks)))
    left = [words for words, lives in zip(chunks, alive, strict=True) if lives]
    terms = query_terms(" ".join(query))
    rows, scores = view(chunks).top(terms, alive=np.array(alive), limit=50)
    if not left:
        assert len(rows) == 0
        return
    fresh_rows, fresh_scores = view(left).top(terms, limit=50)
    assert scores.tobytes() == fresh_scores.tobytes()
    assert rows.tolist() == [np.flatnonzero(alive)[row] for row in fresh_rows]


@pytest.mark.parametrize("as_ranges", [True, False])
@pytest.mark.parametrize("copies", [1, 40])
@given(CHUNKS, QUERIES, st.sets(st.integers(0, 24)), st.sets(st.integers(0, 24)))
def test_a_filter_selects_and_changes_no_score(
    as_ranges: bool, copies: int, chunks: list[list[str]], query: list[str], wanted: set[int], removed: set[int]
) -> None:
    """`copies`: in a longer store few ranges are looked up in the lists instead of masking all scores."""
    store = chunks * copies
    among = np.array(sorted(row for row in wanted if row < len(store)), dtype=np.int64)
    alive = np.array([row not in removed for row in range(len(store))])
    postings, terms = (
        Postings([(segment(chunks), len(chunks) * i) for i in range(copies)]),
        query_terms(" ".join(query)),
    )
    all_rows, all_scores = postings.top(terms, alive=alive, limit=len(store))
    inside = np.isin(all_rows, among)
    given_as = np.stack((among, among + 1), axis=1) if as_ranges else among
    rows, scores = postings.top(terms, alive=alive, among=given_as, limit=len(store))
    assert rows.tolist() == all_rows[inside].tolist()
    assert scores.tobytes() == all_scores[inside].tobytes()


def test_the_best_of_many_equal_scores_are_the_first() -> None:
    """A long run of equal scores, where the shortcut of the top-k search must not lose one."""
    chunks = [["apple", "fig"] if row % 3 else ["apple", "apple"] for row in range(3000)]
    assert view(chunks).top(query_terms("apple"), limit=5)[0].tolist() == [0, 3, 6, 9, 12]
    rows, scores = view(chunks).top(query_terms("apple"), limit=1003)
    assert rows.tolist() == [*range(0, 3000, 3), 1, 2, 4]
    assert len(set(scores.tolist())) == 2


def test_a_term_that_the_store_lacks_lowers_the_score() -> None:
    postings = view([["apple", "banana"], ["cherry"]])
    (_, alone), (_, with_unknown) = (postings.top(query_terms(q), limit=1) for q in ("apple", "apple zebra"))
    assert with_unknown[0] < 0.6 * alone[0]


def test_repeated_query_terms_weigh_more() -> None:
    postings = view([["apple", "fig"], ["banana", "fig"]])
    assert postings.top(query_terms("apple banana banana"), limit=1)[0].tolist() == [1]
    assert postings.top(query_terms("apple apple banana"), limit=1)[0].tolist() == [0]


def test_a_long_query_keeps_its_64_rarest_terms() -> None:
    words = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}zq" for i in range(100)]
    chunks = [words[i:] for i in range(100)]
    postings = view(chunks)
    full = postings.score(query_terms(" ".join(words)), np.arange(100))
    rare = postings.score(query_terms(" ".join(words[:64])), np.arange(100))
    assert full.tobytes() == rare.tobytes()
    unknown = " ".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}zk" for i in range(100))
    assert postings.top(query_terms(f"{unknown} {words[0]}"), limit=1)[0].tolist() == [0]


def test_rarity_tells_unknown_from_known() -> None:
    postings = view([["apple", "fig"]] * 50 + [["banana"]])
    assert postings.prepare(query_terms("zebra")).rarity == 1
    assert postings.prepare(query_terms("the")).rarity == 1
    assert postings.prepare(query_terms("banana")).rarity == pytest.approx(0.25)
    assert postings.prepare(query_terms("apple")).rarity < 0.001
    assert 0.25 < postings.prepare(query_terms("banana zebra")).rarity < 1


def test_no_rows_and_no_terms_give_no_hits() -> None:
    assert Postings().top(query_terms("apple"), limit=3)[0].tolist() == []
    assert view([["apple"]]).top(query_terms("the"), limit=3)[0].tolist() == []
    assert view([[]]).top(query_terms("apple"), limit=3)[0].tolist() == []
    assert view([["apple"]]).top(query_terms("apple"), limit=0)[0].tolist() == []
    assert view([["apple"]]).top(query_terms("apple"), among=np.zeros(0, dtype=np.int64), limit=3)[0].tolist() == []
    assert Postings().append([]).rows == 0


def test_alive_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="alive has 1 rows, the postings have 2"):
        view([["apple"], ["fig"]]).top(query_terms("apple"), alive=np.array([True]), limit=1)


def test_a_changed_alive_array_is_seen() -> None:
    postings, alive = view([["apple"], ["apple", "fig"]]), np.array([True, True])
    assert len(postings.top(query_terms("apple"), alive=alive, limit=9)[0]) == 2
    alive[0] = False
    assert postings.top(query_terms("apple"), alive=alive, limit=9)[0].tolist() == [1]


def test_runs_stay_few_and_are_merged_in_tiers() -> None:
    postings = Postings()
    for _ in range(300):
        postings = postings.append([segment([["apple", "fig"], ["dune"]])])
        assert postings.runs <= math.log(max(4, postings.postings), 4) + 1
    assert postings.rows == 600
    assert postings.postings == 900


def test_appending_leaves_the_old_view_as_it_was() -> None:
    old = view([["apple"]])
    before = old.top(query_terms("apple"), limit=5)
    new = old.append([segment([["apple"], ["fig"]])])
    assert old.rows == 1
    assert new.rows == 3
    assert old.top(query_terms("apple"), limit=5)[1].tobytes() == before[1].tobytes()


@pytest.mark.parametrize("bases", [(0, 2), (0, 0), (1, 2)])
def test_parts_that_overlap_or_leave_rows_out_are_refused(bases: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="starts at row"):
        Postings.merge([(segment([["apple"]]), base) for base in bases])


@pytest.mark.parametrize("count", [1, 255, 256, 65535, 65536, 70000])
def test_frequencies_survive_exactly(count: int) -> None:
    blob = encode_segment([document([["apple"] * count, ["fig"]])])
    assert decode_segment(blob).tfs.max() == count


def test_row_numbers_survive_exactly() -> None:
    chunks = [["fig"] if row in (0, 65_536, 69_999) else [] for row in range(70_000)]
    assert decode_segment(encode_segment([document(chunks)])).rows.tolist() == [0, 65_536, 69_999]


def test_an_empty_commit_is_a_segment() -> None:
    assert len(decode_segment(encode_segment([])).lengths) == 0
    assert len(decode_segment(encode_segment([document([[], []])])).lengths) == 2


def test_a_damaged_blob_is_refused() -> None:
    blob = encode_segment([document([["apple", "fig"], ["fig"]])])
    for cut in range(len(blob)):
        with pytest.raises(ValueError, match="postings segment"):
            decode_segment(blob[:cut])
    for damaged in (blob + b"\0", b"SQLite format 3\0" * 9, blob[:7] + b"\x02" + blob[8:], blob[:8] + b"\3" + blob[9:]):
        with pytest.raises(ValueError, match="postings segment"):
            decode_segment(damaged)
    for position in range(len(blob) - 6, len(blob) - 3):  # the row numbers
        with pytest.raises(ValueError, match="postings segment"):
            decode_segment(blob[:position] + b"\xff" + blob[position + 1 :])


def test_saved_and_opened_is_the_same(tmp_path: Path) -> None:
    chunks = [["apple", "fig"], ["fig"], ["dune"] * 300]
    postings = Postings([(segment(chunks[:1]), 0), (segment(chunks[1:]), 1)])
    postings.save(tmp_path)
    opened = Postings.open(tmp_path)
    terms = query_terms("fig dune zebra")
    assert opened.score(terms, np.arange(3)).tobytes() == postings.score(terms, np.arange(3)).tobytes()
    more = opened.append([segment([["apple"]])])
    assert more.top(query_terms("apple"), limit=9)[0].tolist() == [3, 0]


def test_an_empty_view_can_be_saved(tmp_path: Path) -> None:
    Postings().save(tmp_path)
    assert Postings.open(tmp_path).append([segment([["apple"]])]).rows == 1


@pytest.mark.parametrize("name", ["terms", "offsets", "rows", "tfs", "lengths"])
def test_damaged_cache_files_are_refused(tmp_path: Path, name: str) -> None:
    view([["apple", "fig"], ["fig"]]).save(tmp_path)
    path = tmp_path / f"{name}.npy"
    content = path.read_bytes()
    for damaged in (b"", content[:40], content[:-1], b"\x80\x04N." + content):
        path.write_bytes(damaged)
        with pytest.raises(ValueError):  # noqa: PT011 - numpy words it
            Postings.open(tmp_path)
    path.unlink()
    with pytest.raises(OSError, match=name):
        Postings.open(tmp_path)


def test_cache_files_of_two_states_are_refused(tmp_path: Path) -> None:
    view([["apple", "fig"], ["fig"]]).save(tmp_path)
    rows = (tmp_path / "rows.npy").read_bytes()
    view([["apple"]]).save(tmp_path)
    (tmp_path / "rows.npy").write_bytes(rows)
    with pytest.raises(ValueError, match="do not belong together"):
        Postings.open(tmp_path)
