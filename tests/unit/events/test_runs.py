"""What a caller of the event simulation relies on: bursts, failures, timeouts, continuation, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.builders import CAPACITY, array, chain, dag, placed, stage, star

from edgewright.core.problem import PlacedDag
from edgewright.core.service import Ingress, Invocation
from edgewright.core.units import GBPS, KB, MS
from edgewright.emulation.events import NodeFailure, RateChange, Simulation, simulate
from edgewright.emulation.events.compiling import WORK_SIGMA


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    one, substrate = placed(chain("a", "b"), [1, 2]), star(3)
    runs = [simulate([one], substrate, requests=500, seed=seed).latency[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_dag_has_the_same_requests_whoever_else_is_there() -> None:
    one, other = placed(chain("a", "b"), [1, 2]), placed(replace(chain("a", "b"), name="other"), [3, 3])
    alone = simulate([one], star(4), requests=100, seed=1, warm_up=0.0)
    beside = simulate([other, one], star(4), requests=200, seed=1, warm_up=0.0)
    both = min(len(alone.born[0]), len(beside.born[1]))
    np.testing.assert_array_equal(alone.born[0][:both], beside.born[1][:both])


def test_an_idle_request_takes_its_jobs_and_delays() -> None:
    """Payload in, work, response out: on an idle system nothing is added."""
    substrate = star(2, delay=1 * MS, latency=(0.5 * MS, 0.0, 0.0))
    one = dag([stage("a", 20e6, limit_cpu=2.0)], rate=0.01, payload=100 * KB, response=50 * KB)
    seen = simulate([placed(one, [1])], substrate, requests=20_000, seed=1, warm_up=0.0)
    expected = 150 * KB / GBPS + 4 * MS + 20e6 / 20e9 + 0.5 * MS
    assert seen.latency[0].mean() == pytest.approx(expected, rel=0.01)
    assert seen.seconds[0][0] == pytest.approx(20e6 / 20e9 + 0.5 * MS, rel=0.02)
    assert seen.skew[0] == 0.0


def test_calls_are_there_and_back_in_sequence_then_together() -> None:
    substrate, no = star(1, latency=(0.0, 0.0, 0.0)), {"payload": 0.0, "response": 0.0}
    stages = [stage(name, work, limit_cpu=1.0) for name, work in (("a", 10e6), ("b", 20e6), ("c", 40e6))]
    calls = (Invocation("a", "b", 0.0, calls=2.0, parallel=False), Invocation("a", "c", 0.0, calls=0.5))
    one = dag(stages, rate=0.5, flow="requestResponse", **no)
    seen = simulate([placed(replace(one, invocations=calls), [0, 0, 0])], substrate, requests=20_000, seed=1)
    assert seen.latency[0].mean() == pytest.approx((10e6 + 2 * 20e6 + 0.5 * 40e6) / 10e9, rel=0.02)
    assert seen.visits[0][:3] / len(seen.latency[0]) == pytest.approx([1.0, 2.0, 0.5], rel=0.03)


@pytest.mark.parametrize(("traffic", "used"), [("even", 3), ("sameNode", 1), ("sameZone", 2)])
def test_a_service_prefers_replicas_near_its_caller(traffic: str, used: int) -> None:
    substrate = star(3)
    nodes = [replace(n, zone="here" if i < 2 else "there") for i, n in enumerate(substrate.nodes)]
    substrate = replace(substrate, nodes=tuple(nodes))
    stages = [stage("a"), stage("b", traffic=traffic)]
    one = PlacedDag(dag(stages, [("a", "b")]), array([0, 1, 1, 1]), array([0, 0, 1, 2]))
    seen = simulate([one], substrate, requests=2_000, seed=1)
    assert (seen.utilisation[1:3] > 0).sum() == used - 1


def test_a_burst_is_felt_and_passes() -> None:
    work = 50e6
    one = placed(dag([stage("a", work, limit_cpu=None)], rate=800.0, payload=0.0, response=0.0), [0])
    burst = [RateChange(at=5.0, dag=0, rate=1500.0), RateChange(at=10.0, dag=0, rate=800.0)]
    seen = simulate([one], star(1), requests=16_000, seed=1, warm_up=0.0, changes=burst)
    born, latency = seen.born[0], seen.latency[0]
    before, during = latency[born < 5.0].mean(), latency[(born > 6.0) & (born < 10.0)].mean()
    after = latency[born > 11.0].mean()
    assert ((born > 5.0) & (born < 10.0)).sum() == pytest.approx(7_500, rel=0.05)
    assert during > 4 * before
    assert after == pytest.approx(before, rel=0.15)


def test_what_a_failed_node_holds_or_gets_is_lost_and_nothing_else() -> None:
    one, substrate = PlacedDag(chain("a", "b"), array([0, 1, 1]), array([1, 1, 2])), star(3)
    seen = simulate([one], substrate, requests=2_000, seed=1, warm_up=0.0, changes=[NodeFailure(50.0, 2)])
    born, lost = seen.born[0], np.isinf(seen.latency[0])
    assert not lost[born < 49.0].any()
    assert lost[born > 50.0].mean() == pytest.approx(0.5, abs=0.05)
    assert seen.lost[0] == lost.sum()


def test_overload_loses_what_waits_longer_than_the_timeout() -> None:
    """Twice what the CPU can do; only jobs well below the mean size end in time."""
    one = placed(dag([stage("a", 500e6, limit_cpu=None)], rate=320.0, payload=0.0, response=0.0), [0])
    seen = simulate([one], star(1), requests=4_000, seed=1, warm_up=0.5)
    assert 0.3 < seen.lost[0] / len(seen.latency[0]) <= 1.0
    assert seen.answered(0).max(initial=0.0) <= 1.0
    assert seen.utilisation[0] == pytest.approx(1.0, rel=0.02)


def test_a_run_can_be_continued() -> None:
    one, substrate = placed(chain("a", "b"), [1, 2]), star(3)
    simulation = Simulation([one], substrate, seed=1)
    simulation.run(300)
    first = simulation.observed()
    simulation.run(200)
    both = simulation.observed()
    np.testing.assert_array_equal(both.latency[0][:300], first.latency[0])
    assert len(both.latency[0]) == 500
    assert (np.diff(both.born[0]) > 0).all()


def test_a_join_of_a_pipeline_has_skew() -> None:
    stages = [
        stage(name, work, limit_cpu=1.0) for name, work in (("a", 0.0), ("b", 10e6), ("c", 40e6), ("d", 0.0))
    ]
    one = dag(
        stages,
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        rate=0.1,
        payload=0.0,
        inner=0.0,
        response=0.0,
    )
    seen = simulate([placed(one, [0] * 4)], star(1), requests=5_000, seed=1)
    sizes = np.random.default_rng(1).lognormal(-(WORK_SIGMA**2) / 2, WORK_SIGMA, (2, 200_000))
    assert seen.skew[0] == pytest.approx(np.abs(4 * sizes[0] - sizes[1]).mean() * MS, rel=0.04)


GOOD = placed(chain("a", "b"), [0, 1])


@pytest.mark.parametrize(
    ("one", "options", "message"),
    [
        (placed(chain("a", "b"), [0, -1]), {}, "ServiceDAG ns/dag: b has no replica"),
        (placed(chain("a", "b"), [0, 9]), {}, "a replica is on node 9"),
        (placed(chain("a", "b", rate=float("nan")), [0, 1]), {}, "spec.demand.rate is nan"),
        (placed(chain("a", "b", ingress=Ingress(node="x")), [0, 1]), {}, "ingress node x is no node"),
        (placed(chain("a", "b", rate=0.0), [0, 1]), {}, "no request would ever arrive"),
        (GOOD, {"foreign": np.array([0.5, 1.2])}, "at least 0 and below 1"),
        (GOOD, {"foreign": np.array([0.5])}, "each of the 2 nodes"),
        (GOOD, {"requests": 0}, "requests 0"),
        (GOOD, {"warm_up": 1.0}, "warm_up 1.0"),
        (GOOD, {"changes": [NodeFailure(1.0, 7)]}, "node is a number below 2"),
        (GOOD, {"changes": [RateChange(1.0, 3, 1.0)]}, "dag is a number below 1"),
        (GOOD, {"changes": [NodeFailure(-1.0, 0)]}, "at is at least 0 seconds"),
        (GOOD, {"timeout": 0.0}, "timeout 0.0"),
    ],
)
def test_what_cannot_run_is_refused(one: PlacedDag, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate([one], star(2), **{"requests": 100, "seed": 1, **options})  # type: ignore[arg-type]


def test_a_dag_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        simulate([GOOD, GOOD], star(2), requests=100, seed=1)


def test_no_cpu_for_work_is_refused() -> None:
    one = placed(dag([stage("a", 1e6)]), [0])
    with pytest.raises(ValueError, match="which has no CPU"):
        simulate([one], star(1, capacity=(0.0, *CAPACITY[1:])), requests=100, seed=1)
