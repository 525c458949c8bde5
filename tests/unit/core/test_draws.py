"""Requests drawn one by one follow the distribution that predictions report."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import array, chain, diamond, node, placed, problem, stage, star
from tests.unit.core.test_latency import cases

from bench.accuracy import metro, scaled, spread
from edgewright.core.draws import Draws, draw, queue
from edgewright.core.evaluate import Evaluator
from edgewright.core.load import infrastructure, station_load, use_of
from edgewright.core.problem import PlacedDag, Prediction, World
from edgewright.core.routes import with_nodes
from edgewright.core.scenarios import STATUS
from edgewright.core.service import Ingress, Invocation, ServiceDag
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.events import simulate

MANY = 20_000


def drawn(
    one: PlacedDag,
    substrate: Substrate,
    others: tuple[PlacedDag, ...] = (),
    *,
    rate: float | None = None,
    count: int = MANY,
    seed: int = 0,
    backlog: FloatArray | None = None,
) -> Draws:
    """Draw at the declared load of everything, or with another rate of the DAG itself."""
    own = one.dag.demand.rate if rate is None else rate
    rho = station_load(one, substrate) * own / one.dag.demand.rate
    for other in others:
        rho += station_load(other, substrate)
    return draw(
        use_of(one, substrate),
        infrastructure(substrate),
        rate=own,
        rho=rho,
        backlog=np.zeros(len(rho)) if backlog is None else backlog,
        count=count,
        random=np.random.default_rng(seed),
    )


def predicted(one: PlacedDag, substrate: Substrate, others: tuple[PlacedDag, ...] = ()) -> Prediction:
    counts = np.bincount(one.stage, minlength=len(one.dag.microservices)).tolist()
    asked = replace(
        problem(one.dag, substrate, replicas=counts),
        world=World(substrate, np.zeros_like(substrate.capacity), others),
    )
    return Evaluator(asked, STATUS).evaluate(one.node).one()


@settings(max_examples=30, deadline=None)
@given(cases(), st.integers(0, 1000))
def test_mean_and_spread_are_those_of_the_prediction(
    case: tuple[ServiceDag, list[int], list[int]], seed: int
) -> None:
    service, counts, nodes = case
    substrate = star(4)
    one = PlacedDag(service, np.repeat(np.arange(len(counts)), counts).astype(np.int32), array(nodes))
    if station_load(one, substrate).max() > 0.8:
        return  # beyond what a binding may load; the mean then hangs on a few requests
    found, expected = drawn(one, substrate, seed=seed).latency, predicted(one, substrate)
    # Calls that only some requests make are in only some of the prediction's 256 scenarios.
    some = any(invocation.calls % 1.0 for invocation in service.invocations)
    assert found.mean() == pytest.approx(expected.mean, rel=0.1 if some else 0.05)
    assert np.percentile(found, 95) == pytest.approx(expected.percentile, rel=0.3 if some else 0.2)
    assert found.std() == pytest.approx(expected.jitter, rel=0.6, abs=1e-5)


@pytest.mark.parametrize(("placement", "load"), [("compact", 0.3), ("random", 0.6)])
def test_draws_and_prediction_and_event_simulation_agree(placement: str, load: float) -> None:
    chance = random.Random(f"{placement} 7")
    substrate = metro(chance)
    dags = [spread(chance, q, placement, len(substrate.nodes)) for q in range(6)]
    busiest = float(np.sum([station_load(one, substrate) for one in dags], axis=0).max())
    dags = [scaled(one, load / busiest) for one in dags]
    observed = simulate(dags, substrate, requests=8_000, seed=1)
    errors = []
    for one, seen in zip(dags, observed.latency, strict=True):
        others = tuple(other for other in dags if other is not one)
        found, expected = drawn(one, substrate, others).latency, predicted(one, substrate, others)
        assert found.mean() == pytest.approx(expected.mean, rel=0.03)
        assert np.percentile(found, 95) == pytest.approx(expected.percentile, rel=0.12)
        errors.append(
            (found.mean() / seen.mean() - 1, np.percentile(found, 95) / np.percentile(seen, 95) - 1)
        )
    mean, tail = np.abs(errors).mean(axis=0)
    assert mean < 0.08
    assert tail < 0.15


def test_the_measured_rate_counts_and_not_the_declared_one() -> None:
    service, substrate = chain("a", "b", rate=10.0), star(3)
    declared = placed(service, [1, 2])
    busy = placed(replace(service, demand=replace(service.demand, rate=150.0)), [1, 2])
    np.testing.assert_array_equal(
        drawn(declared, substrate, rate=150.0).latency, drawn(busy, substrate).latency
    )
    assert drawn(declared, substrate, rate=150.0).latency.mean() > drawn(declared, substrate).latency.mean()


def test_queued_work_is_waited_for() -> None:
    service, substrate = chain("a", "b"), star(3)
    one = placed(service, [1, 2])
    backlog = np.zeros(len(substrate.station_capacity))
    backlog[2] = 0.05  # the CPU of node 2
    late, prompt = drawn(one, substrate, backlog=backlog).latency, drawn(one, substrate).latency
    np.testing.assert_allclose(late - prompt, 0.05)


def test_replicas_share_the_requests_evenly_and_stand_in_node_order() -> None:
    service, substrate = chain("a", "b"), star(4)
    one = PlacedDag(service, array([0, 1, 1, 1]), array([0, 3, 1, 2]))
    counted = Counter(drawn(one, substrate).replica[:, 1].tolist())
    assert set(counted) == {0, 1, 2}
    assert all(count == pytest.approx(MANY / 3, rel=0.05) for count in counted.values())


def test_what_runs_on_a_dead_node_fails_and_nothing_else() -> None:
    service, alive = chain("a", "b"), star(4)
    nodes = [replace(each, success=0.0) if each.name == "n3" else each for each in alive.nodes]
    substrate = with_nodes(alive, nodes)
    one = PlacedDag(service, array([0, 1, 1, 1]), array([0, 3, 1, 2]))
    found = drawn(one, substrate)
    assert set(found.success.tolist()) == {0.0, 1.0}
    np.testing.assert_array_equal(found.success == 0.0, found.replica[:, 1] == 2)
    assert found.success.mean() == pytest.approx(predicted(one, substrate).success, abs=0.02)


@pytest.mark.parametrize("flow", ["pipeline", "requestResponse"])
def test_success_is_counted_once_per_element(flow: str) -> None:
    substrate = star(4, success=0.9)
    one = placed(diamond(flow=flow), [1, 1, 2, 2])
    found = drawn(one, substrate, count=64).success
    # The users' cell n0 and nodes n1, n2; links cannot fail here.
    np.testing.assert_allclose(found, 0.9**3)
    assert predicted(one, substrate).success == pytest.approx(0.9**3, rel=1e-3)


def test_fractional_calls_happen_as_often_as_they_say() -> None:
    service = replace(
        chain("a", "b", "c"),
        flow="requestResponse",
        invocations=(Invocation("a", "b", 1e4, calls=0.4), Invocation("b", "c", 1e4, calls=2.5)),
    )
    found = drawn(placed(service, [0, 1, 2]), star(3))
    access, first, second = found.made[:3]
    assert (access == 1.0).all()
    assert first.mean() == pytest.approx(0.4, abs=0.02)
    assert second.mean() == pytest.approx(1.0, abs=0.05)
    assert not second[first == 0.0].any()
    assert set(second[first == 1.0].tolist()) == {2.0, 3.0}


def test_the_same_seed_gives_the_same_requests() -> None:
    one, substrate = placed(diamond(), [1, 2, 3, 1]), star(4)
    np.testing.assert_array_equal(
        drawn(one, substrate, seed=5).latency, drawn(one, substrate, seed=5).latency
    )
    assert (drawn(one, substrate, seed=5).latency != drawn(one, substrate, seed=6).latency).any()


@pytest.mark.parametrize("count", [1, 13])
def test_any_number_of_requests_can_be_drawn(count: int) -> None:
    found = drawn(placed(diamond(), [1, 2, 3, 1]), star(4), count=count)
    shapes = [(count,), (count,), (count, 4), (found.transfer.shape[0], count), (found.made.shape[0], count)]
    assert [column.shape for column in found] == shapes


def test_a_stage_without_replica_is_refused() -> None:
    one = PlacedDag(chain("a", "b"), array([0, 1]), array([0, -1]))
    with pytest.raises(ValueError, match=r"stages \[1\] have no replica"):
        drawn(one, star(3), count=8)


def test_an_unreachable_ingress_never_answers() -> None:
    service = replace(chain("a", "b"), ingress=Ingress(node="nowhere"))
    assert np.isinf(drawn(placed(service, [0, 1]), star(3), count=8).latency).all()


@given(st.floats(0, 3), st.floats(0, 1), st.floats(0, 5))
def test_a_queue_grows_over_capacity_and_drains_below(rho: float, before: float, seconds: float) -> None:
    after = float(queue(np.array([before]), np.array([rho]), seconds)[0])
    assert 0.0 <= after <= 1.0
    if rho >= 1.0:
        assert after >= min(before, 1.0)
    else:
        assert after <= before
    assert after == pytest.approx(min(1.0, max(0.0, before + (rho - 1.0) * seconds)))


def test_stages_without_work_take_no_time() -> None:
    quiet = node("n0", latency=(0.0, 0.0, 0.0), radio=frozenset())
    assert quiet.success == 1.0
    service = chain("a", payload=0.0, response=0.0)
    service = replace(service, microservices=(stage("a", 0.0),))
    assert drawn(placed(service, [0]), star(1), count=8).latency.max() < 1e-2
