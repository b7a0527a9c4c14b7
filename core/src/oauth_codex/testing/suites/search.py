"""Search: which hits, in which order, with which scores."""

from __future__ import annotations

from typing import Any

from ...client import OAuthCodexClient
from ..case import Storage
from ..corpus import documents, queries
from ..marks import requires, rule
from .base import DriverTests
from .support import attached, filled, found, hits

#: Queries that are no syntax to anybody.
HARD = [
    *(
        '"',
        "'",
        "AND",
        "NEAR(",
        "a AND (b OR NOT",
        "*",
        "^car",
        "-car",
        "car:",
        "col:car",
        "\\",
        "%",
        "_",
        "C++",
        "don't",
    ),
    *("'; DROP TABLE files; --", "<|endoftext|>", "\0", "car\0ship", "的", "\U0001f642", "\u200b", "\ufeff"),
    *("a" * 50_000, "?" * 10_000, " ".join(f"term{number}" for number in range(2000))),
]


class SearchTests(DriverTests):
    """`client.vector_stores.search`."""

    @rule("R9")
    def test_empty_store_has_no_hits(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        page = client.vector_stores.search(store, query="car", **ranking)
        assert (page.data, page.has_more, list(page.search_query or ())) == ([], False, ["car"])

    @rule("R9", "R13")
    def test_meaning_is_found_without_a_word_in_common(self, client: OAuthCodexClient, ranking: dict[str, Any]) -> None:
        texts = [
            "the automobile stood there",
            "a physician came",
            "the dwelling was empty",
            "cash only",
            "a brook runs",
        ]
        store, files = filled(client, *texts)
        for query, file in zip(("car", "doctor", "house", "money", "river"), files, strict=True):
            assert found(client, store, query, **ranking)[0] == file

    @rule("R9", "R22")
    def test_hit_tells_file_name_text_and_attributes(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store = client.vector_stores.create().id
        made = attached(client, store, "a small boat", "boat.md", attributes={"year": 2020, "topic": "sea"})
        (hit,) = client.vector_stores.search(store, query="ship", **ranking).data
        assert (hit.file_id, hit.filename, hit.text) == (made.id, "boat.md", "a small boat")
        assert hit.attributes == {"year": 2020, "topic": "sea"}
        assert [part.type for part in hit.content] == ["text"]

    @rule("R13")
    def test_scores_are_ordered_and_between_0_and_1(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, *(each.text for each in documents(40)))
        for query in queries(15):
            scores = [score for _, _, score in hits(client, store, query, max_num_results=50, **ranking)]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= score <= 1 for score in scores)

    @rule("R13")
    def test_limit_cuts_and_changes_nothing_else(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, *(each.text for each in documents(60)))
        for query in queries(5):
            every = hits(client, store, query, max_num_results=50, **ranking)
            for limit in (1, 2, 7, 10, 49):
                assert hits(client, store, query, max_num_results=limit, **ranking) == every[:limit]
            assert hits(client, store, query, **ranking) == every[:10]

    @rule("R13")
    def test_as_many_hits_as_asked_for(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, *(f"car number{number}" for number in range(60)))
        for limit in (1, 10, 50):
            assert len(found(client, store, "vehicle", max_num_results=limit, **ranking)) == limit

    @rule("R13")
    def test_equal_chunks_come_in_the_order_of_attaching(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = filled(client, *["the same car"] * 20)
        assert found(client, store, "the same car", max_num_results=20, **ranking) == files
        assert found(client, store, "vehicle", max_num_results=5, **ranking) == files[:5]
        client.vector_stores.files.delete(store, files[0])
        client.vector_stores.files.create_and_poll(store, file_id=files[0])
        assert found(client, store, "vehicle", max_num_results=20, **ranking) == [*files[1:], files[0]]

    @rule("R13")
    def test_score_does_not_depend_on_the_other_hits(self, client: OAuthCodexClient) -> None:
        """A better hit that comes or goes leaves the score of a text that shares no word with the query as it was."""
        store, (file, *_) = filled(client, "an automobile stood here", "a car of the railway", "a physician")

        def score() -> float:
            return next(score for hit, _, score in hits(client, store, "car") if hit == file)

        alone = score()
        better = attached(client, store, "car").id
        assert found(client, store, "car")[0] == better
        assert score() == alone
        client.vector_stores.files.delete(store, better)
        assert score() == alone

    @rule("R13")
    def test_threshold_is_met_by_the_score(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, *(each.text for each in documents(20)))
        every = hits(client, store, "car winter", max_num_results=50)
        scores = sorted({score for _, _, score in every})
        assert len(scores) > 3
        for threshold in (0, scores[0], scores[len(scores) // 2], scores[-1]):
            seen = hits(client, store, "car winter", max_num_results=50, ranking_options={"score_threshold": threshold})
            assert seen == [hit for hit in every if hit[2] >= threshold]
        assert hits(client, store, "car winter", ranking_options={"score_threshold": 1}) == [
            hit for hit in every if hit[2] >= 1
        ]

    @rule("R15", "R13")
    def test_other_stores_change_nothing(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        texts = [each.text for each in documents(10)]
        store, files = filled(client, *texts)
        asked = queries(5)
        before = [hits(client, store, query, **ranking) for query in asked]
        other, _ = filled(client, *(each.text for each in documents(30, seed=9)))
        client.vector_stores.files.create_and_poll(other, file_id=files[0])
        assert [hits(client, store, query, **ranking) for query in asked] == before
        client.vector_stores.delete(other)
        assert [hits(client, store, query, **ranking) for query in asked] == before

    @rule("R13")
    def test_several_queries_are_one_search(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = filled(client, "an automobile", "a physician", "a candle")
        page = client.vector_stores.search(store, query=["car", "doctor"], **ranking)
        assert list(page.search_query or ()) == ["car", "doctor"]
        chunks = [(hit.file_id, hit.text) for hit in page.data]
        assert len(chunks) == len(set(chunks))
        assert {files[0], files[1]} <= {file for file, _ in chunks}
        best: dict[str, float] = {}
        for query in ("car", "doctor"):
            for file, _, score in hits(client, store, query, **ranking):
                best[file] = max(score, best.get(file, 0))
        assert {hit.file_id: hit.score for hit in page.data} == best
        assert found(client, store, ["car"] * 32, **ranking) == found(client, store, "car", **ranking)

    @rule("R13")
    def test_same_search_gives_the_same_answer(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, *(each.text for each in documents(30)))
        for query in queries(4):
            assert hits(client, store, query, **ranking) == hits(client, store, query, **ranking)

    @rule("R6", "R13")
    def test_no_query_is_a_syntax_error(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, _ = filled(client, "a car and a ship")
        for query in HARD:
            page = client.vector_stores.search(store, query=query, **ranking)
            assert list(page.search_query or ()) == [query]
            assert all(0 <= hit.score <= 1 for hit in page.data), query[:50]

    @rule("R13")
    def test_signs_around_words_do_not_hide_them(self, storage: Storage) -> None:
        client = storage.open()
        store, files = filled(client, "silver candle", "copper bridge")
        for query in (
            '"candle"',
            "(candle)",
            "candle*",
            "+candle",
            "title:candle",
            "candle AND",
            '"candle" NEAR("',
            "<|candle|>",
        ):
            assert found(client, store, query)[0] == files[0], query

    @rule("R13")
    def test_word_among_2000_is_found(self, client: OAuthCodexClient) -> None:
        store, files = filled(client, "silver candle", "copper bridge")
        query = " ".join([f"unheard{number}" for number in range(2000)] + ["candle"])
        assert files[0] in found(client, store, query)

    @rule("R13")
    @requires("hybrid_search")
    def test_weights_decide_between_words_and_meaning(self, client: OAuthCodexClient) -> None:
        store, (word, meaning) = filled(client, "car park fee form nine", "automobile")
        for weights, first in (((1.0, 0.0), meaning), ((0.0, 1.0), word)):
            options = {"hybrid_search": {"embedding_weight": weights[0], "text_weight": weights[1]}}
            assert found(client, store, "car", ranking_options=options)[0] == first
        text_only = {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}
        assert found(client, store, "car", ranking_options=text_only) == [word]

    @rule("R3")
    @requires("rewrite_query")
    def test_rewriting_a_query_shows_what_was_searched(self, client: OAuthCodexClient) -> None:
        store, files = filled(client, "silver candle", "copper bridge")
        page = client.vector_stores.search(store, query="  what is   the candle?  ", rewrite_query=True)
        assert page.data[0].file_id == files[0]
        (asked,) = page.search_query or ()
        assert "candle" in asked
        assert asked != "  what is   the candle?  "

    @rule("R13")
    def test_all_bounds_are_accepted(self, client: OAuthCodexClient) -> None:
        store, _ = filled(client, "a car")
        options: dict[str, Any] = {"max_num_results": 50, "ranking_options": {"score_threshold": 1, "ranker": "none"}}
        client.vector_stores.search(store, query=["car"] * 32, **options)
        for ranker in ("auto", "default-2024-11-15"):
            assert found(client, store, "car", ranking_options={"ranker": ranker}) == found(client, store, "car")

    @rule("R17", "R13")
    @requires("persistent")
    def test_answers_are_the_same_after_reopening(self, storage: Storage, ranking: dict[str, Any]) -> None:
        client = storage.open()
        store, files = filled(client, *(each.text for each in documents(30)))
        client.vector_stores.files.delete(store, files[3])
        asked = queries(5)
        before = [hits(client, store, query, **ranking) for query in asked]
        for _ in range(2):
            client = storage.reopen()
            assert [hits(client, store, query, **ranking) for query in asked] == before
        client.vector_stores.files.delete(store, files[4])
        attached(client, store, "a vehicle that came later")
        after = [hits(client, store, query, **ranking) for query in asked]
        client = storage.reopen()
        assert [hits(client, store, query, **ranking) for query in asked] == after
        assert files[3] not in found(client, store, "car winter", max_num_results=50, **ranking)
        assert files[4] not in found(client, store, "car winter", max_num_results=50, **ranking)
