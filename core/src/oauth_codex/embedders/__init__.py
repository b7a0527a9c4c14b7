"""The built-in embedders; the library of each is imported only when that embedder is opened."""

from __future__ import annotations

from ..spi.embedder import EmbedderRecord

hashing_record = EmbedderRecord(
    name="hashing",
    summary="Signed hashing of the character n-grams of words: no download, deterministic, not semantic",
    interface=(1, 0),
    open="oauth_codex.embedders.hashing:HashingEmbedder",
)
