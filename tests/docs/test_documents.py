"""The documentation is true: its examples run, print what it says, and its links lead somewhere.

- Blocks marked `python` run in the order of the page, in one process a page, in an empty directory with two small files under `notes/`.
- A block marked `text` right behind one of them is what it prints; `...` stands for anything.
- In blocks marked `console` each line `$ oauth-codex ...` is run; the lines below it are what it prints, if there are any.
- A `bash` block that begins with `chroma run` or `oauth-codex serve` starts that server for the rest of the page; its port is a free
  one, there and below. A block marked `text` right behind it is what the server prints.
- `<!-- not run: reason -->` above a block keeps it from being run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("drivers/*/README.md")])
#: A block that is not run proves nothing, so there may be few of them.
MOST_NOT_RUN = 4
SERVERS = ("chroma run", "oauth-codex serve")

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>not run: .+) -->\n)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass
class Example:
    """Something to run, and what it prints, if the page tells."""

    kind: str
    line: int
    source: str
    expected: str | None = None


def examples(page: Path) -> tuple[list[Example], int]:
    """The examples of a page, and how many are marked as not to be run."""
    text = page.read_text(encoding="utf-8")
    found: list[Example] = []
    marked = 0
    ends_at, last = -1, None
    for fence in _FENCE.finditer(text):
        kind, body, line = fence["kind"], fence["body"], text.count("\n", 0, fence.start("body")) + 1
        if fence["mark"]:
            marked += 1
            last = None
        elif kind == "python":
            last = Example(kind, line, body)
            found.append(last)
        elif kind == "console":
            found += _commands(body, line)
            last = None
        elif kind == "bash" and body.startswith(SERVERS):
            last = Example("server", line, body.splitlines()[0])
            found.append(last)
        elif kind == "text" and last is not None and not text[ends_at : fence.start()].strip():
            last.expected = body
            last = None
        else:
            last = None
        ends_at = fence.end()
    return found, marked


def _commands(body: str, first: int) -> list[Example]:
    found: list[Example] = []
    for line, text in enumerate(body.splitlines(), first):
        if text.startswith("$ "):
            found.append(Example("console", line, text[2:]))
        else:
            found[-1].expected = (found[-1].expected or "") + text + "\n"
    return [each for each in found if each.source.startswith("oauth-codex ")]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)[0]], ids=_name)
def test_examples_run_and_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    found, _ = examples(page)
    here = tmp_path / "here"
    (here / "notes").mkdir(parents=True)
    (here / "notes" / "holidays.md").write_text("# Holidays\n\nEveryone has 28 days of holiday a year.\n")
    (here / "notes" / "deploy.md").write_text("# Deploying\n\nA release is rolled back with one command.\n")
    mine = ("OAUTH_CODEX", "CODEX_", "OPENAI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    environment |= {
        "OAUTH_CODEX_STORAGE_DIR": str(tmp_path / "storage"),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    answer = tmp_path / "printed.json"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("run_page.py")), str(answer)],
        input=json.dumps([[each.kind, each.line, each.source] for each in found]),
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{_name(page)}:\n{done.stderr}"
    for each, printed in zip(found, json.loads(answer.read_text()), strict=True):
        if each.expected is not None:
            pattern = ".*?".join(map(re.escape, _plain(each.expected).split("...")))
            assert re.fullmatch(pattern, _plain(printed), re.DOTALL), f"{_name(page)}:{each.line} printed\n{printed}"


def _plain(text: str) -> str:
    """Without what a reader does not see: white space at the ends of lines and of the text."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_few_examples_are_not_run() -> None:
    marked = {_name(page): count for page in PAGES if (count := examples(page)[1])}
    assert sum(marked.values()) <= MOST_NOT_RUN, marked


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    bare = [m["body"][:60] for m in _FENCE.finditer(page.read_text(encoding="utf-8")) if not m["kind"]]
    assert not bare


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    dead = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in _headings(target)):
            dead.append(link)
    assert not dead


def _headings(page: Path) -> set[str]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_tests_that_hold_a_promise_exist() -> None:
    known = {
        name
        for folder in ("tests", "drivers")
        for path in ROOT.glob(f"{folder}/**/test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = {(page, name) for page in PAGES for name in re.findall(r"::(test_\w+)", page.read_text(encoding="utf-8"))}
    paths = {
        (page, path)
        for page in PAGES
        for path in re.findall(r"`((?:tests|drivers)/[\w/.]+)", page.read_text(encoding="utf-8"))
    }
    assert named
    assert not [(_name(page), name) for page, name in named if name not in known]
    assert not [(_name(page), path) for page, path in paths if not (ROOT / path).exists()]
