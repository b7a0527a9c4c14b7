# Generated from client/_async/client.py by core/tools/unasync.py: do not edit.
"""The sync client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Never, Self

from ...types.sentinels import NotGiven, not_given
from ..base import Core
from ..opening import Arguments
from ..running import SyncRunner
from .files import Files
from .maintenance import Maintenance
from .vector_stores import VectorStores

if TYPE_CHECKING:
    from typing import Unpack

    import httpx

    from ...spi.backends import Backend
    from ...spi.driver import Clock
    from ...spi.embedder import Embedder
    from ...spi.parts import Chunker, Parser, QueryRewriter, Reranker
    from ...types.files import FileTypes
    from ...types.params import RequestOptions


class OAuthCodexClient:
    """OpenAI `files` and `vector_stores` over storage chosen by name.

    One client serves many threads. Close it with `client.close()` or use it as a context
    manager; one that is left open loses nothing. A forked process makes a client of its own.
    """

    def __init__(
        self,
        backend: str | Backend | None = None,
        *,
        profile: str | None = None,
        config_path: str | os.PathLike[str] | None = None,
        storage_dir: str | os.PathLike[str] | None = None,
        embedder: str | Embedder | None = None,
        ingest: Literal["inline", "background"] | None = None,
        parsers: Mapping[str, Parser] | None = None,
        chunkers: Chunker | None = None,
        reranker: Reranker | None = None,
        rewrite_query: QueryRewriter | None = None,
        base_url: str | None = None,
        api_key: Any = None,
        auth: Any = None,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        max_retries: int | NotGiven = not_given,
        default_headers: Mapping[str, str] | None = None,
        http_client: Any = None,
        clock: Clock | None = None,
        **driver_options: Any,
    ) -> None:
        """Open the storage.

        Args:
            backend: Name of a driver, or a `Backend` that is open already and stays open when the client is
                closed. By default what the profile or the environment says, else `sqlite` in your data
                directory.
            profile: Profile of the configuration file.
            config_path: Configuration file, in place of the one in your configuration directory.
            storage_dir: Where local drivers keep everything.
            embedder: Name of an embedder, or an `Embedder`; by default `hashing`.
            ingest: `inline`, the default: attaching a file returns when it can be searched; `background`: at
                once.
            parsers: Readers of more file types, by file extension (`{".pdf": read_pdf}`).
            chunkers: Splits texts in place of token windows.
            reranker: Scores hits anew.
            rewrite_query: Rewrites queries when a search asks for it.
            base_url: Address of a remote service; one that is not the Codex one chooses the driver `openai`.
            api_key: Key for a remote service.
            auth: Another way to authenticate there.
            timeout: Limit of every call in seconds; None for none.
            max_retries: How often a failed request to a remote service is repeated; by default 2.
            default_headers: Headers of every request to a remote service.
            http_client: HTTP client of a remote driver.
            clock: Time in Unix seconds; for tests.
            **driver_options: Options of the driver itself.

        Raises:
            ConfigurationError: An argument, a variable or the profile is wrong.
            DriverError: The driver is not installed or broken.
        """
        self._core = Core(
            Arguments(
                backend=backend,
                profile=profile,
                config_path=config_path,
                storage_dir=storage_dir,
                embedder=embedder,
                ingest=ingest,
                parsers=parsers,
                chunkers=chunkers,
                reranker=reranker,
                rewrite_query=rewrite_query,
                base_url=base_url,
                api_key=api_key,
                auth=auth,
                timeout=timeout,
                max_retries=max_retries,
                default_headers=default_headers,
                http_client=http_client,
                clock=clock,
                driver_options=driver_options,
            )
        )
        self._runner = SyncRunner(self._core.opened.native)

    @cached_property
    def files(self) -> Files:
        """Uploaded files."""
        return Files(self._core, self._runner)

    @cached_property
    def vector_stores(self) -> VectorStores:
        """Vector stores."""
        return VectorStores(self._core, self._runner)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Looking after the storage."""
        return Maintenance(self._core, self._runner)

    @cached_property
    def beta(self) -> Beta:
        """The older address of `vector_stores`."""
        return Beta(self.vector_stores)

    @property
    def backend(self) -> Backend:
        """The opened backend, for tools.

        Raises:
            ClientClosedError: The client is closed, or was made before a fork.
        """
        return self._core.opened.live()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        files: Mapping[str, FileTypes] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Perform an operation by its REST address, with the same answer as the method of the resource.

        Args:
            method: HTTP method, in either case.
            path: Path below the base address, for instance `/vector_stores/vs_123/files?limit=2`.
            body: Fields of the body.
            query: Query parameters.
            files: The file of an upload: `{"file": ...}`.
            **options: Options of the call, see `RequestOptions`.

        Returns:
            What the method of the resource returns.

        Raises:
            NotSupportedError: There is no such path, or it does not take this method.
            ParameterValidationError: The path is no path below the base address, or a parameter is wrong.
        """
        found = self._runner.run(self._core.request, method, path, body, query, files, options)
        return self._runner.finished(found)

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | NotGiven | None = not_given,
        max_retries: int | NotGiven = not_given,
        default_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """A client on the same open storage with other options; closing one of the two closes both.

        Args:
            timeout: Limit of every call in seconds; None for none.
            max_retries: How often a failed request to a remote service is repeated.
            default_headers: More headers of every request.

        Returns:
            The other client.
        """
        clone = object.__new__(type(self))
        clone._runner = self._runner
        clone._core = self._core.copy(timeout, max_retries, default_headers)
        return clone

    copy = with_options

    def close(self) -> None:
        """Let go of the storage; a second call does nothing."""
        self._runner.shielded(self._core.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        core = self.__dict__.get("_core")  # not there yet, or never, where a constructor has failed
        return f"{type(self).__name__}({'not open' if core is None else repr(core.opened)})"


class Beta:
    """The older address of `vector_stores`; nothing else is here."""

    def __init__(self, vector_stores: VectorStores) -> None:
        self.vector_stores = vector_stores

    if not TYPE_CHECKING:  # type checkers report a misspelt name themselves

        def __getattr__(self, name: str) -> Never:
            raise AttributeError(f"beta has no {name!r} here; it offers vector_stores only.")
