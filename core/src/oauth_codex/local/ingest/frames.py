"""What a worker process and its parent say to each other: a JSON object and arrays of raw bytes, each with its length before it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..text.terms import TermCounts
from ..text.tokens import Spans
from .prepare import Prepared, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")

#: A frame: its JSON object, and what follows it.
Frame = tuple[dict[str, Any], list[bytes]]


def write_frame(stream: BinaryIO, head: dict[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
    """Send a frame."""
    said = json.dumps({**head, "sizes": [len(blob) for blob in blobs]}).encode()
    stream.write(_LENGTH.pack(len(said)) + said)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None if the other side is gone, whatever it has begun to say."""
    size = stream.read(_LENGTH.size)
    if len(size) < _LENGTH.size:
        return None
    said = stream.read(_LENGTH.unpack(size)[0])
    if len(said) < _LENGTH.unpack(size)[0]:
        return None
    head: dict[str, Any] = json.loads(said)
    blobs = [stream.read(length) for length in head["sizes"]]
    if any(len(blob) < length for blob, length in zip(blobs, head["sizes"], strict=True)):
        return None
    return head, blobs


def packed(found: Prepared | Refused) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    """What was prepared, as a frame; the text only if it differs from the content."""
    if isinstance(found, Refused):
        return {"refused": [found.code, found.message, found.passing]}, []
    arrays = [
        *(getattr(found.spans, field.name) for field in fields(Spans)),
        *(getattr(found.terms, field.name) for field in fields(TermCounts)),
        found.lines,
        found.vectors,
    ]
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    raw: list[bytes | memoryview] = [np.ascontiguousarray(array).tobytes() for array in arrays]
    return {"arrays": shapes, "derived": found.derived}, [*raw, found.text if found.derived else b""]


def unpacked(frame: Frame, content: bytes) -> Prepared | Refused:
    """What a frame says of a file with this content."""
    head, blobs = frame
    if "refused" in head:
        return Refused(*head["refused"])
    arrays: list[NDArray[Any]] = [
        np.frombuffer(blob, dtype=dtype).reshape(shape)
        for blob, (dtype, shape) in zip(blobs, head["arrays"], strict=False)
    ]
    spans, terms = len(fields(Spans)), len(fields(TermCounts))
    return Prepared(
        text=blobs[-1] if head["derived"] else content,
        derived=head["derived"],
        spans=Spans(*arrays[:spans]),
        terms=TermCounts(*arrays[spans : spans + terms]),
        lines=arrays[-2],
        vectors=arrays[-1],
    )
