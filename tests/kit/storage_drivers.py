"""Drivers as the sqlite one, each wrong in one way that a crash, a second process or a failing disk brings to light.

`test_sabotaged_storages.py` installs them, so that other processes can open them by their names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from oauth_codex.errors import StorageError
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.spi import LOCAL, Backend, Driver, DriverContext
from oauth_codex.spi import requests as r
from oauth_codex.types.files import FileDeleted

Open = Callable[[DriverContext], Any]

#: The records and the open functions, by name.
records, opened = SimpleNamespace(), SimpleNamespace()


def driver(**capabilities: bool) -> Callable[[Open], Open]:
    """Make a driver of a function, under its name."""

    def made(function: Open) -> Open:
        name = function.__name__
        declared = replace(LOCAL, **{"persistent": True, "multi_process": True, **capabilities})
        record = Driver(
            name=name,
            summary="Wrong in one way",
            interface=(1, 0),
            open=f"{__name__}:opened.{name}",
            capabilities=declared,
        )
        setattr(records, name, record)
        setattr(opened, name, lambda _, context: function(context))
        return function

    return made


def sound(context: DriverContext, *, multi_process: bool = True) -> LocalBackend:
    """As the sqlite driver opens it."""
    assert context.directory is not None
    indexes = MatrixProvider(context.directory / "cache")
    declared = replace(LOCAL, persistent=True, multi_process=multi_process)
    return LocalBackend(Catalog.open_file(context.directory), indexes, context, name="sound", capabilities=declared)


class Around:
    """A backend some of whose attributes are others."""

    def __init__(self, backend: Any, **others: Any) -> None:
        self._backend = backend
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@driver()
def right(context: DriverContext) -> Backend:
    """Nothing is wrong here."""
    return sound(context)


@driver()
def writes_at_close(context: DriverContext) -> Any:
    """Works beside its directory, and brings everything there when it is closed."""
    real = context.directory
    assert real is not None
    work = real.with_name(real.name + f".work{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(real, work) if real.exists() else work.mkdir()
    real.mkdir(exist_ok=True)
    (real / "catalog.sqlite3").touch()
    backend = sound(replace(context, directory=work))

    def close() -> None:
        backend.close()
        if work.exists():
            shutil.rmtree(real)
            work.rename(real)

    return Around(backend, close=close)


@driver()
def two_steps(context: DriverContext) -> Any:
    """Uploads and attaches in two transactions, and says that it is one."""
    backend = sound(context)

    def upload_file(request: r.VectorStoreFileUpload) -> Any:
        file = backend.files.create(
            r.FileCreate(filename=request.filename, content=request.content, purpose=request.purpose)
        )
        return backend.vector_stores.create_file(
            r.VectorStoreFileCreate(
                vector_store_id=request.vector_store_id,
                file_id=file.id,
                attributes=request.attributes,
                chunking_strategy=request.chunking_strategy,
            )
        )

    return Around(backend, vector_stores=Around(backend.vector_stores, upload_file=upload_file))


@driver()
def leaves_work(context: DriverContext) -> Any:
    """Never takes up what a dead process has begun."""
    backend = sound(context)
    backend._engine.ingest.drain = lambda: 0  # type: ignore[method-assign]
    backend._engine.ingest.help = lambda scope: False  # type: ignore[method-assign]
    return backend


@driver()
def needs_its_cache(context: DriverContext) -> Any:
    """Refuses a storage whose cache is gone."""
    assert context.directory is not None
    begun = (context.directory / "catalog.sqlite3").exists()
    backend = sound(context)
    marker = context.directory / "marker"
    if begun and (not marker.exists() or marker.read_text() != "whole"):
        backend.close()
        raise StorageError("The marker is gone.")
    marker.write_text("whole")
    return backend


@driver()
def remembers_lists(context: DriverContext) -> Any:
    """Lists what it has listed before, until it changes something itself."""
    backend = sound(context)
    seen: list[Any] = []

    def listed(request: Any) -> Any:
        if not seen:
            seen.append(backend.files.list(request))
        return seen[0]

    def forgetting(real: Any) -> Any:
        def call(request: Any) -> Any:
            seen.clear()
            return real(request)

        return call

    changing = {name: forgetting(getattr(backend.files, name)) for name in ("create", "delete")}
    upload = forgetting(backend.vector_stores.upload_file)
    return Around(
        backend,
        files=Around(backend.files, list=listed, **changing),
        vector_stores=Around(backend.vector_stores, upload_file=upload),
    )


@driver()
def claims_to_delete(context: DriverContext) -> Any:
    """Says that a file is deleted also when the disk refused."""
    backend = sound(context)

    def delete(request: r.FileDelete) -> Any:
        try:
            return backend.files.delete(request)
        except StorageError:
            return FileDeleted(id=request.file_id, deleted=True)

    return Around(backend, files=Around(backend.files, delete=delete))


@driver()
def empty_if_read_only(context: DriverContext) -> Any:
    """Opens something else, that is empty, where it may not write."""
    assert context.directory is not None
    context.directory.mkdir(exist_ok=True)
    if os.access(context.directory, os.W_OK):
        return sound(context)
    declared = replace(LOCAL, persistent=True)
    return LocalBackend(Catalog.open_memory(), MatrixProvider(), context, name="empty", capabilities=declared)


@driver(multi_process=False)
def lets_others_in(context: DriverContext) -> Any:
    """Does not declare several processes, and does not refuse them either."""
    return sound(context, multi_process=False)
