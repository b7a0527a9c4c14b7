"""Short ways to fill a storage, and to look at all of it, through the client alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from ...client import OAuthCodexClient
from ...errors import NotFoundError, OAuthCodexError
from ...types.vector_stores import VectorStoreFile

DAY = 86400


def uploaded(client: OAuthCodexClient, *texts: str | bytes) -> list[str]:
    """Ids of new files with these contents, named `0.txt`, `1.txt` ..."""
    return [
        client.files.create(
            file=(f"{number}.txt", text.encode() if isinstance(text, str) else text), purpose="assistants"
        ).id
        for number, text in enumerate(texts)
    ]


def filled(client: OAuthCodexClient, *texts: str | bytes, **options: Any) -> tuple[str, list[str]]:
    """A new store, and the files in it.

    Args:
        client: The client.
        *texts: Contents of the files.
        **options: Further arguments of `vector_stores.create`.

    Returns:
        Id of the store, ids of the files.
    """
    files = uploaded(client, *texts)
    return client.vector_stores.create(file_ids=files, **options).id, files


def attached(
    client: OAuthCodexClient, store: str, content: str | bytes, name: str = "a.txt", **options: Any
) -> VectorStoreFile:
    """A new file in a store; `options` are further arguments of `files.upload_and_poll`."""
    body = content.encode() if isinstance(content, str) else content
    return client.vector_stores.files.upload_and_poll(store, file=(name, body), **options)


def found(client: OAuthCodexClient, store: str, query: str | Sequence[str], **options: Any) -> list[str]:
    """Ids of the files of the hits, best first; one file may come several times."""
    return [hit.file_id for hit in client.vector_stores.search(store, query=query, **options).data]


def hits(
    client: OAuthCodexClient, store: str, query: str | Sequence[str], **options: Any
) -> list[tuple[str, str, float]]:
    """File, text and score of the hits, best first."""
    return [
        (hit.file_id, hit.text, hit.score) for hit in client.vector_stores.search(store, query=query, **options).data
    ]


def counts(client: OAuthCodexClient, store: str) -> dict[str, int]:
    """The counts of a store that are not 0."""
    return {name: count for name, count in client.vector_stores.retrieve(store).file_counts.to_dict().items() if count}


def everything(client: OAuthCodexClient, *batches: tuple[str, str]) -> dict[str, Any]:
    """All that a client shows of its storage.

    Args:
        client: The client.
        *batches: Store and id of batches to look at too, since batches are not listed.
    """
    stores = client.vector_stores
    return {
        "files": [file.to_dict() for file in client.files.list()],
        "stores": [store.to_dict() for store in stores.list()],
        "memberships": {store.id: [file.to_dict() for file in stores.files.list(store.id)] for store in stores.list()},
        "batches": [stores.file_batches.retrieve(store, batch).to_dict() for store, batch in batches],
    }


def assert_counts(client: OAuthCodexClient) -> None:
    """Fail if a store counts other files, or other bytes, than it lists."""
    for store in client.vector_stores.list():
        files = list(client.vector_stores.files.list(store.id))
        counted = store.file_counts.to_dict()
        listed = {status: sum(file.status == status for file in files) for status in counted if status != "total"}
        assert counted == {**listed, "total": len(files)}, f"store {store.id}"
        assert store.usage_bytes == sum(file.usage_bytes for file in files), f"store {store.id}"
        assert client.vector_stores.retrieve(store.id).file_counts == store.file_counts, f"store {store.id}"


@contextmanager
def unchanged(client: OAuthCodexClient, *batches: tuple[str, str]) -> Iterator[None]:
    """Fail if the block changes anything that can be seen."""
    before = everything(client, *batches)
    yield
    assert everything(client, *batches) == before


def assert_missing(calls: Mapping[str, Callable[[], object]], *words: str) -> None:
    """Fail unless each call is a `NotFoundError` whose message has one of the words."""
    wrong = []
    for name, call in calls.items():
        try:
            answer = call()
        except NotFoundError as error:
            if not any(word in str(error) for word in words):
                wrong.append(f"{name}: names none of {words}: {error}")
        except OAuthCodexError as error:
            wrong.append(f"{name}: {type(error).__name__} in place of NotFoundError: {error}")
        else:
            wrong.append(f"{name}: no error, but {answer!r}")
    assert not wrong, "\n".join(wrong)


#: What is done, the error, its code if it has one of its own, and words that its message must have.
Wrong = tuple[Callable[[], object], type[BaseException] | tuple[type[BaseException], ...], str | None, Sequence[str]]


def assert_refused(client: OAuthCodexClient, cases: Mapping[str, Wrong]) -> None:
    """Fail unless each call is refused as said, in few words, and leaves everything as it was."""
    before = everything(client)
    wrong = [f"{name}: {what}" for name, case in cases.items() for what in _refusal(*case)]
    if everything(client) != before:
        for name, case in cases.items():  # say which one it was
            before = everything(client)
            list(_refusal(*case))
            if everything(client) != before:
                wrong.append(f"{name}: was refused and changed something all the same")
        assert wrong, "one of the refused calls changed something"
    assert not wrong, "\n".join(wrong)


def _refusal(
    call: Callable[[], object],
    kind: type[BaseException] | tuple[type[BaseException], ...],
    code: str | None,
    words: Sequence[str],
) -> Iterable[str]:
    try:
        answer = call()
    except kind as error:
        message = str(error)
        yield from (f"{word!r} is not in the message: {message[:300]}" for word in words if word not in message)
        if len(message) >= 600:
            yield f"the message has {len(message)} characters"
        if code is not None and getattr(error, "code", None) != code:
            yield f"the code is {getattr(error, 'code', None)!r} in place of {code!r}"
    except Exception as error:
        yield f"{type(error).__name__} in place of the error of the contract: {str(error)[:300]}"
    else:
        yield f"was accepted, with the answer {str(answer)[:300]}"


@contextmanager
def raises_code(code: str) -> Iterator[None]:
    """Fail unless the block raises an error of the contract with this code."""
    with pytest.raises(OAuthCodexError) as caught:
        yield
    assert getattr(caught.value, "code", None) == code, str(caught.value)
