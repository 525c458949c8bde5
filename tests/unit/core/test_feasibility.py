"""Every hard constraint is found, worded, and never eased by less capacity."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import (
    CAPACITY,
    REQUEST,
    array,
    chain,
    dag,
    hard,
    node,
    placed,
    problem,
    stage,
    star,
)

from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate, check, feasible
from edgewright.core.masks import mask_after, node_mask
from edgewright.core.outcome import PERCENTILE
from edgewright.core.physics import physics
from edgewright.core.problem import UNPLACED, Constraint, Problem
from edgewright.core.routes import compile_substrate, with_nodes
from edgewright.core.scenarios import STATUS
from edgewright.core.service import Ingress, Qos, Toleration
from edgewright.core.substrate import Link, Taint
from edgewright.core.units import GBPS, GIB, MS
from edgewright.core.whynot import why_not


def broken(one: Problem, nodes: list[int]) -> set[Constraint]:
    found = check(one, array(nodes))
    assert all(v.message and "  " not in v.message for v in found)
    assert feasible(one, array(nodes)) == (not found)
    return {v.constraint for v in found}


def request(**changes: float) -> tuple[float, ...]:
    names = ("cpu", "memory", "gpu", "npu", "radio", "pods")
    return tuple(changes.get(name, value) for name, value in zip(names, REQUEST, strict=True))


def only(**stage_changes: Any) -> Problem:
    """One stage on two nodes."""
    return problem(dag([stage("a", **stage_changes)]), star(2))


CASES: list[tuple[Problem, list[int], set[Constraint]]] = [
    (only(), [0], set()),
    (only(request=request(cpu=9.0)), [0], {Constraint.CPU}),
    (only(request=request(memory=17 * GIB)), [0], {Constraint.MEMORY}),
    (only(request=request(gpu=1)), [0], {Constraint.GPU}),
    (only(request=request(npu=1)), [0], {Constraint.NPU}),
    (only(request=request(radio=11 * GBPS)), [0], {Constraint.RADIO}),
    (problem(chain("a"), star(1, capacity=(8.0, 1e10, 0, 0, 1e10, 0.0))), [0], {Constraint.PODS}),
    (only(request=request(cpu=9.0, memory=17 * GIB)), [0], {Constraint.CPU, Constraint.MEMORY}),
    (
        problem(dag([stage("a", request=request(cpu=5.0)), stage("b", request=request(cpu=5.0))]), star(2)),
        [0, 0],
        {Constraint.CPU},
    ),
    (problem(chain("a"), star(1, schedulable=False)), [0], {Constraint.NOT_READY}),
    (only(tiers=frozenset({"core"})), [0], {Constraint.TIER}),
    (only(node_selector=(("disk", "ssd"),)), [0], {Constraint.SELECTOR}),
    (problem(chain("a"), star(1, taints=(Taint("busy"),))), [0], {Constraint.TAINT}),
    (problem(chain("a"), star(1, labels={"edgewright.dev/slice": "gold_silver"})), [0], {Constraint.SLICE}),
    (problem(chain("a", slice="gold"), star(1, labels={"edgewright.dev/slice": "gold_silver"})), [0], set()),
    (problem(chain("a"), star(2), replicas=[2]), [1, 1], {Constraint.SPREAD}),
    (problem(chain("a"), star(2), replicas=[2]), [0, 1], set()),
    (
        problem(dag([stage("a", spread="zone")]), star(2, zone="z"), replicas=[2]),
        [0, 1],
        {Constraint.SPREAD},
    ),
    (problem(dag([stage("a", spread="none")]), star(2), replicas=[2]), [1, 1], set()),
    (problem(chain("a", rate=1800.0), star(1)), [0], {Constraint.UTILISATION}),
    (problem(chain("a", ingress=Ingress(node="gone")), star(1)), [0], {Constraint.UNREACHABLE}),
    (problem(chain("a", qos=hard(1 * MS)), star(1)), [0], {Constraint.LATENCY}),
    (problem(chain("a", qos=Qos(max_latency=1 * MS)), star(1)), [0], set()),
    (problem(chain("a", qos=hard(max_jitter=1e-6)), star(1)), [0], {Constraint.JITTER}),
    (problem(chain("a", qos=hard(min_success=0.99)), star(1, success=0.9)), [0], {Constraint.SUCCESS}),
]


@pytest.mark.parametrize(("one", "nodes", "expected"), CASES)
def test_each_constraint_is_named(one: Problem, nodes: list[int], expected: set[Constraint]) -> None:
    assert broken(one, nodes) == expected


def test_skew_of_joins_is_bounded() -> None:
    service = dag([stage(n) for n in "abc"], [("a", "c"), ("b", "c"), ("a", "b")], qos=hard(max_skew=1e-6))
    assert broken(problem(service, star(2)), [0, 1, 0]) == {Constraint.SKEW}


def test_a_slot_without_a_node_and_a_moved_bound_replica_are_violations() -> None:
    one = problem(chain("a", "b"), star(2), fixed=[0, UNPLACED])
    assert broken(one, [0, UNPLACED]) == {Constraint.EXCLUDED}
    assert broken(one, [1, 1]) == {Constraint.EXCLUDED}
    assert broken(one, [0, 1]) == set()


def test_the_callers_exclusions_hold() -> None:
    one = problem(chain("a"), star(2))
    one.allowed[0, 1] = False
    assert broken(one, [1]) == {Constraint.EXCLUDED}


def test_partitioned_nodes_cannot_call_each_other() -> None:
    nodes = [node(f"n{i}") for i in range(4)]
    substrate = compile_substrate(nodes, [Link("n0", "n1", GBPS, 0), Link("n2", "n3", GBPS, 0)])
    assert broken(problem(chain("a", "b"), substrate), [0, 2]) == {Constraint.UNREACHABLE}


def narrow(minimum: float, others: int = 0) -> Problem:
    service = chain("a", "b")
    service = replace(service, invocations=(replace(service.invocations[0], min_bandwidth=minimum),))
    return problem(service, star(2), others=[placed(service, [0, 1])] * others)


def test_reserved_bandwidth_fits_the_path_and_what_others_reserved() -> None:
    assert broken(narrow(1.1 * GBPS), [0, 1]) == {Constraint.BANDWIDTH}
    assert broken(narrow(1.1 * GBPS), [0, 0]) == set()
    assert broken(narrow(0.6 * GBPS, others=1), [0, 1]) == {Constraint.BANDWIDTH}
    assert broken(narrow(0.4 * GBPS, others=1), [0, 1]) == set()


def test_an_invocation_may_bound_its_own_transfer() -> None:
    service = chain("a", "b", qos=hard(1.0))
    service = replace(service, invocations=(replace(service.invocations[0], max_latency=0.1 * MS),))
    assert broken(problem(service, star(2)), [0, 1]) == {Constraint.INVOCATION_LATENCY}
    assert broken(problem(service, star(2)), [0, 0]) == set()


def test_anothers_required_limit_is_never_broken() -> None:
    newcomer = dag([stage("a", 60e6, limit_cpu=None)], rate=800.0, payload=0.0, response=0.0)
    neighbour = chain("x", name="neighbour", rate=300.0)
    beside = Evaluator(problem(newcomer, star(2), others=[placed(neighbour, [0])]), STATUS)
    before, after = beside.base[0, PERCENTILE], beside.neighbours(array([0]))[0, 0, PERCENTILE]
    assert after > before
    strict = replace(neighbour, qos=hard(float(before + after) / 2))
    assert check(problem(strict, star(2)), array([0])) == ()
    one = problem(newcomer, star(2), others=[placed(strict, [0])])
    assert broken(one, [0]) == {Constraint.OTHER_DAG}
    assert "neighbour" in check(one, array([0]))[0].message
    assert broken(one, [1]) == set()


def test_a_limit_that_is_broken_already_forbids_only_what_makes_it_worse() -> None:
    late = chain("x", name="late", qos=hard(1e-6))
    newcomer = dag([stage("a", limit_cpu=None)], rate=2_000.0, payload=0.0, response=0.0)
    one = problem(newcomer, star(2), others=[placed(late, [0])])
    assert broken(one, [1]) == set()
    assert broken(one, [0]) == {Constraint.OTHER_DAG}


def test_stale_foreign_load_keeps_more_headroom() -> None:
    service = dag([stage("a", limit_cpu=None)], rate=6_400.0, payload=0.0, response=0.0)
    assert broken(problem(service, star(1)), [0]) == set()
    assert broken(problem(service, star(1), stale=True), [0]) == {Constraint.UTILISATION}


def test_foreign_pods_are_load() -> None:
    service = dag([stage("a", limit_cpu=None)], rate=3_200.0, payload=0.0, response=0.0)
    assert broken(problem(service, star(1)), [0]) == set()
    assert broken(problem(service, star(1), foreign=[7.0]), [0]) == {Constraint.UTILISATION}


def test_a_replica_that_relieves_an_overloaded_one_may_come() -> None:
    busy = chain("a", rate=1_900.0)
    alone = problem(busy, star(2), replicas=[2], fixed=[0, UNPLACED])
    assert Gate(Evaluator(alone)).limit == 0.85
    assert broken(problem(busy, star(2), replicas=[1]), [0]) == {Constraint.UTILISATION}
    assert broken(alone, [0, 1]) == set()


def test_tolerations_follow_kubernetes() -> None:
    taint = Taint("dedicated", "video", "NoSchedule")
    good = [
        Toleration("dedicated", "Equal", "video"),
        Toleration("dedicated", "Exists"),
        Toleration("", "Exists"),
        Toleration("dedicated", "Equal", "video", "NoSchedule"),
    ]
    bad = [Toleration("dedicated", "Equal", "audio"), Toleration("dedicated", "Exists", "", "NoExecute")]
    for toleration, expected in [(t, True) for t in good] + [(t, False) for t in bad]:
        one = problem(dag([stage("a", tolerations=(toleration,))]), star(1, taints=(taint,)))
        assert node_mask(one)[0, 0] == expected
    assert node_mask(problem(chain("a"), star(1, taints=(Taint("edgewright.dev/edge"),))))[0, 0]
    assert node_mask(problem(chain("a"), star(1, taints=(Taint("soft", "", "PreferNoSchedule"),))))[0, 0]


def test_the_mask_shrinks_as_slots_are_placed() -> None:
    service = dag([stage("a", request=request(cpu=5.0)), stage("b", request=request(cpu=5.0))])
    one = problem(service, star(2), replicas=[2, 1])
    mask = node_mask(one)
    assert mask.all()
    assert mask_after(one, mask, array([0, UNPLACED, UNPLACED]), 1).tolist() == [False, True]
    assert mask_after(one, mask, array([0, 1, UNPLACED]), 2).tolist() == [False, False]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.floats(1, 3),
    st.floats(1, 900),
    st.floats(0.5, 4),
)
def test_more_capacity_never_forbids(nodes: list[int], factor: float, rate: float, cpu: float) -> None:
    """More of every resource and more bandwidth, at the same speed per core and the same limits."""
    service = chain("a", "b", "c", "d", rate=rate, qos=hard(20 * MS))
    service = replace(
        service, microservices=tuple(replace(m, request=request(cpu=cpu)) for m in service.microservices)
    )
    more = tuple(value * factor for value in CAPACITY)
    small, large = star(4), star(4, capacity=more, bandwidth=factor * GBPS)
    assert feasible(problem(service, large), array(nodes)) >= feasible(problem(service, small), array(nodes))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(10, 1500))
def test_the_fast_gate_and_the_words_agree(seed: int, rate: float) -> None:
    service = chain("a", "b", "c", rate=rate, qos=hard(12 * MS))
    one = problem(service, star(3), replicas=[1, 2, 1], others=[placed(chain("x", "y", rate=400.0), [0, 1])])
    gate = Gate(Evaluator(one, STATUS))
    batch = np.random.default_rng(seed).integers(-1, 3, (20, 4)).astype(np.int32)
    np.testing.assert_array_equal(gate.feasible(batch), [check(one, row) == () for row in batch])


def test_why_not_counts_nodes_by_constraint_and_class() -> None:
    nodes = [
        node("n0"),
        node("n1", schedulable=False),
        node("n2", tier="core", capacity=(1.0, *CAPACITY[1:])),
        node("n3", tier="core", capacity=(2.0, *CAPACITY[1:])),
    ]
    service = dag([stage("a", request=request(cpu=4.0), tiers=frozenset({"core"}))])
    found = why_not(problem(service, compile_substrate(nodes)))
    said = {(v.constraint, v.where): (v.nodes, v.needed, v.available) for v in found}
    assert said[Constraint.NOT_READY, "edge nodes"][0] == 1
    assert said[Constraint.TIER, "edge nodes"][0] == 1
    assert said[Constraint.CPU, "core nodes"] == (2, 4.0, 2.0)


def test_why_not_speaks_for_one_excluded_replica_among_others() -> None:
    one = problem(chain("a", "b"), star(3), replicas=[2, 1])
    allowed = one.allowed.copy()
    allowed[1] = False
    assert {v.constraint for v in why_not(replace(one, allowed=allowed))} == {Constraint.EXCLUDED}


def test_why_not_finds_total_shortage_and_physics() -> None:
    many = problem(dag([stage(n, request=request(cpu=6.0)) for n in "abc"]), star(2))
    assert {(v.constraint, v.needed) for v in why_not(many)} == {(Constraint.CPU, 18.0)}
    packing = problem(dag([stage(n, request=request(cpu=5.0)) for n in "abc"]), star(2))
    assert {(v.constraint, v.where) for v in why_not(packing)} == {(Constraint.CPU, "together")}
    fast = problem(chain("a", "b", qos=hard(0.1 * MS)), star(2))
    assert {v.constraint for v in why_not(fast)} == {Constraint.LATENCY}
    assert why_not(problem(chain("a"), star(1)), array([0]))


def test_physics_refuses_only_what_no_idle_node_could_do() -> None:
    far = compile_substrate(
        [node("n0"), node("n1", tier="core", radio=frozenset())],
        [Link("n0", "n1", GBPS, 30 * MS)],
    )
    service = dag([stage("a", tiers=frozenset({"core"}))], qos=Qos(max_latency=40 * MS))
    found = physics(service, far)
    assert [v.constraint for v in found] == [Constraint.LATENCY]
    assert found[0].available > 60
    assert physics(replace(service, qos=Qos(max_latency=200 * MS)), far) == ()
    closed = with_nodes(far, [replace(n, schedulable=False) for n in far.nodes])
    assert physics(service, closed) == found, "readiness passes, physics does not"
