"""No secret is read from a file, and none is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from oauth_codex.config import Setting, describe, display, looks_secret, resolve
from oauth_codex.errors import ConfigurationError


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "token",
        "password",
        "secret",
        "key",
        "access_token",
        "apiKey",
        "APIKey",
        "X-Api-Key",
        "Authorization",
        "client_secret",
        "OAUTH_CODEX_OPTIONS__API_KEY",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["api_key_env", "password_file", "max_tokens", "tokenizer", "key_column", "path", "monkey", ""]
)
def test_names_of_other_things(name: str) -> None:
    assert not looks_secret(name)


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        resolve(config_path=path, environ={})
    assert "hunter2" not in repr((caught.value.args, caught.value.value))
    return str(caught.value)


def test_a_secret_in_the_file_is_refused_even_in_a_profile_that_is_not_chosen(tmp_path: Path) -> None:
    assert refused(tmp_path, '[profiles.prod]\noptions = { api_key = "hunter2" }') == (
        f"'api_key' in [profiles.prod.options] of {tmp_path / 'config.toml'} holds a secret, and secrets"
        " are not"
        ' read from files. Instead name a variable that holds it, as in `api_key_env = "OPENAI_API_KEY"`,'
        " or set the variable OAUTH_CODEX_PROFILES__PROD__OPTIONS__API_KEY."
    )


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('options = { password = "hunter2" }', 'password_env = "MY_PASSWORD"'),
        ('options = { url = "postgresql://me:hunter2@db/x" }', "OAUTH_CODEX_PROFILES__PROD__OPTIONS__URL"),
        ('options = { dsn = "host=db password=hunter2" }', "OAUTH_CODEX_PROFILES__PROD__OPTIONS__DSN"),
        ('options = { urls = ["http://a", "http://me:hunter2@b"] }', "pass it as an argument"),
        ('options = { headers = { Authorization = "hunter2" } }', "pass it as an argument"),
        ('base_url = "https://me:hunter2@host/v1"', "OAUTH_CODEX_PROFILES__PROD__BASE_URL"),
        ('embedder = { name = "openai", api_key = "hunter2" }', 'api_key_env = "OPENAI_API_KEY"'),
    ],
)
def test_every_place_of_a_file_is_searched(tmp_path: Path, text: str, advice: str) -> None:
    assert advice in refused(tmp_path, f"[profiles.prod]\n{text}")


def test_the_name_of_a_variable_and_an_address_without_password_are_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[profiles.p]\noptions = { api_key_env = "KEY", url = "postgresql://me@db/x" }')
    assert set(resolve(profile="p", config_path=path, environ={}).options) == {"api_key_env", "url"}


def test_secrets_come_from_variables_and_arguments_and_are_not_shown() -> None:
    selection = resolve(
        backend="openai",
        base_url="https://me:hunter2@host/v1",
        driver_options={
            "api_key": "hunter2",
            "default_headers": {"X-Org": "hunter2"},
            "nested": {"token": "hunter2", "size": 3},
            "note": "Bearer hunter2",
            "label": "sk-hunter2hunter2",
        },
        environ={"OAUTH_CODEX_OPTIONS__DB_PASSWORD": "hunter2", "OAUTH_CODEX_OPTIONS__M": "16"},
    )
    assert selection.options["api_key"].value == "hunter2"
    assert selection.options["db_password"].value == "hunter2"
    assert "hunter2" not in repr(selection)
    rows = {key: (value, origin) for key, value, origin in describe(selection)}
    assert "hunter2" not in str(rows)
    assert rows["options.api_key"] == ("***", "argument")
    assert rows["options.base_url"] == ("'https://***@host/v1'", "argument")
    assert rows["options.nested"] == ("{'size': 3, 'token': '***'}", "argument")
    assert rows["options.default_headers"] == ("{'X-Org': '***'}", "argument")
    assert rows["options.m"] == ("'16'", "OAUTH_CODEX_OPTIONS__M")


def test_a_setting_without_name_is_judged_by_origin_and_value() -> None:
    assert "hunter2" not in repr(Setting("hunter2", "OAUTH_CODEX_OPTIONS__API_KEY"))
    assert "hunter2" not in repr(Setting("https://me:hunter2@host", "argument"))
    assert repr(Setting(16, "argument")) == "Setting(value=16, origin='argument')"


def test_a_long_value_is_redacted_before_it_is_cut() -> None:
    assert "hunter2" not in display("url", "postgresql://me:" + "hunter2" * 20 + "@db/x")


def test_the_rows_of_config_show(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        'default_profile = "dev"\n[profiles.dev]\nbackend = "faiss"\noptions = { m = 16 }\n'
        '[profiles.dev.embedder]\nname = "fastembed"\nmodel = "small"\n'
    )
    rows = describe(resolve(config_path=path, storage_dir=tmp_path, environ={"OAUTH_CODEX_INGEST": "inline"}))
    assert rows == [
        ("profile", "dev", "config.toml default_profile"),
        ("backend", "faiss", "config.toml [profiles.dev]"),
        ("storage_dir", str(tmp_path), "argument"),
        ("embedder", "fastembed", "config.toml [profiles.dev.embedder]"),
        ("embedder.model", "'small'", "config.toml [profiles.dev.embedder]"),
        ("ingest", "inline", "OAUTH_CODEX_INGEST"),
        ("options.m", "16", "config.toml [profiles.dev.options]"),
    ]
