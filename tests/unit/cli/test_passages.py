"""Passages show the lines that answer, and mark the words that were asked for."""

from __future__ import annotations

from oauth_codex.cli.passages import distinct, excerpt, matched_words
from oauth_codex.types import VectorStoreSearchResponse
from rich.text import Text

FILLER = "\n".join(f"Line {n} speaks of something else entirely." for n in range(30))


def marked(lines: list[Text]) -> list[str]:
    return [line.plain[span.start : span.end] for line in lines for span in line.spans if "yellow" in str(span.style)]


def test_the_best_lines_are_found_in_the_middle() -> None:
    text = f"{FILLER}\nThe pump is primed\nby opening the red valve.\n{FILLER}"
    shown = excerpt(text, "open the valve to prime the pump", width=77, lines=2)
    assert [line.plain for line in shown] == ["The pump is primed", "by opening the red valve."]
    assert sorted(marked(shown)) == ["opening", "primed", "pump", "valve"]


def test_a_misspelt_word_marks_what_it_stands_for() -> None:
    assert matched_words("lamda exprestion", "A lambda expression, not a lamp.") == {
        "lamda": {"lambda"},
        "exprestion": {"expression"},
    }


def test_stop_words_are_marked_only_when_nothing_else_was_asked() -> None:
    assert list(matched_words("what is the valve", "the valve is red")) == ["valve"]
    assert marked(excerpt("to be or not", "to be", width=40)) == ["to", "be"]


def test_lines_fit_the_width_and_keep_their_indent() -> None:
    text = "def f():\n    return " + "value + " * 20 + "1\n"
    shown = excerpt(text, "return value", width=40, lines=3)
    assert all(line.cell_len <= 40 for line in shown)
    assert shown[0].plain.startswith("return value")


def test_the_margin_that_all_lines_share_is_left_out() -> None:
    text = "class A:\n" + "    filler = 1\n" * 9 + "    def valve(self):\n        return self.red\n"
    shown = excerpt(text, "valve red", width=60, lines=2)
    assert [line.plain for line in shown] == ["def valve(self):", "    return self.red"]  # no ellipsis: code, not prose


def test_wide_characters_count_twice() -> None:
    shown = excerpt("検索" * 100 + "全文検索エンジン", "全文検索", width=60, lines=3)
    assert all(line.cell_len <= 60 for line in shown)


def test_what_a_long_line_leaves_over_flows_into_the_next() -> None:
    text = "one two three four five six\nseven eight nine"
    assert [line.plain for line in excerpt(text, "nine", width=33, lines=4)] == [
        "one two three four five",
        "six seven eight nine",
    ]


def test_markup_and_control_characters_are_text() -> None:
    (line,) = excerpt("[red]danger[/red] \x1b[2J \x07 :boom:", "danger", width=80)
    assert line.plain == r"[red]danger[/red] \x1b[2J \x07 :boom:"
    assert marked([line]) == ["danger"]


def test_a_cut_sentence_says_so() -> None:
    text = (
        "Once upon a time, before there were any pumps, there was\na valve that nobody in all the land had ever seen\n"
        "or opened or shut or oiled or painted until\none day it began to drip."
    )
    shown = excerpt(text, "valve nobody", width=70, lines=1)
    assert shown[0].plain == "... a valve that nobody in all the land had ever seen ..."


def test_a_passage_without_words_is_no_error() -> None:
    assert excerpt(" \n\n ", "anything", width=40) == []


def hit(file_id: str, start: int, end: int) -> VectorStoreSearchResponse:
    location = {"chunk": 0, "char_start": start, "char_end": end, "line_start": 1, "line_end": 1}
    return VectorStoreSearchResponse.model_validate(
        {"file_id": file_id, "filename": "f", "score": 0.5, "content": [], "location": location}
    )


def test_overlapping_passages_of_one_file_are_shown_once() -> None:
    hits = [hit("a", 100, 200), hit("b", 150, 250), hit("a", 150, 250), hit("a", 200, 300)]
    assert distinct(hits) == [hits[0], hits[1], hits[3]]


def test_hits_without_a_place_are_all_kept() -> None:
    remote = VectorStoreSearchResponse.model_validate({"file_id": "a", "filename": "f", "score": 1, "content": []})
    assert distinct([remote, remote]) == [remote, remote]
