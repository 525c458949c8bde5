"""What an agent gives back after loading still lets it decide."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
from edgewright.agents import footprint
footprint.use_one_heap()
footprint.do_without_scipy()
from edgewright.agents.thinking import Thinking
thinking = Thinking()
asyncio.run(thinking.warm_up())
footprint.give_back()
from edgewright.agents.policies import policies
from edgewright.agents.rehearsal import rehearse_decision
from edgewright.core import compiled
loaded = [result.library for entry in compiled._ENTRIES for result in entry.overloads.values()]
assert loaded and all(library._shared_module is None for library in loaded)
for name in policies:
    rehearse_decision(name)
assert sys.modules["scipy"] is None
thinking.close()
print("decided by", *policies)
"""


def test_an_agent_without_its_compiler_decides_by_every_policy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "heuristic" in done.stdout
    assert "exact" in done.stdout
