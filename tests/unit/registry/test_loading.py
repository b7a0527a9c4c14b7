"""Finding and loading drivers: every way in which it can fail has its own sentence.

A `dist-info` folder on `sys.path` is an installed distribution, so no installer is needed here.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from oauth_codex.errors import DriverError
from oauth_codex.registry import installed_drivers, load_driver, open_embedder
from oauth_codex.registry.kinds import DRIVERS

CHECKOUT = Path(__file__).parents[3]
Install = Callable[..., None]

RECORD = """
from oauth_codex.spi import Capabilities, Driver
driver = Driver(name={name!r}, summary="A test", interface={interface!r}, open="{module}.backend:open",
                capabilities=Capabilities())
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one driver, the only ones that the test sees; modules are forgotten after it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def only_here(group: str) -> list[EntryPoint]:
        return [e for e in entry_points(group=group) if e.dist and tmp_path == Path(str(e.dist.locate_file("")))]

    monkeypatch.setattr("oauth_codex.registry.loading.entry_points", only_here)
    before = set(sys.modules)

    def install(
        distribution: str,
        name: str,
        *,
        version: str = "1.0",
        value: str | None = None,
        code: str | None = None,
        interface: object = (1, 0),
        group: str = "oauth_codex.drivers",
        more: str = "",
    ) -> None:
        module = distribution.replace("-", "_")
        if module.startswith("oauth_codex"):
            module = f"fake_{module}"  # ours is loaded already
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata)
        entry = f"{name} = {value or f'{module}:driver'}"
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n{more}")
        text = RECORD.format(name=name, interface=interface, module=module) if code is None else code
        (tmp_path / f"{module}.py").write_text(text)

    yield install
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[module]


def failure(name: str, **details: str) -> str:
    with pytest.raises(DriverError) as caught:
        load_driver(name, **details)
    assert caught.value.value == name
    return str(caught.value)


def test_a_driver_is_loaded_by_name(install: Install) -> None:
    install("acme", "acme")
    driver = load_driver("acme")
    assert (driver.name, driver.open) == ("acme", "acme.backend:open")


def test_a_driver_that_is_installed_while_the_program_runs_is_found(install: Install) -> None:
    install("acme", "acme")
    load_driver("acme")
    install("other", "other")
    assert load_driver("other").name == "other"


def test_loading_one_driver_imports_no_other(install: Install) -> None:
    install("acme", "acme")
    install("other", "other")
    load_driver("acme")
    assert "acme" in sys.modules
    assert "other" not in sys.modules


def test_the_loader_leaves_no_line_in_the_log(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("acme", "acme")
    install("broken", "broken", code="import nowhere_to_be_found")
    with caplog.at_level(logging.DEBUG):
        load_driver("acme")
        failure("broken")
        failure("absent")
    assert caplog.records == []
    assert logging.getLogger("stevedore.extension").filters == []


# -- the sentences -------------------------------------------------------------------------------------------


def test_ours_but_not_installed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth_codex.registry.loading.entry_points", lambda group: ())
    text = failure("sqlite")
    assert text.startswith("no driver named 'sqlite' is installed; installed: none. ")
    assert "`python -m pip install ./drivers/sqlite`" in text
    assert '`python -m pip install --find-links dist "oauth-codex>=5.0"`' in text


@pytest.mark.parametrize("name", DRIVERS.own)
def test_every_driver_of_ours_has_a_command_that_works_today(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth_codex.registry.loading.entry_points", lambda group: ())
    text = failure(name)
    (folder,) = re.findall(r"`python -m pip install (\./\S+)`", text)
    assert (CHECKOUT / folder / "pyproject.toml").is_file()
    assert "--find-links dist" in text


def test_a_misspelt_name_of_an_installed_driver(install: Install) -> None:
    install("acme", "acme")
    text = failure("acne")
    assert text.endswith("Did you mean 'acme'?")


def test_a_misspelt_name_of_ours_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth_codex.registry.loading.entry_points", lambda group: ())
    text = failure("sqlit", origin="OAUTH_CODEX_BACKEND")
    assert text.startswith("no driver named 'sqlit' (from OAUTH_CODEX_BACKEND) is installed; installed: none.")
    assert "Did you mean 'sqlite'? It is not installed either." in text
    assert "./drivers/sqlite" in text


def test_an_unknown_name(install: Install) -> None:
    install("acme", "acme")
    text = failure("zzz-nothing-like-it")
    assert "installed: acme." in text
    assert "entry-point group 'oauth_codex.drivers'" in text
    assert "pip install" not in text


def test_two_distributions_of_one_name(install: Install) -> None:
    install("acme", "twice", version="1.2")
    install("other", "twice", version="3.4")
    text = failure("twice")
    assert "driver 'twice' is registered 2 times: " in text
    assert "acme 1.2 (acme:driver)" in text
    assert "other 3.4 (other:driver)" in text
    assert "Uninstall all but one: " in text
    assert "`python -m pip uninstall acme`" in text
    assert "`python -m pip uninstall other`" in text


def test_one_distribution_that_registers_a_name_twice(install: Install) -> None:
    install("acme", "acme", more="acme = acme:second\n")
    assert "Only the author of acme can correct that" in failure("acme")


@pytest.mark.parametrize("interface", [(1, 1), (2, 0)])
def test_a_driver_for_a_newer_interface(install: Install, interface: tuple[int, int]) -> None:
    install("acme", "acme", interface=interface)
    text = failure("acme")
    assert f"driver 'acme' (acme 1.0) was written for interface {interface[0]}.{interface[1]}" in text
    assert "offers 1.0" in text
    assert "oauth-codex is the older side" in text
    assert "`python -m pip install --upgrade ./drivers/memory ./drivers/sqlite .`" in text
    assert '`python -m pip install --upgrade --find-links dist "oauth-codex>=5.0"`' in text


def test_a_driver_for_an_older_interface(install: Install) -> None:
    install("acme-driver", "acme", interface=(0, 9))
    text = failure("acme")
    assert text.endswith(
        "acme-driver is the older side: upgrade it with `python -m pip install --upgrade acme-driver`."
    )


def test_one_of_ours_for_an_older_interface(install: Install) -> None:
    install("oauth-codex-sqlite", "sqlite", interface=(0, 9))
    text = failure("sqlite")
    assert "oauth-codex-sqlite is the older side" in text
    assert "`python -m pip install --upgrade ./drivers/sqlite`" in text


@pytest.mark.parametrize("interface", ["1.0", 1, None, (1,), [1, 0], ("1", "0")])
def test_an_interface_that_is_no_version(install: Install, interface: object) -> None:
    install("acme", "acme", interface=interface)
    assert f"interface={interface!r} is not a version. Expected two numbers" in failure("acme")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("other = 1", "AttributeError: module 'acme' has no attribute 'driver'"),
        ("assert False, 'no'", "AssertionError: no"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("this is no python", "SyntaxError"),
    ],
)
def test_a_record_that_cannot_be_imported(install: Install, code: str, reason: str) -> None:
    install("acme", "acme", code=code)
    text = failure("acme")
    assert "driver 'acme' (acme 1.0) is installed, but its record acme:driver cannot be imported: " in text
    assert reason in text
    assert "`python -m pip uninstall acme`" in text


def test_the_original_error_is_the_cause(install: Install) -> None:
    install("acme", "acme", code="import nowhere_to_be_found")
    with pytest.raises(DriverError) as caught:
        load_driver("acme")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_entry_point_that_cannot_be_read(install: Install) -> None:
    install("acme", "acme", value="!!")
    assert "cannot be imported" in failure("acme")


@pytest.mark.parametrize(
    ("code", "found"),
    [("driver = {}", "an object of type dict"), ("class driver: pass", "the class driver")],
)
def test_a_record_of_the_wrong_type(install: Install, code: str, found: str) -> None:
    install("acme", "acme", code=code)
    assert (
        failure("acme") == f"driver 'acme' (acme 1.0): acme:driver is {found}, and must be an oauth_codex.spi.Driver."
    )


def test_a_record_of_another_name(install: Install) -> None:
    install("acme", "acme", code=RECORD.format(name="emca", interface=(1, 0), module="acme"))
    text = failure("acme")
    assert "the record acme:driver is named 'emca'" in text
    assert "must have the same name" in text


# -- listing -------------------------------------------------------------------------------------------------


def test_a_broken_driver_does_not_hide_the_others(install: Install) -> None:
    install("good", "good", version="7.0")
    install("bad", "bad", code="raise SystemExit(3)")
    install("one", "both")
    install("two", "both")
    found = {driver.name: driver for driver in installed_drivers()}
    assert list(found) == ["bad", "both", "good"]
    good = found["good"]
    assert (good.distribution, good.version, good.value) == ("good", "7.0", "good:driver")
    assert good.driver is not None
    assert (good.driver.name, good.problem) == ("good", None)
    assert found["bad"].driver is None
    assert "cannot be imported" in str(found["bad"].problem)
    assert found["both"].driver is None
    assert "registered 2 times" in str(found["both"].problem)


def test_a_distribution_without_metadata_is_listed(install: Install, tmp_path: Path) -> None:
    install("acme", "acme")
    (tmp_path / "acme-1.0.dist-info" / "METADATA").write_text("")
    found = {driver.name: driver for driver in installed_drivers()}["acme"]
    assert (found.distribution, found.version) == ("(unknown name)", "(unknown version)")
    assert found.driver is not None


def test_listing_imports_no_driver_library() -> None:
    program = (
        "import sys; from oauth_codex.registry import installed_drivers; installed_drivers();"
        "print(sorted({'numpy', 'sqlalchemy', 'faiss', 'chromadb', 'httpx', 'tiktoken'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_registry_does_not_import_the_loader() -> None:
    program = "import sys, oauth_codex.registry; print('stevedore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- embedders -----------------------------------------------------------------------------------------------

EMBEDDER = """
from oauth_codex.spi import EmbedderRecord
driver = EmbedderRecord(name="acme", summary="", interface=(1, 0), open="acme:{opened}", modules={modules!r},
                        install="acme-get it")

class Acme:
    name = "acme"
    fingerprint = "1"
    semantic = False
    max_batch = 8

    def __init__(self, *, dimension: int, scale: float = 1.0):
        if dimension < 1:
            raise ValueError("dimension must be positive")
        self._dimension = dimension

    @property
    def dimension(self):
        raise AssertionError("read too early")

    def embed(self, texts, *, kind):
        raise NotImplementedError

class Half:
    name = "acme"

def needs():
    import nowhere_to_be_found

def anything(**options):
    return Acme(dimension=options["dimension"])
"""


@pytest.fixture
def acme(install: Install) -> Callable[..., None]:
    def acme(opened: str = "Acme", modules: tuple[str, ...] = ()) -> None:
        code = EMBEDDER.format(opened=opened, modules=modules)
        install("acme", "acme", code=code, group="oauth_codex.embedders")

    return acme


def embedder_failure(**options: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (both classes of error are ValueErrors)
        open_embedder("acme", options)
    assert type(caught.value).__name__ in {"DriverError", "ConfigurationError"}
    return str(caught.value)


def test_an_embedder_is_opened_with_its_options(acme: Callable[..., None]) -> None:
    acme()
    opened = open_embedder("acme", {"dimension": 3})
    assert (opened.name, opened._dimension) == ("acme", 3)  # type: ignore[attr-defined]


def test_an_embedder_that_takes_any_option_decides_for_itself(acme: Callable[..., None]) -> None:
    acme("anything")
    assert open_embedder("acme", {"dimension": 3, "other": 1}).max_batch == 8


def test_options_of_an_embedder(acme: Callable[..., None]) -> None:
    acme()
    assert embedder_failure(dimension=3, skale=2) == (
        "embedder 'acme' has no option 'skale'. Its options: dimension (int), scale (float). Did you mean 'scale'?"
    )
    assert "embedder 'acme' needs the option 'dimension'" in embedder_failure(scale=2)
    assert "could not be opened: ValueError: dimension must be positive" in embedder_failure(dimension=0)


def test_an_embedder_that_is_incomplete(acme: Callable[..., None]) -> None:
    acme("Half")
    text = embedder_failure()
    assert "acme:Half returned an object of type Half, which lacks" in text
    assert "embed" in text
    assert "fingerprint" in text


def test_an_embedder_whose_library_is_missing(acme: Callable[..., None]) -> None:
    acme(modules=("nowhere_to_be_found",))
    text = embedder_failure(dimension=3)
    assert text == "embedder 'acme' needs 'nowhere_to_be_found', which is not installed. Run `acme-get it`."


def test_an_embedder_whose_import_fails_when_it_is_opened(acme: Callable[..., None]) -> None:
    acme("needs")
    assert "an import failed: ModuleNotFoundError" in embedder_failure()


def test_an_embedder_that_is_not_installed(acme: Callable[..., None]) -> None:
    acme()
    with pytest.raises(DriverError) as caught:
        open_embedder("zzz", {}, origin="config.toml [profiles.dev.embedder]")
    text = str(caught.value)
    assert text.startswith("no embedder named 'zzz' (from config.toml [profiles.dev.embedder]) is installed;")
    assert "'oauth_codex.embedders'" in text


def test_the_default_embedder_without_our_own_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth_codex.registry.loading.entry_points", lambda group: ())
    with pytest.raises(DriverError, match=r"pip install ./drivers/memory ./drivers/sqlite \."):
        open_embedder("hashing", {})
