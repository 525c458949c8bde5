"""The policies to compare with do what their sources say: hand-made cases with known answers."""

import sys
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from edgewright.agents.figures import in_use
from edgewright.agents.policies import create, policies
from edgewright.agents.policies.heft import Schedule, TaskGraph, upward_ranks
from edgewright.agents.policies.kube import Scores
from edgewright.agents.policies.network_aware import zone_costs
from edgewright.agents.policy import LIBRARIES, PolicyUnavailableError, unavailable
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Link, Node
from edgewright.core.units import GBPS, GIB, MS
from edgewright.emulation.instances import make_problem
from edgewright.kube.crds.edge_controller import EdgeControllerSpec
from edgewright.kube.crds.service_dag import PlacementPolicy


def make_pods(
    nodes: list[Node], links: list[Link], count: int, *, replicas: int = 1, bandwidth: float = 0.0
) -> Problem:
    """A chain of `count` microservices of 1 core and 1 GiB."""
    request = (1.0, 1 * GIB, 0.0, 0.0, 0.0, 1.0)
    names = [f"m{i}" for i in range(count)]
    dag = ServiceDag(
        "test",
        "chain",
        tuple(
            Microservice(n, request, work=1e6, min_replicas=replicas, max_replicas=replicas) for n in names
        ),
        tuple(Invocation(a, b, 1e5, min_bandwidth=bandwidth) for a, b in pairwise(names)),
        Demand(1.0, 1e4),
    )
    substrate = compile_substrate(nodes, links)
    stage = np.repeat(np.arange(count), replicas).astype(np.int32)
    return Problem(
        World(substrate, np.zeros_like(substrate.capacity)),
        dag,
        stage,
        np.full(len(stage), UNPLACED, np.int32),
        np.ones((len(stage), len(nodes)), np.bool_),
        seed=3,
    )


def make_node(name: str, cores: float, memory: float, zone: str = "") -> Node:
    return Node(name, (cores, memory * GIB, 0.0, 0.0, 0.0, 50.0), zone=zone)


class TestKube:
    """Scores worked out by hand from the plugins' formulas."""

    def test_resources(self) -> None:
        problem = make_pods([make_node("a", 4, 4), make_node("b", 4, 8), make_node("c", 10, 10)], [], 2)
        nodes, empty = np.arange(3, dtype=np.int32), problem.fixed
        # With the pod: 1/4 and 1/4; 1/4 and 1/8; 1/10 and 1/10 of CPU and memory.
        assert Scores(problem).fit(empty, 0, nodes).tolist() == [75, 81, 90]
        assert Scores(problem).balanced(empty, 0, nodes).tolist() == [100, 93, 100]
        # A pod placed on c counts for the next one.
        placed = np.array([2, UNPLACED], np.int32)
        assert Scores(problem).fit(placed, 1, nodes).tolist() == [75, 81, 80]

    def test_spread(self) -> None:
        nodes = [make_node("a", 4, 4, "x"), make_node("b", 4, 4, "x"), make_node("c", 4, 4, "y")]
        problem = make_pods(nodes, [], 1, replicas=2)
        placed, every = np.array([0, UNPLACED], np.int32), np.arange(3, dtype=np.int32)
        # Per host: count x ln(3 + 2) + 2, per zone: count x ln(2 + 2) + 4; rounded 9, 7, 6; turned over.
        assert Scores(problem).spread(placed, 1, every).tolist() == [66, 88, 100]

    def test_the_emptiest_node_gets_the_pod_and_seeds_break_ties(self) -> None:
        nodes = [make_node("a", 2, 2), make_node("b", 8, 8), make_node("c", 2, 2)]
        assert create("kube").place(make_pods(nodes, [], 1), seconds=1).assign.tolist() == [1]
        alike = make_pods([make_node(n, 4, 4) for n in "abcdef"], [], 1)
        chosen = {
            int(create("kube").place(replace(alike, seed=seed), seconds=1).assign[0]) for seed in range(20)
        }
        assert len(chosen) > 2


class TestNetworkAware:
    """Costs between zones, and what follows from them."""

    LINKS = (
        Link("a", "b", GBPS, 1 * MS),
        Link("b", "c", GBPS, 4 * MS),
        Link("c", "d", GBPS / 10, 5 * MS),
    )
    ZONES = "xxyz"

    def make(self, count: int, cores: tuple[float, ...], bandwidth: float = 0.0) -> Problem:
        nodes = [make_node(n, c, 8, z) for n, c, z in zip("abcd", cores, self.ZONES, strict=True)]
        return make_pods(nodes, list(self.LINKS), count, bandwidth=bandwidth)

    def test_costs(self) -> None:
        cost = zone_costs(self.make(1, (4, 4, 4, 4)).world.substrate)
        # Mean delays: x-y 4.5 ms, x-z 9.5 ms, y-z 5 ms; the largest is 100.
        assert cost.tolist() == [[0, 1, 48, 100], [1, 0, 48, 100], [48, 48, 0, 53], [100, 100, 53, 0]]

    def test_callees_stay_near_their_callers(self) -> None:
        problem = self.make(3, (1.1, 1.1, 1.1, 9.0))
        problem = replace(problem, fixed=np.array([0, UNPLACED, UNPLACED], np.int32))
        decision = create("network-aware").place(problem, seconds=1)
        assert decision.assign.tolist() == [0, 1, 2]

    def test_a_path_that_is_too_narrow_is_not_taken(self) -> None:
        problem = self.make(2, (0.5, 0.5, 1.1, 9.0), bandwidth=GBPS / 2)
        problem = replace(problem, fixed=np.array([2, UNPLACED], np.int32))
        decision = create("network-aware").place(problem, seconds=1)
        assert not decision.feasible
        assert decision.violations


class TestHeft:
    """The worked example of Topcuoglu, Hariri and Wu 2002 (their figure 2 and table 2)."""

    COMPUTE = (
        (14, 16, 9),
        (13, 19, 18),
        (11, 13, 19),
        (13, 8, 17),
        (12, 13, 10),
        (13, 16, 9),
        (7, 15, 11),
        (5, 11, 14),
        (18, 12, 20),
        (21, 7, 16),
    )
    EDGES = (
        (1, 2, 18), (1, 3, 12), (1, 4, 9), (1, 5, 11), (1, 6, 14), (2, 8, 19), (2, 9, 16), (3, 7, 23),
        (4, 8, 27), (4, 9, 23), (5, 9, 13), (6, 8, 15), (7, 10, 17), (8, 10, 11), (9, 10, 13),
    )  # fmt: skip
    RANKS = (108.0, 77.0, 80.0, 80.0, 69.0, 63.333, 42.667, 35.667, 44.333, 14.667)

    def graph(self) -> TaskGraph:
        apart = 1.0 - np.eye(3)
        none = np.zeros((10, 3))
        return TaskGraph(
            order=np.arange(10, dtype=np.int32),
            edges=[(a - 1, b - 1) for a, b, _ in self.EDGES],
            compute=np.array(self.COMPUTE, float),
            move=np.array([cost * apart for _, _, cost in self.EDGES]),
            enter=none,
            leave=none,
        )

    def test_ranks(self) -> None:
        ranks = upward_ranks(self.graph(), np.ones((10, 3), bool))
        assert ranks == pytest.approx(self.RANKS, abs=1e-3)

    def test_the_schedule_takes_80(self) -> None:
        schedule, assign = (
            Schedule(self.graph(), np.arange(10, dtype=np.int32)),
            np.full(10, UNPLACED, np.int32),
        )
        for task in np.argsort(-np.array(self.RANKS), kind="stable"):
            assign[task] = schedule.choose(assign, int(task), np.arange(3, dtype=np.int32))
        assert schedule.finish.max() == pytest.approx(80.0)

    def test_it_looks_at_latency(self) -> None:
        pairs = [
            (create("heft").place(p, seconds=1), create("random").place(p, seconds=1))
            for p in (make_problem(seed, stages=6, nodes=12) for seed in range(12))
        ]
        both = [(a.objective, b.objective) for a, b in pairs if a.feasible and b.feasible]
        assert len(both) >= 6
        assert np.mean([a for a, _ in both]) < np.mean([b for _, b in both])


def test_genetic_and_random_seeds_differ_without_touching_the_global_stream() -> None:
    import random  # noqa: PLC0415 - the stream that must stay as it is

    state = random.getstate()
    create("genetic").place(make_problem(2, stages=5, nodes=6), seconds=2)
    assert random.getstate() == state


def test_every_algorithm_may_be_asked_for() -> None:
    for model in (PlacementPolicy, EdgeControllerSpec):
        schema = model.model_json_schema()["properties"]["algorithm"]
        assert set(schema["enum"]) == set(policies), model


@pytest.mark.parametrize("algorithm", sorted(LIBRARIES))
def test_a_missing_library_is_said(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unavailable(algorithm) == ""
    monkeypatch.setitem(sys.modules, LIBRARIES[algorithm], None)
    with pytest.raises(PolicyUnavailableError, match=LIBRARIES[algorithm]):
        create(algorithm)
    told = in_use(algorithm)
    assert told["algorithm"] == "heuristic"
    assert LIBRARIES[algorithm] in told["algorithmReason"]
    assert len(told["algorithmReason"]) <= 256


def test_names_are_their_own() -> None:
    made = {name: create(name).name for name in policies}
    assert made.pop("auto") == "heuristic"
    assert all(name == known for known, name in made.items())
    assert not [pair for pair in combinations(made.values(), 2) if pair[0] == pair[1]]
