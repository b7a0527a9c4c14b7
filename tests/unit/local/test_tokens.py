"""Token windows: nothing lost, offsets exact, the same tokens as tiktoken's own cl100k_base."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauth_codex.local.text import tokens
from oauth_codex.local.text.tokens import Spans, count, windows

PROSE = "".join(f"Sentence {i} of the manual says naïve things, 数字 {i * 7} and 👨‍👩‍👧.\n" for i in range(400))

any_text = st.text(max_size=300) | st.lists(
    st.sampled_from(["👨‍👩‍👧", "数", "é", "ก็", " ", "\n", "the ", "<|endoftext|>", "\x00", "𐍈", "\u3000", "x1"]),
    max_size=200,
).map("".join)


@st.composite
def window_sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 12) | st.integers(100, 4096))
    return size, draw(st.integers(0, size // 2).filter(lambda overlap: overlap < size))


def check(text: str, spans: Spans) -> None:
    data = text.encode()
    edges = zip(spans.byte_start, spans.byte_end, spans.char_start, spans.char_end, strict=True)
    for byte_start, byte_end, char_start, char_end in edges:
        assert byte_start < byte_end
        assert data[byte_start:byte_end].decode() == text[char_start:char_end]
    if text:
        assert spans.byte_start[0] == 0
        assert spans.byte_end[-1] == len(data)
        assert spans.char_end[-1] == len(text)
        assert (spans.byte_start[1:] <= spans.byte_end[:-1]).all()
    else:
        assert len(spans) == 0


@given(any_text, window_sizes())
@settings(deadline=None)
def test_windows_cover_the_text_and_their_offsets_agree(text: str, sizes: tuple[int, int]) -> None:
    size, overlap = sizes
    spans = windows(text, text.encode(), size=size, overlap=overlap)
    check(text, spans)
    if size >= 4:  # below, a window inside one character is left out
        total, step = count(text), size - overlap
        expected = [min(size, total - i * step) for i in range(len(spans))]
        assert spans.tokens.tolist() == expected
        # The first window that reaches the end is the last.
        ends = [i * step + size >= total for i in range(len(spans))]
        assert ends == [False] * (len(spans) - 1) + [True] * (total > 0)


@given(any_text.map(lambda text: text * 5), window_sizes().filter(lambda sizes: sizes[0] >= 4))
@settings(deadline=None)
def test_a_window_is_its_tokens_but_for_a_code_point_cut_at_its_ends(text: str, sizes: tuple[int, int]) -> None:
    size, overlap = sizes
    data = text.encode()
    encoding = tokens._cl100k().encoding
    pieces = [encoding.decode_single_token_bytes(token) for token in encoding.encode_ordinary(text)]
    spans = windows(text, data, size=size, overlap=overlap)
    for i, (start, end) in enumerate(zip(spans.byte_start, spans.byte_end, strict=True)):
        first = i * (size - overlap)
        exact_start = len(b"".join(pieces[:first]))
        exact_end = len(b"".join(pieces[: first + size]))
        assert 0 <= exact_start - start < 4
        assert 0 <= exact_end - end < 4
        assert len(data[:start].decode()) == spans.char_start[i]
        # Floored, not ceiled and no further than the character that is cut.
        assert all(0x80 <= byte < 0xC0 for byte in data[start + 1 : exact_start + 1][: exact_start - start])
        assert all(0x80 <= byte < 0xC0 for byte in data[end + 1 : exact_end + 1][: exact_end - end])


def test_windows_are_the_same_each_time_and_have_int64_offsets() -> None:
    first, second = windows(PROSE, PROSE.encode()), windows(PROSE, PROSE.encode())
    for name in Spans.__slots__:
        assert getattr(first, name).dtype == np.int64
        assert getattr(first, name).tolist() == getattr(second, name).tolist()
    assert len(first) > 10


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (1, [1]),
        (800, [800]),
        (801, [800, 401]),
        (1000, [800, 600]),
        (1200, [800, 800]),
        (1201, [800, 800, 401]),
    ],
)
def test_no_redundant_tail_window(total: int, expected: list[int]) -> None:
    text = " a" * total
    assert windows(text, text.encode()).tokens.tolist() == expected


def test_the_tokens_are_those_of_tiktoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's own cl100k_base, with the packaged ranks put where it keeps its download."""
    import gzip

    import tiktoken

    raw = gzip.decompress((resources.files("oauth_codex.local.text") / "data" / "cl100k_base.tiktoken.gz").read_bytes())
    url = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
    (tmp_path / hashlib.sha1(url.encode()).hexdigest()).write_bytes(raw)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    reference = tiktoken.get_encoding("cl100k_base")
    for text in (
        PROSE,
        "It's n'the n'Ssh n'dare n'more I'LLL we've can't he'd   \r\n\n\tdef f(x):\n    return 12345 ** x\n",
        "<|endoftext|>",
        "   ",
        "日本語 ไทย עברית",
    ):
        assert tokens._encode(text).tolist() == reference.encode_ordinary(text)
        assert count(text) == len(reference.encode_ordinary(text))


def test_special_tokens_in_a_document_are_text() -> None:
    text = "before <|endoftext|> after <|fim_prefix|>"
    assert count(text) > 10
    check(text, windows(text, text.encode()))


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000"])
def test_a_million_blanks_are_cut_and_not_refused(blank: str) -> None:
    """tiktoken itself raises "Max stack size exceeded" for this one."""
    text = "a\n" + blank * 1_000_100 + "x"
    check(text, windows(text, text.encode()))


def test_long_runs_of_blanks_give_the_tokens_of_one_call() -> None:
    encoding = tokens._cl100k().encoding
    run = tokens._LONG_RUN
    for text in (
        f"a{' ' * run}x",
        f"a.\n\n{' ' * (run + 5)}é{' ' * (run - 1)}b",
        f"{' ' * run}",
        f"  \r\n{chr(9) * run}\n{' ' * run}'s{' ' * run}",
        f"1{' ' * run}\x1c{chr(0x3000) * run}\x85!",
        f"{' ' * run}x{' ' * run}\n",
    ):
        assert tokens._encode(text).tolist() == encoding.encode_ordinary(text)


@pytest.mark.parametrize(
    "text",
    ["a" * 300_000, "\n" * 200_000, "=" * 200_000, "👨‍👩‍👧" * 5_000, "e" + "\u0301" * 100_000, "'" * 100_000],
    ids=["letters", "newlines", "rule", "joined emoji", "combining", "quotes"],
)
def test_text_without_boundaries(text: str) -> None:
    check(text, windows(text, text.encode()))


@pytest.mark.parametrize("text", ["a\ud800b", "\udc80"])
def test_a_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        count(text)
    with pytest.raises(ValueError, match="surrogates"):
        windows(text, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("text", "data"), [("abc", b"ab"), ("é", b"e"), ("", b"a"), ("é", b"ab")])
def test_data_that_is_not_the_text_is_refused(text: str, data: bytes) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        windows(text, data)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (100, 100), (100, -1), (-5, 0)])
def test_sizes_that_make_no_windows_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        windows("text", b"text", size=size, overlap=overlap)


def test_threads_that_count_at_once_build_one_encoding() -> None:
    """In a fresh process, without a network; tiktoken is not imported before it is needed."""
    program = """
import socket, sys, threading
def refuse(*a, **k): raise AssertionError("network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from oauth_codex.local.text import tokens
assert "tiktoken" not in sys.modules
built = []
load = tokens._load
def counted():
    built.append(1)
    return load()
tokens._load = counted
start = threading.Barrier(8)
answers = []
def work():
    start.wait()
    answers.append(tokens.count("hello world"))
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(len(built), answers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[0] == f"1 {[2] * 8}", done.stderr


def test_threads_get_the_same_windows() -> None:
    expected = windows(PROSE, PROSE.encode()).byte_end.tolist()
    got: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: got.append(windows(PROSE, PROSE.encode()).byte_end.tolist())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [expected] * 4


def test_damaged_ranks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_RANKS_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="damaged"):
        tokens._load()
