"""What all scenarios of one run share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import corpus as texts

if TYPE_CHECKING:
    from benchmarks.floor import Floor
    from benchmarks.product import Built


@dataclass
class Bench:
    """One run.

    Attributes:
        work: Folder for corpora and stores.
        quick: Fewer rounds and smaller sizes.
        large: Also measure at 150,000 chunks.
        relevance: Folder of relevance collections, or None.
    """

    work: Path
    quick: bool = False
    large: bool = False
    relevance: Path | None = None
    _floors: dict[bool, Floor] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """Rounds of product and floor, interleaved."""
        return 1 if self.quick else 3

    @property
    def sizes(self) -> Sequence[bool]:
        """Whether large, for each size of store that is searched."""
        return (False, True) if self.large else (False,)

    @cached_property
    def corpus(self) -> texts.Corpus:
        """The corpus of ordinary size."""
        self.say("corpus")
        if self.quick:
            return texts.make(self.work / "corpus-quick", texts.FILES // 4, texts.BYTES // 4)
        return texts.make(self.work / "corpus")

    @cached_property
    def large_corpus(self) -> texts.Corpus:
        """The corpus of 150,000 chunks."""
        from benchmarks.floor import chunks

        self.say("corpus of 150,000 chunks")
        base = self.corpus
        name = f"corpus-large-{base.fingerprint[:16]}"
        return texts.make_large(self.work / name, base, sum(map(chunks, base.paths)))

    @cached_property
    def queries(self) -> list[str]:
        """The queries, for stores of both sizes."""
        return texts.queries(self.corpus)

    def floor(self, *, large: bool) -> Floor:
        """The floor over a corpus; made once a run."""
        from benchmarks.floor import Floor

        if large not in self._floors:
            corpus = self.large_corpus if large else self.corpus
            self.say(f"floor over {len(corpus.paths)} files")
            found = Floor()
            for path in corpus.paths:
                found.add_file(path)
            self._floors[large] = found
        return self._floors[large]

    def built(self, *, large: bool) -> Built:
        """A store over a corpus; made once a run, or kept from an earlier one."""
        from benchmarks.product import build

        corpus = self.large_corpus if large else self.corpus
        self.say(f"store of {len(corpus.paths)} files")
        return build(self.work, corpus)

    def folder(self) -> TemporaryDirectory[str]:
        """A folder for one measurement, on the same disk as everything else."""
        return TemporaryDirectory(dir=self.work)

    def say(self, what: str) -> None:
        """Tell what is being done, beside the results."""
        print(f"... {what}", file=sys.stderr, flush=True)
