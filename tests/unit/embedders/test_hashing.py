"""The default embedder: near spellings, near vectors; the same vectors everywhere."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oauth_codex.embedders.hashing import HashingEmbedder
from oauth_codex.local.text.terms import count_words
from oauth_codex.spi.embedder import WordEmbedder

TEXTS = st.lists(st.text(st.sampled_from("abz Z_1.\0é猫が물กา\ud800Ж\u0301"), max_size=40), max_size=5)


def embed(*texts: str, dimension: int = 512) -> NDArray[np.float32]:
    return HashingEmbedder(dimension).embed(texts, kind="document")


def test_it_is_a_word_embedder() -> None:
    assert isinstance(HashingEmbedder(), WordEmbedder)


@given(TEXTS)
def test_rows_have_length_one_or_zero(texts: list[str]) -> None:
    vectors = embed(*texts)
    assert vectors.shape == (len(texts), 512)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0))


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog",
        "def getUserName(self): return self.user_name",
        "猫が好き。我喜欢吃苹果 집에서 왔다",
        "Die Straße ist größer, ภาษาไทย и собаки",
        "x" * 200,
        "",
    ],
)
def test_words_counted_elsewhere_give_the_same_vectors(text: str) -> None:
    embedder = HashingEmbedder()
    counted = embedder.embed_words(count_words(text, [0], [len(text)]))
    assert np.array_equal(counted, embedder.embed([text], kind="document"))


def test_chunks_of_one_document_are_embedded_each() -> None:
    text = "alpha beta gamma delta"
    counted = HashingEmbedder().embed_words(count_words(text, [0, 11, 22], [11, 22, 22]))
    assert np.array_equal(counted, embed("alpha beta", "gamma delta", ""))


def test_a_misspelled_word_is_nearer_than_another_word() -> None:
    right, wrong, other = embed("temperature", "temparature", "configuration")
    assert right @ wrong > 0.4
    assert right @ wrong > right @ other + 0.3


def test_inflection_compounds_and_styles_are_near() -> None:
    one, two, three, four = embed("Geschwindigkeit", "Höchstgeschwindigkeit", "getUserName", "get_user_name")
    assert one @ two > 0.6
    assert three @ four == pytest.approx(1)


def test_stop_words_and_punctuation_have_no_features() -> None:
    assert not embed("What is this and that?", "... !!! ___", "").any()
    assert np.array_equal(*embed("the error of a parser", "error parser"))


def test_a_query_reads_few_dimensions() -> None:
    vector = HashingEmbedder(512).embed(["reset password token"], kind="query")
    assert 0 < np.count_nonzero(vector) <= 22


def test_vectors_are_the_same_everywhere() -> None:
    """Stored and compared with those of other machines and versions; a change needs a new fingerprint."""
    (vector,) = embed("hazelnut", dimension=64)
    signs = {16: 1, 17: -1, 27: -1, 31: -1, 35: 1, 36: 1, 54: 1, 61: 1}
    assert {int(i): int(np.sign(vector[i])) for i in np.flatnonzero(vector)} == signs
    assert HashingEmbedder().fingerprint == "hashing-1:3-grams:512"


def test_the_fingerprint_names_the_dimension() -> None:
    assert HashingEmbedder(1024).fingerprint != HashingEmbedder(512).fingerprint
    assert embed("fig", dimension=1024).shape == (1, 1024)


@pytest.mark.parametrize("dimension", [0, 32, 100, 1 << 17])
def test_an_odd_dimension_is_refused(dimension: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        HashingEmbedder(dimension)


def test_the_cache_stays_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[HashingEmbedder.__module__], "_CACHED_WORDS", 10)
    embedder = HashingEmbedder()
    before = embedder.embed(["anchor"], kind="document")
    for i in range(30):
        embedder.embed([f"word{i} and more{i}"], kind="document")
    assert len(embedder._cache.ids) <= 13
    assert np.array_equal(embedder.embed(["anchor"], kind="document"), before)


def test_threads_share_an_embedder() -> None:
    texts = [" ".join(f"word{i}x{j}" for j in range(50)) for i in range(40)]
    expected = embed(*texts)
    shared, barrier = HashingEmbedder(), threading.Barrier(4)
    wrong: list[int] = []

    def work(step: int) -> None:
        barrier.wait()
        for k in range(len(texts)):
            i = k * step % len(texts)
            if not np.array_equal(shared.embed([texts[i]], kind="document")[0], expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, 3, 7, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_it_stays_in_its_room() -> None:
    """Embedders must work without the local engine."""
    code = (
        "import sys, oauth_codex.embedders.hashing\n"
        "print([name for name in sys.modules if name.startswith('oauth_codex.local')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_stop_words_count_in_a_query_that_has_no_others() -> None:
    embedder = HashingEmbedder()
    alone, among_others = embedder.embed(["that the", "that the theory"], kind="query")
    assert np.linalg.norm(alone) == pytest.approx(1)
    assert np.array_equal(among_others, embedder.embed(["theory"], kind="query")[0])
    assert not embedder.embed(["that the"], kind="document").any()
