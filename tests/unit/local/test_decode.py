"""Bytes to text: encodings, what is not text, and HTML by name or content."""

from __future__ import annotations

import gzip
import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.text.decode import Document, Unreadable, read_text

SENTENCE = "Größe, naïve café: “12 €” — done.\r\n\tnext   line\n"
RUSSIAN = "Привет, мир. Это обычный текст на русском языке.\n" * 5
CHINESE = "你好，世界。这是 2 行文字。\n一二三四五 end\n" * 5


def refused(content: bytes, filename: str | None = None) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_text(content, filename)
    assert str(caught.value) == caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "text",
    [SENTENCE, RUSSIAN, CHINESE, "x", "<|endoftext|>", "{}", "a,b\n 1,  2\n", "\x1b[31mred\x1b[0m", "a\x08a"],
)
@pytest.mark.parametrize("filename", [None, "upload", "a.json", "a.pdf", "a.docx", "Makefile", "a.csv"])
def test_utf8_is_kept_as_it_is_and_not_copied(text: str, filename: str | None) -> None:
    content = text.encode()
    document = read_text(content, filename)
    assert document.text == text
    assert document.data is content
    assert document.derived is False


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("text", [SENTENCE, RUSSIAN, CHINESE, "x"])
def test_a_byte_order_mark_decides(encoding: str, text: str) -> None:
    marked = text if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff" + text
    assert read_text(marked.encode(encoding), "a.txt") == Document(text, text.encode(), True)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [SENTENCE, RUSSIAN, CHINESE, "plain ASCII words", "😀 ok"])
def test_utf16_without_a_mark_is_seen_by_its_nul_bytes(encoding: str, text: str) -> None:
    assert read_text(text.encode(encoding), None) == Document(text, text.encode(), True)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (SENTENCE.encode("cp1252"), SENTENCE),
        ("Français, español, Ærø.".encode("latin-1"), "Français, español, Ærø."),
        (b"caf\xe9", "café"),
        ("ÄÖÜäöüß".encode("latin-1"), "ÄÖÜäöüß"),
        (
            "日本 — naïve ".encode() + b"caf\xe9 \x80",
            "日本 — naïve café €",
        ),  # one wrong byte spoils only itself
    ],
)
def test_western_text_that_is_not_utf8(content: bytes, text: str) -> None:
    assert read_text(content, "a.txt") == Document(text, text.encode(), True)


@pytest.mark.parametrize("encoding", ["cp1251", "shift_jis", "gb18030", "euc_kr"])
def test_another_script_is_refused_and_not_garbled(encoding: str) -> None:
    text = {
        "cp1251": RUSSIAN,
        "shift_jis": "これは日本語の文章です。" * 5,
        "gb18030": CHINESE,
        "euc_kr": "안녕하세요 세계 " * 5,
    }
    error = refused(text[encoding].encode(encoding), "a.txt")
    assert error.code == "unsupported_file"
    assert "save it as UTF-8" in error.message


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>", "PDF"),
        (b"junk\x00\n%PDF-1.4\n\x00\x01", "PDF"),
        (zipped("[Content_Types].xml", "word/document.xml"), "Word"),
        (zipped("[Content_Types].xml", "ppt/presentation.xml"), "PowerPoint"),
        (zipped("a.txt"), "ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "Office"),
        (b"{\\rtf1\\ansi hello}", "RTF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
        (b"GIF89a\x01\x00\x01\x00", "GIF"),
        (gzip.compress(b"text" * 100, mtime=0), "gzip"),
        (b"SQLite format 3\x00" + bytes(84), "SQLite"),
        (bytes(range(256)), "binary data"),
        (bytes(64), "binary data"),
        (b"\x01\x02\x03\x04ab", "binary data"),
        (b"a few control bytes \x01\x02\x03 and \xe9", "binary data"),
        (b"hello\x00world\x00", "binary data"),
        (b"text with one \x00 in it", "binary data"),
        (b"a\x00b", "binary data"),
        (b"\x01\x00\x02\x00\x07\x00\x01\x00", "binary data"),
    ],
)
@pytest.mark.parametrize("filename", ["notes.txt", "page.html", None])
def test_what_is_not_text_is_named_whatever_the_file_name(content: bytes, found: str, filename: str | None) -> None:
    error = refused(content, filename)
    assert error.code == "unsupported_file"
    assert found in error.message
    assert "Markdown and HTML are read" in error.message


def test_random_bytes_are_binary() -> None:
    source = random.Random(7)
    for length in (64, 65, 1000, 100_000):
        assert refused(source.randbytes(length)).code == "unsupported_file"
    without_nul = bytes(source.randrange(1, 256) for _ in range(500))
    assert refused(without_nul).code == "unsupported_file"


@pytest.mark.parametrize(
    "content", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xff\xfe", "\u3000\n".encode(), b"\xfe\xff\x00 "]
)
def test_a_file_without_text_is_invalid(content: bytes) -> None:
    assert refused(content, "a.txt").code == "invalid_file"


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfcaf\xe9", b"\xff\xfea\x00b", b"\xff\xfe\x00\xd8a\x00", b"\x00\x00\xfe\xffabc"]
)
def test_a_mark_that_lies_is_invalid(content: bytes) -> None:
    error = refused(content, "a.txt")
    assert error.code == "invalid_file"
    assert "byte order mark" in error.message


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"<p>Tea &amp; cake</p><script>x</script>", "PAGE.HTM"),
        (b"<p>Tea &amp; cake</p>", "a.xhtml"),
        (b"\n <!-- x --><!DOCTYPE html><p>Tea &amp; cake", None),
        (b"<?xml version='1.0'?><html lang='en'>Tea &amp; cake", "upload"),
        ("<html>Tea &amp; cake".encode("utf-16"), None),
    ],
)
def test_html_by_name_or_by_content(content: bytes, filename: str | None) -> None:
    assert read_text(content, filename) == Document("Tea & cake", b"Tea & cake", True)


@pytest.mark.parametrize("filename", ["a.md", "a.py", "a.txt", "a.xml"])
def test_html_in_another_kind_of_file_is_its_text(filename: str) -> None:
    content = b"<!DOCTYPE html><p>Tea &amp; cake"
    assert read_text(content, filename).data is content


def test_markup_in_a_text_without_a_name_stays() -> None:
    content = b"List<String> x; <b>bold</b>"
    assert read_text(content, None).data is content


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-r"])
def test_a_page_is_read_in_the_encoding_it_declares(charset: str) -> None:
    page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}"></head>{RUSSIAN}'
    assert read_text(page.encode(charset), "a.html").text.startswith("Привет, мир.")


def test_a_page_that_declares_nonsense_is_read_by_its_bytes() -> None:
    for charset in ("nonsense", "hex", "\u00e9"):
        page = f'<meta charset="{charset}"><p>café</p>'.encode("latin-1")
        assert read_text(page, "a.html").text == "café"


def test_a_declaration_in_what_is_no_page_is_only_text() -> None:
    content = 'page = """<meta charset="koi8-r">"""  # für später\n'.encode("latin-1")
    assert read_text(content, "a.py").text.endswith("# für später\n")


def test_a_page_that_shows_nothing_is_invalid() -> None:
    assert refused(b"<script>x</script>", "a.html").code == "invalid_file"


@given(st.binary(max_size=200), st.sampled_from([None, "a.txt", "a.html"]))
def test_any_bytes_give_valid_text_or_unreadable(content: bytes, filename: str | None) -> None:
    try:
        document = read_text(content, filename)
    except Unreadable:  # anything else is a bug
        return
    assert document.text.strip()
    assert document.data == document.text.encode()
    assert document.derived is (document.data is not content)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), min_size=1).filter(lambda t: t.strip())
)
def test_every_utf8_text_is_read_unchanged(text: str) -> None:
    content = ("x" + text).encode()
    assert read_text(content, "a.txt").text == "x" + text
