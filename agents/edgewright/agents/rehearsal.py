"""A made-up decision from question to report, which loads every kernel, or compiles it."""

import numpy as np

from edgewright.agents import policies, report
from edgewright.agents.choice import reasons_of
from edgewright.agents.policies.heuristic import POOLS
from edgewright.agents.policy import unavailable
from edgewright.agents.snapshot import Sight, snapshot
from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import check
from edgewright.core.objective import utility
from edgewright.core.observe import observe
from edgewright.core.physics import physics
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.scenarios import STATUS
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import Node
from edgewright.core.units import GIB, KB, M_INSTRUCTIONS, MS

_NODES = POOLS[0] + 1
"""So many that candidates are chosen."""


def rehearse_decision(algorithm: str = "heuristic") -> None:
    """Decide, check, explain and report one small DAG beside another."""
    problem = _question()
    decision = policies.create(algorithm).place(problem, seconds=1.0)
    check(problem, decision.assign)
    reasons_of(problem, decision)
    physics(problem.dag, problem.world.substrate)
    settled = Problem(problem.world, problem.dag, problem.stage, np.array([0, 1], np.int32), problem.allowed)
    evaluator = Evaluator(settled, STATUS)
    evaluator.evaluate(settled.fixed)
    report.routes(evaluator, settled.fixed)


def rehearse_all() -> None:
    """Call every kernel that this package and what it uses of core contain."""
    for algorithm in policies.policies:
        if not unavailable(algorithm):
            rehearse_decision(algorithm)
    problem = _question()
    Evaluator(problem).bound(problem.fixed)
    utility(problem.world)
    seen = snapshot(_sight(problem))
    observe(seen, len(seen.capacity), len(seen.request))


def _sight(problem: Problem) -> Sight:
    return Sight(
        problem=problem,
        world=problem.world,
        foreign=np.zeros_like(problem.world.used),
        rates=tuple(each.dag.demand.rate for each in problem.world.placed),
        rate=problem.dag.demand.rate,
        latency=0.0,
        violation=0.0,
        moves=0,
        pending=1,
        active=2,
        requested_elsewhere=0.0,
    )


def _question() -> Problem:
    nodes = [
        Node(f"node-{i}", (4.0, 8 * GIB, 0.0, 0.0, 0.0, 110.0), location=(100.0 * i, 0.0))
        for i in range(_NODES)
    ]
    substrate = compile_substrate(nodes)
    neighbour = PlacedDag(_dag("neighbour"), np.array([0, 1], np.int32), np.array([0, 1], np.int32))
    used = np.zeros((_NODES, len(substrate.capacity[0])))
    used[:2, 0] = 1.0
    return Problem(
        world=World(substrate, used, (neighbour,)),
        dag=_dag("rehearsal"),
        stage=np.array([0, 1], np.int32),
        fixed=np.full(2, UNPLACED, np.int32),
        allowed=np.ones((2, _NODES), np.bool_),
    )


def _dag(name: str) -> ServiceDag:
    request = (0.5, 0.5 * GIB, 0.0, 0.0, 0.0, 1.0)
    return ServiceDag(
        namespace="rehearsal",
        name=name,
        microservices=(
            Microservice("source", request, 5 * M_INSTRUCTIONS),
            Microservice("sink", request, 5 * M_INSTRUCTIONS),
        ),
        invocations=(Invocation("source", "sink", 10 * KB),),
        demand=Demand(10.0, 20 * KB, 5 * KB),
        ingress=Ingress(location=(0.0, 0.0)),
        qos=Qos(max_latency=200 * MS, required=True),
    )
