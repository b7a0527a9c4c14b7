"""A sound driver, and two dozen that are wrong in one way each. `test_sabotaged_drivers.py` runs the driver suite on them."""

from __future__ import annotations

import io
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oauth_codex.errors import NotFoundError, OAuthCodexError, StorageError
from oauth_codex.local import Catalog, LocalBackend, MatrixIndex, MatrixProvider
from oauth_codex.spi import LOCAL, Backend, DriverContext, IndexTraits, Listing, SearchResults
from oauth_codex.spi import requests as r
from oauth_codex.testing import DriverCase, DriverSuite
from oauth_codex.types.files import FileDeleted
from oauth_codex.types.filters import matches
from oauth_codex.types.vector_stores import VectorStoreFileDeleted

CAPABILITIES = replace(LOCAL, persistent=True, multi_process=True)

#: What takes the place of a method: called with the real method, the request, and the backend.
Change = Callable[[Callable[[Any], Any], Any, Any], Any]


def sound(context: DriverContext, provider: Any = None) -> LocalBackend:
    """As the sqlite driver opens it."""
    assert context.directory is not None
    indexes = MatrixProvider(context.directory / "cache") if provider is None else provider
    return LocalBackend(Catalog.open_file(context.directory), indexes, context, name="sound", capabilities=CAPABILITIES)


class Part:
    """A part of a backend in which some methods are changed."""

    def __init__(self, backend: Backend, part: str, changes: Mapping[str, Change]) -> None:
        self._backend, self._real, self._changes, self._part = backend, getattr(backend, part), changes, part

    def __getattr__(self, name: str) -> Any:
        method, change = getattr(self._real, name), self._changes.get(f"{self._part}.{name}")
        return method if change is None else lambda request: change(method, request, self._backend)


class Changed:
    """A backend in which some methods are changed."""

    def __init__(self, backend: Backend, changes: Mapping[str, Change]) -> None:
        self.real, self.changes = backend, changes
        self.files, self.vector_stores, self.batches = (
            Part(backend, part, changes) for part in ("files", "vector_stores", "batches")
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def scoped(self, namespace: str) -> Any:
        return Changed(self.real.scoped(namespace), self.changes)


class Sabotaged(DriverSuite):
    """What the suites below have in common."""

    __test__ = False

    @pytest.fixture
    def case(self) -> DriverCase:
        return DriverCase(lambda options, context: self.opened(context))

    def opened(self, context: DriverContext) -> Any:
        raise NotImplementedError


def suite(opened: Callable[[DriverContext], Any]) -> type[Sabotaged]:
    return type("Suite", (Sabotaged,), {"opened": lambda self, context: opened(context), "__test__": True})


def changed(**changes: Change) -> type[Sabotaged]:
    """Names are `part__method`."""
    methods = {name.replace("__", "."): change for name, change in changes.items()}
    return suite(lambda context: Changed(sound(context), methods))


TestSound = changed()


# -- searches


def hits(change: Callable[[list[Any]], list[Any]]) -> type[Sabotaged]:
    """The hits of every search are changed."""

    def search(real: Any, request: Any, backend: Any) -> Any:
        answer = real(request)
        return replace(answer, data=change(list(answer.data)))

    return changed(vector_stores__search=search)


def _relative(found: list[Any]) -> list[Any]:
    return [hit.model_copy(update={"score": hit.score / found[0].score}) for hit in found]


def _rounded(found: list[Any]) -> list[Any]:
    return [hit.model_copy(update={"score": round(hit.score, 4)}) for hit in found]


def _swallowed_error(real: Any, request: Any, backend: Any) -> Any:
    try:
        return real(request)
    except StorageError:
        return SearchResults([], list(request.query))


def _one_too_many(real: Any, request: Any, backend: Any) -> Any:
    return real(request.model_copy(update={"max_num_results": (request.max_num_results or 10) + 1}))


def _without(*names: str) -> Change:
    return lambda real, request, backend: real(request.model_copy(update=dict.fromkeys(names)))


def _filtered_afterwards(real: Any, request: Any, backend: Any) -> Any:
    answer = real(request.model_copy(update={"filters": None}))
    if request.filters is None:
        return answer
    return replace(answer, data=[hit for hit in answer.data if matches(request.filters, hit.attributes or {})])


def _first_query_only(real: Any, request: Any, backend: Any) -> Any:
    return replace(real(request.model_copy(update={"query": request.query[:1]})), search_query=list(request.query))


TestEmptySearch = hits(lambda found: [])
TestOneHitTooFew = hits(lambda found: found[:-1])
TestWrongOrder = hits(lambda found: found[::-1])
TestDuplicateHits = hits(lambda found: [hit for hit in found for _ in range(2)][: len(found)])
TestRelativeScores = hits(_relative)
TestRoundedScores = hits(_rounded)
TestLostAttributes = hits(lambda found: [hit.model_copy(update={"attributes": {}}) for hit in found])
TestOneHitTooMany = changed(vector_stores__search=_one_too_many)
TestSwallowedError = changed(vector_stores__search=_swallowed_error)
TestIgnoredFilter = changed(vector_stores__search=_without("filters"))
TestFilteredAfterwards = changed(vector_stores__search=_filtered_afterwards)
TestIgnoredRanking = changed(vector_stores__search=_without("ranking_options"))
TestFirstQueryOnly = changed(vector_stores__search=_first_query_only)


# -- writes, listings, errors


def _forgotten_detach(real: Any, request: Any, backend: Any) -> Any:
    backend.vector_stores.retrieve_file(
        r.VectorStoreFileRetrieve(vector_store_id=request.vector_store_id, file_id=request.file_id)
    )
    return VectorStoreFileDeleted(id=request.file_id, deleted=True)


def _forgotten_delete(real: Any, request: Any, backend: Any) -> Any:
    backend.files.retrieve(r.FileRetrieve(file_id=request.file_id))
    return FileDeleted(id=request.file_id, deleted=True)


def _swallowed_write_error(real: Any, request: Any, backend: Any) -> Any:
    try:
        return real(request)
    except NotFoundError:
        raise
    except OAuthCodexError:
        return FileDeleted(id=request.file_id, deleted=True)


def _forgotten_update(real: Any, request: Any, backend: Any) -> Any:
    found = backend.vector_stores.retrieve_file(
        r.VectorStoreFileRetrieve(vector_store_id=request.vector_store_id, file_id=request.file_id)
    )
    return found.model_copy(update={"attributes": request.attributes})


def _key_error(real: Any, request: Any, backend: Any) -> Any:
    try:
        return real(request)
    except NotFoundError as error:
        raise KeyError(request.file_id) from error


def _cut_content(real: Any, request: Any, backend: Any) -> Any:
    with real(request) as stream:
        return io.BytesIO(stream.read()[:1000])


def _uploads_in_another_order(real: Any, request: Any, backend: Any) -> Any:
    return list(reversed(real(request)))


def _equal_uploads_are_one(real: Any, request: Any, backend: Any) -> Any:
    made, first = real(request), {}
    for file, sent in zip(made, request.files, strict=True):
        first.setdefault(sent.stream.getvalue(), file)
    return [first[sent.stream.getvalue()] for sent in request.files]


def _status_afterwards(real: Any, request: Any, backend: Any) -> Any:
    answer = real(request.model_copy(update={"filter": None}))
    return Listing(
        [each for each in answer.data if request.filter in (None, each.status)], answer.has_more, answer.last
    )


def _counts_once_seen(context: DriverContext) -> Any:
    """Remembers the counts of each store, and never looks again."""
    seen: dict[str, Any] = {}

    def known(store: Any) -> Any:
        return store.model_copy(update={"file_counts": seen.setdefault(store.id, store.file_counts)})

    def one(real: Any, request: Any, backend: Any) -> Any:
        return known(real(request))

    def page(real: Any, request: Any, backend: Any) -> Any:
        answer = real(request)
        return replace(answer, data=[known(store) for store in answer.data])

    methods = {"vector_stores.create": one, "vector_stores.retrieve": one, "vector_stores.list": page}
    return Changed(sound(context), methods)


TestForgottenDetach = changed(vector_stores__delete_file=_forgotten_detach)
TestForgottenDelete = changed(files__delete=_forgotten_delete)
TestForgottenUpdate = changed(vector_stores__update_file=_forgotten_update)
TestSwallowedWriteError = changed(files__delete=_swallowed_write_error)
TestKeyError = changed(files__retrieve=_key_error)
TestCutContent = changed(files__content=_cut_content)
TestUploadsInAnotherOrder = changed(files__create_many=_uploads_in_another_order)
TestEqualUploadsAreOne = changed(files__create_many=_equal_uploads_are_one)
TestIgnoredOrder = changed(vector_stores__list=_without("order"))
TestStatusAfterwards = changed(vector_stores__list_files=_status_afterwards)
TestCountsOnceSeen = suite(_counts_once_seen)


# -- the driver as a whole


class OneNamespace(Changed):
    def scoped(self, namespace: str) -> Any:
        return Changed(self.real, {})


def _stale_after_reopening(context: DriverContext) -> Any:
    """Opens the storage as it was when it was opened first."""
    assert context.directory is not None
    first, now = context.directory.with_name("first"), context.directory
    if first.exists():
        shutil.rmtree(now)
        shutil.copytree(first, now)
    else:
        sound(context).close()
        shutil.copytree(now, first)
    return sound(context)


def _talkative(context: DriverContext) -> Any:
    def search(real: Any, request: Any, backend: Any) -> Any:
        logging.getLogger("acme").info("searching for %s", request.query)
        return real(request)

    return Changed(sound(context), {"vector_stores.search": search})


TestOneNamespace = suite(lambda context: OneNamespace(sound(context), {}))
TestOwnClock = suite(lambda context: sound(replace(context, clock=time.time)))
TestOwnIds = suite(lambda context: sound(replace(context, new_id=lambda prefix: prefix + secrets.token_hex(8))))
TestStaleAfterReopening = suite(_stale_after_reopening)
TestTalkative = suite(_talkative)


# -- the index of a driver, where the engine cannot notice


class Farthest(MatrixIndex):
    """Nominates what is farthest away."""

    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(-vector, limit=limit, among=among)


class ShortSight(MatrixIndex):
    """Never sees what was added last."""

    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        seen = np.sort(np.fromiter(self.keys(), np.int64))[: max(limit, self.count() * 3 // 4)]
        return super().query(vector, limit=limit, among=seen)


class WrongCosines(MatrixIndex):
    """Keeps its vectors in eight bits."""

    def cosines(self, keys: Any, vector: Any) -> Any:
        return np.round(super().cosines(keys, vector) * 127) / 127


class Provider(MatrixProvider):
    """Opens indexes of one class, in memory."""

    def __init__(self, index: type[MatrixIndex], traits: IndexTraits) -> None:
        super().__init__()
        self._index, self._declared = index, traits

    @property
    def traits(self) -> IndexTraits:
        return self._declared

    def open(self, spec: Any) -> MatrixIndex:
        return self._index(spec, None)


EVERYTHING = IndexTraits(exact=True, among=True, cosines=True)
NOTHING = IndexTraits(exact=False, among=False, cosines=False)
TestFarthest = suite(lambda context: sound(context, Provider(Farthest, NOTHING)))
TestShortSight = suite(lambda context: sound(context, Provider(ShortSight, NOTHING)))
TestWrongCosines = suite(lambda context: sound(context, Provider(WrongCosines, EVERYTHING)))
