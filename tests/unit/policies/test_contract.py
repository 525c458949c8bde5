"""What every policy promises, whatever its algorithm: a policy in the registry is tested by being there."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agents.policies import create, policies
from edgewright.agents.policy import Policy
from edgewright.core.feasibility import check
from edgewright.core.problem import UNPLACED, Constraint, Decision, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import Node
from edgewright.core.units import GBPS, GIB, MS
from edgewright.emulation.instances import make_problem

SECONDS = 0.5


@pytest.fixture(params=sorted(policies))
def policy(request: pytest.FixtureRequest) -> Policy:
    return create(request.param)


def make_small(
    *,
    cores: tuple[float, ...] = (4.0, 4.0, 4.0),
    replicas: tuple[int, ...] = (1, 2, 1),
    request: float = 0.5,
    limit: float = 100 * MS,
    required: bool = False,
    spread: str = "node",
    traffic: str = "even",
    flow: str = "pipeline",
) -> Problem:
    """A chain of microservices on nodes of `cores`, nothing else in the world."""
    nodes = [
        Node(f"n{i}", (c, 8 * GIB, 0.0, 0.0, 1 * GBPS, 20.0), zone=f"zone-{i % 2}")
        for i, c in enumerate(cores)
    ]
    names = [f"m{i}" for i in range(len(replicas))]
    microservices = tuple(
        Microservice(
            name,
            (request, 0.5 * GIB, 0.0, 0.0, 0.0, 1.0),
            work=5e6,
            min_replicas=count,
            max_replicas=count,
            spread=spread,  # type: ignore[arg-type]
            traffic=traffic,  # type: ignore[arg-type]
        )
        for name, count in zip(names, replicas, strict=True)
    )
    invocations = tuple(
        Invocation(a, b, 4e5, response=1e5 if flow == "requestResponse" else 0.0) for a, b in pairwise(names)
    )
    dag = ServiceDag(
        "test",
        "small",
        microservices,
        invocations,
        Demand(20.0, 4e5, 1e5),
        qos=Qos(max_latency=limit, required=required),
        flow=flow,  # type: ignore[arg-type]
    )
    substrate = compile_substrate(nodes)
    stage = np.repeat(np.arange(len(replicas)), replicas).astype(np.int32)
    return Problem(
        World(substrate, np.zeros_like(substrate.capacity)),
        dag,
        stage,
        np.full(len(stage), UNPLACED, np.int32),
        np.ones((len(stage), len(nodes)), np.bool_),
        seed=7,
    )


def expect_valid(problem: Problem, decision: Decision) -> None:
    """A decision is a placement that passes core's check, or leaves every free slot out and says why."""
    fixed = problem.fixed != UNPLACED
    assert decision.assign.shape == problem.fixed.shape
    assert (decision.assign[fixed] == problem.fixed[fixed]).all()
    if decision.violations:
        assert not decision.feasible
        assert (decision.assign[~fixed] == UNPLACED).all()
        assert all(violation.message for violation in decision.violations)
        assert decision.objective == np.inf
    else:
        assert decision.feasible
        assert check(problem, decision.assign) == ()
        assert decision.prediction is not None
        assert 0 < decision.objective < np.inf
    if decision.bound is not None:
        assert decision.bound <= decision.objective


@pytest.mark.parametrize("seed", range(6))
def test_places_ordinary_problems_without_breaking_anything(policy: Policy, seed: int) -> None:
    problem = make_problem(seed, stages=6, nodes=12)
    expect_valid(problem, policy.place(problem, seconds=SECONDS))


def test_places_what_plainly_fits(policy: Policy) -> None:
    decision = policy.place(make_small(), seconds=SECONDS)
    assert decision.feasible


def test_keeps_fixed_slots(policy: Policy) -> None:
    problem = make_small()
    problem = replace(problem, fixed=np.array([2, UNPLACED, 0, UNPLACED], np.int32))
    decision = policy.place(problem, seconds=SECONDS)
    assert decision.feasible
    assert decision.assign[0] == 2
    assert decision.assign[2] == 0
    assert decision.assign[1] != 0, "replicas of one microservice share no node"


def test_no_free_slot_is_a_decision_too(policy: Policy) -> None:
    problem = replace(make_small(), fixed=np.array([0, 1, 2, 0], np.int32))
    decision = policy.place(problem, seconds=SECONDS)
    assert decision.feasible
    assert decision.assign.tolist() == [0, 1, 2, 0]


def test_single_node(policy: Policy) -> None:
    decision = policy.place(make_small(cores=(4.0,), replicas=(1, 1, 1)), seconds=SECONDS)
    assert decision.assign.tolist() == [0, 0, 0]


def test_respects_the_callers_exclusions(policy: Policy) -> None:
    problem = make_small()
    allowed = problem.allowed.copy()
    allowed[0, :2] = False
    decision = policy.place(replace(problem, allowed=allowed), seconds=SECONDS)
    assert decision.assign[0] == 2


@pytest.mark.parametrize("spread", ["node", "zone", "none"])
def test_respects_spread(policy: Policy, spread: str) -> None:
    problem = make_small(cores=(4.0, 4.0, 4.0, 4.0), spread=spread)
    decision = policy.place(problem, seconds=SECONDS)
    expect_valid(problem, decision)
    assert decision.feasible


def test_requests_may_differ_between_slots(policy: Policy) -> None:
    problem = make_small(cores=(1.0, 2.0, 4.0))
    request = np.tile(np.array(problem.dag.microservices[0].request), (4, 1))
    request[:, 0] = (0.4, 1.9, 0.6, 2.5)
    decision = policy.place(replace(problem, request=request), seconds=SECONDS)
    expect_valid(replace(problem, request=request), decision)
    assert decision.feasible
    assert decision.assign[3] == 2


def test_nothing_fits(policy: Policy) -> None:
    problem = make_small(request=5.0)
    decision = policy.place(problem, seconds=SECONDS)
    expect_valid(problem, decision)
    assert {violation.constraint for violation in decision.violations} == {Constraint.CPU}


def test_required_latency_that_physics_forbids(policy: Policy) -> None:
    problem = make_small(limit=0.01 * MS, required=True)
    decision = policy.place(problem, seconds=SECONDS)
    expect_valid(problem, decision)
    assert not decision.feasible


def test_no_node_at_all(policy: Policy) -> None:
    problem = make_small()
    nodes = [replace(node, schedulable=False) for node in problem.world.substrate.nodes]
    substrate = compile_substrate(nodes)
    problem = replace(problem, world=World(substrate, np.zeros_like(substrate.capacity)))
    decision = policy.place(problem, seconds=SECONDS)
    expect_valid(problem, decision)
    assert not decision.feasible


@pytest.mark.parametrize("flow", ["pipeline", "requestResponse"])
@pytest.mark.parametrize("traffic", ["even", "sameZone", "sameNode"])
def test_every_flow_and_traffic(policy: Policy, flow: str, traffic: str) -> None:
    problem = make_small(replicas=(2, 2, 2), traffic=traffic, flow=flow)
    decision = policy.place(problem, seconds=SECONDS)
    expect_valid(problem, decision)
    assert decision.feasible


def test_same_seed_same_answer(policy: Policy) -> None:
    first = policy.place(make_problem(3, stages=5, nodes=10), seconds=20)
    second = create(policy.name).place(make_problem(3, stages=5, nodes=10), seconds=20)
    assert first.assign.tolist() == second.assign.tolist()
    assert first.objective == second.objective


def test_time_budget(policy: Policy) -> None:
    problem = make_problem(1, stages=10, nodes=20)
    policy.place(problem, seconds=SECONDS)
    began = time.process_time()
    policy.place(problem, seconds=0.2)
    assert time.process_time() - began < 2.0


@settings(max_examples=15, deadline=None)
@given(
    cores=st.lists(st.floats(0.2, 4.0), min_size=1, max_size=6),
    replicas=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    request=st.floats(0.1, 2.0),
    limit=st.floats(1 * MS, 200 * MS),
    required=st.booleans(),
    spread=st.sampled_from(["node", "zone", "none"]),
    pinned=st.integers(-1, 5),
)
@pytest.mark.parametrize("name", sorted(set(policies) - {"auto"}))
def test_any_problem(
    name: str,
    cores: list[float],
    replicas: list[int],
    request: float,
    limit: float,
    required: bool,
    spread: str,
    pinned: int,
) -> None:
    problem = make_small(
        cores=tuple(cores),
        replicas=tuple(replicas),
        request=request,
        limit=limit,
        required=required,
        spread=spread,
    )
    if 0 <= pinned < len(cores):
        fixed = problem.fixed.copy()
        fixed[0] = pinned
        problem = replace(problem, fixed=fixed)
    expect_valid(problem, create(name).place(problem, seconds=0.2))
