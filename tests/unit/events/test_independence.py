"""The judge shares no formula with the judged."""

import subprocess
import sys

FORMULAS = (
    "arrays",
    "evaluate",
    "latency",
    "load",
    "neighbours",
    "overlap",
    "request",
    "scenarios",
    "stations",
)


def test_the_simulation_never_loads_core_s_latency_code() -> None:
    program = "import sys, edgewright.emulation.events; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "edgewright.core.substrate" in loaded.split()
    assert not {f"edgewright.core.{name}" for name in FORMULAS} & set(loaded.split())
