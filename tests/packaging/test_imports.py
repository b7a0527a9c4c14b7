"""What a fresh process loads: nothing that the call does not need."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("clean_environment")

HEAVY = (
    "pydantic",
    "httpx",
    "sqlalchemy",
    "numpy",
    "tiktoken",
    "Stemmer",
    "stevedore",
    "anyio",
    "typer",
    "rich",
    "faiss",
    "chromadb",
    "stamina",
    "starlette",
    "uvicorn",
    "pytest",
    "asyncio",
)


def _loaded(program: str, *arguments: object) -> set[str]:
    """Top-level modules, and those of this package, that a program has loaded in a process of its own."""
    report = "\nimport json as _json, sys as _sys\nprint(_json.dumps(sorted(_sys.modules)), file=_sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + report, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    modules = json.loads(done.stderr.splitlines()[-1])
    return {name for name in modules if name.startswith("oauth_codex")} | {name.partition(".")[0] for name in modules}


def test_importing_the_package_loads_no_library() -> None:
    assert _loaded("import oauth_codex") & set(HEAVY) == set()


def test_naming_what_the_package_offers_loads_no_library() -> None:
    assert (
        _loaded("import oauth_codex\ndir(oauth_codex)\noauth_codex.__all__\noauth_codex.__version__") & set(HEAVY)
        == set()
    )


def test_an_error_type_loads_no_library() -> None:
    assert _loaded("from oauth_codex import NotFoundError, OAuthCodexError") & set(HEAVY) == set()


def test_every_name_that_the_package_offers_exists() -> None:
    program = """
import oauth_codex
for name in oauth_codex.__all__:
    getattr(oauth_codex, name)
assert set(oauth_codex.__all__) <= set(dir(oauth_codex))
"""
    _loaded(program)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    program = """
import oauth_codex
try:
    oauth_codex.beta
except AttributeError as error:
    assert "beta" in str(error)
else:
    raise SystemExit(1)
"""
    _loaded(program)


def test_listing_drivers_imports_no_driver_library() -> None:
    loaded = _loaded(
        "from oauth_codex.registry import installed_drivers\n"
        "assert {d.name for d in installed_drivers() if d.driver} >= {'chroma', 'faiss', 'memory', 'openai', 'sqlite'}"
    )
    assert (
        loaded & {"sqlalchemy", "numpy", "faiss", "tiktoken", "Stemmer", "httpx", "anyio", "chromadb", "stamina"}
        == set()
    )
    ours = {name for name in loaded if name.startswith("oauth_codex")}
    assert {name for name in ours if re.match(r"oauth_codex_\w+\.|oauth_codex\.local", name)} == set()


def test_the_command_that_lists_drivers_imports_no_driver_library() -> None:
    listed = "import sys\nsys.argv = ['oauth-codex', 'drivers']\nfrom oauth_codex.cli import main\n"
    loaded = _loaded(f"{listed}try:\n    main()\nexcept SystemExit as end:\n    assert not end.code")
    assert (
        loaded & {"sqlalchemy", "numpy", "faiss", "tiktoken", "Stemmer", "httpx", "chromadb", "stamina", "starlette"}
        == set()
    )


def test_the_kit_costs_other_test_runs_nothing() -> None:
    # Every pytest run in an environment with this package imports the plugin.
    loaded = _loaded("import pytest\nimport oauth_codex.testing.plugin")
    assert loaded & {"pydantic", "httpx", "sqlalchemy", "numpy", "hypothesis", "stevedore", "anyio"} == set()


_FILL = """
import sys
from oauth_codex import OAuthCodexClient
with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    file = client.files.create(file=("a.txt", b"apples and pears"), purpose="assistants")
    print(client.vector_stores.create(name="fruit", file_ids=[file.id]).id)
"""
_SEARCH = """
import sys
from oauth_codex import OAuthCodexClient
with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    (store,) = client.vector_stores.list()
    assert client.vector_stores.search(store.id, query="apples").data[0].text == "apples and pears"
"""


def test_a_search_loads_no_tokenizer_no_http_no_event_loop_and_no_terminal(tmp_path: Path) -> None:
    _loaded(_FILL, tmp_path)
    assert _loaded(_SEARCH, tmp_path) & {"tiktoken", "httpx", "anyio", "typer", "rich", "faiss"} == set()


_ERROR = """
import sys
from oauth_codex import OAuthCodexClient
with OAuthCodexClient(backend="sqlite", storage_dir=sys.argv[1]) as client:
    try:
        client.files.retrieve("file-none")
    except KeyError as error:
        assert error.status_code == 404
    else:
        raise SystemExit(1)
"""


def test_raising_an_error_loads_no_http(tmp_path: Path) -> None:
    assert "httpx" not in _loaded(_ERROR, tmp_path)
