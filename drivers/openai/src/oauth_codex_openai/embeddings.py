"""The embedder: texts go to `POST /embeddings` in batches, over the transport of the driver."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx
import numpy as np
from oauth_codex.errors import ConfigurationError
from pydantic import ValidationError

from . import answers, credentials, failures
from .calls import Call, Wire
from .options import DEFAULT_TIMEOUT, OpenAIOptions
from .transport import Transport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_MODEL: Final = "text-embedding-3-small"
#: Dimensions of the models of OpenAI; those of others are asked for.
_DIMENSIONS: Final = {_MODEL: 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
#: Most UTF-8 bytes of one request. No token is shorter than a byte, and a request may hold 300,000 tokens.
_BUDGET: Final = 300_000


class OpenAIEmbedder:
    """Embeds with a model behind an API like OpenAI's. Thread-safe.

    The fingerprint is the model and its dimension: the same model behind another address is the same embedder.

    Attributes: see `oauth_codex.spi.embedder.Embedder`.
    """

    name: Final = "openai"
    semantic: Final = True
    max_batch: Final = 2048

    def __init__(
        self,
        model: str = _MODEL,
        dimensions: int | None = None,
        *,
        base_url: str | None = None,
        api_key: str | Callable[[], Any] | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        auth: httpx.Auth | None = None,
        organization: str | None = None,
        project: str | None = None,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        """Nothing is sent before the first text.

        Args:
            model: Name of the model.
            dimensions: Shorten the vectors to so many; only for models that can. None for the model's own length.
            base_url: See `OpenAIOptions`, as for all that follow.
            api_key: The key, or a function that returns it.
            api_key_env: Name of the variable with the key.
            auth: Any `httpx.Auth` in place of a key.
            organization: Organisation that pays.
            project: Project that pays.
            timeout: Seconds of silence after which a request is given up.
            max_retries: How often a failed request is repeated.
            default_headers: Headers of every request.
            default_query: Query parameters of every request.
            http_client: Sends the requests; it is never closed.

        Raises:
            ConfigurationError: An option is wrong.
            AuthRequiredError: There are no credentials.
        """
        if not isinstance(model, str) or not model.strip():
            raise ConfigurationError("model takes the name of an embedding model, which is a text.", key="model")
        if dimensions is not None and (
            not isinstance(dimensions, int) or isinstance(dimensions, bool) or dimensions < 1
        ):
            raise ConfigurationError("dimensions takes a whole number of at least 1.", key="dimensions")
        given: dict[str, Any] = {
            "base_url": base_url,
            "api_key": api_key,
            "api_key_env": api_key_env,
            "auth": auth,
            "organization": organization,
            "project": project,
            "max_retries": max_retries,
            "default_headers": default_headers or {},
            "default_query": default_query or {},
            "http_client": http_client,
        }
        if timeout is not DEFAULT_TIMEOUT:
            given["timeout"] = timeout
        options = _checked(given)
        self._model = model
        self._dimensions = dimensions
        self._dimension = dimensions or _DIMENSIONS.get(model)
        self._transport = Transport(options, Wire(options), credentials.choose(options), time.time)

    @property
    def dimension(self) -> int:
        """Length of the vectors; for an unknown model found by embedding a word."""
        if self._dimension is None:
            self._dimension = self._request(["dimension"]).shape[1]
        return self._dimension

    @property
    def fingerprint(self) -> str:
        """Model and dimension, whatever the address."""
        return f"openai/{self._model}/{self._dimensions or _DIMENSIONS.get(self._model, 'own')}"

    def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> Vectors:
        """Vectors of the texts, in their order. The vector of an empty text, which a service refuses, is zero.

        Raises:
            APIError: The service refused, did not answer, or answered with something else.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for rows in _groups(texts, self.max_batch):
            vectors[rows] = self._request([texts[row] for row in rows])
        return vectors

    def _request(self, texts: list[str]) -> Vectors:
        body: dict[str, Any] = {"input": texts, "model": self._model, "encoding_format": "base64"}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        response = self._transport.send(Call(method="POST", path="/embeddings", query={}, body=body))
        entries = answers.document(response).get("data")
        if not isinstance(entries, list) or len(entries) != len(texts):
            found = len(entries) if isinstance(entries, list) else "no"
            raise failures.unexpected(response, f"the body holds {found} embeddings for {len(texts)} texts")
        rows: list[Vectors | None] = [None] * len(texts)
        for position, entry in enumerate(entries):
            index = entry.get("index", position) if isinstance(entry, dict) else None
            if not isinstance(index, int) or not 0 <= index < len(texts) or rows[index] is not None:
                raise failures.unexpected(
                    response, f"the index of embedding {position} is missing, out of range or repeated"
                )
            rows[index] = self._row(response, index, entry.get("embedding"))
        return np.stack([row for row in rows if row is not None])

    def _row(self, response: httpx.Response, index: int, value: Any) -> Vectors:
        row = _decoded(value)
        if row is None or row.ndim != 1 or not row.size:
            raise failures.unexpected(response, f"embedding {index} is neither numbers nor base64 of 32-bit numbers")
        if self._dimension is not None and row.size != self._dimension:
            raise failures.unexpected(
                response,
                f"embedding {index} has {row.size} numbers where the model '{self._model}' has {self._dimension}"
                " (dimensions= asks for another length, of models that can)",
            )
        if not np.isfinite(row).all():
            raise failures.unexpected(response, f"embedding {index} holds a number that is not finite")
        return row


def _checked(given: dict[str, Any]) -> OpenAIOptions:
    try:
        return OpenAIOptions(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    option = str(first["loc"][0]) if first["loc"] else None
    reason = first["msg"].removeprefix("Value error, ")
    raise ConfigurationError(f"The embedder 'openai' cannot use {option or 'these options'}: {reason}.", key=option)


def _groups(texts: Sequence[str], most: int) -> Iterator[list[int]]:
    """Positions of the texts that are not empty, in groups that one request may hold."""
    rows: list[int] = []
    size = 0
    for row, text in enumerate(texts):
        if not text:
            continue
        length = len(text.encode(errors="replace"))
        if rows and (size + length > _BUDGET or len(rows) == most):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += length
    if rows:
        yield rows


def _decoded(value: Any) -> Vectors | None:
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        return np.asarray(value, dtype=np.float32) if isinstance(value, list) else None
    except (binascii.Error, ValueError, TypeError):
        return None
