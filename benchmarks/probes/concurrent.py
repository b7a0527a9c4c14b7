"""Searches of many tasks at once: `in-process DIRECTORY` or `served URL`, then store, tasks, rounds and the queries."""

from __future__ import annotations

import json
import sys
import time

import anyio
from oauth_codex import AsyncOAuthCodexClient


async def _measure(where: str, target: str, store: str, tasks: int, rounds: int, queries: list[str]) -> list[float]:
    """Searches per second of each round, after one that is not counted."""
    here = where == "in-process"

    def client() -> AsyncOAuthCodexClient:
        if here:
            return AsyncOAuthCodexClient(backend="sqlite", storage_dir=target)
        return AsyncOAuthCodexClient(base_url=target, api_key="none")

    # Over the network each task has a client of its own; in one process all share the storage's, as programs do.
    clients = [client() for _ in range(1 if here else tasks)]
    found = []

    async def ask(number: int) -> None:
        mine = clients[number % len(clients)]
        for query in queries[number::tasks]:
            if not (await mine.vector_stores.search(store, query=query)).data:
                raise RuntimeError("A search found nothing.")

    for _ in range(rounds + 1):
        started = time.perf_counter()
        async with anyio.create_task_group() as group:
            for number in range(tasks):
                group.start_soon(ask, number)
        found.append(len(queries) / (time.perf_counter() - started))
    for each in clients:
        await each.close()
    return found[1:]


if __name__ == "__main__":
    where, target, store, tasks, rounds, *queries = sys.argv[1:]
    print(json.dumps({"rates": anyio.run(_measure, where, target, store, int(tasks), int(rounds), queries)}))
