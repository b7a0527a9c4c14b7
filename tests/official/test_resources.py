"""What users of the official client do with files and vector stores, call by call."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai import NotFoundError, OpenAI

TEXTS = {
    "shipping.md": b"# Shipping\n\nParcels leave the warehouse within two days. Express parcels leave on the same day.",
    "returns.md": b"# Returns\n\nA refund is paid within fourteen days after the returned goods have arrived.",
    "warranty.md": b"# Warranty\n\nThe warranty covers broken motors for three years, but no scratches.",
}


@pytest.fixture
def store(client: OpenAI) -> str:
    """A store with the texts, each with attributes."""
    found = client.vector_stores.create(name="Handbook").id
    for year, (name, text) in enumerate(TEXTS.items(), 2023):
        file = client.files.create(file=(name, text), purpose="assistants")
        attributes: dict[str, str | float | bool] = {"name": name, "year": year, "public": year > 2023}
        client.vector_stores.files.create_and_poll(file.id, vector_store_id=found, attributes=attributes)
    return found


def test_a_file_from_upload_to_deletion(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "Grüße.txt"
    path.write_bytes("Grüße aus Köln\n".encode() * 1000)

    made = client.files.create(file=path, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600})

    assert made.filename == "Grüße.txt"
    assert made.bytes == path.stat().st_size
    assert made.expires_at == made.created_at + 3600
    assert client.files.retrieve(made.id) == made
    assert made in client.files.list(purpose="user_data").data
    assert made not in client.files.list(purpose="assistants").data
    assert client.files.content(made.id).read() == path.read_bytes()
    assert client.files.wait_for_processing(made.id).status == "processed"
    gone = client.files.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "file")
    with pytest.raises(NotFoundError):
        client.files.retrieve(made.id)


def test_a_store_from_creation_to_deletion(client: OpenAI) -> None:
    file = client.files.create(file=("a.txt", b"words"), purpose="assistants")

    made = client.vector_stores.create(
        name="First",
        description="A description.",
        metadata={"team": "support"},
        expires_after={"anchor": "last_active_at", "days": 7},
        file_ids=[file.id],
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}},
    )

    assert made.status == "completed"
    assert made.file_counts.completed == made.file_counts.total == 1
    assert made.metadata == {"team": "support"}
    assert made.expires_at is not None
    assert made.last_active_at is not None
    assert made.expires_at - made.last_active_at == 7 * 86400
    (attached,) = client.vector_stores.files.list(made.id).data
    assert attached.chunking_strategy is not None
    assert attached.chunking_strategy.to_dict() == {
        "type": "static",
        "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50},
    }
    changed = client.vector_stores.update(made.id, name="Second", metadata=None, expires_after=None)
    assert (changed.name, changed.metadata, changed.expires_after) == ("Second", {}, None)
    assert client.vector_stores.retrieve(made.id).name == "Second"
    gone = client.vector_stores.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "vector_store.deleted")
    with pytest.raises(NotFoundError):
        client.vector_stores.retrieve(made.id)
    assert client.files.retrieve(file.id).id == file.id


def test_a_store_without_a_name_has_an_empty_one(client: OpenAI) -> None:
    made = client.vector_stores.create()

    assert made.name == ""
    assert client.vector_stores.list(limit=1).data[0].name == ""


def test_a_batch_of_uploads_is_polled_to_its_end(client: OpenAI) -> None:
    store = client.vector_stores.create(name="Batches").id

    batch = client.vector_stores.file_batches.upload_and_poll(store, files=list(TEXTS.items()))

    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    assert client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store) == batch
    inside = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, limit=2))
    assert {file.status for file in inside} == {"completed"}
    assert {client.files.retrieve(file.id).filename for file in inside} == TEXTS.keys()
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)
    assert (cancelled.status, cancelled.file_counts.completed) == ("cancelled", 3)


def test_a_batch_gives_each_file_its_own_attributes_and_tells_which_failed(client: OpenAI) -> None:
    store = client.vector_stores.create(name="Batches").id
    good = client.files.create(file=("good.txt", b"words"), purpose="assistants").id
    bad = client.files.create(file=("bad.bin", b"\x00\xff\xfe\x00\x80" * 50), purpose="assistants").id

    batch = client.vector_stores.file_batches.create_and_poll(
        store, files=[{"file_id": good, "attributes": {"kind": "text"}}, {"file_id": bad}]
    )

    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 1, 1)
    (failed,) = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, filter="failed").data
    assert failed.id == bad
    assert failed.last_error is not None
    assert failed.last_error.code == "unsupported_file"
    assert client.vector_stores.files.retrieve(good, vector_store_id=store).attributes == {"kind": "text"}


def test_search_finds_what_was_asked_for(client: OpenAI, store: str) -> None:
    page = client.vector_stores.search(store, query="How many days until a refund is paid?", max_num_results=2)

    assert page.data[0].filename == "returns.md"
    assert "refund" in page.data[0].content[0].text
    assert page.data[0].attributes == {"name": "returns.md", "year": 2024, "public": True}
    scores = [hit.score for hit in page.data]
    assert len(scores) <= 2
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    several = client.vector_stores.search(store, query=["refund", "scratches on a motor"], rewrite_query=True)
    assert {"returns.md", "warranty.md"} <= {hit.filename for hit in several.data}


def test_search_keeps_to_compound_filters(client: OpenAI, store: str) -> None:
    page = client.vector_stores.search(
        store,
        query="days",
        filters={
            "type": "and",
            "filters": [
                {"type": "gte", "key": "year", "value": 2024},
                {
                    "type": "or",
                    "filters": [
                        {"type": "in", "key": "name", "value": ["shipping.md", "returns.md"]},
                        {"type": "ne", "key": "public", "value": True},
                    ],
                },
            ],
        },
    )

    assert [hit.filename for hit in page.data] == ["returns.md"]


def test_search_obeys_ranking_options(client: OpenAI, store: str) -> None:
    every = client.vector_stores.search(store, query="refund parcels", ranking_options={"ranker": "auto"}).data
    between = (every[0].score + every[-1].score) / 2

    kept = client.vector_stores.search(
        store, query="refund parcels", ranking_options={"ranker": "none", "score_threshold": between}
    ).data
    weighted = client.vector_stores.search(
        store,
        query="refund parcels",
        extra_body={"ranking_options": {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}},
    ).data

    assert [hit.file_id for hit in kept] == [hit.file_id for hit in every if hit.score >= between]
    assert 0 < len(kept) < len(every)
    assert weighted[0].score == 1


def test_a_whole_number_is_taken_as_json_writes_it(client: OpenAI, store: str) -> None:
    page = client.vector_stores.search(store, query="days", extra_body={"max_num_results": 1.0})

    assert len(page.data) == 1


def test_attributes_are_replaced_and_cleared(client: OpenAI, store: str) -> None:
    file = client.vector_stores.files.list(store).data[0].id

    changed = client.vector_stores.files.update(file, vector_store_id=store, attributes={"kind": "new", "rank": 0.5})

    assert changed.attributes == {"kind": "new", "rank": 0.5}
    hits = client.vector_stores.search(
        store, query="motors", filters={"type": "eq", "key": "kind", "value": "new"}
    ).data
    assert {hit.file_id for hit in hits} == {file}
    cleared = client.vector_stores.files.update(file, vector_store_id=store, attributes=None)
    assert not cleared.attributes


def test_the_parsed_text_of_a_file_is_paged(client: OpenAI, store: str) -> None:
    file = client.vector_stores.files.list(store, order="asc").data[0].id

    page = client.vector_stores.files.content(file, vector_store_id=store)

    assert "".join(part.text or "" for part in page).split() == TEXTS["shipping.md"].decode().split()


def test_a_detached_file_is_still_there(client: OpenAI, store: str) -> None:
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("extra.txt", b"zebra stripes"))
    assert file.status == "completed"

    gone = client.vector_stores.files.delete(file.id, vector_store_id=store)

    assert (gone.id, gone.deleted, gone.object) == (file.id, True, "vector_store.file.deleted")
    assert file.id not in {hit.file_id for hit in client.vector_stores.search(store, query="zebra").data}
    assert client.files.content(file.id).read() == b"zebra stripes"
    with pytest.raises(NotFoundError):
        client.vector_stores.files.retrieve(file.id, vector_store_id=store)


def test_lists_page_by_themselves(client: OpenAI) -> None:
    ids = [client.files.create(file=(f"{i}.txt", b"words"), purpose="assistants").id for i in range(5)]
    store = client.vector_stores.create(file_ids=ids).id
    listed = client.vector_stores.files.list

    assert [file.id for file in listed(store, limit=2, order="asc")] == ids
    assert [file.id for file in listed(store, limit=2)] == ids[::-1]
    first = listed(store, limit=2, order="asc")
    assert first.has_more
    assert [file.id for file in first.get_next_page().data] == ids[2:4]
    assert [file.id for file in listed(store, limit=2, order="asc", before=ids[3]).data] == ids[1:3]
    assert [file.id for file in listed(store, order="asc", after=ids[0], before=ids[3]).data] == ids[1:3]


def test_what_is_deleted_while_it_is_paged_stops_nothing(client: OpenAI) -> None:
    made = {client.vector_stores.create(name="to be cleaned").id for _ in range(5)}

    seen = set()
    for each in client.vector_stores.list(limit=2):
        if each.name == "to be cleaned":
            client.vector_stores.delete(each.id)
            seen.add(each.id)

    assert seen == made
    assert not made & {each.id for each in client.vector_stores.list()}
