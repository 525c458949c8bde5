"""What holds for every placement: monotone in load and bandwidth, additive, independent of order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import array, chain, dag, diamond, node, placed, problem, stage, star

from edgewright.core.evaluate import Evaluator
from edgewright.core.outcome import MEAN, PERCENTILE
from edgewright.core.problem import UNPLACED
from edgewright.core.scenarios import STATUS
from edgewright.core.service import Flow, Ingress, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Substrate
from edgewright.core.units import GBPS, KB, MS

NODES = 4
SLOW = settings(max_examples=40, deadline=None)


@st.composite
def services(draw: st.DrawFn) -> ServiceDag:
    """Random DAGs of 2-6 stages in either flow, with sizes, limits and calls of all kinds."""
    count = draw(st.integers(2, 6))
    names = [f"s{i}" for i in range(count)]
    stages = [
        stage(
            name,
            draw(st.floats(0, 30e6)),
            limit_cpu=draw(st.sampled_from([None, 1.0, 3.0])),
            traffic=draw(st.sampled_from(["even", "sameNode", "sameZone"])),
        )
        for name in names
    ]
    pairs = [(i, j) for j in range(1, count) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8))
    edges = tuple(
        Invocation(
            names[i],
            names[j],
            payload=draw(st.floats(0, 800 * KB)),
            response=draw(st.floats(0, 100 * KB)),
            calls=draw(st.sampled_from([0.4, 1.0, 2.5])),
            parallel=draw(st.booleans()),
        )
        for i, j in chosen
    )
    flow: Flow = draw(st.sampled_from(["pipeline", "requestResponse"]))
    return replace(dag(stages, rate=draw(st.floats(0.1, 15))), invocations=edges, flow=flow)


@st.composite
def cases(draw: st.DrawFn) -> tuple[ServiceDag, list[int], list[int]]:
    """A DAG, its replica counts, and a node for each replica."""
    service = draw(services())
    counts = draw(
        st.lists(st.integers(1, 3), min_size=len(service.microservices), max_size=len(service.microservices))
    )
    nodes = st.integers(0, NODES - 1)
    return service, counts, draw(st.lists(nodes, min_size=sum(counts), max_size=sum(counts)))


def evaluate(service: ServiceDag, substrate: Substrate, counts: list[int], nodes: list[int]) -> Evaluator:
    evaluator = Evaluator(problem(service, substrate, replicas=counts))
    evaluator.evaluate(array(nodes))
    return evaluator


def mean(service: ServiceDag, substrate: Substrate, nodes: list[int]) -> float:
    evaluator = Evaluator(problem(service, substrate), STATUS)
    return float(evaluator.evaluate(array(nodes)).mean[0])


@SLOW
@given(cases())
def test_a_batch_equals_one_by_one(case: tuple[ServiceDag, list[int], list[int]]) -> None:
    service, counts, nodes = case
    evaluator = Evaluator(problem(service, star(NODES), replicas=counts))
    batch = np.stack([np.roll(array(nodes), shift) for shift in range(4)])
    together = np.array(evaluator.evaluate(batch)).T
    alone = np.concatenate([np.array(evaluator.evaluate(row)).T for row in batch])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(evaluator.objective(batch), [evaluator.objective(row)[0] for row in batch])


@SLOW
@given(cases())
def test_the_order_of_replicas_means_nothing(case: tuple[ServiceDag, list[int], list[int]]) -> None:
    service, counts, nodes = case
    evaluator = Evaluator(problem(service, star(NODES), replicas=counts))
    swapped, first = [], 0
    for count in counts:
        swapped += nodes[first : first + count][::-1]
        first += count
    one, other = evaluator.predict(array(nodes)), evaluator.predict(array(swapped))
    np.testing.assert_array_equal(one, other)


@SLOW
@given(cases())
def test_the_parts_of_equation_14_add_up(case: tuple[ServiceDag, list[int], list[int]]) -> None:
    service, counts, nodes = case
    one = Evaluator(problem(service, star(NODES), replicas=counts)).evaluate(array(nodes)).one()
    assert one.access + one.processing + one.synchronisation == pytest.approx(one.mean)
    assert min(one.access, one.processing, one.jitter, one.skew) >= 0
    assert one.synchronisation >= -1e-12
    assert 0 <= one.success <= 1
    assert 0 <= one.violation <= 1
    assert one.percentile >= one.mean * 0.5


@SLOW
@given(cases(), st.floats(0, 3), st.lists(st.integers(0, NODES - 1), min_size=2, max_size=2))
def test_more_load_beside_never_lowers_latency(
    case: tuple[ServiceDag, list[int], list[int]], factor: float, elsewhere: list[int]
) -> None:
    service, counts, nodes = case
    other = chain("x", "y", rate=20.0 * factor)
    busy = Evaluator(problem(service, star(NODES), replicas=counts, others=[placed(other, elsewhere)]))
    calm = Evaluator(problem(service, star(NODES), replicas=counts))
    assert busy.predict(array(nodes))[0, MEAN] >= calm.predict(array(nodes))[0, MEAN] * (1 - 1e-12)


@SLOW
@given(services(), st.floats(1, 4))
def test_more_demand_never_lowers_latency(service: ServiceDag, factor: float) -> None:
    nodes = [i % NODES for i in range(len(service.microservices))]
    more = replace(service, demand=replace(service.demand, rate=service.demand.rate * factor))
    counts = [1] * len(nodes)
    low = Evaluator(problem(service, star(NODES), replicas=counts)).evaluate(array(nodes)).mean[0]
    high = Evaluator(problem(more, star(NODES), replicas=counts)).evaluate(array(nodes)).mean[0]
    assert high >= low * (1 - 1e-12)


@SLOW
@given(st.integers(2, 6), st.floats(1, 10), st.floats(0.1, 30))
def test_more_bandwidth_never_raises_latency(length: int, factor: float, rate: float) -> None:
    service = chain(*[f"s{i}" for i in range(length)], rate=rate)
    nodes = array([i % NODES for i in range(length)])
    slow = Evaluator(problem(service, star(NODES, bandwidth=GBPS))).evaluate(nodes).mean[0]
    fast = Evaluator(problem(service, star(NODES, bandwidth=factor * GBPS))).evaluate(nodes).mean[0]
    assert fast <= slow * (1 + 1e-12)


@SLOW
@given(services())
def test_co_location_never_adds_transfer(service: ServiceDag) -> None:
    substrate = star(NODES)
    stages = len(service.microservices)
    evaluator = evaluate(service, substrate, [1] * stages, [0] * stages)
    inner = (evaluator.dag.source >= 0) & (evaluator.dag.target >= 0)
    lay, pairs = evaluator.layout, evaluator.layout.pair_start[:-1][inner]
    assert (lay.ideal[pairs] + lay.wait[pairs] + lay.fixed[pairs] == 0).all()
    assert (evaluator.request.added[stages:][inner] == 0).all()


@SLOW
@given(services(), st.data())
def test_bounds_of_partial_placements_hold(service: ServiceDag, data: st.DataObject) -> None:
    service = replace(service, microservices=tuple(replace(m, traffic="even") for m in service.microservices))
    stages = len(service.microservices)
    nodes = data.draw(st.lists(st.integers(0, NODES - 1), min_size=stages, max_size=stages))
    evaluator = Evaluator(problem(service, star(NODES), others=[placed(chain("x", "y"), [0, 1])]), STATUS)
    previous = -np.inf
    for done in range(stages + 1):
        partial = array([*nodes[:done], *[UNPLACED] * (stages - done)])
        bound = evaluator.bound(partial)[0]
        assert bound >= previous - 1e-12
        previous = bound
    assert previous <= evaluator.objective(array(nodes))[0] + 1e-12


def test_unplaced_demand_costs_ten_limits() -> None:
    evaluator = Evaluator(problem(chain("a", "b"), star(2)))
    one = evaluator.evaluate(array([0, UNPLACED])).one()
    assert one.mean == np.inf
    assert one.success == 0
    assert one.violation == 1
    assert evaluator.objective(array([0, UNPLACED]))[0] == 10


def test_distance_from_the_user_costs_access_and_return() -> None:
    evaluator = Evaluator(problem(chain("a"), star(3, delay=5 * MS)))
    near, far = evaluator.evaluate(np.array([[0], [1]], np.int32)).mean
    assert far - near > 2 * 2 * 5 * MS
    assert evaluator.evaluate(np.array([[0], [1]], np.int32)).access[1] > 10 * MS


def test_callers_wait_there_and_back() -> None:
    service = chain("a", "b", rate=0.001, inner=0.0, flow="requestResponse")
    near, far = mean(service, star(2, delay=1 * MS), [0, 0]), mean(service, star(2, delay=1 * MS), [0, 1])
    assert far - near == pytest.approx(4 * MS, rel=0.01)


def test_calls_in_sequence_add_and_in_parallel_take_the_longest() -> None:
    stages = [stage("a", 0), stage("b", 20e6), stage("c", 20e6)]
    edges = (Invocation("a", "b", 0), Invocation("a", "c", 0))
    parallel = replace(dag(stages, rate=0.001), flow="requestResponse", invocations=edges)
    sequential = replace(parallel, invocations=tuple(replace(e, parallel=False) for e in edges))
    together, apart = (mean(s, star(3, delay=0.0), [0, 1, 2]) for s in (parallel, sequential))
    # The larger of two log-normal sizes of variation 0.5 is 1.37 times their mean.
    assert apart - together == pytest.approx((2 - 1.37) * 20e6 / 20e9, rel=0.1)


def test_repeated_calls_follow_one_another() -> None:
    once = dag([stage("a", 0), stage("b", 20e6)], [("a", "b")], rate=0.001, inner=0.0, flow="requestResponse")
    often = replace(once, invocations=(replace(once.invocations[0], calls=2.5),))
    one, many = (mean(s, star(1), [0, 0]) for s in (once, often))
    assert many - one == pytest.approx(1.5 * 20e6 / 20e9, rel=0.05)


def test_calls_multiply_visits_and_load() -> None:
    twice = chain("a", "b", flow="requestResponse", rate=50.0)
    twice = replace(twice, invocations=(replace(twice.invocations[0], calls=2.0),))
    evaluator = evaluate(twice, star(2), [1, 1], [0, 1])
    assert evaluator.layout.rho[1] == pytest.approx(50 * 2 * 10e6 / 80e9)


def test_even_traffic_splits_and_same_node_keeps_it_at_home() -> None:
    service = dag([stage("a"), stage("b")], [("a", "b")], rate=40.0)
    home = replace(service, microservices=(stage("a"), stage("b", traffic="sameNode")))
    spread = evaluate(service, star(3), [1, 2], [0, 0, 1]).layout.rho
    kept = evaluate(home, star(3), [1, 2], [0, 0, 1]).layout.rho
    assert spread[1] == pytest.approx(40 * 10e6 / 2 / 80e9)
    assert spread[3 + 0] == pytest.approx(40 * 50 * KB / 2 / GBPS)
    assert kept[1] == kept[3 + 0] == 0


def test_parallel_branches_over_one_link_delay_each_other_even_when_idle() -> None:
    service = diamond(rate=0.001, inner=1_000 * KB)
    idle = evaluate(service, star(3), [1, 1, 1, 1], [0, 1, 2, 0])
    M = 4
    forks = [t for t, s in enumerate(idle.dag.source) if s == 0]
    assert all(idle.request.added[M + t] > 0.3 * idle.layout.ideal[idle.layout.pair_start[t]] for t in forks)


def test_skew_is_zero_without_joins_and_positive_with_one() -> None:
    assert Evaluator(problem(chain("a", "b"), star(2))).evaluate(array([0, 1])).skew[0] == 0
    assert Evaluator(problem(diamond(), star(2))).evaluate(array([0, 1, 0, 0])).skew[0] > 0


def test_success_counts_each_node_and_link_once() -> None:
    one = chain("a", "b", rate=0.01)
    substrate = star(2, success=0.9)
    near, far = Evaluator(problem(one, substrate)).evaluate(np.array([[0, 0], [0, 1]], np.int32)).success
    assert near == pytest.approx(0.9 * 0.9, abs=1e-6)  # the node and its cell
    assert far == pytest.approx(0.9**3, abs=1e-6)


@pytest.mark.parametrize("station", [0, 2 + 0, 2 * 2 + 1, 3 * 2 + 0])
def test_backlog_joins_the_latency(station: int) -> None:
    """Of a CPU, an up port, a down port, and a cell that the request passes once."""
    evaluator = Evaluator(problem(chain("a", "b", response=0.0), star(2)))
    backlog = np.zeros(len(evaluator.load.rho))
    backlog[station] = 0.25
    calm = evaluator.evaluate(array([0, 1])).mean[0]
    assert evaluator.evaluate(array([0, 1]), backlog=backlog).mean[0] == pytest.approx(calm + 0.25)


def test_search_follows_the_objective() -> None:
    others = [placed(diamond(name=f"o{i}", rate=60.0), [i, (i + 1) % 4, i, (i + 2) % 4]) for i in range(4)]
    evaluator = Evaluator(problem(diamond(rate=60.0), star(4), others=others))
    assign = np.random.default_rng(1).integers(0, 4, (200, 4)).astype(np.int32)
    assert np.corrcoef(evaluator.search(assign), evaluator.objective(assign))[0, 1] > 0.99


def test_an_unknown_ingress_node_is_never_reached() -> None:
    lost = chain("a", ingress=Ingress(node="elsewhere"))
    assert Evaluator(problem(lost, star(1))).evaluate(array([0])).mean[0] == np.inf


def test_sixteen_scenarios_agree_with_many() -> None:
    service = diamond(rate=60.0)
    few = Evaluator(problem(service, star(4))).predict(array([0, 1, 2, 3]))[0]
    many = Evaluator(problem(service, star(4)), STATUS).predict(array([0, 1, 2, 3]))[0]
    assert few[MEAN] == pytest.approx(many[MEAN], rel=0.03)
    assert few[PERCENTILE] == pytest.approx(many[PERCENTILE], rel=0.10)


def test_a_microservice_without_work_or_payload_is_free() -> None:
    silent = dag([Microservice("a", (0.0,) * 6, 0.0)], payload=0.0, response=0.0)
    substrate = star(1, latency=(0.0, 0.0, 0.0))
    assert Evaluator(problem(silent, substrate)).evaluate(array([0])).mean[0] == 0


def test_wired_users_need_no_cell() -> None:
    substrate = star(1, radio=frozenset())
    assert Evaluator(problem(chain("a"), substrate)).evaluate(array([0])).access[0] == 0
    assert node("x").radio
