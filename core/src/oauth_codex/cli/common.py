"""What every command takes, and how a command finds a store."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .. import OAuthCodexClient
    from ..config import Selection
    from ..types.vector_stores import VectorStore

_PANEL = "Storage and output"
#: Arguments of a client that have a flag of their own, and those that text cannot stand for.
_FLAGS = {"backend": "--backend", "profile": "--profile", "storage_dir": "--storage-dir"}
_NOT_TEXT = frozenset(
    ("parsers", "chunkers", "reranker", "rewrite_query", "auth", "default_headers", "http_client", "clock")
)


#: Options that are arguments of the client rather than of a driver.
_SETTINGS = frozenset(("embedder", "ingest", "base_url", "config_path"))


#: Looks like an id, so it is surely not meant as the name of a new store.
_ID = re.compile(r"vs_[0-9a-fA-F]{16,}")


class Failure(Exception):
    """A command cannot do what was asked; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options that every command takes.

    Attributes:
        backend: Name of a driver.
        profile: Name of a profile.
        storage_dir: Where local drivers keep everything.
        options: Further arguments of the client, as text.
        json: Whether to print one JSON document and nothing else.
    """

    backend: str | None
    profile: str | None
    storage_dir: Path | None
    options: Mapping[str, str]
    json: bool

    def client(self, *, backend: str | None = None, storage_dir: Path | None = None) -> OAuthCodexClient:
        """Open a client; the arguments stand in for options that were not given."""
        from ..client import OAuthCodexClient

        options: dict[str, Any] = dict(self.options)
        if "timeout" in options:
            options["timeout"] = _seconds(options["timeout"])
        return OAuthCodexClient(
            self.backend or backend, profile=self.profile, storage_dir=self.storage_dir or storage_dir, **options
        )

    def existing_client(self) -> OAuthCodexClient:
        """Open a client on a storage that is there: a copy of nothing, or nothing found to be wrong, would be no comfort.

        Raises:
            Failure: The driver keeps its data in a directory, and there is nothing in it.
        """
        from .. import registry

        selection = self.selection()
        driver = registry.load_driver(selection.driver.value, origin=selection.driver.origin)
        if driver.local and driver.capabilities.persistent:
            directory, origin = Path(selection.storage_dir.value), selection.storage_dir.origin
            with suppress(NotADirectoryError, PermissionError):  # opening it says what is wrong
                if not directory.exists() or not any(directory.iterdir()):
                    chosen = "" if origin == "argument" else f" ({origin})"
                    raise Failure(
                        f"There is no storage in {str(directory)!r}{chosen}. Choose the directory with --storage-dir."
                    )
        return self.client()

    def selection(self, *, embedder: str | None = None) -> Selection:
        """What `client` opens, with the origin of every value; with another embedder, if one is given."""
        from .. import config

        named: dict[str, Any] = {key: value for key, value in self.options.items() if key in _SETTINGS}
        if embedder is not None:
            named["embedder"] = embedder
        others = {key: value for key, value in self.options.items() if key not in (*_SETTINGS, "timeout")}
        return config.resolve(
            backend=self.backend,
            profile=self.profile,
            storage_dir=self.storage_dir,
            driver_options=others,
            **named,
        )

    def local(self) -> bool:
        """Whether `client` opens a backend in this process, so that a call costs no request."""
        from .. import registry

        chosen = self.selection().driver
        return registry.load_driver(chosen.value, origin=chosen.origin).local


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"'timeout' is {text!r}. Expected a number of seconds.", param_hint="--option"
        ) from None


def pair(text: str, flag: str) -> tuple[str, str]:
    """`KEY=VALUE` as two words.

    Raises:
        typer.BadParameter: It is not like that.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint=flag)
    return key, value


def options(texts: list[str], flag: str = "--option") -> dict[str, str]:
    """The values of a repeated flag.

    Raises:
        typer.BadParameter: One is not KEY=VALUE, has a flag of its own, is given twice or cannot be text.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, value = pair(text, flag)
        key = key.replace("-", "_")
        if key in _FLAGS:
            own = flag.removesuffix("option") + _FLAGS[key].removeprefix("--")
            raise typer.BadParameter(f"Write {own} {value} instead of {flag} {text}.", param_hint=flag)
        if key in _NOT_TEXT:
            raise typer.BadParameter(f"{key!r} can be given in a program only, not as text.", param_hint=flag)
        if key in found:
            raise typer.BadParameter(f"{key!r} is given twice.", param_hint=flag)
        found[key] = value
    return found


def _common(
    backend: Annotated[
        str | None,
        typer.Option(help="Driver to use; 'oauth-codex drivers' lists them.", metavar="NAME", rich_help_panel=_PANEL),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the configuration file.", metavar="NAME", rich_help_panel=_PANEL)
    ] = None,
    storage_dir: Annotated[
        Path | None,
        typer.Option(help="Where local drivers keep everything.", metavar="DIR", rich_help_panel=_PANEL),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the driver; may be repeated.", metavar="KEY=VALUE", rich_help_panel=_PANEL),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=_PANEL)
    ] = False,
) -> Common:
    return Common(backend=backend, profile=profile, storage_dir=storage_dir, options=options(option or []), json=json)


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options; it receives them as its first argument, a `Common`."""
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    shared = list(inspect.signature(_common, eval_str=True).parameters.values())

    @functools.wraps(command)
    def call(**values: Any) -> None:
        common = _common(**{each.name: values.pop(each.name) for each in shared})
        command(common, **values)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
    # Typer reads both, depending on its version.
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def find_store(client: OAuthCodexClient, wanted: str) -> VectorStore | None:
    """The store of that id, else the newest of that name, one that has not expired if there is one; else None."""
    from ..errors import BadRequestError, NotFoundError

    try:
        return client.vector_stores.retrieve(wanted)
    except (NotFoundError, BadRequestError):  # 400: a name that could not be an id
        pass
    expired = None
    for store in client.vector_stores.list(limit=100):
        if store.name == wanted:
            if store.status != "expired":
                return store
            expired = expired or store
    return expired


def usable_store(client: OAuthCodexClient, wanted: str) -> VectorStore | None:
    """The store of that id or name for putting files into; None if one of that name is to be made.

    Raises:
        Failure: It is an id, and there is no such store.
    """
    found = find_store(client, wanted)
    if found is not None and found.status == "expired":
        found = None
    if found is None and _ID.fullmatch(wanted):
        raise Failure(f"No vector store has the id {wanted!r}. 'oauth-codex stores' lists those that there are.")
    return found


def require_store(client: OAuthCodexClient, wanted: str) -> VectorStore:
    """The store of that id or name.

    Raises:
        Failure: There is none; the message names those that there are.
    """
    store = find_store(client, wanted)
    if store is not None:
        return store
    from difflib import get_close_matches

    names = list(dict.fromkeys(each.name for each in client.vector_stores.list(limit=100) if each.name))
    if not names:
        raise Failure(
            f"No vector store has the id or name {wanted!r}, and there are no others here."
            f" Make one: oauth-codex ingest PATH --store {wanted}"
        )
    near = get_close_matches(wanted, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(map(repr, names[:10]))}."
    raise Failure(f"No vector store has the id or name {wanted!r}.{hint} 'oauth-codex stores' lists all of them.")
