"""Routes, cells, scenarios, replica counts, utility, explanations."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import array, chain, dag, diamond, node, placed, problem, stage, star

from edgewright.core.explain import explain, reason
from edgewright.core.objective import utility
from edgewright.core.problem import UNPLACED, World
from edgewright.core.radio import cell_rate, serving_cell
from edgewright.core.replicas import TARGET, replica_counts
from edgewright.core.routes import compile_substrate, station_name, with_nodes
from edgewright.core.scenarios import SEARCH, STATUS, scenarios
from edgewright.core.service import Ingress
from edgewright.core.substrate import Link
from edgewright.core.units import GBPS, MS


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7), st.floats(0, 5e-3), st.floats(1e8, 1e10)),
        min_size=1,
        max_size=20,
    )
)
def test_routes_are_shortest_paths(edges: list[tuple[int, int, float, float]]) -> None:
    names = [f"n{i}" for i in range(6)]  # 6 and 7 are switches
    links = [Link(f"n{a}", f"n{b}", bandwidth, delay) for a, b, delay, bandwidth in edges if a != b]
    links += [Link(name, "n6", 1e9, 8e-3) for name in names]
    substrate = compile_substrate([node(name) for name in names], links)
    best = np.full((8, 8), np.inf)
    np.fill_diagonal(best, 0)
    for link in links:
        a, b = int(link.source[1]), int(link.target[1])
        best[a, b] = best[b, a] = min(best[a, b], link.delay)
    for k in range(8):
        best = np.minimum(best, best[:, [k]] + best[[k]])
    np.testing.assert_allclose(substrate.path_delay, best[:6, :6], atol=1e-8)


def test_a_single_link_is_the_port_and_a_larger_site_has_one_of_its_own() -> None:
    substrate = star(3)
    assert (substrate.path == substrate.dummy).all()
    assert substrate.station_capacity[3] == GBPS
    assert substrate.path_bandwidth[0, 1] == GBPS
    assert substrate.path_delay[0, 1] == pytest.approx(0.2 * MS)
    links = [Link("n0", "n1", GBPS, 0), Link("n1", "n2", 4 * GBPS, 0)]
    line = compile_substrate([node(f"n{i}") for i in range(3)], links)
    assert line.station_capacity[3 + 1] == 4 * GBPS
    assert line.path_bandwidth[0, 2] == GBPS
    assert station_name(line, 3) == "uplink of n0"


def test_nodes_without_links_hang_on_the_backbone() -> None:
    substrate = compile_substrate([node("n0"), node("n1", latency=(0, 0, 2 * MS))])
    assert substrate.path_delay[0, 1] == pytest.approx(2.5 * MS)
    assert substrate.path_bandwidth[0, 1] == 10 * GBPS


def test_with_nodes_keeps_the_routes() -> None:
    before = star(3)
    after = with_nodes(before, [replace(n, schedulable=False, success=0.5) for n in before.nodes])
    assert after.path is before.path
    assert after.station_success[0] == 0.5
    with pytest.raises(ValueError, match="compile a new substrate"):
        with_nodes(before, before.nodes[:2])


@pytest.mark.parametrize(
    ("nodes", "links", "word"),
    [
        (["n0", "n0"], [], "unique"),
        (["n0"], [Link("n0", "n0", 1, 0)], "different"),
        (["n0", "n1"], [Link("n0", "n1", 0, 0)], "bandwidth"),
        (["n0", "n1"], [Link("n0", "n1", 1, -1)], "negative"),
    ],
)
def test_nonsense_topologies_are_refused(nodes: list[str], links: list[Link], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        compile_substrate([node(name) for name in nodes], links)


def test_users_use_the_nearest_cell_and_rates_fall_with_distance() -> None:
    substrate = star(4)
    assert serving_cell(substrate, Ingress(location=(650.0, 0.0))) == (2, 50.0)
    assert serving_cell(substrate, Ingress(node="n3")) == (3, 50.0)
    assert serving_cell(substrate, Ingress(node="gone")) is None
    assert serving_cell(substrate, Ingress()) is not None
    dead = with_nodes(substrate, [replace(n, serving=n.name != "n2") for n in substrate.nodes])
    for ingress in (Ingress(location=(650.0, 0.0)), Ingress(node="n2")):
        found = serving_cell(dead, ingress)
        assert found is not None
        assert found[0] in {1, 3}, "users of a dead site use the nearest living cell"
    rates = [cell_rate(frozenset({"mmw"}), distance) for distance in (20, 100, 250, 400, 900)]
    assert rates == sorted(rates, reverse=True)
    assert rates[2] >= 5 * GBPS > rates[3]
    assert cell_rate(frozenset({"sub6"}), 900, immersive=True) == 5 * GBPS
    assert cell_rate(frozenset({"sub6", "mmw"}), 50) == cell_rate(frozenset({"mmw"}), 50)


@pytest.mark.parametrize("count", [SEARCH, 32, STATUS])
def test_scenario_tables_are_stratified_and_exact_in_mean(count: int) -> None:
    table = scenarios(count)
    for rows, variation in ((table.work, 0.5), (table.payload, 0.75)):
        np.testing.assert_allclose(rows.mean(axis=1), 1)
        np.testing.assert_allclose(rows.var(axis=1), variation, rtol=1e-6)
        assert (np.sort(rows, axis=1) == np.sort(rows[0])).all()
    np.testing.assert_allclose(table.work_wait.mean(axis=1), 1)
    np.testing.assert_array_equal(scenarios(count, 200).work[: len(table.work)], table.work)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 3000), st.floats(0, 500e6), st.integers(1, 3), st.integers(3, 9))
def test_replicas_are_as_few_as_keep_each_below_the_target(
    rate: float, work: float, low: int, high: int
) -> None:
    service = dag([stage("a", work, min_replicas=low, max_replicas=high)], rate=rate)
    (count,) = replica_counts(service)
    busy = rate * work / (count * 2.0 * 10e9)
    assert low <= count <= high
    assert count == high or busy <= TARGET * (1 + 1e-6)
    assert count == low or rate * work / ((count - 1) * 2.0 * 10e9) > TARGET * (1 - 1e-6)


def test_replicas_follow_visits() -> None:
    once = chain("a", "b", rate=2_000.0, flow="requestResponse")
    once = replace(once, microservices=tuple(replace(m, max_replicas=20) for m in once.microservices))
    often = replace(once, invocations=(replace(once.invocations[0], calls=3.0),))
    assert replica_counts(often)[1] > replica_counts(once)[1]


def test_utility_falls_with_load_and_pending_demand() -> None:
    substrate = star(4)

    def world(rate: float) -> World:
        other = placed(diamond(rate=rate), [0, 1, 2, 3])
        return problem(chain("z"), substrate, others=[other]).world

    calm, busy = utility(world(10.0)), utility(world(900.0))
    assert 0 <= busy.value < calm.value <= 1
    pending = utility(world(10.0), unplaced=10.0)
    assert pending.value < calm.value - 0.15
    assert pending.success == pytest.approx(calm.success / 2)
    assert utility(World(substrate, np.zeros_like(substrate.capacity))).value == 1


def test_the_critical_path_explains_the_latency() -> None:
    one = problem(diamond(rate=60.0), star(4))
    told = explain(one, array([0, 1, 2, 3]))
    assert told.path[0].name == "user -> a"
    assert told.path[-1].name == "d -> user"
    assert [hop.kind for hop in told.path] == ["transfer", "compute"] * 3 + ["transfer"]
    assert 0.7 * told.prediction.mean < told.latency <= told.prediction.mean * (1 + 1e-9)


def test_a_chain_takes_exactly_its_critical_path() -> None:
    for flow in ("pipeline", "requestResponse"):
        told = explain(problem(replace(chain("a", "b", "c"), flow=flow), star(3)), array([0, 1, 2]))
        assert told.latency == pytest.approx(told.prediction.mean, rel=1e-6)


def test_alternatives_say_what_other_nodes_cost_or_break() -> None:
    substrate = compile_substrate([node("n0"), node("n1"), node("n2", schedulable=False)])
    told = explain(problem(chain("a", "b"), substrate), array([0, 0]))
    for replica in told.replicas:
        assert [(a.node, a.refused) for a in replica.alternatives] == [("n1", ""), ("n2", "not-ready")]
        assert replica.alternatives[0].difference is not None
        assert replica.alternatives[0].difference > 0
    fixed = explain(problem(chain("a"), substrate, fixed=[0]), array([0]))
    assert fixed.replicas[0].alternatives == ()


def test_of_many_replicas_those_that_cost_most_are_compared() -> None:
    told = explain(problem(chain("a", "b", "c", "d"), star(3)), array([0, 1, 1, 2]), most=2)
    compared = [replica for replica in told.replicas if replica.alternatives]
    assert len(compared) == 2
    rest = max(replica.seconds for replica in told.replicas if not replica.alternatives)
    assert min(replica.seconds for replica in compared) >= rest
    assert [replica.microservice for replica in told.replicas] == ["a", "b", "c", "d"]


def test_the_reason_on_a_pod_is_small_json() -> None:
    long = compile_substrate([node("n" * 240 + str(i)) for i in range(6)])
    service = chain("a", "b", ingress=Ingress())
    told = explain(problem(service, long), array([0, 1]))
    text = reason(told, told.replicas[0], "heuristic")
    assert len(text) <= 1024
    record = json.loads(text)
    assert record["node"] == told.replicas[0].node
    assert record["policy"] == "heuristic"
    assert record["latencyMs"] > 0
    json.dumps(told.as_dict())


def test_only_whole_placements_are_explained() -> None:
    with pytest.raises(ValueError, match="has no replica"):
        explain(problem(chain("a", "b"), star(2)), array([0, UNPLACED]))
