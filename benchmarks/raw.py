"""The engines below the drivers, used directly: the same vectors, no text, no attributes, nothing kept beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.vectors import PARTS, PlacedEmbedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

LIMIT = 10
#: As the driver builds its graph and searches it.
LINKS, EF_CONSTRUCTION, EF_SEARCH = 32, 200, 128
#: Rows that Chroma takes in one call.
_BATCH = 5_000


def document_vectors(texts: Path) -> Vectors:
    """Vectors of the chunks, in their order; kept beside the texts, because placing 50,000 takes seconds."""
    import numpy as np

    kept = texts.with_suffix(".npy")
    if not kept.exists():
        np.save(kept, PlacedEmbedder().embed(json.loads(texts.read_text(encoding="utf-8")), kind="document"))
    found: Vectors = np.load(kept)
    return found


def faiss_index(kind: str, vectors: Vectors, path: Path) -> Any:
    """A flat index, or a graph, over the vectors; taken from `path` if it is there."""
    import faiss

    if not path.exists():
        index: Any
        if kind == "flat":
            index = faiss.IndexFlatIP(vectors.shape[1])
        else:
            index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = EF_CONSTRUCTION
        index.add(vectors)
        faiss.write_index(index, str(path))
    found: Any = faiss.read_index(str(path))
    if kind == "hnsw":
        found.hnsw.efSearch = EF_SEARCH
    return found


def chroma_collection(folder: Path, vectors: Vectors | None) -> Any:
    """An embedded collection with the number of each row's file part as metadata; filled from `vectors` if it is empty."""
    import chromadb
    from chromadb.config import Settings

    opened = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    collection = opened.get_or_create_collection(
        "raw", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    if vectors is not None and collection.count() == 0:
        from benchmarks.vectors import CHUNKS_A_FILE

        for start in range(0, len(vectors), _BATCH):
            rows = range(start, min(start + _BATCH, len(vectors)))
            collection.add(
                ids=[str(row) for row in rows],
                embeddings=vectors[start : rows.stop],
                metadatas=[{"part": row // CHUNKS_A_FILE % PARTS} for row in rows],
            )
    return collection


def search_faiss(index: Any, vectors: Vectors) -> None:
    """One search for each vector."""
    for vector in vectors:
        index.search(vector[None], LIMIT)
