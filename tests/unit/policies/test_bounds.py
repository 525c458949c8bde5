"""`exact` against brute force and `milp` against `exact`, over flows, replicas and fractional calls."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agents.policies import create, policies
from edgewright.core.feasibility import full_gate
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Node
from edgewright.core.units import CORE_SPEED, GBPS, GIB, MS
from edgewright.emulation.instances import make_problem

ROUNDING = 1e-6
"""Relative: `exact` stops at 1e-7, HiGHS' tolerances may cost a little more."""


def least(problem: Problem) -> float:
    """J of the best feasible placement, by enumeration; infinite where there is none."""
    choices = [np.flatnonzero(problem.allowed[slot]).tolist() for slot in range(len(problem.stage))]
    every = np.array(list(product(*choices)), np.int32)
    gate = full_gate(problem)
    feasible = every[gate.feasible(every)]
    return float(gate.evaluator.objective(feasible).min()) if len(feasible) else np.inf


def expect_consistent(problem: Problem) -> None:
    """`exact` is the least, its bound meets it, milp's bound stays below it, nobody beats it."""
    known = least(problem)
    exact = create("exact").place(problem, seconds=30)
    assert exact.objective == pytest.approx(known, rel=ROUNDING)
    assert exact.bound == pytest.approx(known, rel=ROUNDING)
    milp = create("milp").place(problem, seconds=30)
    if milp.bound is not None:
        assert milp.bound <= known * (1 + ROUNDING)
    for name in set(policies) - {"exact", "milp", "auto"}:
        decision = create(name).place(problem, seconds=0.3)
        assert decision.objective >= known * (1 - ROUNDING), name
        assert decision.feasible or decision.violations, name
    assert milp.objective >= known * (1 - ROUNDING)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("stages", "nodes"), [(4, 6), (6, 5)])
def test_drawn_instances(stages: int, nodes: int, seed: int) -> None:
    problem = make_problem(seed, stages=stages, nodes=nodes)
    expect_consistent(problem)
    if np.isfinite(least(problem)):
        assert create("milp").place(problem, seconds=30).bound is not None


@settings(max_examples=25, deadline=None)
@given(
    replicas=st.sampled_from([(1, 1, 1), (2, 1), (1, 2, 1), (2, 2), (1, 1, 1, 1)]),
    calls=st.sampled_from([1.0, 0.5, 2.0, 1.5]),
    parallel=st.booleans(),
    flow=st.sampled_from(["pipeline", "requestResponse"]),
    cores=st.lists(st.floats(1.0, 4.0), min_size=3, max_size=4),
    rate=st.floats(1.0, 60.0),
)
def test_replicas_calls_and_forks(
    replicas: tuple[int, ...], calls: float, parallel: bool, flow: str, cores: list[float], rate: float
) -> None:
    """The first microservice feeds all others, the last one is fed by all of them."""
    count = len(replicas)
    pairs = list(
        dict.fromkeys([(0, i) for i in range(1, count)] + [(i, count - 1) for i in range(1, count - 1)])
    )
    rated = calls if flow == "requestResponse" else 1.0
    dag = ServiceDag(
        "test",
        "fork",
        tuple(
            Microservice(
                f"m{i}",
                (0.4, 0.2 * GIB, 0.0, 0.0, 0.0, 1.0),
                work=0.3 * CORE_SPEED / 60,
                limit_cpu=1.0 + i,
                min_replicas=n,
                max_replicas=n,
                spread="none",
            )
            for i, n in enumerate(replicas)
        ),
        tuple(
            Invocation(
                f"m{a}",
                f"m{b}",
                4e5,
                response=1e5 if flow == "requestResponse" else 0.0,
                calls=rated,
                parallel=parallel,
            )
            for a, b in pairs
        ),
        Demand(rate, 4e5, 1e5),
        flow=flow,  # type: ignore[arg-type]
    )
    nodes = [
        Node(
            f"n{i}",
            (c, 4 * GIB, 0.0, 0.0, 1 * GBPS, 20.0),
            speed=CORE_SPEED * (1 + 0.1 * i),
            latency=(0.0, 0.0, i * MS),
        )
        for i, c in enumerate(cores)
    ]
    substrate = compile_substrate(nodes)
    stage = np.repeat(np.arange(count), replicas).astype(np.int32)
    expect_consistent(
        Problem(
            World(substrate, np.zeros_like(substrate.capacity)),
            dag,
            stage,
            np.full(len(stage), UNPLACED, np.int32),
            np.ones((len(stage), len(nodes)), np.bool_),
            seed=5,
        )
    )
