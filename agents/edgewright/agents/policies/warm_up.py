"""Compiles every kernel of a decision ahead: `python -m edgewright.agents.policies.warm_up`."""

import numpy as np

from edgewright.agents.policies.heuristic import POOLS, Heuristic
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import Node
from edgewright.core.units import GBPS, MIB
from edgewright.core.warm_up import warm_up as warm_up_core


def warm_up() -> None:
    """Decide one tiny problem by the default policy; `exact` compiles the rest when it is first asked."""
    warm_up_core()
    Heuristic().place(_problem(), seconds=1.0)


def _problem() -> Problem:
    nodes = POOLS[0] + 1  # so many that candidates are chosen
    request = (0.1, 64 * MIB, 0.0, 0.0, 0.0, 1.0)
    several = [Node(f"n{i}", (4.0, 1024 * MIB, 0.0, 0.0, 1 * GBPS, 10.0)) for i in range(nodes)]
    dag = ServiceDag(
        "warm",
        "up",
        (Microservice("a", request, 1e6), Microservice("b", request, 1e6)),
        (Invocation("a", "b", 1e4),),
        Demand(1.0, 1e4),
        qos=Qos(max_latency=0.1, required=True),
    )
    stage, node = np.arange(2, dtype=np.int32), np.zeros(2, np.int32)
    world = World(compile_substrate(several), np.zeros((nodes, 6)), (PlacedDag(dag, stage, node),))
    return Problem(world, dag, stage, np.full(2, UNPLACED, np.int32), np.ones((2, nodes), bool))


if __name__ == "__main__":
    warm_up()
