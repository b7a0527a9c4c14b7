"""Publishing prepared files: their content and their state, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from ..catalog import attachments, blobs, replacing
from ..catalog.attachments import Outcome
from ..catalog.generations import Publication
from ..catalog.generations import publish as publish_generations

if TYPE_CHECKING:
    from .prepare import Prepared, Refused


class Work(NamedTuple):
    """An attachment that is in progress: its last generation, and the blob of its file's content."""

    attachment_id: int
    generation: int
    blob_id: int


def publish(
    connection: Connection,
    namespace: str,
    store_id: int,
    work: Sequence[tuple[Work, Prepared | Refused]],
    *,
    attached_now: bool = False,
) -> None:
    """Publish what was prepared and settle the state of all files, in the transaction of the caller.

    What could be found of a file until now is replaced by what is published, and by nothing else: where a file is refused, it stays.
    Whoever works on announced files must hold them still; see `queue.Queue.publish`.
    """
    from .prepare import Prepared

    publications, outcomes = [], []
    for at, found in work:
        if not isinstance(found, Prepared):
            outcomes.append(Outcome(at.attachment_id, "failed", error_code=found.code, error_message=found.message))
            continue
        generation, text_blob_id = at.generation + 1, at.blob_id
        if found.derived:
            text_blob_id = blobs.store(connection, namespace, found.text)
        publications.append(Publication(at.attachment_id, generation, found))
        outcomes.append(
            Outcome(
                at.attachment_id,
                "completed",
                usage_bytes=len(found.text),
                generation=generation,
                text_blob_id=text_blob_id,
            )
        )
    replaced = [at.attachment_id for at, found in work if at.generation and isinstance(found, Prepared)]
    texts = replacing.withdraw(connection, namespace, store_id, replaced)
    if publications:
        publish_generations(connection, namespace, store_id, publications)
    attachments.settle(connection, namespace, store_id, outcomes, attached_now=attached_now)
    blobs.release(connection, namespace, texts)
