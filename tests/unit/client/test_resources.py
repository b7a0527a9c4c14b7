"""What the methods send: omission, null, payload, extra fields, options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from oauth_codex import (
    ClientClosedError,
    NotSupportedError,
    OAuthCodexClient,
    ParameterValidationError,
    not_given,
    omit,
)


def sent(backend: Any) -> dict[str, Any]:
    """The fields that the last request set."""
    request = backend.calls[-1]
    return {name: getattr(request, name) for name in request.model_fields_set - {"options"}}


def test_none_and_omit_mean_the_same_on_create_list_and_search(client: OAuthCodexClient, backend: Any) -> None:
    store = client.vector_stores.create(name=None, file_ids=omit, metadata=None, expires_after=None, description=None)
    assert sent(backend) == {}
    client.vector_stores.list(after=None, before=None, limit=None, order=None)
    assert sent(backend) == {}
    client.vector_stores.search(store.id, query="x", filters=None, ranking_options=omit, rewrite_query=None)
    assert sent(backend) == {"vector_store_id": store.id, "query": ("x",)}
    client.vector_stores.files.list(store.id, filter=None, limit=omit)
    assert sent(backend) == {"vector_store_id": store.id}


def test_on_update_null_clears_and_omission_keeps(client: OAuthCodexClient, backend: Any) -> None:
    expiry = {"anchor": "last_active_at", "days": 3}
    store = client.vector_stores.create(name="a", metadata={"k": "v"}, expires_after=expiry)
    kept = client.vector_stores.update(store.id, name=omit)
    assert sent(backend) == {"vector_store_id": store.id}
    assert (kept.name, kept.metadata, kept.expires_after.days) == ("a", {"k": "v"}, 3)  # type: ignore[union-attr]
    cleared = client.vector_stores.update(store.id, name=None, metadata=None, expires_after=None)
    assert (cleared.name, cleared.metadata, cleared.expires_after) == (None, {}, None)


def test_extra_payload_is_sent_with_the_named_arguments(client: OAuthCodexClient, backend: Any) -> None:
    store = client.vector_stores.create(name="a", owner="me")
    assert store["owner"] == "me"
    client.vector_stores.update(store.id, owner="you")
    assert backend.calls[-1].model_extra == {"owner": "you"}
    for call in (
        lambda: client.vector_stores.list(limitt=5),
        lambda: client.vector_stores.search(store.id, query="x", max_num_result=5),
    ):
        with pytest.raises(ParameterValidationError, match="Did you mean") as caught:
            call()
        assert caught.value.code == "unknown_parameter"


def test_metadata_of_files(client: OAuthCodexClient) -> None:
    file = client.files.create(file=b"x", purpose="assistants", team="a")
    assert file.metadata == {"team": "a"}
    for name in ("content", "filename", "content_type"):
        more: dict[str, Any] = {name: "y"}
        with pytest.raises(ParameterValidationError, match="Unknown parameter"):
            client.files.create(file=b"x", purpose="assistants", **more)


def test_extra_body_wins_but_never_over_the_path(client: OAuthCodexClient, backend: Any) -> None:
    store = client.vector_stores.create(name="a", extra_body={"name": "b"})
    assert store.name == "b"
    client.vector_stores.search(store.id, query="x", extra_body={"max_num_results": 3, "query": "y"})
    assert (backend.calls[-1].max_num_results, backend.calls[-1].query) == (3, ("y",))
    with pytest.raises(ParameterValidationError):
        client.vector_stores.retrieve(store.id, extra_body={"vector_store_id": "vs_other"})
    with pytest.raises(ParameterValidationError, match="extra_body"):
        client.vector_stores.create(extra_body="x")  # type: ignore[arg-type]


def test_options_of_a_call_reach_the_driver(client: OAuthCodexClient, backend: Any) -> None:
    client.vector_stores.list(extra_headers={"x-a": "1"}, extra_query={"q": 1}, timeout=2.5)
    options = backend.calls[-1].options
    assert (options.extra_headers, options.extra_query, options.timeout) == ({"x-a": "1"}, {"q": 1}, 2.5)
    client.vector_stores.list(timeout=not_given)
    assert "timeout" not in backend.calls[-1].options.model_fields_set
    slow = client.with_options(timeout=9, max_retries=4, default_headers={"x-b": "2"})
    slow.vector_stores.list(extra_headers={"x-a": "1"})
    assert (backend.calls[-1].options.timeout, backend.calls[-1].options.max_retries) == (9, 4)
    assert backend.calls[-1].options.extra_headers == {"x-a": "1", "x-b": "2"}
    slow.vector_stores.list(timeout=None)
    assert backend.calls[-1].options.timeout is None
    client.vector_stores.list()
    assert "timeout" not in backend.calls[-1].options.model_fields_set
    for wrong in (0, -1, True, "5", float("nan")):
        with pytest.raises(ParameterValidationError):
            client.vector_stores.list(timeout=wrong)  # type: ignore[arg-type]
    with pytest.raises(ParameterValidationError, match="extra_headers"):
        client.vector_stores.list(extra_headers={"x-a": 1})  # type: ignore[dict-item]
    for hidden in ({"extra_headers": {"x-key": ["s3cret"]}}, {"extra_headers": "s3cret"}, {"extra_query": ["s3cret"]}):
        with pytest.raises(ParameterValidationError, match=r"expected .*, but got (list|str) instead") as caught:
            client.vector_stores.list(**hidden)
        assert "s3cret" not in f"{caught.value!r} {caught.value.body}"
    with pytest.raises(ParameterValidationError, match="max_retries"):
        client.with_options(max_retries=-1)


def test_update_of_a_file_changes_attributes_or_is_not_supported(client: OAuthCodexClient) -> None:
    store = client.vector_stores.create()
    file = client.files.create(file=b"x", purpose="assistants")
    files: Any = client.vector_stores.files
    files.create(store.id, file_id=file.id, attributes={"a": 1})
    calls: list[Callable[[], Any]] = [
        lambda: files.update(),
        lambda: files.update(store.id, file.id),
        lambda: files.update(file.id, vector_store_id=store.id, attributes=omit),
    ]
    for call in calls:
        with pytest.raises(NotSupportedError) as caught:
            call()
        assert caught.value.code == "not_supported"
        assert isinstance(caught.value, NotImplementedError)
    assert files.update(store.id, file.id, attributes={"b": 2}).attributes == {"b": 2}
    assert files.update(file.id, vector_store_id=store.id, attributes=None).attributes == {}


def test_an_empty_store_id_is_refused_everywhere(client: OAuthCodexClient) -> None:
    stores = client.vector_stores
    calls: list[Callable[[], Any]] = [
        lambda: stores.retrieve(""),
        lambda: stores.update(""),
        lambda: stores.delete(""),
        lambda: stores.search("", query="x"),
        lambda: stores.files.list(""),
        lambda: stores.files.upload("", file=b"x"),
        lambda: stores.file_batches.create("", file_ids=["file-1"]),
        lambda: stores.file_batches.upload_and_poll("", files=[b"x"]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^Expected a non-empty value for `vector_store_id` but received ''$"):
            call()
    with pytest.raises(ValueError, match=r"^Expected a non-empty value for `file_id` but received ''$"):
        client.files.retrieve("")


def test_subresources_are_stable_and_beta_is_an_alias(client: OAuthCodexClient) -> None:
    assert client.vector_stores is client.vector_stores
    assert client.vector_stores.files is client.vector_stores.files
    assert client.beta.vector_stores is client.vector_stores
    with pytest.raises(AttributeError, match="assistants"):
        _ = client.beta.assistants  # type: ignore[attr-defined]


def test_the_readme_of_1_x(client: OAuthCodexClient) -> None:
    import io

    uploaded = client.files.create(file=io.BytesIO(b"alpha gamma"), purpose="assistants")
    store = client.vector_stores.create(name="docs", file_ids=[])
    attached = client.vector_stores.files.create(store.id, file_id=uploaded.id)
    assert (attached.id, attached.vector_store_id) == (uploaded.id, store.id)
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[uploaded.id])
    assert client.vector_stores.file_batches.list_files(store.id, batch.id).get("object") == "list"
    assert json.loads(json.dumps(client.vector_stores.files.delete(store.id, uploaded.id))) == {
        "id": uploaded.id,
        "object": "vector_store.file.deleted",
        "deleted": True,
    }


def test_a_closed_client_says_so(backend: Any) -> None:
    with OAuthCodexClient(backend) as client:
        for _ in range(3):
            client.vector_stores.create()
        page = client.vector_stores.list(limit=2)
    client.close()
    assert backend.closed == 0  # the caller opened it
    assert repr(client) == "OAuthCodexClient(backend='fake', closed)"
    for call in (client.vector_stores.list, page.get_next_page, lambda: client.backend):
        with pytest.raises(ClientClosedError, match="closed"):
            call()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_client_is_refused_after_a_fork() -> None:
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
from fake_backend import FakeBackend
from oauth_codex import ClientClosedError, OAuthCodexClient
client = OAuthCodexClient(FakeBackend())
client.vector_stores.list()
pid = os.fork()
if pid == 0:
    try:
        client.vector_stores.list()
    except ClientClosedError as error:
        os._exit(0 if "new client" in str(error) else 2)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
client.vector_stores.list()
"""
    folder = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-W", "error", "-c", program, folder], check=True, timeout=60)


def test_the_sync_path_loads_nothing_that_it_does_not_need() -> None:
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from fake_backend import FakeBackend
from oauth_codex import OAuthCodexClient
client = OAuthCodexClient(FakeBackend())
store = client.vector_stores.create()
client.vector_stores.files.upload_and_poll(store.id, file=b"x")
list(client.vector_stores.list())
print(sorted({"httpx", "anyio", "numpy", "sqlalchemy", "stevedore", "asyncio"} & set(sys.modules)))
"""
    folder = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", program, folder], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_one_client_serves_many_threads(client: OAuthCodexClient) -> None:
    made: list[str] = []

    def work() -> None:
        for _ in range(20):
            made.append(client.vector_stores.create().id)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.id for store in client.vector_stores.list(limit=7)) == sorted(made)
