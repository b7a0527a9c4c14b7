"""From the arguments of a client to an opened backend, with drivers found through real entry points."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from oauth_codex import ConfigurationError, DriverError, OAuthCodexClient

PLUGS = """
from oauth_codex.spi import INTERFACE, LOCAL, Driver, EmbedderRecord
from dataclasses import replace
from pydantic import BaseModel, ConfigDict
from types import SimpleNamespace

opened = []
everything = replace(LOCAL, persistent=True)

class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    level: int = 0
    api_key: str | None = None
    base_url: str | None = None
    max_retries: int = 2
    timeout: float | None = None
    default_headers: dict[str, str] | None = None

def record(name, **more):
    return Driver(name=name, summary="for a test", interface=INTERFACE,
                  open=f"plugs_of_a_test:open_{name}", options="plugs_of_a_test:Options",
                  capabilities=more.pop("capabilities", everything), **more)

near = record("near")
fleeting = record("fleeting", capabilities=LOCAL)
far = record("far", local=False)

def open_near(options, context):
    from client_fake_backend import FakeBackend
    backend = FakeBackend()
    opened.append((options, context, backend))
    return backend

open_fleeting = open_far = open_near

class Embedder:
    name, dimension, fingerprint, semantic, max_batch = "letters", 4, "1", False, 8
    def embed(self, texts, *, kind):
        raise NotImplementedError

embedder = EmbedderRecord(name="letters", summary="for a test", interface=INTERFACE,
                          open="plugs_of_a_test:Embedder")
"""

ENTRY_POINTS = """[oauth_codex.drivers]
near = plugs_of_a_test:near
fleeting = plugs_of_a_test:fleeting
far = plugs_of_a_test:far

[oauth_codex.embedders]
letters = plugs_of_a_test:embedder
"""


@pytest.fixture
def plugs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Any) -> Any:
    """An installed distribution with drivers and an embedder; `.last()` is what the last one received."""
    site = tmp_path / "site"
    info = site / "plugs_of_a_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugs-of-a-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "plugs_of_a_test.py").write_text(PLUGS)
    monkeypatch.syspath_prepend(site)
    for name in list(os.environ):
        if "CODEX" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OAUTH_CODEX_STORAGE_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OAUTH_CODEX_EMBEDDER", "letters")
    monkeypatch.delitem(__import__("sys").modules, "plugs_of_a_test", raising=False)
    import plugs_of_a_test  # type: ignore[import-not-found]

    def last() -> Any:
        options, context, backend = plugs_of_a_test.opened[-1]
        return SimpleNamespace(options=options, context=context, backend=backend)

    return SimpleNamespace(last=last, embedder=plugs_of_a_test.Embedder, opened=plugs_of_a_test.opened)


def test_a_local_driver_receives_everything(plugs: Any, tmp_path: Path) -> None:
    class Splits:
        def chunk(self, text: str, size: int, overlap: int) -> list[tuple[int, int]]:
            return [(0, len(text))]

    splits = Splits()

    def clock() -> float:
        return 5.0

    with OAuthCodexClient(
        "near",
        storage_dir=tmp_path / "mine",
        ingest="background",
        parsers={".x": lambda content, name: "x"},
        chunkers=splits,  # type: ignore[arg-type]
        reranker=lambda query, hits: [0.5] * len(hits),
        rewrite_query=str.upper,
        clock=clock,
        level="3",
    ) as client:
        got = plugs.last()
        assert repr(client) == f"OAuthCodexClient(backend='fake', storage_dir={str(tmp_path / 'mine')!r})"
    assert got.options.level == 3
    context = got.context
    assert (context.directory, context.ingest, context.clock) == (tmp_path / "mine", "background", clock)
    assert context.embedder.name == "letters"
    assert context.chunker("ab", 1, 0) == [(0, 2)]
    assert context.parsers[".x"](b"", None) == "x"
    assert context.rewrite_query("a") == "A"
    assert got.backend.closed == 1
    client.close()
    assert got.backend.closed == 1


def test_a_driver_that_keeps_nothing_gets_no_directory(plugs: Any) -> None:
    client = OAuthCodexClient("fleeting")
    assert plugs.last().context.directory is None
    assert plugs.last().context.ingest == "inline"
    assert repr(client) == "OAuthCodexClient(backend='fake')"


def test_an_embedder_may_be_an_object(plugs: Any) -> None:
    embedder = plugs.embedder()
    OAuthCodexClient("near", embedder=embedder)
    assert plugs.last().context.embedder is embedder


def test_the_older_name_of_the_directory(plugs: Any, tmp_path: Path) -> None:
    OAuthCodexClient("near", compat_storage_dir=str(tmp_path / "old"))
    assert plugs.last().context.directory == tmp_path / "old"
    with pytest.raises(ConfigurationError, match="compat_storage_dir"):
        OAuthCodexClient("near", storage_dir=tmp_path, compat_storage_dir=tmp_path / "old")


def test_a_remote_driver_receives_the_remote_arguments_that_were_given(plugs: Any) -> None:
    OAuthCodexClient("far", api_key="sk-secret", base_url="https://example.org/v1", max_retries=2, timeout=None)
    got = plugs.last()
    assert got.options.model_fields_set == {"api_key", "base_url", "max_retries"}
    assert got.options.api_key == "sk-secret"
    assert (got.context.embedder, got.context.directory) == (None, None)


def test_a_remote_driver_refuses_what_only_a_local_one_honours(plugs: Any, tmp_path: Path) -> None:
    given = {
        "storage_dir": tmp_path,
        "embedder": "hashing",
        "ingest": "inline",
        "chunkers": str.split,
        "compat_storage_dir": "x",
    }
    for name, value in given.items():
        arguments: dict[str, Any] = {name: value}
        with pytest.raises(ConfigurationError, match=f"{name} would have no effect"):
            OAuthCodexClient("far", **arguments)
    assert not plugs.opened


def test_a_local_driver_refuses_what_it_cannot_honour_and_takes_the_rest(plugs: Any) -> None:
    for name, value in {"api_key": "sk-secret", "auth": object(), "http_client": object()}.items():
        arguments: dict[str, Any] = {name: value}
        with pytest.raises(ConfigurationError, match=f"{name} would have no effect") as caught:
            OAuthCodexClient("near", **arguments)
        assert "sk-secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="base_url would have no effect"):
        OAuthCodexClient("near", base_url="https://example.org/v1")
    OAuthCodexClient("near", timeout=5, max_retries=7, default_headers={"a": "b"})
    OAuthCodexClient("near", base_url="https://chatgpt.com/backend-api/codex")  # as 1.x profiles have it
    assert len(plugs.opened) == 2


def test_the_timeout_of_the_client_holds_for_every_call(plugs: Any) -> None:
    client = OAuthCodexClient("near", timeout=5)
    client.vector_stores.list()
    assert plugs.last().backend.calls[-1].options.timeout == 5


def test_unknown_things_are_named(plugs: Any) -> None:
    with pytest.raises(ConfigurationError, match="levle"):
        OAuthCodexClient("near", levle=3)
    with pytest.raises(DriverError, match="naer"):
        OAuthCodexClient("naer")
    with pytest.raises(ConfigurationError, match="chunkers takes a callable or an object with a method 'chunk'"):
        OAuthCodexClient("near", chunkers=5)  # type: ignore[arg-type]


def test_an_opened_backend_is_taken_as_it_is(backend: Any) -> None:
    assert OAuthCodexClient(backend).backend is backend
    several: list[dict[str, Any]] = [
        {"storage_dir": "x"},
        {"embedder": "x"},
        {"level": 3},
        {"ingest": "inline"},
    ]
    for arguments in several:
        with pytest.raises(ConfigurationError, match=next(iter(arguments))):
            OAuthCodexClient(backend, **arguments)
    with pytest.raises(ConfigurationError, match="not int"):
        OAuthCodexClient(5)  # type: ignore[arg-type]


def test_the_log_level_of_the_environment(
    backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("oauth_codex")
    before = logger.level
    try:
        monkeypatch.setenv("OAUTH_CODEX_LOG", "debug")
        OAuthCodexClient(backend).vector_stores.list()
        assert "vector_stores.list on fake" in caplog.text
        monkeypatch.setenv("OAUTH_CODEX_LOG", "loud")
        with pytest.raises(ConfigurationError, match="'debug' or 'info'"):
            OAuthCodexClient(backend)
    finally:
        logger.setLevel(before)
