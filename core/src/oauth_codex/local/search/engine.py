"""Search: both legs nominate, every candidate is scored exactly, one score decides.

A search is one read transaction: the store and its revision, the filter, the view brought to that revision, the hits' texts.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row

from ...errors import StorageBusyError, StorageError
from ...spi.backends import SearchResults
from ...spi.embedder import takes_words
from ...spi.index import IndexLost, IndexSpec
from ...spi.limits import DEFAULT_RESULTS
from ...spi.requests import VectorStoreSearch
from ...spi.values import HybridSearch, RankingOptions
from ...types.search import VectorStoreSearchResponse
from ..catalog import blobs, filters, stores
from ..catalog.catalog import Catalog
from ..matrix import MatrixProvider
from ..text.terms import concatenated_ranges, query_terms
from .fusion import fuse, fuse_ranks
from .hydrate import Hit, hydrate
from .rewriting import rewrite
from .snapshot import Ahead, OutOfStep, Snapshot
from .vectors import Owner, StoreVectors
from .view import StoreView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...spi.driver import DriverContext
    from ...spi.embedder import Embedder
    from ...spi.index import VectorIndexProvider
    from .postings import Query

    Ints = NDArray[np.int64]
    Scores = NDArray[np.float32]

#: Candidates that each leg nominates at least, and for each wanted hit.
_NOMINEES = 100
_NOMINEES_PER_HIT = 4
#: ... and how many more than are wanted where one list decides alone, for what differs by less than a float32 tells.
_MARGIN = 16
#: Up to so many rows that a filter leaves are all scored.
_FEW_ROWS = 1000
#: Views kept at a time; the one that was used longest ago goes first.
_VIEWS = 256
#: How long a search waits for the chance to note that its store is in use.
_TOUCH_SECONDS = 0.05
_NO_ROWS = np.zeros(0, dtype=np.int64)
#: Scores are rounded to so many digits, far coarser than what the order of additions changes.
_DIGITS = 6
#: How often an index is looked at that somebody else brings up to date meanwhile.
_AUDITS = 5


class Search:
    """Searches the stores of one catalog. Thread-safe."""

    def __init__(
        self, catalog: Catalog, provider: VectorIndexProvider, context: DriverContext, embedder: Embedder, name: str
    ) -> None:
        self._catalog = catalog
        self._provider = provider
        self._name = name
        self._caches = None if catalog.directory is None else catalog.directory / "cache"
        #: The engine's own copies of the vectors, for indexes that cannot tell exact cosines.
        self._matrices = None if provider.traits.cosines else MatrixProvider(self._caches)
        self._context = context
        self._embedder = embedder
        self._views: OrderedDict[int, StoreView] = OrderedDict()
        self._lock = threading.Lock()

    def search(self, namespace: str, request: VectorStoreSearch) -> SearchResults:
        """Answer a search.

        Raises:
            NotFoundError: There is no such store.
            BadRequestError: It has expired.
            EmbedderMismatchError: It was made with another embedder.
        """
        queries = [self._rewritten(query) for query in request.query] if request.rewrite_query else list(request.query)
        vectors = self._vectors(queries)
        now = int(self._context.clock())
        store, results = blobs.settled(partial(self._found, namespace, request, queries, vectors, now))
        self._touch(namespace, store, now)
        if self._context.reranker is not None:
            results = self._reranked(queries, results, request.ranking_options)
        return SearchResults(data=results, search_query=queries)

    def _found(
        self,
        namespace: str,
        request: VectorStoreSearch,
        queries: Sequence[str],
        vectors: Sequence[NDArray[np.float32] | None],
        now: int,
    ) -> tuple[Row[Any], list[VectorStoreSearchResponse]]:
        """The store and the hits, as one transaction sees them."""
        ahead = 0
        healed = False
        while True:
            with self._catalog.read() as connection:
                store = stores.require_active(connection, namespace, request.vector_store_id, now)
                stores.require_embedder(store, self._embedder)
                view = self._view(namespace, store)
                try:
                    if store.revision < ahead:
                        raise OutOfStep(f"The catalog of {store.public_id} was replaced by an earlier one.")
                    with view.at(connection, store.revision, store.forgotten) as snapshot:
                        if snapshot is not None:
                            hits = self._hits(connection, view, snapshot, store, request, queries, vectors)
                            return store, hydrate(connection, namespace, hits)
                    # Another thread has brought the view past this transaction; one that begins now sees at least as much.
                    ahead = view.revision
                except Ahead as error:
                    ahead = error.revision
                except (OutOfStep, IndexLost) as error:
                    if healed:
                        raise _lost_again(error) from error
                    healed = True
                    ahead = 0
                    what = getattr(error, "user_message", error)
                    self._context.logger.warning("%s It is made anew from the catalog.", what)
                    self._discard(store.id, view)

    def drop_store(self, store_id: int) -> None:
        """Forget a store that was deleted."""
        with self._lock:
            view = self._views.pop(store_id, None)
        if view is not None:
            view.close()
            view.forget()
        try:
            self._drop(store_id)
        except StorageError as error:  # the store is gone all the same
            self._context.logger.warning("The index of a deleted store was left behind: %s", error.user_message)

    @property
    def max_dimension(self) -> int | None:
        """Longest vectors that the driver's indexes take; None for any."""
        return self._provider.traits.max_dimension

    @property
    def kinds(self) -> frozenset[str] | None:
        """Kinds of caches that may be read here; None if the driver does not tell."""
        of_driver = self._provider.traits.caches
        if of_driver is None:
            return None
        return frozenset(("terms", *of_driver, *(() if self._matrices is None else ("matrix",))))

    def audit(self, namespace: str, public_id: str) -> list[str]:
        """What is wrong with what is kept of a store beside the catalog, as it is; nothing for one that this embedder cannot search.

        Raises:
            StorageError: The index cannot be read.
        """
        for _ in range(_AUDITS):
            with self._catalog.read() as connection:
                store = stores.find(connection, namespace, public_id)
                if store is None or not stores.has_embedder(store, self._embedder):
                    return []
                try:
                    return self._view(namespace, store).audit(connection, store.revision, store.forgotten)
                except Ahead:  # of this transaction: of the next one only if it is ahead of the catalog
                    continue
                except IndexLost as error:
                    return [str(error)]
        return [f"The {self._name} index of {public_id} is ahead of the catalog."]

    def rebuild(self, namespace: str, public_id: str) -> None:
        """Drop what is kept of a store beside the catalog, and make it anew.

        Raises:
            StorageError: The index cannot be made.
        """
        with self._catalog.read() as connection:
            store = stores.find(connection, namespace, public_id)
            if store is None:
                return
            self._discard(store.id, self._view(namespace, store))
            if stores.has_embedder(store, self._embedder):
                with self._view(namespace, store).at(connection, store.revision, store.forgotten):
                    pass

    def close(self) -> None:
        """Let go of all views; what they saved stays."""
        with self._lock:
            views, self._views = list(self._views.values()), OrderedDict()
        for view in views:
            view.close()
        self._provider.close()

    # -- views ---------------------------------------------------------------------------------------------------------

    def _view(self, namespace: str, store: Row[Any]) -> StoreView:
        with self._lock:
            view = self._views.get(store.id)
            if view is not None:
                self._views.move_to_end(store.id)
                return view
            stamp = f"{self._catalog.id}:{store.id}:{store.embedder_fingerprint}"
            spec = IndexSpec(
                id=str(store.id),
                dimension=store.embedder_dimension,
                stamp=stamp,
                sparse_queries=takes_words(self._embedder),
            )
            owner = Owner(namespace, store.id, store.public_id, self._name)
            vectors = StoreVectors(owner, spec, self._provider, self._matrices, self._context.logger)
            folder = None if self._caches is None else self._caches / f"{store.id}.terms"
            view = StoreView(owner, stamp, vectors, folder, self._context.logger)
            self._views[store.id] = view
            oldest = self._views.popitem(last=False)[1] if len(self._views) > _VIEWS else None
        if oldest is not None:
            oldest.close()
        return view

    def _discard(self, store_id: int, view: StoreView) -> None:
        with self._lock:
            if self._views.get(store_id) is view:
                del self._views[store_id]
        view.close()
        view.forget()
        self._drop(store_id)

    def _drop(self, store_id: int) -> None:
        self._provider.drop(str(store_id))
        if self._matrices is not None:
            self._matrices.drop(str(store_id))

    # -- queries -------------------------------------------------------------------------------------------------------

    def _rewritten(self, query: str) -> str:
        if self._context.rewrite_query is None:
            return rewrite(query)
        rewritten: object = self._context.rewrite_query(query)
        if not isinstance(rewritten, str) or not rewritten.strip():
            raise StorageError(f"The query rewriter returned {rewritten!r:.80}; expected text that is not blank.")
        return rewritten

    def _vectors(self, queries: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Unit vectors of the queries; None for one without any feature.

        Raises:
            StorageError: The embedder failed or returned something else than it declares.
        """
        found = np.asarray(self._embedder.embed(queries, kind="query"), dtype=np.float32)
        if found.shape != (len(queries), self._embedder.dimension) or not np.isfinite(found).all():
            raise StorageError(
                f"The embedder {self._embedder.name!r} returned shape {found.shape} or a value that is not finite;"
                f" expected {(len(queries), self._embedder.dimension)}, finite."
            )
        wide = found.astype(np.float64)  # the square of a large float32 is infinite
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        return [
            (row / length).astype(np.float32) if length else None for row, length in zip(wide, lengths, strict=True)
        ]

    def _hits(
        self,
        connection: Connection,
        view: StoreView,
        snapshot: Snapshot,
        store: Row[Any],
        request: VectorStoreSearch,
        queries: Sequence[str],
        vectors: Sequence[NDArray[np.float32] | None],
    ) -> list[Hit]:
        among: Ints | None = None
        if request.filters is not None:
            among = view.selected(
                snapshot, request.filters, partial(filters.matching, connection, store.namespace, store.id)
            )
        if not len(snapshot.attachments) or (among is not None and not len(among)):
            return []
        want = request.max_num_results or DEFAULT_RESULTS
        options = request.ranking_options or RankingOptions()
        ranked = [
            self._ranked(view, snapshot, query, vector, among, want, options)
            for query, vector in zip(queries, vectors, strict=True)
        ]
        rows, raw = ranked[0] if len(ranked) == 1 else _best_of(ranked)
        scores = np.round(raw.astype(np.float64), _DIGITS)
        kept = (scores > 0) & (scores >= options.score_threshold)
        rows, scores = rows[kept], scores[kept]
        # Ties in the order of attaching, then of the chunks.
        order = np.lexsort((rows, snapshot.attachment_of(rows), -scores))[:want]
        return [
            Hit(key, score)
            for key, score in zip(snapshot.keys[rows[order]].tolist(), scores[order].tolist(), strict=True)
        ]

    def _ranked(
        self,
        view: StoreView,
        snapshot: Snapshot,
        query: str,
        vector: NDArray[np.float32] | None,
        among: Ints | None,
        want: int,
        options: RankingOptions,
    ) -> tuple[Ints, Scores]:
        """Rows and scores of at least the `want` best chunks for one query."""
        if options.hybrid_search is not None:
            return self._fused_by_rank(view, snapshot, query, vector, among, want, options.hybrid_search)
        limit = _nominees(want)
        prepared = self._prepared(snapshot, query)
        if among is not None and not (prepared is None and vector is None):
            rows = concatenated_ranges(among[:, 0], among[:, 1] - among[:, 0])
            if len(rows) <= _FEW_ROWS:  # so few that nominating would cost more than scoring them all
                text = None if prepared is None else snapshot.postings.score(prepared, rows)
                return rows, self._score(view, snapshot, prepared, rows, text, vector)
        if prepared is None:
            if vector is None:
                return _NO_ROWS, np.zeros(0, dtype=np.float32)
            rows = view.vectors.nearest(snapshot, vector, limit, among)
            return rows, self._score(view, snapshot, None, rows, None, vector)
        rows, text = snapshot.postings.top(prepared, among=among, limit=limit)
        scores = self._score(view, snapshot, prepared, rows, text, vector)
        if vector is None:
            return rows, scores
        if len(rows) >= want:
            # No other chunk can have a better text score than the last nominee, nor a cosine above 1.
            rest = text[-1:] if len(rows) == limit else np.zeros(1, dtype=np.float32)
            ceiling = self._fused(prepared, rest, np.ones(1))[0]
            if np.partition(scores, -want)[-want] >= ceiling:
                return rows, scores
        nearest = view.vectors.nearest(snapshot, vector, limit, among)
        nearest = nearest[~np.isin(nearest, rows)]
        text = snapshot.postings.score(prepared, nearest)
        more = self._score(view, snapshot, prepared, nearest, text, vector)
        return np.concatenate((rows, nearest)), np.concatenate((scores, more))

    def _fused_by_rank(
        self,
        view: StoreView,
        snapshot: Snapshot,
        query: str,
        vector: NDArray[np.float32] | None,
        among: Ints | None,
        want: int,
        weights: HybridSearch,
    ) -> tuple[Ints, Scores]:
        """As `_ranked`, by the places in both lists; a list without weight is not asked."""
        limit = _nominees(want)
        by_text = nearest = _NO_ROWS
        prepared = self._prepared(snapshot, query) if weights.text_weight else None
        if prepared is not None:
            by_text, _ = snapshot.postings.top(prepared, among=among, limit=limit)
        if vector is not None and weights.embedding_weight:
            # With one list only, what does not come among the first can never be a hit.
            most = limit if prepared is not None else want + _MARGIN
            nearest = view.vectors.nearest(snapshot, vector, most, among)
            cosines = view.vectors.cosines(snapshot, nearest, vector)
            nearest = nearest[np.lexsort((nearest, -cosines))]
            nearest = nearest[: np.count_nonzero(cosines > 0)]
        every = np.concatenate((by_text, nearest))
        both = len(by_text) > 0 and len(nearest) > 0
        if both:
            every = np.unique(every)
        ranks = []
        for leg in (by_text, nearest):
            rank = np.zeros(len(every), dtype=np.int64)
            rank[np.searchsorted(every, leg) if both else slice(len(leg))] = np.arange(1, len(leg) + 1)
            ranks.append(rank)
        return every, fuse_ranks(*ranks, text_weight=weights.text_weight, embedding_weight=weights.embedding_weight)

    def _prepared(self, snapshot: Snapshot, query: str) -> Query | None:
        terms = query_terms(query)
        return snapshot.postings.prepare(terms, alive=snapshot.alive) if len(terms[0]) else None

    def _score(
        self,
        view: StoreView,
        snapshot: Snapshot,
        prepared: Query | None,
        rows: Ints,
        text: Scores | None,
        vector: NDArray[np.float32] | None,
    ) -> Scores:
        """Scores of given rows, of which the text scores are known; `prepared` is None when there is no text leg."""
        cosines = None if vector is None else view.vectors.cosines(snapshot, rows, vector)
        return self._fused(prepared, text, cosines)

    def _fused(self, prepared: Query | None, text: Scores | None, cosines: NDArray[np.float64] | None) -> Scores:
        rarity = 1.0 if prepared is None else prepared.rarity
        return fuse(text, cosines, semantic=self._embedder.semantic, rarity=rarity)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _touch(self, namespace: str, store: Row[Any], now: int) -> None:
        """Note that the store is in use; times are whole seconds, so this writes at most once a second.

        A search neither waits nor fails because somebody writes, or because the disk is full: then the next one notes it.
        """
        if now > store.last_active_at:
            try:
                with self._catalog.write(wait=_TOUCH_SECONDS) as connection:
                    stores.touch(connection, store, now)
            except StorageBusyError:
                self._context.logger.debug("The use of %s was not noted: another writer is at work.", store.public_id)
            except StorageError as error:
                self._context.logger.warning("The use of %s was not noted: %s", store.public_id, error.user_message)

    def _reranked(
        self, queries: Sequence[str], results: list[VectorStoreSearchResponse], options: RankingOptions | None
    ) -> list[VectorStoreSearchResponse]:
        reranker = self._context.reranker
        assert reranker is not None
        scores = [float(score) for score in reranker(" ".join(queries), results)] if results else []
        if len(scores) != len(results) or not all(0 <= score <= 1 for score in scores):
            raise StorageError(f"The reranker returned {scores!r:.80}; expected {len(results)} numbers from 0 to 1.")
        threshold = 0.0 if options is None else options.score_threshold
        order = sorted(range(len(results)), key=lambda i: (-scores[i], i))
        return [results[i].model_copy(update={"score": scores[i]}) for i in order if scores[i] >= threshold]


def _nominees(want: int) -> int:
    return max(_NOMINEES, _NOMINEES_PER_HIT * want)


def _best_of(ranked: Sequence[tuple[Ints, Scores]]) -> tuple[Ints, Scores]:
    """The rows of several queries, each with its best score."""
    rows, place = np.unique(np.concatenate([rows for rows, _ in ranked]), return_inverse=True)
    best = np.zeros(len(rows), dtype=np.float32)
    np.maximum.at(best, place, np.concatenate([scores for _, scores in ranked]))
    return rows, best


def _lost_again(error: Exception) -> StorageError:
    if isinstance(error, StorageError):
        return error
    return StorageError(f"{error} It was made anew from the catalog, and lost again.")
