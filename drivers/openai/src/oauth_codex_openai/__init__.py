"""The `openai` driver, for OpenAI and every service with the same API, and the embedder of the same name."""

from __future__ import annotations

from oauth_codex.spi import Capabilities, Driver, EmbedderRecord

_INSTALL = 'pip install "stamina>=25.2"'

driver = Driver(
    name="openai",
    summary="OpenAI, or any service with its REST API: files and vector stores are kept and searched there",
    interface=(1, 0),
    open="oauth_codex_openai.backend:open_backend",
    # What the service itself lacks it refuses; the limits are its own too.
    capabilities=Capabilities(
        persistent=True,
        multi_process=True,
        filters=True,
        hybrid_search=True,
        rewrite_query=True,
        update_attributes=True,
        replace_files=True,
        file_batches=True,
        file_expiry=True,
        store_expiry=True,
        max_create_files=10_000,
    ),
    options="oauth_codex_openai.options:OpenAIOptions",
    local=False,
    modules=("httpx", "stamina"),
    install=_INSTALL,
)

embedder = EmbedderRecord(
    name="openai",
    summary="The embeddings of OpenAI, or of any service with its REST API: semantic, needs a key",
    interface=(1, 0),
    open="oauth_codex_openai.embeddings:OpenAIEmbedder",
    modules=("httpx", "stamina"),
    install=_INSTALL,
)
