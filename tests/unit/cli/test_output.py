"""What is printed is harmless, and reads well."""

from __future__ import annotations

import pytest
from oauth_codex.cli.output import ago, counted, size, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain näme.txt", "plain näme.txt"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("title\x1b]0;x\x07", r"title\x1b]0;x\x07"),
        ("c1\x9b31m", r"c1\x9b31m"),
        ("two\nlines\r\tand tab", r"two\nlines\r\tand tab"),
        ("gpj\u202e.exe", r"gpj\u202e.exe"),
        ("lone\udc80", r"lone\udc80"),
        ("[red]kept[/red] :smile:", "[red]kept[/red] :smile:"),
    ],
)
def test_characters_that_a_terminal_obeys_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👩\u200d💻", "全角\u3000空白", "a\u00a0b"])
def test_text_of_other_scripts_is_left_alone(text: str) -> None:
    assert visible(text) == text


def test_sizes_are_short_and_never_1000() -> None:
    assert [size(n) for n in (0, 999, 1000, 1536, 99_949, 999_500, 31_500_000, 2_000_000_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.5 kB",
        "99.9 kB",
        "1.0 MB",
        "31.5 MB",
        "2.0 TB",
    ]


def test_counts_have_their_noun() -> None:
    assert [counted(0, "file"), counted(1, "file"), counted(1512, "file"), counted(2, "query")] == [
        "0 files",
        "1 file",
        "1,512 files",
        "2 queries",
    ]


def test_times_are_told_from_now() -> None:
    now = 1_700_000_000
    assert [ago(now - seconds, now) for seconds in (-5, 59, 60, 3599, 3600, 90_000)] == [
        "just now",
        "just now",
        "1 min ago",
        "59 min ago",
        "1 h ago",
        "1 d ago",
    ]
    assert ago(None) == "-"
    assert ago(now - 86_400 * 400, now).startswith("2022-10-")
