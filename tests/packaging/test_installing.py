"""Our wheels as a user installs them: from a folder, with extras, over another author's `oauth-codex` 4.0.0, and command by command
as the messages say. Everything else comes from the package index.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_FAKE = {
    "oauth_codex/__init__.py": "class OAuthCodexClient:\n    def __init__(self, **named):\n        raise RuntimeError('the old one')\n",
    "oauth_codex/_module_client.py": "old = True\n",
    "oauth_codex/auth/__init__.py": "old = True\n",
    "oauth_codex/local.py": "old = True\n",  # a module where we have a package
    "oauth_codex/client.py": "old = True\n",
    "oauth_codex/errors/__init__.py": "old = True\n",  # a package where we have a module
    "oauth_codex/types/old.py": "old = True\n",
    "oauth_codex/resources/vector_stores/files.py": "old = True\n",
}


def _fake_wheel(folder: Path) -> Path:
    info = "oauth_codex-4.0.0.dist-info"
    files = {
        **_FAKE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: oauth-codex\nVersion: 4.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\noauth-codex = oauth_codex:main\nold-codex = oauth_codex:main\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text.encode())}\n"
    path = folder / "oauth_codex-4.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


#: Vectors alone decide, so that the index of the driver is asked.
_USE = """
import sys
from oauth_codex import OAuthCodexClient, __version__
assert __version__ == "5.0.0", __version__
import oauth_codex
assert sys.prefix in oauth_codex.__file__
backend, directory, library = sys.argv[1:]
with OAuthCodexClient(backend=backend, storage_dir=directory) as client:
    stores = list(client.vector_stores.list())
    if stores:
        store = stores[0]
    else:
        store = client.vector_stores.create(name="fruit")
        for name, text in (("a.txt", b"apples and pears"), ("b.txt", b"hammer and nails"), ("c.txt", b"oak and beech")):
            client.vector_stores.files.upload_and_poll(store.id, file=(name, text))
    vectors = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}
    print(client.vector_stores.search(store.id, query="aples", ranking_options=vectors).data[0].text)
    assert not library or library in sys.modules, sorted(sys.modules)
"""


#: Nobody is there; the driver says so, and where it looked.
_ASK = """
import sys
from oauth_codex import APIConnectionError, OAuthCodexClient
with OAuthCodexClient(base_url=sys.argv[1], api_key="key", max_retries=0) as client:
    try:
        client.files.list()
    except APIConnectionError as error:
        print(error)
"""
#: The command serves, and the driver asks it.
_SERVE = """
import json, subprocess, sys
from oauth_codex import OAuthCodexClient
command = ["oauth-codex", "serve", "--port", "0", "--json", "--storage-dir", sys.argv[1]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
    address = json.loads(server.stdout.readline())["base_url"]
    with OAuthCodexClient(base_url=address, api_key="none") as client:
        store = client.vector_stores.list().data[0]
        print(client.vector_stores.search(store.id, query="apples").data[0].text)
    server.terminate()
"""


def _commands(text: str) -> dict[str, str]:
    """The commands in a message: the one for built wheels, and the other one."""
    found = re.findall(r"`((?:python -m )?pip [^`]+)`", text)
    return {"wheels" if "--find-links" in command else "plain": command for command in found}


def _refused(environment: Any, backend: str, tmp_path: Path) -> dict[str, str]:
    """The commands that are printed when a driver is asked for that cannot be opened."""
    text = environment.run(f"oauth-codex stores --backend {backend} --storage-dir '{tmp_path}/never'", fails=True)
    assert "Traceback" not in text
    assert f"'{backend}'" in text
    assert not (tmp_path / "never").exists()
    return _commands(text)


def test_upgrading_from_another_authors_4_0_0_with_faiss_and_mending_what_is_missing(
    environment: Any, dist: Path, tmp_path: Path
) -> None:
    install = "python -m pip install --quiet"
    environment.run(f"{install} --no-index --no-deps '{_fake_wheel(tmp_path)}'")
    assert {name for name in _FAKE if (environment.site / name).exists()} == set(_FAKE)
    environment.run(f'{install} --find-links dist "oauth-codex[faiss]>=5.0"')

    site = environment.site
    with zipfile.ZipFile(dist / "oauth_codex-5.0.0-py3-none-any.whl") as wheel:
        ours = {name for name in wheel.namelist() if name.startswith("oauth_codex/")}
    there = {path.relative_to(site).as_posix() for path in (site / "oauth_codex").rglob("*") if path.is_file()}
    assert {file for file in there if "__pycache__" not in file} == ours
    assert [path.name for path in site.glob("oauth_codex-*")] == ["oauth_codex-5.0.0.dist-info"]
    environment.run("old-codex", fails=True)
    assert environment.run("oauth-codex --version") == "oauth-codex 5.0.0\n"
    for backend, library in (("memory", ""), ("sqlite", ""), ("faiss", "faiss")):
        assert environment.python(_USE, backend, tmp_path / backend, library) == "apples and pears\n"
    environment.run("python -m pip check")

    # Without the driver: the command for a checkout.
    environment.run("python -m pip uninstall --quiet --yes oauth-codex-faiss")
    environment.run(_refused(environment, "faiss", tmp_path)["plain"], cwd=ROOT)
    assert environment.python(_USE, "faiss", tmp_path / "faiss", "faiss") == "apples and pears\n"

    # With the driver, but without its library: the command of its record.
    environment.run("python -m pip uninstall --quiet --yes faiss-cpu")
    assert "not usable" in environment.run("oauth-codex drivers")
    environment.run(_refused(environment, "faiss", tmp_path)["plain"], cwd=ROOT)
    assert environment.python(_USE, "faiss", tmp_path / "faiss", "faiss") == "apples and pears\n"


def test_a_plain_install_names_the_command_that_adds_a_driver(environment: Any, tmp_path: Path) -> None:
    environment.run('python -m pip install --quiet --find-links dist "oauth-codex>=5.0"')
    listed = environment.run("oauth-codex drivers")
    assert "memory" in listed
    assert "sqlite" in listed
    assert environment.python(_USE, "sqlite", tmp_path / "storage", "") == "apples and pears\n"
    # Each driver goes on with the storage that the one before it has left.
    for backend, library in (("chroma", "chromadb"), ("faiss", "faiss")):
        environment.run(_refused(environment, backend, tmp_path)["wheels"])
        assert environment.python(_USE, backend, tmp_path / "storage", library) == "apples and pears\n"
    environment.run(_refused(environment, "openai", tmp_path)["wheels"])
    assert "http://127.0.0.1:9" in environment.python(_ASK, "http://127.0.0.1:9/v1")
    environment.run(_commands(environment.run("oauth-codex serve --port 0", fails=True))["wheels"])
    assert environment.python(_SERVE, tmp_path / "storage") == "apples and pears\n"
    listed = environment.run("oauth-codex drivers")
    assert listed.count("  usable") == 5, listed
    environment.run("python -m pip check")
