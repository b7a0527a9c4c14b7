"""The conformance kit on the `openai` driver, which talks to the server of this project over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from oauth_codex import OAuthCodexClient, ParameterValidationError
from oauth_codex.testing import DriverCase, DriverSuite, Storage

from .served import Service, running


@pytest.fixture(scope="module")
def service_of() -> Iterator[Callable[[DriverCase], Service]]:
    """Makes services of local drivers; one server runs them all."""
    with running() as found:
        yield found


class TestOpenAI(DriverSuite):
    @pytest.fixture
    def case(self, service_of: Callable[[DriverCase], Service]) -> DriverCase:
        service = service_of(DriverCase("sqlite"))
        return DriverCase("openai", options={"api_key": "key", "max_retries": 0}, service=service)

    def test_async_client_awaits_the_driver(self, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
        client = storage.open("async")
        monkeypatch.delattr(storage.backends[0], "vector_stores")  # what a worker thread would call
        assert client.vector_stores.create(name="awaited").name == "awaited"

    def test_refusal_of_the_service_is_the_error_of_a_local_driver(self, client: OAuthCodexClient) -> None:
        with pytest.raises(ParameterValidationError) as caught:
            client.files.list(after="file-none")
        error = caught.value
        assert (error.status_code, error.param, error.code) == (400, "after", "invalid_value")
        assert "'file-none'" in str(error)
        assert error.response.headers["x-request-id"] == error.request_id
