"""The 100 committed instances: seeds of `edgewright.emulation.instances` that keep its law, with digests.

python -m bench.instances draws them again; tests compare digests, so that nobody changes them unawares.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.problem import Problem
from edgewright.core.scenarios import STATUS
from edgewright.core.tables import make_tables, single_scenario
from edgewright.emulation.instances import digest, law, make_problem

FILE = Path(__file__).parent / "10x20.json"
COUNT, STAGES, NODES = 100, 10, 20
IDLE_SHARE = 0.45
"""Largest mean latency of the best way through the DAG, over the limit: a 95th percentile of about 0.7."""


@dataclass(frozen=True)
class Instance:
    """One committed instance."""

    seed: int
    sha256: str

    def problem(self) -> Problem:
        """Build it."""
        return make_problem(self.seed, stages=STAGES, nodes=NODES)


def committed() -> tuple[Instance, ...]:
    """The instances of 10 microservices x 20 nodes, in order."""
    return tuple(Instance(seed, sha) for seed, sha in json.loads(FILE.read_text())["instances"])


def draw() -> dict[str, object]:
    """The first 100 seeds whose problem keeps the law and could be served in time; counts rejects."""
    chosen: list[tuple[int, str]] = []
    unlawful = slow = seed = 0
    while len(chosen) < COUNT:
        problem = make_problem(seed, stages=STAGES, nodes=NODES)
        if not law(problem).holds:
            unlawful += 1
        elif _shortest(problem) > IDLE_SHARE:
            slow += 1
        else:
            chosen.append((seed, digest(problem)))
        seed += 1
    rejected = {"law": unlawful, "too slow even when idle": slow}
    return {"stages": STAGES, "nodes": NODES, "rejected": rejected, "instances": chosen}


def _shortest(problem: Problem) -> float:
    """Mean latency of the best way through the DAG at the world's load, over the limit."""
    gate = Gate(Evaluator(problem, STATUS))
    dag = gate.evaluator.dag
    if not gate.mask.any(axis=1).all():
        return float("inf")
    tables = make_tables(gate, gate.mask, single_scenario(len(dag.work) + len(dag.source)))
    return float(tables.entry.max()) / dag.limit
