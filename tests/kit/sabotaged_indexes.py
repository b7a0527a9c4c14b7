"""A sound index, and two dozen that are wrong in one way each. `test_sabotage.py` runs the index suite on each of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oauth_codex.errors import NotSupportedError, StorageError
from oauth_codex.spi import IndexSpec, IndexTraits
from oauth_codex.testing import IndexSuite


class Sound:
    """A dict of vectors, written to a file at each flush while it is small, and after a twentieth of it has changed when it is not."""

    def __init__(self, spec: IndexSpec, folder: Path, traits: IndexTraits) -> None:
        self.spec, self.folder, self.traits = spec, folder, traits
        self.rows: dict[int, Any] = {}
        self.watermark = 0
        self.changed = 0
        self.load()

    # -- files

    def load(self) -> None:
        if not self.folder.exists():
            return
        facts = json.loads((self.folder / "facts.json").read_text())
        if self.fits(facts):
            with np.load(self.folder / "rows.npz") as saved:
                self.rows = dict(zip(saved["keys"].tolist(), saved["vectors"], strict=True))
            self.watermark = facts["watermark"]

    def fits(self, facts: dict[str, Any]) -> bool:
        return (facts["stamp"], facts["dimension"]) == (self.spec.stamp, self.spec.dimension)

    def save(self, rows: dict[int, Any], watermark: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        vectors = np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), self.spec.dimension)
        np.savez(self.folder / "rows.npz", keys=np.array(list(rows), dtype=np.int64), vectors=vectors)
        facts = {"stamp": self.spec.stamp, "dimension": self.spec.dimension, "watermark": watermark}
        (self.folder / "facts.json").write_text(json.dumps(facts))

    def flush(self, watermark: int) -> None:
        self.watermark = watermark
        if len(self.rows) < 2000 or self.changed > len(self.rows) / 20:
            self.save(self.rows, watermark)
            self.changed = 0

    def close(self) -> None:
        self.rows = {}

    # -- writing

    def check(self, keys: Any, vectors: Any) -> None:
        if vectors.shape != (len(keys), self.spec.dimension) or not np.isfinite(vectors).all():
            raise StorageError("These are no vectors of this index.")
        if not (keys[1:] > keys[:-1]).all():
            raise StorageError("The keys do not ascend.")

    def upsert(self, keys: Any, vectors: Any) -> None:
        self.check(keys, vectors)
        self.rows.update(zip(keys.tolist(), vectors.copy(), strict=True))
        self.changed += len(keys)

    def delete(self, keys: Any) -> None:
        for key in keys.tolist():
            self.rows.pop(key, None)
        self.changed += len(keys)

    # -- reading

    def keys(self) -> Iterator[int]:
        return iter(list(self.rows))

    def count(self) -> int:
        return len(self.rows)

    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        if among is not None and not self.traits.among:
            raise NotSupportedError("This index takes no candidates.")
        if vector.shape != (self.spec.dimension,) or not np.isfinite(vector).all():
            raise StorageError("This is no vector of this index.")
        return self.ranked(vector, self.candidates(among))[:limit]

    def candidates(self, among: Any) -> Any:
        keys = np.array(sorted(self.rows), dtype=np.int64)
        return keys if among is None else keys[np.isin(keys, among)]

    def ranked(self, vector: Any, keys: Any) -> Any:
        return keys[np.lexsort((keys, -self.cosines(keys, vector)))]

    def cosines(self, keys: Any, vector: Any) -> Any:
        absent = np.full(self.spec.dimension, np.nan)
        rows = np.array([self.rows.get(key, absent) for key in keys.tolist()], dtype=np.float64)
        return rows.reshape(len(keys), self.spec.dimension) @ vector.astype(np.float64)


class Provider:
    """Opens indexes of one class."""

    def __init__(self, folder: Path, index: type[Sound] = Sound, **traits: bool) -> None:
        self.folder, self.index = folder, index
        self.traits = IndexTraits(**{"exact": True, "among": True, "cosines": True, **traits})

    def open(self, spec: IndexSpec) -> Sound:
        return self.index(spec, self.folder / spec.id, self.traits)

    def drop(self, index_id: str) -> None:
        shutil.rmtree(self.folder / index_id, ignore_errors=True)

    def close(self) -> None:
        pass


class Sabotaged(IndexSuite):
    """What the suites below have in common: an index, or a provider, that is wrong."""

    __test__ = False
    index: type[Sound] = Sound
    provider: Callable[..., Provider] = Provider
    traits: dict[str, bool] = {}  # noqa: RUF012 -- a constant of each suite

    @pytest.fixture
    def open_provider(self, tmp_path: Path) -> Callable[[], Provider]:
        return lambda: type(self).provider(tmp_path, type(self).index, **self.traits)


def sabotage(
    index: type[Sound] = Sound, provider: Callable[..., Provider] = Provider, **traits: bool
) -> type[Sabotaged]:
    return type("Suite", (Sabotaged,), {"index": index, "provider": provider, "traits": traits, "__test__": True})


TestSound = sabotage()
TestSoundWithoutTraits = sabotage(exact=False, among=False, cosines=False)


# -- wrong answers


class EmptyQuery(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit, among=among)[:0]


class OneTooFew(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit, among=among)[: max(1, limit - 1)]


class OneTooMany(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit + 1, among=among)


class WrongOrder(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit, among=among)[::-1]


class Farthest(Sound):
    def ranked(self, vector: Any, keys: Any) -> Any:
        return super().ranked(-vector, keys)


class TiesBackwards(Sound):
    def ranked(self, vector: Any, keys: Any) -> Any:
        return keys[np.lexsort((-keys, -self.cosines(keys, vector)))]


class PositiveOnly(Sound):
    def ranked(self, vector: Any, keys: Any) -> Any:
        return super().ranked(vector, keys[self.cosines(keys, vector) > 0])


class FloatKeys(Sound):
    def ranked(self, vector: Any, keys: Any) -> Any:
        return super().ranked(vector, keys).astype(np.float64).astype(np.int64)


class TextKeys(Sound):
    def ranked(self, vector: Any, keys: Any) -> Any:
        return super().ranked(vector, keys)[np.argsort(super().ranked(vector, keys).astype(str), kind="stable")]


class ListAnswer(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit, among=among).tolist()


class IgnoredAmong(Sound):
    def candidates(self, among: Any) -> Any:
        return super().candidates(None)


class FilteredAfterwards(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        found = super().query(vector, limit=4 * limit)
        return found[:limit] if among is None else found[np.isin(found, among)][:limit]


class AmongAsGiven(Sound):
    """Believes that every candidate is there."""

    def candidates(self, among: Any) -> Any:
        return super().candidates(None) if among is None else among


class HalfSeen(Sound):
    """Finds half of the vectors, as an approximate index does that searches too little."""

    def ranked(self, vector: Any, keys: Any) -> Any:
        return super().ranked(vector, keys[::2]) if len(keys) > 400 else super().ranked(vector, keys)


class SwallowedError(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        try:
            return super().query(vector, limit=limit, among=among)
        except StorageError:
            return np.zeros(0, dtype=np.int64)


# -- wrong writes


class ForgottenDelete(Sound):
    def delete(self, keys: Any) -> None:
        pass


class DeleteOfAbsentFails(Sound):
    def delete(self, keys: Any) -> None:
        for key in keys.tolist():
            del self.rows[key]


class UpsertThatAdds(Sound):
    """Rows of equal keys stand beside each other, as in an index that knows no ids."""

    def upsert(self, keys: Any, vectors: Any) -> None:
        twice = [key for key in keys.tolist() if key in self.rows]
        super().upsert(keys, vectors)
        self.extra = getattr(self, "extra", 0) + len(twice)

    def count(self) -> int:
        return super().count() + getattr(self, "extra", 0)


class UpsertThatKeeps(Sound):
    def upsert(self, keys: Any, vectors: Any) -> None:
        kept = {key: self.rows[key] for key in keys.tolist() if key in self.rows}
        super().upsert(keys, vectors)
        self.rows.update(kept)


class DuplicateRows(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return np.repeat(super().query(vector, limit=limit, among=among), 2)[:limit]


class CallersArrays(Sound):
    def upsert(self, keys: Any, vectors: Any) -> None:
        self.check(keys, vectors)
        self.rows.update(zip(keys.tolist(), vectors, strict=True))


class NothingRefused(Sound):
    def check(self, keys: Any, vectors: Any) -> None:
        pass


class HalfRefused(Sound):
    def upsert(self, keys: Any, vectors: Any) -> None:
        for at in range(len(keys)):
            super().upsert(keys[at : at + 1], vectors[at : at + 1])


class FirstRowsOnly(Sound):
    """Takes no more rows in one call than its engine does, and says nothing."""

    def upsert(self, keys: Any, vectors: Any) -> None:
        self.check(keys, vectors)
        super().upsert(keys[:5461], vectors[:5461])


# -- wrong books


class IncompleteKeys(Sound):
    def keys(self) -> Iterator[int]:
        return iter(list(self.rows)[:-1])


class NumpyKeys(Sound):
    def keys(self) -> Iterator[int]:
        return iter(np.array(list(self.rows), dtype=np.int64))


class CountThatOnlyGrows(Sound):
    def count(self) -> int:
        self.most = max(getattr(self, "most", 0), super().count())
        return self.most


class SingleCosines(Sound):
    """Sums in float32."""

    def cosines(self, keys: Any, vector: Any) -> Any:
        rows = np.array([self.rows.get(key, vector * np.nan) for key in keys.tolist()], dtype=np.float32)
        return (rows.reshape(len(keys), len(vector)) @ vector).astype(np.float64)


class SortedCosines(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        keys = self.candidates(among)
        return keys[np.lexsort((keys, -super().cosines(keys, vector)))][:limit]

    def cosines(self, keys: Any, vector: Any) -> Any:
        return super().cosines(np.sort(keys), vector)


class ZeroForAbsent(Sound):
    def cosines(self, keys: Any, vector: Any) -> Any:
        return np.nan_to_num(super().cosines(keys, vector))


# -- wrong when opened again


class LostFlush(Sound):
    """Notes the revision, and forgets the rows."""

    def flush(self, watermark: int) -> None:
        self.watermark = watermark
        if not self.folder.exists():
            self.save({}, 0)
        facts = json.loads((self.folder / "facts.json").read_text())
        (self.folder / "facts.json").write_text(json.dumps({**facts, "watermark": watermark}))


class LostFlushOfMany(Sound):
    """Writes what came since it was opened, in place of everything."""

    def load(self) -> None:
        super().load()
        self.first = set(self.rows)

    def flush(self, watermark: int) -> None:
        self.watermark = watermark
        self.save({key: row for key, row in self.rows.items() if key not in self.first} or self.rows, watermark)


class WritesEverything(Sound):
    def flush(self, watermark: int) -> None:
        self.watermark = watermark
        self.save(self.rows, watermark)


class WatermarkTooHigh(Sound):
    def flush(self, watermark: int) -> None:
        super().flush(watermark + 1)


class UnflushedClaimed(Sound):
    """Raises its watermark with every write."""

    def upsert(self, keys: Any, vectors: Any) -> None:
        super().upsert(keys, vectors)
        self.watermark += 1


class StaleAfterReopen(Sound):
    """Saves what was added, and not what was removed."""

    def load(self) -> None:
        super().load()
        self.ever = dict(self.rows)

    def flush(self, watermark: int) -> None:
        self.watermark = watermark
        self.ever.update(self.rows)
        self.save(self.ever, watermark)


class StampIgnored(Sound):
    def fits(self, facts: dict[str, Any]) -> bool:
        return bool(facts["dimension"] == self.spec.dimension)


class DimensionIgnored(Sound):
    def fits(self, facts: dict[str, Any]) -> bool:
        return bool(facts["stamp"] == self.spec.stamp)


class DropThatKeeps(Provider):
    def drop(self, index_id: str) -> None:
        pass


class DropThatFails(Provider):
    def drop(self, index_id: str) -> None:
        shutil.rmtree(self.folder / index_id)


class SharedFolder(Provider):
    """Cuts names short."""

    def open(self, spec: IndexSpec) -> Sound:
        return self.index(spec, self.folder / spec.id[:99], self.traits)


class DropOfAll(Provider):
    """Drops by prefix."""

    def drop(self, index_id: str) -> None:
        for folder in self.folder.glob(f"{index_id}*"):
            shutil.rmtree(folder)


class UndeclaredAmong(Sound):
    def query(self, vector: Any, *, limit: int, among: Any = None) -> Any:
        return super().query(vector, limit=limit)


for each in [*Sound.__subclasses__()]:
    globals()[f"Test{each.__name__}"] = sabotage(each)
for made in Provider.__subclasses__():
    globals()[f"Test{made.__name__}"] = sabotage(provider=made)
TestUndeclaredAmong = sabotage(UndeclaredAmong, among=False)
TestHalfSeen = sabotage(HalfSeen, exact=False)
