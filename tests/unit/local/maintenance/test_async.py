"""The asynchronous client: the same reports, and progress told on the event loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from oauth_codex import AsyncOAuthCodexClient


def test_everything_can_be_awaited(tmp_path: Path, clean_environment: None) -> None:
    async def main() -> None:
        told: list[tuple[int, int, bool]] = []

        def tell(done: int, total: int, item: str) -> None:
            asyncio.get_running_loop()  # raises elsewhere
            told.append((done, total, threading.current_thread() is threading.main_thread()))

        async with AsyncOAuthCodexClient("sqlite", storage_dir=tmp_path / "storage") as client:
            store = await client.vector_stores.create(name="s")
            await client.vector_stores.files.upload(store.id, file=("a.txt", b"The apple is round."))
            maintenance = client.maintenance
            assert (await maintenance.verify(on_progress=tell)).ok
            assert all(here for _, _, here in told)
            assert told[-1][0] == told[-1][1]
            assert (await maintenance.repair()).mended == []
            assert (await maintenance.gc(dry_run=True)).dry_run
            assert (await maintenance.snapshot(tmp_path / "snapshot")).files == 1
            restored = await maintenance.restore(tmp_path / "snapshot", storage_dir=tmp_path / "restored")
            assert restored.verify.ok

            def fail(*_: object) -> None:
                raise RuntimeError("enough")

            with pytest.raises(RuntimeError, match="enough"):
                await maintenance.verify(on_progress=fail)

    asyncio.run(main())
