"""Memory and opening of a raw engine: `python -m benchmarks.probes.raw_memory flat|hnsw|chroma PATH SQLITE QUERY...`."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path

from benchmarks import raw
from benchmarks.measure import peak_memory
from benchmarks.vectors import PlacedEmbedder

kind, path, catalog, *queries = sys.argv[1:]
vectors = PlacedEmbedder().embed(queries, kind="query")
if kind == "chroma":
    import chromadb  # noqa: F401

    start = time.perf_counter()
    collection = raw.chroma_collection(Path(path), None)
    collection.query(query_embeddings=vectors[:1], n_results=raw.LIMIT, include=["distances"])
    opened = time.perf_counter() - start
    for vector in vectors:
        collection.query(query_embeddings=vector[None], n_results=raw.LIMIT, include=["distances"])
else:
    import faiss

    faiss.omp_set_num_threads(1)
    start = time.perf_counter()
    index = faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)
    connection = sqlite3.connect(catalog)
    connection.execute("SELECT value FROM meta").fetchall()
    index.search(vectors[:1], raw.LIMIT)
    opened = time.perf_counter() - start
    raw.search_faiss(index, vectors)
print(json.dumps({"peak": peak_memory(), "open": opened}))
