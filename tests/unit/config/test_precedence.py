"""Arguments beat the environment, the environment beats the file, the file beats the defaults, key by key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from oauth_codex.config import Selection, Setting, resolve
from oauth_codex.errors import ConfigurationError

DEV = """
default_profile = "dev"

[profiles.dev]
backend = "faiss"
storage_dir = "/data/file"
embedder = "fastembed"
ingest = "background"
options = { m = 16, metric = "cosine", fast = true }

[profiles.bare]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads the user's own file."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def pairs(options: Mapping[str, Setting]) -> dict[str, tuple[Any, str]]:
    return {name: (setting.value, setting.origin) for name, setting in options.items()}


def test_without_anything_the_defaults_hold() -> None:
    selection = resolve(environ={})
    assert selection.driver == Setting("sqlite", "default")
    assert selection.embedder == Setting("hashing", "default")
    assert selection.ingest == Setting("inline", "default")
    assert selection.storage_dir == Setting(platformdirs.user_data_path("oauth-codex"), "default")
    assert (selection.options, selection.embedder_options, selection.profile) == ({}, {}, None)


def test_the_file_beats_the_defaults(write: Callable[[str], Path]) -> None:
    selection = resolve(config_path=write(DEV), environ={})
    place = "config.toml [profiles.dev]"
    assert selection.driver == Setting("faiss", place)
    assert selection.storage_dir == Setting(Path("/data/file").absolute(), place)
    assert selection.embedder == Setting("fastembed", place)
    assert selection.ingest == Setting("background", place)
    assert pairs(selection.options)["m"] == (16, "config.toml [profiles.dev.options]")
    assert (selection.profile, selection.profile_origin) == ("dev", "config.toml default_profile")


def test_the_environment_beats_the_file(write: Callable[[str], Path]) -> None:
    environ = {
        "OAUTH_CODEX_BACKEND": "faiss",
        "OAUTH_CODEX_STORAGE_DIR": "/data/env",
        "OAUTH_CODEX_EMBEDDER": "onnx",
        "OAUTH_CODEX_INGEST": "inline",
        "OAUTH_CODEX_OPTIONS__M": "32",
    }
    selection = resolve(config_path=write(DEV), environ=environ)
    assert selection.driver == Setting("faiss", "OAUTH_CODEX_BACKEND")
    assert selection.storage_dir == Setting(Path("/data/env").absolute(), "OAUTH_CODEX_STORAGE_DIR")
    assert selection.embedder == Setting("onnx", "OAUTH_CODEX_EMBEDDER")
    assert selection.ingest == Setting("inline", "OAUTH_CODEX_INGEST")
    place = "config.toml [profiles.dev.options]"
    assert pairs(selection.options) == {
        "m": ("32", "OAUTH_CODEX_OPTIONS__M"),
        "metric": ("cosine", place),
        "fast": (True, place),
    }


def test_arguments_beat_environment_and_file(write: Callable[[str], Path]) -> None:
    environ = {
        "OAUTH_CODEX_PROFILE": "bare",
        "OAUTH_CODEX_STORAGE_DIR": "/data/env",
        "OAUTH_CODEX_EMBEDDER": "onnx",
        "OAUTH_CODEX_INGEST": "background",
        "OAUTH_CODEX_OPTIONS__M": "32",
        "OAUTH_CODEX_CONFIG": "/absent.toml",
    }
    selection = resolve(
        profile="dev",
        config_path=write(DEV),
        storage_dir="/data/argument",
        embedder="hashing",
        ingest="inline",
        driver_options={"m": 64},
        environ=environ,
    )
    assert (selection.profile, selection.profile_origin) == ("dev", "argument")
    assert selection.storage_dir == Setting(Path("/data/argument").absolute(), "argument")
    assert selection.embedder == Setting("hashing", "argument")
    assert selection.ingest == Setting("inline", "argument")
    assert pairs(selection.options)["m"] == (64, "argument")
    assert pairs(selection.options)["metric"] == ("cosine", "config.toml [profiles.dev.options]")


def test_an_argument_beats_the_variable_of_the_driver() -> None:
    assert resolve(backend="memory", environ={"OAUTH_CODEX_BACKEND": "chroma"}).driver.value == "memory"


@pytest.mark.parametrize("falsy", [0, False, "", None])
def test_a_falsy_override_counts(write: Callable[[str], Path], falsy: object) -> None:
    selection = resolve(config_path=write(DEV), driver_options={"fast": falsy}, environ={})
    assert pairs(selection.options)["fast"] == (falsy, "argument")


def test_an_empty_variable_of_an_option_counts(write: Callable[[str], Path]) -> None:
    selection = resolve(config_path=write(DEV), environ={"OAUTH_CODEX_OPTIONS__METRIC": ""})
    assert pairs(selection.options)["metric"] == ("", "OAUTH_CODEX_OPTIONS__METRIC")


def test_the_variable_of_a_profile_beats_the_general_one(write: Callable[[str], Path]) -> None:
    path = write(DEV.replace("dev", "my-team"))
    environ = {
        "OAUTH_CODEX_PROFILES__MY_TEAM__OPTIONS__M": "48",
        "OAUTH_CODEX_OPTIONS__M": "32",
        "OAUTH_CODEX_PROFILES__MY_TEAM__EMBEDDER": "onnx",
        "OAUTH_CODEX_EMBEDDER": "hashing",
        "OAUTH_CODEX_PROFILES__OTHER__OPTIONS__METRIC": "dot",
    }
    selection = resolve(config_path=path, environ=environ)
    assert pairs(selection.options)["m"] == ("48", "OAUTH_CODEX_PROFILES__MY_TEAM__OPTIONS__M")
    assert pairs(selection.options)["metric"][0] == "cosine"
    assert selection.embedder == Setting("onnx", "OAUTH_CODEX_PROFILES__MY_TEAM__EMBEDDER")


def test_variables_alone_make_a_profile() -> None:
    environ = {
        "OAUTH_CODEX_PROFILE": "ci",
        "OAUTH_CODEX_PROFILES__CI__BACKEND": "memory",
        "OAUTH_CODEX_PROFILES__CI__OPTIONS__SIZE": "3",
    }
    selection = resolve(environ=environ)
    assert (selection.profile, selection.driver.value) == ("ci", "memory")
    assert pairs(selection.options) == {"size": ("3", "OAUTH_CODEX_PROFILES__CI__OPTIONS__SIZE")}


def test_the_variable_names_profile_and_file(write: Callable[[str], Path]) -> None:
    path = write(DEV)
    selection = resolve(environ={"OAUTH_CODEX_CONFIG": str(path), "OAUTH_CODEX_PROFILE": "bare"})
    assert (selection.profile, selection.profile_origin) == ("bare", "OAUTH_CODEX_PROFILE")
    assert selection.config_file == path
    assert selection.driver == Setting("sqlite", "default")


def test_the_users_own_file_is_found_and_the_one_in_the_current_directory_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('default_profile = "x"\n[profiles.x]\nbackend = "cloned"\n')
    assert resolve(environ={}).driver.value == "sqlite"
    own = platformdirs.user_config_path("oauth-codex")
    own.mkdir(parents=True)
    (own / "config.toml").write_text('default_profile = "x"\n[profiles.x]\nbackend = "own"\n')
    assert resolve(environ={}).driver.value == "own"


def test_an_explicit_driver_needs_no_file(tmp_path: Path) -> None:
    selection = resolve(backend="memory", config_path=tmp_path / "absent.toml", environ={})
    assert (selection.driver, selection.profile) == (Setting("memory", "argument"), None)
    assert selection.config_file is None


def test_an_explicit_driver_ignores_the_default_profile_and_the_chosen_one(
    write: Callable[[str], Path],
) -> None:
    environ = {"OAUTH_CODEX_PROFILE": "dev", "OAUTH_CODEX_CONFIG": str(write(DEV))}
    assert resolve(backend="faiss", environ=environ).options == {}


def test_driver_and_profile_that_agree_are_merged(write: Callable[[str], Path]) -> None:
    selection = resolve(backend="faiss", profile="dev", config_path=write(DEV), environ={})
    assert selection.driver == Setting("faiss", "argument")
    assert pairs(selection.options)["m"][0] == 16
    ambient = {"OAUTH_CODEX_BACKEND": "chroma"}  # no part of the profile, and weaker than the argument
    assert resolve(backend="faiss", profile="dev", config_path=write(DEV), environ=ambient) == selection
    selection = resolve(backend="memory", profile="bare", config_path=write(DEV), environ={})
    assert (selection.driver.value, selection.profile) == ("memory", "bare")


def test_the_older_names_of_the_storage_directory(tmp_path: Path) -> None:
    older = {"CODEX_COMPAT_STORAGE_DIR": "/data/older"}
    selection = resolve(backend="memory", environ=older)
    assert selection.storage_dir == Setting(Path("/data/older").absolute(), "CODEX_COMPAT_STORAGE_DIR")
    both = {**older, "OAUTH_CODEX_STORAGE_DIR": "/data/newer"}
    assert resolve(backend="memory", environ=both).storage_dir.origin == "OAUTH_CODEX_STORAGE_DIR"
    selection = resolve(backend="memory", driver_options={"compat_storage_dir": tmp_path}, environ=both)
    assert selection.storage_dir == Setting(tmp_path, "argument")
    assert selection.options == {}


def test_a_storage_directory_is_absolute_and_its_tilde_expanded(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert resolve(storage_dir="~/vs", backend="m", environ={}).storage_dir.value == tmp_path / "home" / "vs"
    path = write('default_profile = "dev"\n[profiles.dev]\nstorage_dir = "vs"\n')
    monkeypatch.chdir("/")
    assert resolve(config_path=path, environ={}).storage_dir.value == tmp_path / "vs"
    assert resolve(storage_dir="vs", backend="m", environ={}).storage_dir.value == Path("/vs").absolute()


EMBEDDER = """
default_profile = "dev"
[profiles.dev.embedder]
name = "fastembed"
model = "small"
"""


def test_the_options_of_an_embedder_belong_to_the_embedder_that_is_named(
    write: Callable[[str], Path],
) -> None:
    path = write(EMBEDDER)
    selection = resolve(config_path=path, environ={})
    assert selection.embedder == Setting("fastembed", "config.toml [profiles.dev.embedder]")
    assert selection.embedder_options == {"model": "small"}
    assert resolve(config_path=path, embedder="hashing", environ={}).embedder_options == {}
    same = resolve(config_path=path, environ={"OAUTH_CODEX_EMBEDDER": "fastembed"})
    assert (same.embedder.origin, same.embedder_options) == ("OAUTH_CODEX_EMBEDDER", {"model": "small"})


CODEX = "https://chatgpt.com/backend-api/codex"
LOCAL_SERVER = "http://localhost:8000/v1"


def test_a_foreign_address_selects_the_remote_driver() -> None:
    selection = resolve(base_url=LOCAL_SERVER, environ={"OAUTH_CODEX_BACKEND": "chroma"})
    assert selection.driver == Setting("openai", "argument base_url")
    assert pairs(selection.options) == {"base_url": (LOCAL_SERVER, "argument")}


def test_the_codex_address_selects_nothing_and_is_no_option_of_a_local_driver() -> None:
    selection = resolve(base_url=CODEX, environ={})
    assert (selection.driver.value, selection.options) == ("sqlite", {})
    assert resolve(backend="memory", base_url=CODEX, environ={}).options == {}
    remote = resolve(backend="openai", base_url=CODEX, environ={})
    assert pairs(remote.options) == {"base_url": (CODEX, "argument")}


def test_an_explicit_driver_beats_an_address_which_becomes_its_option() -> None:
    selection = resolve(backend="acme", base_url=LOCAL_SERVER, environ={})
    assert selection.driver.value == "acme"
    assert pairs(selection.options) == {"base_url": (LOCAL_SERVER, "argument")}


def test_an_address_as_argument_never_meets_the_key_of_the_default_profile(
    write: Callable[[str], Path],
) -> None:
    path = write(
        'default_profile = "prod"\n[profiles.prod]\nbackend = "openai"\noptions = { api_key_env = "PROD_KEY" }\n'
    )
    environ = {"OAUTH_CODEX_CONFIG": str(path)}
    assert "api_key_env" not in resolve(base_url=LOCAL_SERVER, environ=environ).options
    named = resolve(base_url=LOCAL_SERVER, profile="prod", environ=environ)
    assert named.options["api_key_env"].value == "PROD_KEY"


REMOTE = '[profiles.prod]\nbase_url = "https://example.org/v1"\n'


def test_an_address_in_a_profile_selects_the_remote_driver(write: Callable[[str], Path]) -> None:
    path = write(REMOTE)
    selection = resolve(profile="prod", config_path=path, environ={})
    assert selection.driver == Setting("openai", "config.toml [profiles.prod] base_url")
    assert pairs(selection.options) == {"base_url": ("https://example.org/v1", "config.toml [profiles.prod]")}
    variable = "OAUTH_CODEX_PROFILES__PROD__BASE_URL"
    selection = resolve(profile="prod", config_path=path, environ={variable: LOCAL_SERVER})
    assert pairs(selection.options) == {"base_url": (LOCAL_SERVER, variable)}


def test_the_codex_address_as_argument_takes_the_place_of_a_foreign_one(write: Callable[[str], Path]) -> None:
    selection = resolve(profile="prod", base_url=CODEX, config_path=write(REMOTE), environ={})
    assert (selection.driver.value, selection.options) == ("sqlite", {})


def test_an_address_among_the_options_beats_one_in_a_weaker_layer(write: Callable[[str], Path]) -> None:
    environ = {"OAUTH_CODEX_OPTIONS__BASE_URL": LOCAL_SERVER}
    selection = resolve(profile="prod", config_path=write(REMOTE), environ=environ)
    assert pairs(selection.options) == {"base_url": (LOCAL_SERVER, "OAUTH_CODEX_OPTIONS__BASE_URL")}


def test_the_variables_of_the_openai_sdk_select_nothing() -> None:
    environ = {"OPENAI_API_KEY": "sk-something", "OPENAI_BASE_URL": "https://example.org/v1"}
    selection = resolve(environ=environ)
    assert (selection.driver.value, selection.options) == ("sqlite", {})


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OAUTH_CODEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OAUTH_CODEX_BACKEND", "memory")
    assert resolve().driver == Setting("memory", "OAUTH_CODEX_BACKEND")


def test_a_driver_by_argument_is_resolved_without_costly_imports() -> None:
    program = (
        "import sys; from oauth_codex.config import resolve; resolve(backend='memory', environ={});"
        "print(sorted({'pydantic', 'tomllib', 'platformdirs', 'stevedore', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_file_costs_no_toml_parser() -> None:
    program = (
        "import sys; from oauth_codex.config import resolve; resolve(environ={});"
        "print(sorted({'pydantic', 'tomllib', 'stevedore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_selection_is_frozen() -> None:
    selection: Selection = resolve(backend="memory", environ={})
    with pytest.raises(AttributeError):
        selection.driver = Setting("sqlite", "argument")  # type: ignore[misc]


def test_driver_options_are_not_changed() -> None:
    given = {"compat_storage_dir": "/x", "m": 1}
    resolve(backend="faiss", driver_options=given, environ={})
    assert given == {"compat_storage_dir": "/x", "m": 1}


def test_an_error_is_a_value_error_of_ours() -> None:
    with pytest.raises(ConfigurationError):
        resolve(ingest="later", environ={})
