"""Generate `client/_sync` from `client/_async`, token by token.

    python core/tools/unasync.py            write the sync files
    python core/tools/unasync.py --check    exit with status 1, and say what differs, when they are out of
    date

`async` and `await` are dropped, `Awaitable[X]` and `Coroutine[A, B, X]` become `X`, names follow `NAMES`, and
sentences in docstrings and comments follow `WORDS`. A rule that matches nothing in the whole package is an
error, so that none outlives its reason.
"""

from __future__ import annotations

import argparse
import difflib
import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "src" / "oauth_codex" / "client"

HEADER = "# Generated from client/_async/{name} by core/tools/unasync.py: do not edit.\n"

#: Names, whole tokens only. Names inside sentences are renamed as well.
NAMES = {
    "AsyncBeta": "Beta",
    "AsyncCursorPaginator": "SyncCursorPage",
    "AsyncFileBatches": "FileBatches",
    "AsyncFiles": "Files",
    "AsyncIterator": "Iterator",
    "AsyncMaintenance": "Maintenance",
    "AsyncMigration": "Migration",
    "AsyncOAuthCodexClient": "OAuthCodexClient",
    "AsyncOpening": "Opening",
    "AsyncPagePaginator": "SyncPage",
    "AsyncRaw": "Raw",
    "AsyncReceiving": "Receiving",
    "AsyncRoutes": "Routes",
    "AsyncRunner": "SyncRunner",
    "AsyncStreamedResponse": "StreamedResponse",
    "AsyncStreaming": "Streaming",
    "AsyncSync": "Sync",
    "AsyncVectorStoreFiles": "VectorStoreFiles",
    "AsyncVectorStores": "VectorStores",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
}

#: Wordings in docstrings and comments, in this order.
WORDS = {
    "`async for`": "`for`",
    "`await client.close()`": "`client.close()`",
    "    Calls are awaited and never block the event loop.\n": "",
    "; `_sync` is generated from this package by `core/tools/unasync.py`.": ".",
    "The async client.": "The sync client.",
    "One client serves many tasks and threads.": "One client serves many threads.",
}


#: Imports that only annotations needed which are gone.
_TYPE_ONLY = re.compile(r"^ *from collections\.abc import (?:Awaitable|Coroutine)\n", re.MULTILINE)


def converted(source: str, used: Counter[str]) -> str:
    """The sync form of a module.

    Args:
        source: The async module.
        used: Counts how often each rule has matched.
    """
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    ]
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(place: tuple[int, int]) -> int:
        return starts[place[0] - 1] + place[1]

    edits: list[tuple[int, int, str]] = []
    for number, token in enumerate(tokens):
        begin, end = offset(token.start), offset(token.end)
        if token.type == tokenize.NAME:
            if token.string in ("async", "await"):
                used[token.string] += 1
                edits.append((begin, offset(tokens[number + 1].start), ""))
            elif token.string in NAMES:
                used[token.string] += 1
                edits.append((begin, end, NAMES[token.string]))
            elif token.string in ("Awaitable", "Coroutine") and tokens[number + 1].string == "[":
                used[token.string] += 1
                first, closing = _last_argument(tokens, number + 1)
                edits.append((begin, offset(tokens[first].start), ""))
                edits.append((offset(tokens[closing].start), offset(tokens[closing].end), ""))
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            text = _reworded(token.string, used)
            if text != token.string:
                edits.append((begin, end, text))
    result = source
    for begin, end, text in sorted(edits, reverse=True):
        result = result[:begin] + text + result[end:]
    return _TYPE_ONLY.sub("", result)


def _last_argument(tokens: list[tokenize.TokenInfo], opening: int) -> tuple[int, int]:
    """Where the last argument of a subscript begins, and where its bracket closes."""
    depth, first = 0, opening + 1
    for number in range(opening, len(tokens)):
        depth += {"[": 1, "]": -1}.get(tokens[number].string, 0)
        if depth == 0:
            return first, number
        if depth == 1 and tokens[number].string == ",":
            first = number + 1
    raise SystemExit("unbalanced brackets")


def _reworded(text: str, used: Counter[str]) -> str:
    for old, new in WORDS.items():
        if old in text:
            used[old] += text.count(old)
            text = text.replace(old, new)
    return re.sub(r"\b\w+\b", lambda word: NAMES.get(word.group(), word.group()), text)


def generated() -> dict[Path, str]:
    """Every sync file with its text."""
    used: Counter[str] = Counter()
    made: dict[Path, str] = {}
    for path in sorted((CLIENT / "_async").glob("*.py")):
        text = converted(path.read_text(encoding="utf-8"), used)
        made[CLIENT / "_sync" / path.name] = HEADER.format(name=path.name) + text
    idle = [rule for rule in ("async", "await", "Awaitable", "Coroutine", *NAMES, *WORDS) if not used[rule]]
    if idle:
        raise SystemExit(f"rules that match nothing: {', '.join(map(repr, idle))}")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Write the sync files, or compare them."""
    parser = argparse.ArgumentParser(description="Generate client/_sync from client/_async.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    check = parser.parse_args(arguments).check
    made = generated()
    stale = [path for path in (CLIENT / "_sync").glob("*.py") if path not in made]
    different = 0
    for path, text in made.items():
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        if current == text:
            continue
        different += 1
        if check:
            name = f"_sync/{path.name}"
            changes = list(
                difflib.unified_diff(current.splitlines(), text.splitlines(), name, f"{name} (generated)", lineterm="")
            )
            sys.stdout.write("\n".join(changes[:20]) + f"\n{name}: {len(changes)} lines of difference\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stdout.write(f"_sync/{path.name}: has no source in _async\n")
        if not check:
            path.unlink()
    return 1 if check and (different or stale) else 0


if __name__ == "__main__":
    sys.exit(main())
