"""A file's bytes to searchable text: which encoding, and whether it is text at all.

The content decides, not the file name: a PDF named ``notes.txt`` is a PDF, and a text named ``notes.pdf`` is
a text. The name only tells that a text is HTML.
"""

from __future__ import annotations

import codecs
import os.path
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from .html import html_to_text

_READ = "text, source code, JSON, Markdown and HTML are read"

# UTF-32 first: its little-endian mark starts with that of UTF-16.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Formats that no text starts like.
_FORMATS = (
    (re.compile(rb"\s*%PDF-\d"), "a PDF document"),
    (re.compile(rb"\s*\{\\rtf\d"), "an RTF document"),
    (re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"), "a ZIP archive"),
    (
        re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "an old Microsoft Office document (.doc, .xls, .ppt)",
    ),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG image"),
    (re.compile(rb"\xff\xd8\xff"), "a JPEG image"),
    (re.compile(rb"\x1f\x8b"), "gzip-compressed data"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz-compressed data"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "Zstandard-compressed data"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database"),
    (re.compile(rb"\x7fELF"), "an ELF program"),
    (re.compile(rb"\x00asm"), "a WebAssembly program"),
)
# Formats whose first bytes a text may have too: they only name what is binary anyway.
_BINARY_FORMATS = (
    (re.compile(rb"(?s).{0,1019}%PDF-\d"), "a PDF document"),
    (re.compile(rb"GIF8[79]a"), "a GIF image"),
    (re.compile(rb"(?s)RIFF....WEBP"), "a WebP image"),
    (re.compile(rb"(?s)RIFF....WAVE"), "WAV audio"),
    (re.compile(rb"(?s)....ftyp"), "MP4 or HEIF media"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "a TIFF image"),
    (re.compile(rb"BM"), "a BMP image"),
    (re.compile(rb"ID3|\xff[\xf2\xf3\xfb]"), "MP3 audio"),
    (re.compile(rb"OggS"), "Ogg media"),
    (re.compile(rb"fLaC"), "FLAC audio"),
    (re.compile(rb"BZh"), "bzip2-compressed data"),
    (re.compile(rb"(?s).{257}ustar"), "a tar archive"),
    (re.compile(rb"PAR1"), "Parquet data"),
    (re.compile(rb"MZ"), "a Windows program"),
)
# Names inside a ZIP archive that tell what it is.
_ZIP_KINDS = (
    (b"word/", "a Word document (.docx)"),
    (b"ppt/", "a PowerPoint presentation (.pptx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"application/epub+zip", "an EPUB book"),
)

# Control characters that texts hold: tab, newlines, form feed, vertical tab, backspace (overstruck manual
# pages), escape (coloured logs).
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b")) + b"\x7f"
_UTF8_CONTROLS = 0.10  # share above which valid UTF-8 is binary; JSON text sequences and the like hold some
_WESTERN_CONTROLS = 0.01  # bytes without an encoding to vouch for them get less trust; random ones have 0.1
_FOREIGN_BYTES = 0.40  # share of bytes over 127, above which a text is not in a Latin script

# surrogateescape turns byte 0x80 + n that is not UTF-8 into U+DC80 + n. Windows-1252 where it defines the
# byte, else Latin-1.
_WESTERN = {0xDC00 + byte: (bytes([byte]).decode("cp1252", "ignore") or chr(byte)) for byte in range(0x80, 0x100)}

_HTML_SUFFIXES = (".html", ".htm", ".xhtml")
_HTML_START = re.compile(
    r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s++html|html)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_HTML_CHARSET = re.compile(rb"""<(?:meta\s[^>]*?charset|\?xml\s[^>]*?encoding)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """A file as text.

    Attributes:
        text: The text; it holds no lone surrogate.
        data: The same in UTF-8. Offsets into a document are offsets into this.
        derived: False when `data` is the very content of the file, True when the content had to be converted.
    """

    text: str
    data: bytes
    derived: bool


class Unreadable(Exception):
    """A file that gives no text.

    Attributes:
        code: ``unsupported_file`` (not text, or in an unknown encoding) or ``invalid_file`` (no text in it,
            or broken).
        message: What was found, for the user.
    """

    def __init__(self, code: Literal["unsupported_file", "invalid_file"], message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


def read_text(content: bytes, filename: str | None) -> Document:
    """Reads a file as text.

    The encoding is that of the byte order mark; else UTF-8; else UTF-16, when NUL bytes show it; else, for
    what looks like text in a Latin script, UTF-8 with its wrong bytes taken as Windows-1252, which for a text
    that is not UTF-8 at all is Windows-1252. A page without a mark that is not UTF-8 is read in the encoding
    that it declares. Layout is kept; only HTML is converted.

    Args:
        content: The whole file.
        filename: Its name, if it has one. A name without a suffix counts as none for recognising HTML.

    Raises:
        Unreadable: ``unsupported_file`` for binary content and unknown encodings; ``invalid_file`` for a file
            that is empty, holds only white space or is not in the encoding that its byte order mark
            announces.
    """
    if not content:
        raise Unreadable("invalid_file", "The file is empty.")
    text = _decode(content, filename)
    markup = _is_html(text, filename)
    if markup:
        text = html_to_text(text)
    if not text or text.isspace():
        raise Unreadable("invalid_file", "The page shows no text." if markup else "The file holds only white space.")
    data = text.encode()
    if data == content:
        return Document(text, content, derived=False)
    return Document(text, data, derived=True)


def _decode(content: bytes, filename: str | None) -> str:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _decode_announced(content[len(bom) :], encoding)
    for pattern, name in _FORMATS:
        if pattern.match(content):
            raise _unsupported(_zip_kind(content) if name == "a ZIP archive" else name)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if b"\x00" in content:
        return _decode_utf16(content, bool(text))
    controls = _share(content, _CONTROLS)
    if text:
        if controls > _UTF8_CONTROLS:
            raise _binary(content)
        return text
    if content.startswith(b"<?xml") or _is_html(content[:4096].decode("latin-1"), filename):
        declared = _decode_declared(content)
        if declared:
            return declared
    return _decode_western(content, controls)


def _decode_announced(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(
            "invalid_file",
            f"The byte order mark announces {encoding.upper()}, which the file is not: {error}",
        ) from None
    if "\x00" in text:
        raise _unsupported("binary data")
    return text


def _decode_utf16(content: bytes, is_utf8: bool) -> str:
    # Characters up to U+00FF, at least the white space and digits of any text, have a NUL as their high byte.
    units = len(content) // 2
    low, high = content[0::2].count(0), content[1::2].count(0)
    encoding, share = ("utf-16-le", high / units) if high > low else ("utf-16-be", low / max(units, 1))
    # NULs between readable ASCII are separators or padding, unless nearly every other byte is one.
    readable = is_utf8 and _share(content, _CONTROLS.replace(b"\x00", b"")) <= _UTF8_CONTROLS
    if len(content) % 2 or share < 0.01 or (readable and share < 0.7):
        raise _binary(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise _binary(content) from None
    sample = text[:4096]
    strange = sum(unicodedata.category(c) in ("Cn", "Co") or (c < " " and ord(c) in _CONTROLS) for c in sample)
    if "\x00" in text or strange > len(sample) * _WESTERN_CONTROLS:
        raise _binary(content)
    return text


def _decode_declared(content: bytes) -> str | None:
    """The page in the encoding that it declares; None when it declares none that fits."""
    declared = _HTML_CHARSET.search(content, 0, 1024)
    if not declared:
        return None
    name = declared[1].decode("ascii", "replace")
    try:
        text = content.decode("cp1252" if name.lower() in ("iso-8859-1", "latin1") else name)
        text.encode()
    except (LookupError, UnicodeError):
        return None
    return text


def _decode_western(content: bytes, controls: float) -> str:
    if controls > _WESTERN_CONTROLS:
        raise _binary(content)
    escaped = content.decode("utf-8", "surrogateescape")
    wrong = len(content) - len(escaped.encode("utf-8", "ignore"))
    if wrong >= 16 and wrong > len(content) * _FOREIGN_BYTES:
        raise Unreadable(
            "unsupported_file",
            f"The encoding of the file was not recognised: save it as UTF-8; {_READ}",
        )
    return escaped.translate(_WESTERN)


def _is_html(text: str, filename: str | None) -> bool:
    suffix = os.path.splitext(filename or "")[1].lower()
    return suffix in _HTML_SUFFIXES or (not suffix and _HTML_START.match(text[:4096]) is not None)


def _share(content: bytes, of: bytes) -> float:
    return 1 - len(content.translate(None, of)) / len(content)


def _zip_kind(content: bytes) -> str:
    # Names stand before each member and again, all together, at the end.
    ends = content[:4096] + content[-65536:]
    return next((kind for mark, kind in _ZIP_KINDS if mark in ends), "a ZIP archive")


def _binary(content: bytes) -> Unreadable:
    return _unsupported(next((name for pattern, name in _BINARY_FORMATS if pattern.match(content)), "binary data"))


def _unsupported(found: str) -> Unreadable:
    return Unreadable("unsupported_file", f"The file is {found}, which is not supported: {_READ}")
