"""A process that prepares files for its parent: `python -m oauth_codex.local.ingest.process OPTIONS`.

It says that it is ready, reads a frame that holds some files, answers with one frame a file, in their order, and ends when its input
does. Whatever a file does to it, the parent sees which one it was: the first that was not answered.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

#: Seconds between two looks whether the parent is still there.
_LOOK_SECONDS = 2.0


def main(options: dict[str, Any], source: BinaryIO, target: BinaryIO) -> None:
    """Work until the input ends.

    Args:
        options: `memory`: most bytes of address space, or None; `embedder`: import string, keywords and fingerprint of an embedder,
            or None for no vectors.
        source: Where frames with files come from.
        target: Where answers go.
    """
    _limit(options["memory"])
    from ...types.vector_stores import StaticChunking
    from .frames import packed, read_frame, write_frame
    from .prepare import Preparer

    preparer = Preparer(_embedder(options["embedder"]), {}, None)
    preparer.prepare(
        b"loads what is loaded once", "", StaticChunking(max_chunk_size_tokens=100, chunk_overlap_tokens=0)
    )
    write_frame(target, {})
    while (frame := read_frame(source)) is not None:
        head, contents = frame
        for (filename, size, overlap), content in zip(head["files"], contents, strict=True):
            chunking = StaticChunking(max_chunk_size_tokens=size, chunk_overlap_tokens=overlap)
            try:
                answer = packed(preparer.prepare(content, filename, chunking))
            except MemoryError:
                write_frame(target, {"failed": "it needs more memory than a file may take", "last": True})
                return  # with whatever is half done; the parent starts another one
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {error}"}, []
            write_frame(target, *answer)


def _end_with(parent: int) -> None:
    """End when the parent is gone, even in the middle of a file that never ends. On Windows only the end of the input tells."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _limit(memory: int | None) -> None:
    """Let this process take no more memory. Windows cannot say so."""
    if memory is not None and sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _embedder(recipe: list[Any] | None) -> Any:
    if recipe is None:
        return None
    place, keywords, fingerprint = recipe
    module, _, name = place.partition(":")
    embedder = getattr(importlib.import_module(module), name)(**keywords)
    if embedder.fingerprint != fingerprint:
        raise RuntimeError(
            f"{place} made an embedder with the fingerprint {embedder.fingerprint!r}, not {fingerprint!r}"
        )
    return embedder


def run() -> None:
    """Be the process that the command line describes."""
    # Ctrl-C and an end of service reach all processes of a program: the parent decides what becomes of this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # What libraries print goes where errors go: the answers are the only thing on the pipe.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    main(json.loads(sys.argv[1]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    run()
