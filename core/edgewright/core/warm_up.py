"""Compile every kernel before the first decision: `python -m edgewright.core.warm_up`, once per install."""

import numpy as np

from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.physics import physics
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import Node
from edgewright.core.units import GBPS


def warm_up() -> None:
    """Run every kernel once on a tiny problem, so that later calls find machine code."""
    problem = _problem()
    evaluator = Evaluator(problem)
    gate = Gate(evaluator)
    assign = np.array([[0, 1]], np.int32)
    evaluator.evaluate(assign)
    evaluator.objective(assign)
    evaluator.bound(assign)
    gate.feasible(assign)
    physics(problem.dag, problem.world.substrate)


def _problem() -> Problem:
    """Two stages on two nodes beside one placed DAG."""
    request = (0.1, 1e6, 0.0, 0.0, 0.0, 1.0)
    nodes = [Node(f"n{i}", (4.0, 1e9, 0.0, 0.0, 1 * GBPS, 10.0)) for i in range(2)]
    dag = ServiceDag(
        "warm",
        "up",
        (Microservice("a", request, 1e6), Microservice("b", request, 1e6)),
        (Invocation("a", "b", 1e4),),
        Demand(1.0, 1e4),
        qos=Qos(max_latency=0.1, required=True),
    )
    stage, node = np.arange(2, dtype=np.int32), np.zeros(2, np.int32)
    substrate = compile_substrate(nodes)
    world = World(substrate, np.zeros((2, 6)), (PlacedDag(dag, stage, node),))
    return Problem(world, dag, stage, np.full(2, UNPLACED, np.int32), np.ones((2, 2), bool))


if __name__ == "__main__":
    warm_up()
