"""CPU seconds until a city's episodes can begin (building, radio, users, pool of DAGs), and of episodes.

python -m bench.city [--quick]
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.command import part
from bench.table import Findings, Row
from edgewright.emulation import scenario
from edgewright.emulation.city import build
from edgewright.emulation.demand import coverage
from edgewright.emulation.demand.episode import episode, prepare
from edgewright.emulation.testbed.report import Report

EPISODES = 20
Result = TypeVar("Result")


def measure(*, quick: bool, report: Report) -> Findings:
    """All figures, in CPU time of this process; kernels are compiled before."""
    found = Findings()
    report("compiling kernels")
    episode(prepare(build(scenario.load("metro-small"))), seed=0)
    for name in ("metro-small",) if quick else ("metro", "metro-suburban", "metro-rural"):
        report(f"preparing {name}")
        _prepare(found, name)
    return found


def _prepare(found: Findings, name: str) -> None:
    given = scenario.load(name)

    def timed(figure: str, make: Callable[[], Result]) -> Result:
        began = time.process_time()
        made = make()
        seconds = time.process_time() - began
        found.rows.append(Row("city", name, figure, "", f"{seconds:.3g} s"))
        return made

    city = timed("build", lambda: build(given))
    _ = timed("paths", lambda: city.substrate)
    timed("radio survey", lambda: coverage.survey(city))
    world = timed("survey and pool of DAGs", lambda: prepare(city))
    counts = f"{len(world.pool.dags)}, {sum(world.pool.rejected.values())}"
    found.rows.append(Row("city", name, "DAGs accepted, draws rejected", "", counts))
    timed(f"{EPISODES} episodes of an hour", lambda: [episode(world, seed=s) for s in range(EPISODES)])


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    part("city", lambda report: measure(quick="--quick" in sys.argv[1:], report=report))
