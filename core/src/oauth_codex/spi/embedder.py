"""What an embedder is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .words import WordCounts

    Vectors = NDArray[np.float32]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: Name under which it is registered.
        dimension: Length of its vectors.
        fingerprint: Changes whenever the vectors of the same text would change; a store is pinned to it.
        semantic: Whether near vectors mean a near meaning; the weight of the vector leg in a score follows from it.
        max_batch: Most texts that one call of `embed` takes.
    """

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def semantic(self) -> bool: ...
    @property
    def max_batch(self) -> int: ...

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> Vectors:
        """Vectors of the texts: float32, one row a text, in their order; rows need not be normalised."""
        ...


@runtime_checkable
class WordEmbedder(Embedder, Protocol):
    """An embedder whose vectors follow from word counts alone, so that a document is split into words only once.

    Its query vectors are sparse: few of their dimensions differ from zero.
    """

    def embed_words(self, counts: WordCounts) -> Vectors:
        """Vectors of the chunks of a document, equal to what `embed` gives for text of the same words."""
        ...


@runtime_checkable
class PortableEmbedder(Embedder, Protocol):
    """An embedder that is cheap to make and that another process can make too, so that vectors are made where files are read.

    Attributes:
        recipe: Import string (`module:callable`) and keywords, of JSON types, that make an embedder of the same fingerprint.
    """

    @property
    def recipe(self) -> tuple[str, dict[str, Any]]: ...


#: What `is_embedder` asks for.
_NAMES = ("name", "dimension", "fingerprint", "semantic", "max_batch", "embed")


def is_embedder(value: object) -> TypeGuard[Embedder]:
    """Whether an object has all that an embedder has, itself or by way of `__getattr__`; from Python 3.12 on `isinstance` sees
    the former only.
    """
    return all(hasattr(value, name) for name in _NAMES)


def takes_words(embedder: Embedder) -> TypeGuard[WordEmbedder]:
    """Whether an embedder is a `WordEmbedder`; see `is_embedder`."""
    return hasattr(embedder, "embed_words")


@dataclass(frozen=True, kw_only=True)
class EmbedderRecord:
    """What an entry point of the group `oauth_codex.embedders` names: cheap to import, opens the real thing.

    Attributes:
        name: Name of the entry point.
        summary: One line for listings.
        interface: Version of the interface that it was written for, `(major, minor)`.
        open: `module:callable` that returns an `Embedder`; called with the options as keywords.
        modules: Libraries that must be importable.
        install: What to run when one is missing.
    """

    name: str
    summary: str
    interface: tuple[int, int]
    open: str
    modules: tuple[str, ...] = ()
    install: str | None = None
