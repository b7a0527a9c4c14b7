"""`oauth-codex drivers`."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from .common import Common, with_common
from .output import print_json, say, stderr, stdout, visible

if TYPE_CHECKING:
    from ..registry import Installed
    from ..spi.capabilities import Capabilities


@with_common
def drivers(common: Common) -> None:
    """List the installed drivers, what each can do, and which one is used."""
    from .. import registry

    found = registry.installed_drivers()
    chosen = common.selection().driver
    listing = [_described(each, each.name == chosen.value) for each in found]
    if common.json:
        print_json({"object": "list", "default": {"name": chosen.value, "origin": chosen.origin}, "data": listing})
        return
    for each, entry in zip(found, listing, strict=True):
        _show(each, entry, chosen.origin)
    if chosen.value not in {each.name for each in found}:
        stderr().print(
            f"The driver that is chosen, {visible(repr(chosen.value))} (from {chosen.origin}), is not installed."
        )


def _described(each: Installed, default: bool) -> dict[str, Any]:
    problem = each.problem or _missing(each)
    driver = each.driver
    return {
        "name": each.name,
        "version": each.version,
        "distribution": each.distribution,
        "default": default,
        "usable": problem is None,
        "problem": problem,
        "summary": driver.summary if driver else None,
        "local": driver.local if driver else None,
        "capabilities": asdict(driver.capabilities) if driver else None,
    }


def _missing(each: Installed) -> str | None:
    """The libraries that the driver needs and that cannot be found, as a sentence."""
    assert each.driver is not None
    missing = [name for name in each.driver.modules if not _findable(name)]
    if not missing:
        return None
    install = f" Run: {each.driver.install}" if each.driver.install else ""
    return f"It needs {', '.join(missing)}, which cannot be imported.{install}"


def _findable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def _show(each: Installed, entry: dict[str, Any], origin: str) -> None:
    heading = Text.assemble(
        (visible(each.name), "bold cyan"), f"  {visible(each.distribution)} {visible(each.version)}  "
    )
    heading.append("usable" if entry["usable"] else "not usable", style="green" if entry["usable"] else "red")
    if entry["default"]:
        heading.append(f"  in use ({visible(origin)})", style="bold")
    say(heading)
    if each.driver is not None:
        _say_indented(visible(each.driver.summary))
        _say_indented(capabilities(each.driver.capabilities), "dim")
    if entry["problem"]:
        _say_indented(visible(entry["problem"]), "red")


def _say_indented(text: str, style: str = "") -> None:
    console = stdout()
    if console.is_terminal:
        console.print(Padding(Text(text, style=style), (0, 0, 0, 3)))
    else:
        console.print(Text(f"   {text}", style=style), soft_wrap=True)


def capabilities(found: Capabilities) -> str:
    """Flags that are on, then limits, on one line."""
    values = asdict(found)
    on = [name.replace("_", " ") for name, value in values.items() if value is True]
    limits = [
        f"files up to {found.max_file_bytes >> 20:,} MiB",
        f"{found.max_create_files:,} files a new store",
        f"{found.max_batch_files:,} files a batch",
    ]
    return "; ".join([", ".join(on) or "no extras", ", ".join(limits)])


COMMANDS = {"drivers": drivers}
