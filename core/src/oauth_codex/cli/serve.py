"""`oauth-codex serve`."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Common, Failure, with_common
from .output import say, stderr, visible

if TYPE_CHECKING:
    from .. import OAuthCodexClient
    from ..server import Keys, Listener

_KEYS = "Keys and access"
#: As `server.app.MAX_CONCURRENCY`, which would load a web server for a `--help`.
_MOST = 128


@with_common
def serve(
    common: Common,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable that holds the bearer keys.", rich_help_panel=_KEYS),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="File of bearer keys, one a line; read again when it changes.", rich_help_panel=_KEYS
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Further name of the server; may be repeated.", rich_help_panel=_KEYS),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Origin whose web pages may call; may be repeated.", rich_help_panel=_KEYS),
    ] = None,
    max_concurrency: Annotated[int, typer.Option(min=1, help="Most requests performed at once; more get 429.")] = _MOST,
    max_upload_bytes: Annotated[
        int | None, typer.Option(min=1, help="Largest upload; by default what the driver takes.")
    ] = None,
) -> None:
    """Serve the OpenAI REST API over the storage, for clients in any language.

    For example: oauth-codex serve --port 8000

    A key is NAME:KEY or KEY. Each NAME has objects of its own, so a key can be
    replaced and they stay; 'default' are those of the other commands. Without
    keys only this machine is answered.
    """
    from ..server import Keys, Listener, create_app, run

    keys = None
    if api_key_env is not None or api_key_file is not None:
        keys = Keys(variable=api_key_env, file=api_key_file)
    client = common.client()
    try:
        with Listener.bind(host, port) as listener:
            if keys is None and not listener.loopback:
                raise Failure(
                    f"Keys are needed to listen on {host}, which other machines can reach. Give --api-key-file PATH or"
                    " --api-key-env NAME, or listen on this machine only: --host 127.0.0.1"
                )
            app = create_app(
                client,
                keys=keys,
                allowed_hosts=[host, *(allow_host or ())],
                allowed_origins=allow_origin or (),
                max_concurrency=max_concurrency,
                max_upload_bytes=max_upload_bytes,
            )
            with _tracebacks_shown():
                unfinished = run(app, listener, started=lambda: _tell(common, client, listener, keys))
        if unfinished:
            stderr().print(f"Stopped with {unfinished} requests unfinished; nothing of them was acknowledged.")
            sys.stdout.flush()
            os._exit(1)  # their threads would keep the process alive
    finally:
        client.close()


def _tell(common: Common, client: OAuthCodexClient, listener: Listener, keys: Keys | None) -> None:
    """Say where the server listens and what it serves."""
    base = f"{listener.url}/v1"
    driver, directory = client.backend.name, client._core.opened.directory
    if common.json:
        found = {"url": listener.url, "base_url": base, "driver": driver, "storage_dir": directory and str(directory)}
        # On one line, because whoever started the server reads it while the server runs.
        document = {**found, "keys": keys.namespaces if keys else [], "pid": os.getpid()}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        say(f"Serving the OpenAI API at {base}")
        say(f"Driver   {visible(driver)}")
        if directory is not None:
            say(f"Storage  {visible(str(directory))}")
        say(f"Keys     {', '.join(keys.namespaces) if keys else 'none, so only this machine is answered'}")
        say("", "    from openai import OpenAI")
        say(f'    client = OpenAI(base_url="{base}", api_key="{"YOUR_KEY" if keys else "none"}")')
        say("    print(client.vector_stores.list())", "", "Ctrl+C stops it.")
    sys.stdout.flush()


class _Tracebacks(logging.Handler):
    """Shows where an unexpected failure came from; the client is told a request id only."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            text = (self.formatter or logging.Formatter()).formatException(record.exc_info)
            for line in text.splitlines():
                stderr().print(visible(line), soft_wrap=True)


@contextmanager
def _tracebacks_shown() -> Iterator[None]:
    logger, handler = logging.getLogger("oauth_codex"), _Tracebacks()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


COMMANDS = {"serve": serve}
