"""An upload: a `multipart/form-data` body, of which only the text fields are held in memory.

The parser and the temporary file block, so `feed` is called in a worker thread.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Any, BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from ..errors import BadRequestError
from ..messages import missing, shown
from ..spi.wire import unflatten
from . import messages as say
from .bodies import MAX_PARAMETERS, announced, header, pieces
from .replies import Receive, Scope

#: Bytes of a file that are held in memory before it goes to disk, and of a piece given to the parser.
_IN_MEMORY = 256 * 1024
_PIECE = 256 * 1024
#: Bytes of all text fields together, and of what surrounds the file.
_MAX_TEXT = 1024 * 1024
_MAX_AROUND = 2 * 1024 * 1024
_MAX_HEADER = 16 * 1024
#: What HTML and HTTP clients write for a quote or a control character in the name of a file.
_ESCAPED = re.compile(r"%(22|[01][0-9A-Fa-f])")

InThread = Callable[..., Awaitable[Any]]


class Form:
    """The parts of a form as they arrive. `close` it in any case."""

    def __init__(self, boundary: bytes, most: int) -> None:
        """Begin.

        Args:
            boundary: Of the body.
            most: Most bytes of the file.

        Raises:
            BadRequestError: The boundary is too long.
        """
        self.pairs: list[tuple[str, str]] = []
        self.filename: str | None = None
        self.content_type: str | None = None
        self.file: BinaryIO | None = None
        self.size = 0
        self._most = most
        self._texts = self._total = 0
        self._name = b""
        self._value = b""
        self._headers: dict[str, bytes] = {}
        self._field: bytearray | None = None
        self._field_name = ""
        self._ended = False
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._head,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks, max_header_count=16, max_header_size=_MAX_HEADER)
        except FormParserError:
            raise say.malformed_body("the boundary of the form is too long.") from None

    def feed(self, piece: bytes) -> None:
        """Take a piece of the body.

        Raises:
            BadRequestError: The form is malformed.
            Refused: The file is too large (413).
        """
        self._total += len(piece)
        if self._total > self._most + _MAX_AROUND:
            raise say.too_large("The form", self._most + _MAX_AROUND)
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise say.malformed_body(f"the form is malformed: {error}.") from None

    def finished(self) -> dict[str, Any]:
        """The fields, the file among them as `content`, at its beginning.

        Raises:
            BadRequestError: The form is cut off, or has no file.
        """
        if not self._ended:
            raise say.malformed_body("the form ends before its last boundary. Nothing was kept.")
        if self.file is None:
            raise missing("file")
        fields = unflatten(self.pairs)
        for name in ("content", "filename", "content_type"):
            if name in fields:
                raise _stray(name)
        self.file.seek(0)
        fields["content"] = self.file
        if self.filename:
            fields["filename"] = self.filename
        if self.content_type:
            fields["content_type"] = self.content_type
        return fields

    def close(self) -> None:
        """Let go of the temporary file."""
        if self.file is not None:
            self.file.close()

    # -- what the parser reports -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._headers = {}
        self._field = None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._name.decode("latin-1").lower()
        if name in self._headers:
            raise say.malformed_body(f"a part of the form has the header {shown(name)} twice.")
        self._headers[name] = self._value
        self._name = self._value = b""

    def _head(self) -> None:
        disposition = _parameters(self._headers.get("content-disposition", b""))
        name = disposition.get("name")
        if disposition.get("") != "form-data" or not name:
            raise say.malformed_body("a part of the form has no header 'Content-Disposition: form-data; name=...'.")
        encoding = self._headers.get("content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise say.malformed_body(
                "the parts of a form are sent as they are; Content-Transfer-Encoding is not supported."
            )
        filename = disposition.get("filename")
        if name == "file":
            if self.file is not None:
                raise say.duplicate("file")
            self.file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115  (see `close`)
            # Any text may be the name of a file: it is never used as a path.
            self.filename = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), filename or "")
            self.content_type = _text(self._headers.get("content-type", b""))
        elif filename is not None:
            raise _stray(name)
        else:
            if len(self.pairs) >= MAX_PARAMETERS:
                raise say.malformed_body(f"the form has more than {MAX_PARAMETERS} fields.")
            self._field, self._field_name = bytearray(), name

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is not None:
            self._texts += end - start
            if self._texts > _MAX_TEXT:
                raise say.too_large("The text of the form", _MAX_TEXT)
            self._field += data[start:end]
        elif self.file is not None:
            self.size += end - start
            if self.size > self._most:
                raise say.too_large("The file", self._most)
            self.file.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._field is not None:
            self.pairs.append((self._field_name, _text(bytes(self._field))))
            self._field = None

    def _finish(self) -> None:
        self._ended = True


def _stray(name: str) -> BadRequestError:
    return BadRequestError(
        f"Unknown parameter: {shown(name)}. The file is the part named 'file', with its name and type in the headers of that part.",
        param=name[:80],
        code="unknown_parameter",
    )


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise say.malformed_body("a part of the form is not UTF-8 text.") from None


def _parameters(value: bytes) -> dict[str, str]:
    """The parameters of a header, its main value under the empty name."""
    parser = Message()
    parser["content-disposition"] = _text(value)
    (main, _), *rest = parser.get_params([("", "")], header="content-disposition") or [("", "")]
    found = {"": main.lower()}
    for name, entry in rest:
        if isinstance(entry, tuple):  # as in RFC 2231: charset, language, text
            entry = entry[2]
        if found.setdefault(name.lower(), entry) is not entry:
            raise say.malformed_body(f"a part of the form gives {shown(name)} twice.")
    return found


def boundary(scope: Scope) -> bytes:
    """The boundary of a form.

    Raises:
        BadRequestError: The body is no form, or has no boundary.
    """
    given = header(scope, b"content-type")
    if given.partition(";")[0].strip().lower() != "multipart/form-data":
        raise say.wrong_content_type(given, "multipart/form-data; boundary=...")
    found = _parameters(given.encode("latin-1", "replace")).get("boundary", "")
    if not found or not found.isascii():
        raise say.malformed_body(
            "the header Content-Type has no boundary; an HTTP client sets it when it makes the form."
        )
    return found.encode()


async def receive_form(scope: Scope, receive: Receive, most: int, patience: float, in_thread: InThread) -> Form:
    """Receive an upload.

    Args:
        scope: Of the request.
        receive: Of the request.
        most: Most bytes of the file.
        patience: Seconds to wait for each piece of the body.
        in_thread: Calls a blocking function in a worker thread.

    Returns:
        The form, whole; the caller closes it.

    Raises:
        BadRequestError: It is malformed or cut off.
        Refused: The file is too large (413), or the body stopped arriving (408).
        ClientGone: The connection ended before the body did.
    """
    form = Form(boundary(scope), most)
    if (announced(scope) or 0) > most + _MAX_AROUND:
        raise say.too_large("The file", most)
    try:
        held = bytearray()
        async for piece in pieces(receive, patience):
            held += piece
            if len(held) >= _PIECE:
                await in_thread(form.feed, bytes(held))
                held.clear()
        await in_thread(form.feed, bytes(held))
    except BaseException:
        form.close()
        raise
    return form
