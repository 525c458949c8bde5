"""Who is waited for is watched: an operator that ends is not waited for until time runs out."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from edgewright.emulation.testbed import TestbedError, local, processes
from edgewright.emulation.testbed.layout import Layout


async def never() -> bool:
    return False


async def test_one_of_the_needed_processes_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout = Layout("waiting")
    processes.record(local.AGENTS, os.getpid(), layout.pids)
    brief = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await brief.wait()
    processes.record(local.OPERATOR, brief.pid, layout.pids)
    layout.logs.mkdir()
    (layout.logs / "operator.log").write_text("RuntimeError: its last words\n")
    with pytest.raises(TestbedError, match=r"waited for rain, but the operator ended:\n.*its last words"):
        await local.wait_for(layout, "rain", never, needs=(local.OPERATOR, local.AGENTS))
