"""Opening a driver from its record: libraries, options, and what came out."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from oauth_codex.config import Setting
from oauth_codex.errors import ConfigurationError, DriverError, NotFoundError, StorageError
from oauth_codex.registry import open_driver
from oauth_codex.spi import Capabilities, Driver, DriverContext

CODE = """
from typing import Annotated, Literal
from pydantic import BaseModel, Field, field_validator, model_validator
from oauth_codex.errors import NotFoundError
from oauth_codex.spi import Capabilities

class Options(BaseModel):
    path: str
    m: int = Field(16, ge=2, le=64)
    metric: Literal["cosine", "dot"] = "cosine"
    api_key: str | None = None
    sizes: list[int] = []
    renamed: str = Field("", alias="renamed-as")

    @field_validator("api_key")
    @classmethod
    def long(cls, value):
        if value is not None and len(value) < 20:
            raise ValueError(f"{value} is too short")
        return value

    @model_validator(mode="after")
    def together(self):
        if self.metric == "dot" and self.m == 3:
            raise ValueError("metric dot needs another m")
        return self

class Open(BaseModel):
    model_config = {"extra": "allow"}

class Backend:
    name = "acme"
    files = vector_stores = batches = None
    capabilities = Capabilities(persistent=True)
    closed = False

    def __init__(self, options, context):
        self.options, self.context = options, context
        opened.append(self)

    def scoped(self, namespace): ...
    def ping(self): ...
    def close(self):
        self.closed = True

class Proud(Backend):
    capabilities = Capabilities(persistent=True, filters=True, namespaces=True)

class Vague(Backend):
    capabilities = {"filters": True}

class Partial:
    name = "acme"
    def __init__(self, options, context): ...

opened = []
number = 3

def broken_library(options, context):
    import nowhere_to_be_found

def full_disk(options, context):
    raise OSError(28, "No space left on device")

def leaky(options, context):
    raise RuntimeError("cannot reach postgresql://me:hunter2@db/x")

def own_error(options, context):
    raise NotFoundError("there is no such thing")
"""

CONTEXT = DriverContext(directory=None, embedder=None)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "acme_backend.py").write_text(CODE)
    (tmp_path / "acme_broken.py").write_text("import nowhere_to_be_found")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("acme_backend", "acme_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = importlib.import_module("acme_backend")
    yield loaded
    sys.modules.pop("acme_backend", None)


@pytest.fixture
def driver(module: ModuleType) -> Callable[..., Driver]:
    base = Driver(
        name="acme",
        summary="A test",
        interface=(1, 0),
        open="acme_backend:Backend",
        options="acme_backend:Options",
        capabilities=Capabilities(persistent=True),
    )
    return lambda **changes: dataclasses.replace(base, **changes)


def settings(origin: str = "argument", /, **values: Any) -> dict[str, Setting]:
    return {name: Setting(value, origin) for name, value in values.items()}


def failure(driver: Driver, options: dict[str, Setting]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        open_driver(driver, options, CONTEXT)
    return caught.value


def test_a_driver_gets_its_options_as_its_own_model(driver: Callable[..., Driver]) -> None:
    options = {**settings(path="/x"), **settings("OAUTH_CODEX_OPTIONS__M", m="32")}
    options["renamed-as"] = Setting("y", "argument")
    backend: Any = open_driver(driver(), options, CONTEXT)
    assert (backend.options.path, backend.options.m, backend.options.renamed) == ("/x", 32, "y")
    assert backend.context is CONTEXT


def test_a_driver_without_options_gets_none_and_takes_none(driver: Callable[..., Driver]) -> None:
    plain = driver(options=None)
    backend: Any = open_driver(plain, {}, CONTEXT)
    assert backend.options is None
    assert str(failure(plain, settings(m=3))) == ("driver 'acme' has no option 'm' (from argument). It has no options.")


def test_a_model_that_takes_everything_decides_for_itself(driver: Callable[..., Driver]) -> None:
    backend: Any = open_driver(driver(options="acme_backend:Open"), settings(anything=1), CONTEXT)
    assert backend.options.anything == 1


# -- options -------------------------------------------------------------------------------------------------

LIST = (
    "path (str), m (int, >= 2, <= 64), metric ('cosine' or 'dot'), api_key (str or None), sizes (list[int]),"
    " renamed-as (str)"
)


def test_an_unknown_option(driver: Callable[..., Driver], module: ModuleType) -> None:
    error = failure(driver(), settings("OAUTH_CODEX_OPTIONS__METRC", path="/x", metrc="dot"))
    assert str(error) == (
        "driver 'acme' has no option 'metrc' (from OAUTH_CODEX_OPTIONS__METRC)."
        f" Its options: {LIST}. Did you mean 'metric'?"
    )
    assert (error.key, error.origin) == ("metrc", "OAUTH_CODEX_OPTIONS__METRC")
    assert module.opened == []


def test_a_field_is_not_taken_under_a_name_that_its_model_ignores(driver: Callable[..., Driver]) -> None:
    error = failure(driver(), settings(path="/x", renamed="y"))
    assert "has no option 'renamed'" in str(error)
    assert "Did you mean 'renamed-as'?" in str(error)


def test_a_missing_option(driver: Callable[..., Driver]) -> None:
    assert str(failure(driver(), {})) == f"driver 'acme' needs the option 'path'. Its options: {LIST}."


def test_a_wrong_value(driver: Callable[..., Driver]) -> None:
    error = failure(driver(), {**settings(path="/x"), **settings("config.toml [profiles.dev.options]", m=1)})
    assert str(error) == (
        "driver 'acme': option m = 1 (from config.toml [profiles.dev.options]) is wrong: Input should be"
        " greater than"
        " or equal to 2. Accepted: int, >= 2, <= 64."
    )
    assert (error.key, error.value, error.origin) == ("m", 1, "config.toml [profiles.dev.options]")
    error = failure(driver(), settings(path="/x", metric="euclid"))
    assert str(error).endswith("Input should be 'cosine' or 'dot'. Accepted: 'cosine' or 'dot'.")


def test_a_wrong_value_inside_a_list(driver: Callable[..., Driver]) -> None:
    error = failure(driver(), settings(path="/x", sizes=[1, "two"]))
    text = "option sizes = [1, 'two'] (from argument) is wrong: at 1: Input should be a valid integer"
    assert text in str(error)


def test_a_secret_is_not_shown_even_where_the_model_shows_it(driver: Callable[..., Driver]) -> None:
    error = failure(driver(), settings(path="/x", api_key="hunter2"))
    assert "option api_key = *** (from argument) is wrong: *** is too short." in str(error)
    assert error.value == "***"
    assert error.__cause__ is None
    assert error.__context__ is None  # pydantic's own error prints the input
    error = failure(driver(), settings(path=3, api_key="x" * 30))
    assert "xxx" not in str(error)


def test_options_that_do_not_go_together(driver: Callable[..., Driver]) -> None:
    error = failure(driver(), settings(path="/x", metric="dot", m=3, api_key="x" * 30))
    assert str(error) == (
        "driver 'acme': the options are wrong: metric dot needs another m. Given: path = '/x' (from"
        " argument),"
        " metric = 'dot' (from argument), m = 3 (from argument), api_key = *** (from argument)."
    )


# -- the record ----------------------------------------------------------------------------------------------


def test_a_missing_library(driver: Callable[..., Driver]) -> None:
    modules = ("json", "nowhere_to_be_found", "nowhere.below")
    error = failure(driver(modules=modules, install="python -m pip install acme-lib"), settings(path="/x"))
    assert isinstance(error, DriverError)
    assert str(error) == (
        "driver 'acme' needs 'nowhere_to_be_found' and 'nowhere.below', which are not installed."
        " Run `python -m pip install acme-lib`."
    )
    error = failure(driver(modules=("nowhere_to_be_found",)), settings(path="/x"))
    assert str(error) == "driver 'acme' needs 'nowhere_to_be_found', which is not installed."


def test_the_search_for_a_library_does_not_import_it(driver: Callable[..., Driver], tmp_path: Path) -> None:
    (tmp_path / "acme_library.py").write_text("raise SystemExit")
    open_driver(driver(modules=("acme_library",)), settings(path="/x"), CONTEXT)
    assert "acme_library" not in sys.modules


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("open", "acme_backend:nothing", "its open function 'acme_backend:nothing' cannot be imported: Attr"),
        ("open", "acme_absent:open", "ModuleNotFoundError: No module named 'acme_absent'"),
        ("open", "acme_broken:open", "No module named 'nowhere_to_be_found'"),
        ("open", "acme_backend", "expected the form 'module:attribute'"),
        ("open", "acme_backend:number", "is an object of type int, and must be callable"),
        ("options", "acme_backend:Nothing", "its options model 'acme_backend:Nothing' cannot be imported"),
        ("options", "acme_backend:Backend", "is the class Backend, and must be a pydantic model"),
        ("options", "acme_backend:number", "is an object of type int, and must be a pydantic model"),
    ],
)
def test_import_strings_that_lead_nowhere(driver: Callable[..., Driver], field: str, value: str, text: str) -> None:
    error = failure(driver(**{field: value}), settings(path="/x"))
    assert isinstance(error, DriverError)
    assert text in str(error)
    assert str(error).startswith("driver 'acme'")


# -- what came out -------------------------------------------------------------------------------------------


def test_something_that_is_no_backend(driver: Callable[..., Driver]) -> None:
    error = failure(driver(open="acme_backend:Partial"), settings(path="/x"))
    assert str(error) == (
        "driver 'acme': acme_backend:Partial returned an object of type Partial, which lacks capabilities,"
        " files,"
        " vector_stores, batches, scoped, ping, close."
    )


def test_a_backend_that_claims_more_than_its_record_is_closed(
    driver: Callable[..., Driver], module: ModuleType
) -> None:
    error = failure(driver(open="acme_backend:Proud"), settings(path="/x"))
    assert "claims 'filters' and 'namespaces', which its record does not promise" in str(error)
    assert [backend.closed for backend in module.opened] == [True]


def test_a_backend_whose_capabilities_are_something_else_is_closed(
    driver: Callable[..., Driver], module: ModuleType
) -> None:
    error = failure(driver(open="acme_backend:Vague"), settings(path="/x"))
    assert "must be an oauth_codex.spi.Capabilities" in str(error)
    assert [backend.closed for backend in module.opened] == [True]


def test_an_import_that_fails_while_opening(driver: Callable[..., Driver]) -> None:
    error = failure(driver(open="acme_backend:broken_library"), settings(path="/x"))
    assert "could not be opened, because an import failed: ModuleNotFoundError" in str(error)


def test_a_foreign_exception_is_a_storage_error(driver: Callable[..., Driver]) -> None:
    with pytest.raises(StorageError, match=r"could not be opened: OSError: .*No space left") as caught:
        open_driver(driver(open="acme_backend:full_disk"), settings(path="/x"), CONTEXT)
    assert caught.value.driver == "acme"
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(StorageError) as caught:
        open_driver(driver(open="acme_backend:leaky"), settings(path="/x"), CONTEXT)
    assert "hunter2" not in str(caught.value)


def test_an_error_of_the_driver_itself_passes(driver: Callable[..., Driver]) -> None:
    with pytest.raises(NotFoundError, match="no such thing"):
        open_driver(driver(open="acme_backend:own_error"), settings(path="/x"), CONTEXT)
