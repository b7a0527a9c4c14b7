"""Every error of the configuration names what was given, where it came from and what is accepted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oauth_codex.config import resolve
from oauth_codex.errors import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture
def message(path: Path) -> Callable[..., str]:
    """The error of a resolution with the given file, as printed."""

    def message(text: str | None = None, **arguments: Any) -> str:
        if text is not None:
            path.write_text(text, encoding="utf-8")
            arguments.setdefault("config_path", path)
        arguments.setdefault("environ", {})
        with pytest.raises(ConfigurationError) as caught:
            resolve(**arguments)
        return str(caught.value)

    return message


DEV = '[profiles.dev]\nbackend = "faiss"\noptions = { m = 16 }\n'


def test_a_named_file_that_is_absent(message: Callable[..., str], path: Path) -> None:
    assert message(config_path=path) == f"there is no configuration file {str(path)!r} (from argument)."
    assert "(from OAUTH_CODEX_CONFIG)" in message(environ={"OAUTH_CODEX_CONFIG": str(path)})


def test_a_file_that_cannot_be_read(message: Callable[..., str], path: Path, tmp_path: Path) -> None:
    assert "line 1" in message("backend = faiss")
    assert "cannot be read" in message(config_path=tmp_path)
    path.write_bytes(b"\xff\xfe")
    assert "utf-8" in message(config_path=path)


def test_a_byte_order_mark_is_no_error(path: Path) -> None:
    path.write_text("\ufeff" + DEV, encoding="utf-8")
    assert resolve(profile="dev", config_path=path, environ={}).driver.value == "faiss"


def test_unknown_keys(message: Callable[..., str], path: Path) -> None:
    assert message("[profile.dev]") == (
        f"unknown key 'profile' in {path}. Known: default_profile, profiles. Did you mean 'profiles'?"
    )
    text = message('[profiles.dev]\nstorage_dri = "x"')
    assert f"unknown key 'storage_dri' in [profiles.dev] of {path}" in text
    assert "Did you mean 'storage_dir'?" in text
    assert "An option of the driver belongs in [profiles.dev.options]." in message("[profiles.dev]\nm = 16")


@pytest.mark.parametrize(
    ("text", "key", "accepted"),
    [
        ("profiles = 3", "profiles", "a table, [profiles]"),
        ("[profiles]\ndev = 3", "profiles.dev", "a table, [profiles.dev]"),
        ("[profiles.dev]\nbackend = 3", "profiles.dev.backend", "text"),
        ("[profiles.dev]\noptions = 3", "profiles.dev.options", "a table, [profiles.dev.options]"),
        ("[profiles.dev]\nembedder = 3", "profiles.dev.embedder", "a name, or a table with `name`"),
        ("[profiles.dev.embedder]\nmodel = 'x'", "profiles.dev.embedder.name", "the name of an embedder"),
    ],
)
def test_values_of_the_wrong_type(message: Callable[..., str], path: Path, text: str, key: str, accepted: str) -> None:
    shown = message(text)
    assert shown.startswith(f"{key} = ")
    assert str(path) in shown
    assert f"Accepted: {accepted}" in shown


@pytest.mark.parametrize("name", ["Dev", "2dev", "my_team", "a b", ""])
def test_names_that_no_profile_can_have(message: Callable[..., str], name: str) -> None:
    accepted = "a lower-case letter, then lower-case letters, digits and hyphens"
    assert accepted in message(f'[profiles."{name}"]')
    assert accepted in message(f'default_profile = "{name}"')
    assert f"profile = {name!r} (from argument)" in message("", profile=name)
    assert "(from OAUTH_CODEX_PROFILE)" in message("", environ={"OAUTH_CODEX_PROFILE": name})


def test_a_profile_that_does_not_exist(message: Callable[..., str], path: Path) -> None:
    assert message(DEV + "[profiles.prod]", profile="pord") == (
        f"there is no profile 'pord' (from argument). Profiles in {path}: dev, prod. Did you mean 'prod'?"
    )
    assert "(from config.toml default_profile)" in message('default_profile = "x"')
    assert "(from OAUTH_CODEX_PROFILE)" in message(DEV, environ={"OAUTH_CODEX_PROFILE": "x"})


def test_a_profile_without_any_file(
    message: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    text = message(profile="dev")
    assert text.startswith("there is no profile 'dev' (from argument). The file ")
    assert text.endswith("config.toml does not exist.")


def test_driver_and_profile_that_disagree(message: Callable[..., str]) -> None:
    assert message(DEV, backend="chroma", profile="dev") == (
        "backend='chroma' and profile='dev' disagree: the first selects the driver 'chroma', the profile"
        " selects"
        " 'faiss' (from config.toml [profiles.dev]). Leave one of the two out."
    )
    variable = "OAUTH_CODEX_PROFILES__DEV__BACKEND"
    text = message(DEV, backend="faiss", profile="dev", environ={variable: "chroma"})
    assert f"'chroma' (from {variable})" in text


def test_address_and_profile_that_disagree(message: Callable[..., str]) -> None:
    text = message(DEV, base_url="http://me:pw@host/v1", profile="dev")
    assert "base_url='http://***@host/v1' and profile='dev' disagree" in text
    assert "add backend='faiss'" in text
    assert "pw" not in text


def test_a_variable_may_not_hand_the_options_of_one_driver_to_another(message: Callable[..., str]) -> None:
    environ = {"OAUTH_CODEX_BACKEND": "memory"}
    assert message(DEV, profile="dev", environ=environ) == (
        "OAUTH_CODEX_BACKEND selects the driver 'memory', but the options of profile 'dev' (m) are for"
        " 'faiss' (from"
        " config.toml [profiles.dev]). Unset OAUTH_CODEX_BACKEND, or choose another profile."
    )


def test_a_variable_replaces_the_driver_of_a_profile_without_options(path: Path) -> None:
    path.write_text('[profiles.dev]\nbackend = "faiss"\nembedder = "onnx"\n')
    selection = resolve(profile="dev", config_path=path, environ={"OAUTH_CODEX_BACKEND": "memory"})
    assert (selection.driver.value, selection.embedder.value) == ("memory", "onnx")


def test_the_word_for_ingest(message: Callable[..., str]) -> None:
    assert message(ingest="backgruond", backend="memory") == (
        "ingest = 'backgruond' (from argument) is not accepted. Accepted: 'inline' or 'background'."
        " Did you mean 'background'?"
    )
    assert "(from config.toml [profiles.dev])" in message('[profiles.dev]\ningest="x"', profile="dev")


@pytest.mark.parametrize("key", ["backend", "embedder", "base_url", "storage_dir", "config_path"])
def test_an_empty_text_is_not_taken_for_an_absent_one(message: Callable[..., str], key: str) -> None:
    text = message(**{key: ""})
    assert text.startswith(f"{key} = '' (from argument) is not accepted.")


@pytest.mark.parametrize("name", ["BACKEND", "STORAGE_DIR", "EMBEDDER", "INGEST", "CONFIG", "PROFILE"])
def test_an_empty_variable_is_named(message: Callable[..., str], name: str) -> None:
    assert f"(from OAUTH_CODEX_{name})" in message("", environ={f"OAUTH_CODEX_{name}": ""}, config_path=None)


def test_values_that_are_no_text(message: Callable[..., str]) -> None:
    assert "storage_dir = 3 (from argument) is not accepted. Accepted: a path." in message(storage_dir=3)
    assert "backend = 3 (from argument)" in message(backend=3)
    assert "the home of a known user" in message(storage_dir="~nobody-of-that-name/x", backend="memory")


def test_two_names_of_the_storage_directory(message: Callable[..., str]) -> None:
    text = message(backend="memory", storage_dir="/a", driver_options={"compat_storage_dir": "/b"})
    assert text == (
        "storage_dir='/a' and compat_storage_dir='/b' are two names of one setting and disagree."
        " Leave compat_storage_dir out."
    )
    same = resolve(backend="memory", storage_dir="/a", driver_options={"compat_storage_dir": "/a"}, environ={})
    assert same.storage_dir.value == Path("/a").absolute()


def test_an_error_carries_key_value_and_origin() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(backend="memory", environ={"OAUTH_CODEX_INGEST": "later"})
    error = caught.value
    assert (error.key, error.value, error.origin) == ("ingest", "later", "OAUTH_CODEX_INGEST")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("OAUTH_CODEX_BACKNED", "Did you mean OAUTH_CODEX_BACKEND?"),
        ("OAUTH_CODEX_OPTION__PATH", "Did you mean OAUTH_CODEX_OPTIONS__PATH?"),
        ("OAUTH_CODEX_PROFILES__DEV__BACKNED", "Did you mean OAUTH_CODEX_PROFILES__DEV__BACKEND?"),
        ("OAUTH_CODEX_OPTIONS__", "Known: "),
        ("OAUTH_CODEX_XYZZY", "OAUTH_CODEX_OPTIONS__<KEY>"),
    ],
)
def test_an_unknown_variable_is_a_warning(name: str, advice: str) -> None:
    with pytest.warns(UserWarning, match=f"{name} means nothing") as caught:
        resolve(backend="memory", environ={name: "value-not-shown"})
    assert len(caught) == 1
    assert advice in str(caught[0].message)
    assert "value-not-shown" not in str(caught[0].message)


def test_known_variables_do_not_warn() -> None:
    known = ["PROFILE", "BACKEND", "STORAGE_DIR", "EMBEDDER", "CONFIG", "LOG", "OPTIONS__X"]
    known += ["PROFILES__A__OPTIONS__X", "PROFILES__A__BACKEND", "PROFILES__MY_TEAM__BASE_URL"]
    environ = {f"OAUTH_CODEX_{name}": "x" for name in known}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(backend="memory", environ={**environ, "OAUTH_CODEX": "x", "OTHER": "x"})
