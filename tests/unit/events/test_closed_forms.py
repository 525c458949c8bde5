"""The event simulation against queueing theory and against ciw's processor-sharing node.

Every tolerance is the simulator's own confidence interval (four standard errors of batch means); each
run is long enough that an error of 5 % would fail.
"""

import math
from dataclasses import replace

import ciw
import numpy as np
import pytest
from tests.unit.core.builders import CAPACITY, array, dag, node, placed, stage, star

from edgewright.core.problem import PlacedDag
from edgewright.core.radio import cell_rate
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Ingress
from edgewright.core.substrate import FloatArray, Link, Substrate
from edgewright.core.units import GBPS, KB
from edgewright.emulation.events import compiling, simulate

WORK = 50e6
CORE = 10e9
SIGMAS = [0.0, compiling.WORK_SIGMA, 0.9]
"""Of log-normal sizes: all equal, as in the model, and a squared variation of 1.2."""


def sure(latency: FloatArray) -> tuple[float, float]:
    """Mean and four standard errors of batch means."""
    means = np.array([batch.mean() for batch in np.array_split(latency, 30)])
    return float(means.mean()), 4.0 * float(means.std(ddof=1)) / math.sqrt(len(means))


def agrees(latency: FloatArray, expected: float) -> None:
    mean, four = sure(latency)
    assert four < 0.033 * expected, "too short a run to notice an error of 5 %"
    assert abs(mean - expected) < four


def erlang(rho: float, k: int) -> float:
    """Mean response of M/M/k over the mean service time."""
    load = rho * k
    last = load**k / math.factorial(k) / (1 - rho)
    chance = last / (sum(load**i / math.factorial(i) for i in range(k)) + last)
    return 1 + chance / (k * (1 - rho))


def cpu(rho: float, *, cores: float = 4.0, limit: float | None = None) -> tuple[list[PlacedDag], Substrate]:
    """DAGs of one stage that fill one node to `rho`; with `limit`, a hundred replicas of one core each."""
    substrate = star(1, capacity=(cores, *CAPACITY[1:]), latency=(0.0, 0.0, 0.0))
    many = 1 if limit is None else 400
    rate = rho * cores * CORE / WORK / many
    return [
        placed(
            dag([stage("a", WORK, limit_cpu=limit)], rate=rate, payload=0.0, response=0.0, name=f"dag-{i}"),
            [0],
        )
        for i in range(many)
    ], substrate


@pytest.mark.parametrize(("rho", "requests"), [(0.3, 200_000), (0.8, 1_500_000)])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_one_server_is_m_g_1_processor_sharing(
    rho: float, requests: int, sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x / (1 - rho) whatever the law of sizes; so also M/M/1."""
    monkeypatch.setattr(compiling, "WORK_SIGMA", sigma)
    seen = simulate(*cpu(rho), requests=requests, seed=1)
    agrees(seen.latency[0], WORK / (4 * CORE) / (1 - rho))
    assert seen.utilisation[0] == pytest.approx(rho, rel=0.02)
    assert seen.lost.sum() == 0


@pytest.mark.parametrize(
    ("rho", "k", "requests"), [(0.6, 2, 400_000), (0.8, 4, 1_000_000), (0.8, 8, 700_000)]
)
def test_jobs_of_one_core_on_k_cores_are_m_m_k(rho: float, k: int, requests: int) -> None:
    """Each of 400 replicas has a limit of its own, which its few requests hardly ever share."""
    seen = simulate(*cpu(rho, cores=float(k), limit=1.0), requests=requests, seed=2)
    together = np.concatenate(seen.latency)[np.argsort(np.concatenate(seen.born))]
    own = rho * k / 400  # utilisation of a replica's own limit adds at most this share to a response
    mean, four = sure(together)
    expected = WORK / CORE * erlang(rho, k)
    assert four < 0.033 * expected
    assert -four < mean - expected < four + 1.2 * own * expected


def test_stages_in_tandem_add_up() -> None:
    """Departures of a processor-sharing server are Poisson: the second is M/G/1-PS too."""
    substrate = star(2, delay=0.0, latency=(0.0, 0.0, 0.0))
    nothing = {"payload": 0.0, "inner": 0.0, "response": 0.0}
    stages = [stage("a", WORK, limit_cpu=None), stage("b", 0.6 * WORK, limit_cpu=None)]
    rate = 0.7 * 80e9 / WORK
    one = dag(stages, [("a", "b")], rate=rate, **nothing)
    seen = simulate([placed(one, [0, 1])], substrate, requests=600_000, seed=3)
    agrees(seen.latency[0], WORK / 80e9 / 0.3 + 0.6 * WORK / 80e9 / (1 - 0.42))


def test_a_transfer_through_two_ports_of_one_speed_waits_once() -> None:
    """Both ports carry the same transfers: together they are one processor-sharing station."""
    substrate, size = star(2, delay=0.0, latency=(0.0, 0.0, 0.0)), 1_000 * KB
    one = dag(
        [stage("a", 0), stage("b", 0)],
        [("a", "b")],
        rate=0.6 * GBPS / size,
        payload=0.0,
        inner=size,
        response=0.0,
    )
    seen = simulate([placed(one, [0, 1])], substrate, requests=400_000, seed=4)
    agrees(seen.latency[0], size / GBPS / 0.4)


def test_users_of_one_cell_get_equal_airtime() -> None:
    """At rates r, M/G/1-PS in airtime: a request takes size / r / (1 - rho), near the mast and far away."""
    near, far = (0.0, 0.0), (0.0, 280.0)
    substrate = compile_substrate(
        [node("n0", latency=(0.0, 0.0, 0.0)), node("n1", radio=frozenset(), latency=(0.0, 0.0, 0.0))],
        [Link("n0", "n1", GBPS, 0.0)],
    )
    size = 1_000 * KB
    rates = [cell_rate(frozenset({"mmw"}), distance) for distance in (0.0, 280.0)]
    assert rates[0] > 2 * rates[1]
    users = [
        dag(
            [stage("a", 0)],
            rate=0.3 * rate / size,
            payload=size,
            response=0.0,
            name=f"at-{place}",
            ingress=Ingress(location=place),
        )
        for rate, place in zip(rates, (near, far), strict=True)
    ]
    seen = simulate([placed(one, [0]) for one in users], substrate, requests=1_200_000, seed=5)
    for latency, rate in zip(seen.latency, rates, strict=True):
        agrees(latency, size / rate / 0.4)


def test_replicas_split_the_requests_and_each_waits_for_itself() -> None:
    substrate = star(2, capacity=(4.0, *CAPACITY[1:]), delay=0.0, latency=(0.0, 0.0, 0.0))
    one = dag([stage("a", WORK, limit_cpu=None)], rate=1.2 * 4 * CORE / WORK, payload=0.0, response=0.0)
    seen = simulate([PlacedDag(one, array([0, 0]), array([0, 1]))], substrate, requests=400_000, seed=6)
    agrees(seen.latency[0], WORK / (4 * CORE) / 0.4)
    np.testing.assert_allclose(seen.utilisation[:2], 0.6, rtol=0.02)


@pytest.mark.parametrize("k", [1, 4])
def test_ciw_s_processor_sharing_node_agrees(k: int) -> None:
    """ciw shares a node among jobs once they are more than k; both see log-normal sizes of one law."""
    rho, sigma = 0.5, compiling.WORK_SIGMA
    mean = WORK / CORE
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rho * k / mean)],
        service_distributions=[ciw.dists.Lognormal(math.log(mean) - sigma**2 / 2, sigma)],
        number_of_servers=[float("inf")],
        ps_thresholds=[k],
    )
    ciw.seed(1)
    theirs = ciw.Simulation(network, node_class=ciw.PSNode)
    theirs.simulate_until_max_customers(100_000)
    records = sorted(theirs.get_all_records(), key=lambda record: record.arrival_date)
    found = np.array([record.exit_date - record.arrival_date for record in records[10_000:]])
    system = cpu(rho, cores=1.0) if k == 1 else cpu(rho, cores=float(k), limit=1.0)
    seen = simulate(*system, requests=400_000, seed=7)
    ours, four = sure(np.concatenate(seen.latency)[np.argsort(np.concatenate(seen.born))])
    other, wide = sure(found)
    assert math.hypot(four, wide) < 0.04 * other
    assert abs(ours - other) < math.hypot(four, wide)
    p95 = np.percentile(np.concatenate(seen.latency), 95)
    assert p95 == pytest.approx(np.percentile(found, 95), rel=0.04)


def test_the_same_luck_wherever_the_dag_is_placed() -> None:
    """Arrivals and sizes follow seed and name: an idle system twice as fast answers in half the time."""
    one = replace(cpu(0.01)[0][0].dag)
    slow, fast = (star(1, capacity=(c, *CAPACITY[1:]), latency=(0.0, 0.0, 0.0)) for c in (2.0, 4.0))
    a, b = (simulate([placed(one, [0])], s, requests=200, seed=8) for s in (slow, fast))
    np.testing.assert_array_equal(a.born[0], b.born[0])
    assert np.median(a.latency[0] / b.latency[0]) == pytest.approx(2.0)
