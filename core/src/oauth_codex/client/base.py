"""What the sync and the async client share: nothing in here waits for anything."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, cast

from .. import messages as say
from ..errors import StorageError
from ..spi.operations import (
    BATCHES_CREATE,
    BATCHES_LIST_FILES,
    FILES_CREATE,
    FILES_CREATE_MANY,
    FILES_DELETE,
    STORE_FILES_CREATE,
    STORE_FILES_UPLOAD,
    STORES_RETRIEVE,
    Answer,
    Operation,
)
from ..spi.requests import CallOptions, Request, VectorStoreRetrieve
from ..spi.values import check_id
from ..types.files import FileBytes
from ..types.sentinels import NOT_GIVEN, NotGiven, Omit
from .dispatch import check_batch_size, dispatching, new_request_id, performing, reading, validate
from .opening import Arguments, open_backend
from .paths import match, merge
from .polling import Patience
from .running import Unstarted
from .steps import Step, Steps
from .uploads import check_kind, check_path, enumerated, grouped, opened, read_whole

if TYPE_CHECKING:
    from ..spi.backends import BackgroundWork, Watch
    from ..types.files import FileTypes
    from .uploads import Numbered

_OPTIONS = ("extra_headers", "extra_query", "timeout")
_ALL_OPTIONS = frozenset((*_OPTIONS, "extra_body"))
#: Arguments of helpers that are no parameters of an operation, for the hint at a misspelt one.
_OF_HELPERS = ("file", "max_concurrency", "max_wait_seconds", "on_progress", "poll_interval_ms", "purpose")


def sent(**named: object) -> dict[str, object]:
    """The arguments that were given; an explicit None is one of them, and is sent as null."""
    return {name: value for name, value in named.items() if not isinstance(value, Omit | NotGiven)}


def given(**named: object) -> dict[str, object]:
    """The arguments that were given, where None means the same as leaving an argument out."""
    return {n: v for n, v in named.items() if v is not None and not isinstance(v, Omit | NotGiven)}


class Core:
    """Performs operations on an open backend, with the options of a client; see `steps` for what a `Steps` is."""

    def __init__(self, arguments: Arguments) -> None:
        self.opened = open_backend(arguments)
        self.timeout: Any = arguments.timeout
        # A remote driver has those of the constructor among its options.
        self.max_retries: int | NotGiven = NOT_GIVEN
        self.headers: Mapping[str, str] = {}

    def copy(self, timeout: Any, max_retries: int | NotGiven, default_headers: Mapping[str, str] | None) -> Core:
        """The same backend with other limits and more headers.

        Raises:
            ParameterValidationError: A limit is wrong.
        """
        clone = object.__new__(type(self))
        clone.opened = self.opened
        clone.timeout = self.timeout if isinstance(timeout, NotGiven) else timeout
        clone.max_retries = self.max_retries if isinstance(max_retries, NotGiven) else max_retries
        if isinstance(clone.max_retries, int) and clone.max_retries < 0:
            raise say.below_minimum("max_retries", max_retries, 0)
        clone.headers = {**self.headers, **(default_headers or {})}
        return clone

    @property
    def local(self) -> bool:
        """Whether the backend answers in this process."""
        return self.opened.local

    def call(
        self,
        operation: Operation,
        fields: dict[str, object],
        options: Mapping[str, Any],
        request_id: str | None = None,
        on_answer: Callable[[Any, int], None] | None = None,
    ) -> Steps[Any]:
        """Perform an operation.

        Args:
            operation: Its row of the table.
            fields: The named arguments that were given.
            options: Those of `RequestOptions` that were given.
            request_id: Id of the call, if it is chosen already.
            on_answer: Receives what came over HTTP.

        Raises:
            TypeError: There is an option that does not exist.
        """
        backend = self.opened.live()
        fields, found = self._prepared(operation, fields, options)
        if request_id is not None:
            found["request_id"] = request_id
        if on_answer is not None:
            found["on_answer"] = on_answer
        return (yield from dispatching(backend, operation, fields, found, again=self._again))

    def _again(self, operation: Operation, request: Request) -> Steps[Any]:
        return performing(self.opened.live(), operation, request, self._again)

    def upload(self, file: FileTypes, fields: dict[str, object], options: Mapping[str, Any]) -> Steps[Any]:
        """Upload a file; what is opened here is closed here.

        Raises:
            TypeError: It is none of the accepted kinds, or there is an option that does not exist.
        """
        return self._send(FILES_CREATE, file, fields, options)

    def _send(
        self, operation: Operation, file: FileTypes, fields: dict[str, object], options: Mapping[str, Any]
    ) -> Steps[Any]:
        """Perform an operation with a file."""
        self.opened.live()
        body = options.get("extra_body")
        for name in ("content", "filename", "content_type"):
            if name in fields or (isinstance(body, Mapping) and name in body):
                raise say.unknown_parameter(name, ("file=(filename, content, content_type)",))
        with ExitStack() as stack:
            source = yield Step(lambda: stack.enter_context(opened(file)))
            return (yield from self.call(operation, {**fields, **source.fields()}, options))

    def read(self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]) -> Steps[FileBytes]:
        """Perform an operation that answers with a stream, and read the whole of it."""
        request_id = new_request_id()
        stream: Any = yield from self.call(operation, fields, options, request_id)

        def read() -> Any:
            with stream:
                return stream.read()

        async def read_native() -> Any:
            try:
                return await stream.read()
            finally:
                await stream.close()

        step = Step(read, read_native if self.opened.native else None)
        content = FileBytes((yield from reading(self.opened.live(), operation, step, request_id)))
        content._request_id = request_id
        return content

    def attach_new(
        self,
        vector_store_id: str,
        file: FileTypes,
        purpose: str,
        fields: dict[str, object],
        options: Mapping[str, Any],
    ) -> Steps[Any]:
        """Upload a file and attach it.

        Nothing is left when attaching fails, and nothing is uploaded for a wrong argument.
        """
        fields = {"vector_store_id": vector_store_id, **fields}
        check_kind(file)
        self.check(STORE_FILES_CREATE, {**fields, "file_id": "file-new"}, options)
        if self.opened.backend.capabilities.upload_files:
            return (yield from self._send(STORE_FILES_UPLOAD, file, {**fields, "purpose": purpose}, options))
        yield from self._look_for_store(vector_store_id)
        uploaded = yield from self.upload(file, {"purpose": purpose}, _without_body(options))
        try:
            return (yield from self.call(STORE_FILES_CREATE, {**fields, "file_id": uploaded.id}, options))
        except GeneratorExit:  # the event loop is gone, and nothing can be undone any more
            raise
        except BaseException as error:
            yield from self.undo([uploaded.id], error)
            raise

    def check(self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]) -> None:
        """Refuse arguments that are wrong before anything happens.

        Raises:
            ParameterValidationError: A parameter is missing, unknown or wrong.
        """
        self.opened.live()
        validate(operation, self._prepared(operation, fields, options)[0])

    def _look_for_store(self, vector_store_id: object) -> Steps[None]:
        """Refuse an unknown or expired store before anything is uploaded to it, where asking costs no request over a network."""
        if self.local:
            request = VectorStoreRetrieve.model_construct(
                vector_store_id=check_id(vector_store_id, "vector_store_id"),
                brief=True,
                options=CallOptions(request_id=new_request_id()),
            )
            store = yield from performing(self.opened.live(), STORES_RETRIEVE, request)
            if store.status == "expired":
                raise say.store_expired(store.id, store.expires_at)

    def undo(self, file_ids: Sequence[str], because: BaseException) -> Steps[None]:
        """Delete files that a failed call has uploaded.

        One that cannot be deleted is noted on the error being raised.
        """
        for file_id in file_ids:
            try:
                yield from self.call(FILES_DELETE, {"file_id": file_id}, {})
            except Exception as error:
                because.add_note(f"The file {file_id}, uploaded by this call, could not be deleted again: {error}")

    def batch_plan(
        self,
        fields: dict[str, object],
        files: Sequence[FileTypes],
        purpose: str,
        max_concurrency: int,
        options: Mapping[str, Any],
    ) -> Steps[list[Callable[[], Steps[list[str]]]]]:
        """The uploads that a batch begins with, after everything that can be checked has been.

        Returns:
            Tasks that upload some of the files each, in their order, and return their ids.

        Raises:
            TypeError: A file is none of the accepted kinds.
            ParameterValidationError: A parameter is wrong, or there is nothing to attach.
        """
        if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int):
            raise say.wrong_type("max_concurrency", max_concurrency, "an integer")
        if max_concurrency < 1:
            raise say.below_minimum("max_concurrency", max_concurrency, 1)
        for file in files:
            check_kind(file)
        attached = fields.get("file_ids", ())
        if isinstance(attached, str) or not isinstance(attached, Sequence):
            raise say.wrong_type("file_ids", attached, "an array of file ids")
        if not files and not attached:
            raise say.array_length("files", 0, 1, self.opened.backend.capabilities.max_batch_files)
        check_batch_size(self.opened.backend, len(files) + len(attached), bool(files))
        placeholders = [f"file-new{number}" for number in range(len(files))]
        self.check(BATCHES_CREATE, {**fields, "file_ids": [*attached, *placeholders]}, options)
        for number, file in enumerate(files):
            try:
                yield Step(functools.partial(check_path, file))
            except Exception as error:
                _name_file(error, number, file)
                raise
        yield from self._look_for_store(fields["vector_store_id"])
        quiet = _without_body(options)
        offers = self.opened.backend.capabilities
        groups = grouped(files, offers.max_file_bytes) if offers.create_many else enumerated(files)
        return [functools.partial(self._upload_several, group, purpose, quiet) for group in groups]

    def _upload_several(self, group: Sequence[Numbered], purpose: str, options: Mapping[str, Any]) -> Steps[list[str]]:
        """Upload neighbours among the files of a batch; what goes wrong says with which of them."""
        if len(group) == 1:
            number, file = group[0]
            try:
                return [(yield from self.upload(file, {"purpose": purpose}, options)).id]
            except Exception as error:
                _name_file(error, number, file)
                raise
        requests = []
        for number, file in group:
            try:
                content = yield Step(functools.partial(read_whole, file))
                requests.append(validate(FILES_CREATE, {"purpose": purpose, **content.fields()}))
            except Exception as error:
                _name_file(error, number, file)
                raise
        try:
            found = yield from self.call(FILES_CREATE_MANY, {"files": requests}, options)
        except Exception as error:
            error.add_note(f"while uploading files[{group[0][0]}] to files[{group[-1][0]}] together")
            raise
        ids = [each.id for each in found]
        if len(ids) != len(requests):
            name = self.opened.backend.name
            short = StorageError(f"The driver '{name}' stored {len(ids)} of {len(requests)} files.", driver=name)
            yield from self.undo(ids, short)
            raise short
        return ids

    def uploaded(self, outcomes: Sequence[list[str] | BaseException]) -> Steps[list[str]]:
        """The ids of uploads that all went well, in their order.

        Raises:
            BaseException: The first of those that failed, in the order of the files; the other files have been
                deleted again.
        """
        ids = [file_id for outcome in outcomes if isinstance(outcome, list) for file_id in outcome]
        for error in outcomes:
            if isinstance(error, BaseException) and not isinstance(error, Unstarted):
                yield from self.undo(ids, error)
                raise error
        return ids

    def watching(self, key: str, patience: Patience) -> AbstractContextManager[Watch | None]:
        """News of a store or a file while a block waits for it; None where there is none, or the caller chose a pace."""
        background: BackgroundWork | None = getattr(self.opened.live(), "background", None)
        if background is None or patience.fixed_ms is not None:
            return nullcontext()
        patience.watching = True
        return background.watch(key)

    def failed_of(
        self, vector_store_id: str, batch_id: str, options: Mapping[str, Any]
    ) -> Steps[list[dict[str, object]]]:
        """The files of a batch that failed, each with its settings, as a new batch takes them.

        Raises:
            BadRequestError: None has failed.
            NotFoundError: There is no such store or batch.
        """
        fields: dict[str, object] = {"vector_store_id": vector_store_id, "batch_id": batch_id}
        fields |= {"filter": "failed", "limit": 100, "order": "asc"}
        quiet = _without_body(options)
        entries: list[dict[str, object]] = []
        while True:
            page: Any = yield from self.call(BATCHES_LIST_FILES, fields, quiet)
            for file in page.data:
                if file.status != "failed":  # a service may ignore the filter
                    continue
                entry: dict[str, object] = {"file_id": file.id, "attributes": file.attributes or None}
                strategy = file.chunking_strategy
                if strategy is not None and strategy.type == "static":
                    entry["chunking_strategy"] = strategy.to_dict()
                entries.append(given(**entry))
            if not page.has_more:
                break
            fields["after"] = page.data[-1].id
        if not entries:
            raise say.nothing_failed(batch_id)
        return entries

    def look(
        self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any], patience: Patience
    ) -> Steps[Any]:
        """Look whether something is done."""
        quiet = _without_body(options)
        if not self.local:
            quiet["extra_headers"] = {**patience.headers(), **(quiet.get("extra_headers") or {})}
        return (yield from self.call(operation, fields, quiet, on_answer=patience.told))

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, object] | None,
        files: Mapping[str, FileTypes] | None,
        options: Mapping[str, Any],
    ) -> Steps[Any]:
        """Perform the operation at an address; see `client.request`."""
        self.opened.live()
        operation, fields = match(method, path)
        merge(fields, query or {})
        merge(fields, body or {})
        if operation.multipart:
            merge(fields, files or {})
            if "file" not in fields:
                raise say.missing("file")
            return (yield from self.upload(cast("FileTypes", fields.pop("file")), fields, options))
        if files:
            raise say.unknown_parameter("files", ["body", "query"])
        if operation.answer is Answer.BYTES:
            return (yield from self.read(operation, fields, options))
        return (yield from self.call(operation, fields, options))

    def close(self) -> Steps[None]:
        """Let go of the storage."""
        yield Step(self.opened.close, self.opened.close_native if self.opened.native else None)

    def _prepared(
        self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]
    ) -> tuple[dict[str, object], dict[str, Any]]:
        """The fields of a request, and the options of its call."""
        if options:
            fields = self._merged(operation, fields, options)
        found = self._call_options(options)
        if not self.local and operation.request.model_config.get("extra") != "allow":
            # Only the service can say whether it knows them.
            beyond = {name: value for name, value in fields.items() if name not in operation.request.model_fields}
            if beyond:
                fields = {name: value for name, value in fields.items() if name not in beyond}
                found["extra_body"] = beyond
        return fields, found

    def _merged(self, operation: Operation, fields: dict[str, object], options: Mapping[str, Any]) -> dict[str, object]:
        for name in options:
            if name not in _ALL_OPTIONS:
                raise _unexpected(operation, name)
        extra: Any = options.get("extra_body")
        if extra is None:
            return fields
        if not isinstance(extra, Mapping):
            raise say.wrong_type("extra_body", extra, "an object")
        for name in extra:
            if f"{{{name}}}" in operation.path:
                raise say.unknown_parameter(name, [n for n in operation.request.model_fields if n not in fields])
        return {**fields, **sent(**extra)}

    def _call_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: options[name]
            for name in _OPTIONS
            if options.get(name) is not None or (name == "timeout" and name in options)
        }
        if self.headers:
            found["extra_headers"] = {**self.headers, **found.get("extra_headers", {})}
        if not isinstance(self.max_retries, NotGiven):
            found["max_retries"] = self.max_retries
        if isinstance(found.get("timeout"), NotGiven):
            del found["timeout"]
        if "timeout" not in found and not isinstance(self.timeout, NotGiven):
            found["timeout"] = self.timeout
        if found.get("timeout") is not None:
            _check_timeout(found["timeout"])
        return found


def _name_file(error: BaseException, number: int, file: FileTypes) -> None:
    name = check_kind(file)[0]
    error.add_note(f"while uploading files[{number}]{f' ({say.shown(name)})' if name else ''}")


def _unexpected(operation: Operation, name: str) -> TypeError:
    """What Python says of a keyword that a function does not have, with the nearest one that there is."""
    from difflib import get_close_matches

    near = get_close_matches(name, [*operation.request.model_fields, *_ALL_OPTIONS, *_OF_HELPERS], n=1)
    hint = f". Did you mean '{near[0]}'?" if near else ""
    return TypeError(f"{operation.name} got an unexpected keyword argument '{name[:80]}'{hint}")


def _check_timeout(value: Any) -> None:
    if isinstance(value, bool) or not (isinstance(value, int | float) or hasattr(value, "read")):
        raise say.wrong_type("timeout", value, "a number of seconds, an httpx.Timeout or None")
    if isinstance(value, int | float) and not value > 0:
        raise say.wrong_type("timeout", value, "a number of seconds above 0")


def _without_body(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "extra_body"}
