"""What a driver can do: flags and limits. Everything is off unless a driver declares it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Flags and limits of a driver (its promise) or of an opened backend (the truth, never more than the promise).

    What is not declared is refused with `NotSupportedError` before the driver is called; it is never ignored.
    """

    #: Objects outlive the process.
    persistent: bool = False
    #: Several processes may use the same storage at once.
    multi_process: bool = False
    #: `search(filters=...)`.
    filters: bool = False
    #: `search(ranking_options={"hybrid_search": ...})`.
    hybrid_search: bool = False
    #: `search(rewrite_query=True)`.
    rewrite_query: bool = False
    #: `vector_stores.files.update(attributes=...)`.
    update_attributes: bool = False
    #: `FileBackend.create_many`: several small files in one step; without it there is a call for each.
    create_many: bool = False
    #: `VectorStoreBackend.upload_file`: uploading and attaching in one step; without it they are two calls.
    upload_files: bool = False
    #: `vector_stores.update(file_ids=...)`.
    replace_files: bool = False
    #: `vector_stores.file_batches`.
    file_batches: bool = False
    #: `files.create(expires_after=...)`.
    file_expiry: bool = False
    #: `vector_stores.create(expires_after=...)`.
    store_expiry: bool = False
    #: `Backend.scoped(namespace)` gives views that never see each other's objects.
    namespaces: bool = False
    #: Largest file, in bytes.
    max_file_bytes: int = 512 * 1024 * 1024
    #: Most `file_ids` that `vector_stores.create` takes.
    max_create_files: int = 500
    #: Most files that a batch takes.
    max_batch_files: int = 2000

    def exceeding(self, promise: Capabilities) -> list[str]:
        """Names of the flags that are on here and off in `promise`."""
        return [
            name
            for name in self.__dataclass_fields__
            if isinstance(getattr(self, name), bool) and getattr(self, name) and not getattr(promise, name)
        ]


#: What the engine of `oauth_codex.local` gives to every local driver.
LOCAL = Capabilities(
    filters=True,
    hybrid_search=True,
    rewrite_query=True,
    update_attributes=True,
    create_many=True,
    upload_files=True,
    replace_files=True,
    file_batches=True,
    file_expiry=True,
    store_expiry=True,
    namespaces=True,
    max_create_files=10_000,
)
