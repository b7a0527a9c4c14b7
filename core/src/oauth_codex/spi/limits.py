"""Bounds of the API that hold on every backend."""

#: Pairs of metadata or attributes, characters of their keys and of their string values.
MAX_ATTRIBUTES = 16
MAX_KEY_LENGTH = 64
MAX_VALUE_LENGTH = 512
#: Largest magnitude of an integer attribute: what a 64-bit column holds.
MAX_INT = 2**63 - 1
#: Levels of arrays and objects inside an extra field.
MAX_DEPTH = 64
#: Hits of one search.
MAX_RESULTS = 50
DEFAULT_RESULTS = 10
#: Queries of one search, and characters of each.
MAX_QUERIES = 32
MAX_QUERY_LENGTH = 100_000
#: Items of a page when `limit` is not given.
DEFAULT_PAGE = 20
DEFAULT_FILES_PAGE = 10_000
#: Window and overlap of `auto` chunking, in tokens.
AUTO_CHUNK_TOKENS = 800
AUTO_OVERLAP_TOKENS = 400
#: Days that the cursor of a deleted item is remembered.
TOMBSTONE_DAYS = 30
