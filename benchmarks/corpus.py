"""Real text that is found on any machine with Python: sources of the standard library, pydoc topics, installed packages."""

from __future__ import annotations

import hashlib
import pydoc_data.topics
import random
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oauth_codex.spi.words import STOP_WORDS

FILES = 2_000
BYTES = 23_000_000
LARGE_CHUNKS = 150_000

_SUFFIXES = frozenset({".md", ".py", ".pyi", ".rst", ".txt"})
_SMALLEST = 800
_LARGEST = 1_000_000
_PIECE = 1_500
#: Recombined files are cut into about 1 % fewer chunks for their bytes.
_CUT_BETTER = 1.02
_SEED = 20_240_115

_SENTENCE = re.compile(r"[A-Z][a-z]+(?:[ \n]+[a-z][a-z'-]*,?){4,30}\.")


@dataclass(frozen=True)
class Corpus:
    """Text files in a folder of their own, each valid UTF-8 and unlike the others.

    Attributes:
        paths: The files, in the order in which they are ingested.
        bytes: Their size.
        fingerprint: SHA-256 over their contents: equal corpora have equal ones.
        remark: What differs from what was wanted; empty if nothing does.
    """

    paths: tuple[Path, ...]
    bytes: int
    fingerprint: str
    remark: str = ""

    @property
    def facts(self) -> dict[str, str | int]:
        """What identifies it."""
        return {"files": len(self.paths), "bytes": self.bytes, "fingerprint": self.fingerprint}


def make(folder: Path, files: int = FILES, size: int = BYTES) -> Corpus:
    """Copy the selection into `folder`, or take what is there.

    The same Python installation gives the same files. They are taken in the order of a hash of their names, the standard
    library first; files above a limit are left out, and that limit is chosen so that the selection has about `size` bytes.

    Args:
        folder: Where the copies go.
        files: How many files are wanted.
        size: How many bytes are wanted.
    """
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        chosen = _chosen(_candidates(files, size), files, size)
        for number, (name, content) in enumerate(chosen):
            (folder / f"{number:05d}-{name}").write_bytes(content)
        (folder / "complete").touch()
    return _described(folder, files, size)


def make_large(folder: Path, base: Corpus, base_chunks: int, chunks: int = LARGE_CHUNKS) -> Corpus:
    """A corpus of about `chunks` chunks, recombined from the pieces of a smaller one.

    Its words and their statistics are real, its topics are not, and pieces repeat.
    """
    wanted = int(base.bytes * chunks / base_chunks * _CUT_BETTER)
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        pieces: list[bytes] = []
        counts: list[int] = []
        for path in base.paths:
            found = list(_pieces(path.read_bytes()))
            pieces += found
            counts.append(len(found))
        draw = random.Random(_SEED)
        written = number = 0
        while written < wanted:
            content = b"".join(draw.choices(pieces, k=draw.choice(counts)))
            (folder / f"{number:05d}.txt").write_bytes(content)
            written += len(content)
            number += 1
        (folder / "complete").touch()
    return _described(folder, 0, wanted)


def queries(corpus: Corpus, count: int = 100) -> list[str]:
    """Pieces of 2 to 12 words out of sentences of the corpus, none of stop words alone; the same for the same corpus."""
    draw = random.Random(_SEED)
    found: list[str] = []
    for path in draw.sample(corpus.paths, len(corpus.paths)):
        sentences = _SENTENCE.findall(path.read_text(encoding="utf-8"))
        if sentences:
            words = draw.choice(sentences).rstrip(".").split()
            length = min(len(words), draw.randint(2, 12))
            start = draw.randint(0, len(words) - length)
            query = " ".join(words[start : start + length]).rstrip(",")
            if set(re.findall("[a-z]+", query.lower())) <= STOP_WORDS:
                continue
            found.append(query)
            if len(found) == count:
                return found
    raise RuntimeError(f"The corpus has only {len(found)} files with sentences; {count} are needed.")


def _candidates(files: int, size: int) -> list[tuple[str, bytes]]:
    """Names and contents, standard library first; more than enough of them, if there are that many."""
    paths = sysconfig.get_paths()
    library, packages = Path(paths["stdlib"]), Path(paths["purelib"])
    found: list[tuple[str, bytes]] = []
    seen: set[bytes] = set()
    for source in (_library(library), _folder(packages)):
        for name, content in source:
            digest = hashlib.sha256(content).digest()
            if digest not in seen and _usable(content):
                seen.add(digest)
                found.append((name, content))
        if len(found) >= 2 * files and sum(len(content) for _, content in found) >= 2 * size:
            break
    return found


def _library(folder: Path) -> Iterator[tuple[str, bytes]]:
    for topic, text in sorted(pydoc_data.topics.topics.items()):
        yield f"topic-{re.sub('[^a-zA-Z]', '_', topic)}.txt", text.encode()
    yield from _folder(folder)


def _folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES
        and not {"site-packages", "dist-packages", "__pycache__"} & set(path.relative_to(folder).parts)
        and path.is_file()
        and _SMALLEST <= path.stat().st_size <= _LARGEST
    ]
    for path in sorted(paths, key=lambda path: _shuffle(path.relative_to(folder).as_posix())):
        yield path.name, path.read_bytes()


def _shuffle(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _usable(content: bytes) -> bool:
    """Whether a file is text that every reader reads alike: UTF-8 without mark, not HTML, no control characters."""
    if content[:3] == b"\xef\xbb\xbf" or content.lstrip()[:1] in (b"<", b"") or b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _chosen(candidates: Sequence[tuple[str, bytes]], files: int, size: int) -> list[tuple[str, bytes]]:
    def selection(limit: int) -> list[tuple[str, bytes]]:
        return [pair for pair in candidates if len(pair[1]) <= limit][:files]

    low, high = _SMALLEST, _LARGEST
    while low < high:  # the smallest limit that gives enough files and bytes
        middle = (low + high) // 2
        taken = selection(middle)
        if len(taken) == files and sum(len(content) for _, content in taken) >= size:
            high = middle
        else:
            low = middle + 1
    return selection(low)


def _pieces(content: bytes) -> Iterator[bytes]:
    piece = b""
    for line in content.splitlines(keepends=True):
        piece += line
        if len(piece) >= _PIECE:
            yield piece
            piece = b""
    if piece:
        yield piece.rstrip(b"\n") + b"\n"


def _described(folder: Path, files: int, size: int) -> Corpus:
    paths = tuple(sorted(path for path in folder.iterdir() if path.name != "complete"))
    digest = hashlib.sha256()
    total = 0
    for path in paths:
        content = path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
        total += len(content)
    short = len(paths) < files or not 0.9 * size <= total <= 1.1 * size
    remark = (
        f"{len(paths)} files of {total / 1e6:.1f} MB were found; {files} of {size / 1e6:.1f} MB are wanted."
        if short
        else ""
    )
    return Corpus(paths, total, digest.hexdigest(), remark)
