"""The generator of the sync client."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[3] / "core" / "tools" / "unasync.py"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("unasync_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_sync_client_is_up_to_date(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().out


def test_tokens_are_converted_and_sentences_reworded(tool: ModuleType) -> None:
    source = '''
class AsyncFiles:
    """Use `async for`."""

    async def get(self) -> Awaitable[dict[str, int]]:
        async with self.lock:
            return await self.awaited(  # AsyncFiles
                "await this"
            )
'''
    assert (
        tool.converted(source, Counter())
        == '''
class Files:
    """Use `for`."""

    def get(self) -> dict[str, int]:
        with self.lock:
            return self.awaited(  # Files
                "await this"
            )
'''
    )


def copy_of(tool: ModuleType, folder: Path) -> Path:
    for part in ("_async", "_sync"):
        (folder / part).mkdir()
        for path in (tool.CLIENT / part).glob("*.py"):
            (folder / part / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_check_fails_with_a_summary_and_writing_mends(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "CLIENT", copy_of(tool, tmp_path))
    stale = tmp_path / "_sync" / "files.py"
    stale.write_text(stale.read_text(encoding="utf-8") + "x = 1\n", encoding="utf-8")
    (tmp_path / "_sync" / "left_over.py").write_text("", encoding="utf-8")
    assert tool.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "-x = 1" in said
    assert "left_over.py" in said
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0


def test_a_rule_that_matches_nothing_is_an_error(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tool.NAMES, "AsyncNowhere", "Nowhere")
    with pytest.raises(SystemExit, match="AsyncNowhere"):
        tool.generated()
