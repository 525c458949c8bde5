"""Single stations against queueing theory, and whole pipelines against the event simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.builders import CAPACITY, array, dag, placed, problem, stage, star

from bench.accuracy import compare
from edgewright.core.evaluate import Evaluator
from edgewright.core.load import FOREIGN_USE
from edgewright.core.scenarios import PAYLOAD_VARIATION, STATUS
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import Substrate
from edgewright.core.units import GBPS, KB
from edgewright.emulation.events import simulate


def mean(service: ServiceDag, substrate: Substrate, nodes: list[int]) -> float:
    return float(Evaluator(problem(service, substrate), STATUS).evaluate(array(nodes)).mean[0])


def compute_only(rho: float, *, cores: float, limit: float | None) -> tuple[float, float]:
    """Mean of one stage at utilisation `rho` of a node of `cores`, and its ideal time."""
    substrate = star(1, capacity=(cores, *CAPACITY[1:]), latency=(0.0, 0.0, 0.0))
    speed = min(limit or cores, cores) * 10e9
    work = 50e6
    one = dag([stage("a", work, limit_cpu=limit)], rate=rho * cores * 10e9 / work, payload=0.0, response=0.0)
    return mean(one, substrate, [0]), work / speed


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.8, 0.9])
def test_one_server_is_m_g_1_processor_sharing(rho: float) -> None:
    observed, ideal = compute_only(rho, cores=4.0, limit=None)
    assert observed == pytest.approx(ideal / (1 - rho), rel=1e-9)


def erlang_wait(rho: float, k: int) -> float:
    """Mean wait of M/M/k over the mean service time."""
    load = rho * k
    last = load**k / math.factorial(k) / (1 - rho)
    chance = last / (sum(load**i / math.factorial(i) for i in range(k)) + last)
    return chance / (k * (1 - rho))


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("rho", [0.3, 0.6, 0.8])
def test_k_servers_are_m_m_k(rho: float, k: int) -> None:
    """Jobs capped at one of k cores share them like M/M/k; the response is within 4 % of Erlang C.

    The replica's own limit is out of the way: k stages, each on its own share of the arrivals, fill the node.
    """
    substrate = star(1, capacity=(float(k), *CAPACITY[1:]), latency=(0.0, 0.0, 0.0))
    work, many = 50e6, 400
    total = rho * k * 10e9 / work
    crowd = [
        placed(dag([stage("x", work, limit_cpu=1.0)], rate=total / many, payload=0.0, response=0.0), [0])
        for _ in range(many - 1)
    ]
    one = dag([stage("a", work, limit_cpu=1.0)], rate=total / many, payload=0.0, response=0.0)
    evaluator = Evaluator(problem(one, substrate, others=crowd), STATUS)
    evaluator.load.rho[0] = rho * (many - 1) / many  # strangers' requests are no part of this law
    observed = evaluator.evaluate(array([0])).mean[0] / (work / 10e9)
    assert observed == pytest.approx(1 + erlang_wait(rho, k), rel=0.04)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("limit", [2.0, 4.0])
def test_stages_beside_foreign_pods_wait_as_long_as_simulated(rho: float, limit: float) -> None:
    """Longer than among equals: within 25 % of the wait, or 8 % of the work's own time where it is short."""
    substrate, work = star(1, latency=(0.0, 0.0, 0.0)), 50e6
    one = dag([stage("a", work, limit_cpu=limit)], rate=0.02 * 80e9 / work, payload=0.0, response=0.0)
    asked = problem(one, substrate, foreign=[8.0 * rho / FOREIGN_USE])
    ideal = work / limit / 10e9
    expected = float(Evaluator(asked, STATUS).evaluate(array([0])).mean[0]) / ideal - 1
    seen = simulate([placed(one, [0])], substrate, requests=20_000, seed=1, foreign=np.array([rho]))
    assert expected == pytest.approx(seen.latency[0].mean() / ideal - 1, rel=0.25, abs=0.08)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.8])
def test_one_link_is_m_g_1_processor_sharing(rho: float) -> None:
    substrate = star(2, delay=0.0, latency=(0.0, 0.0, 0.0))
    size = 1_000 * KB
    rate = rho * GBPS / size
    idle = dag([stage("a", 0), stage("b", 0)], [("a", "b")], rate=0.0, payload=0.0, inner=size, response=0.0)
    busy = replace(idle, demand=replace(idle.demand, rate=rate))
    transfer = size / GBPS
    assert mean(idle, substrate, [0, 1]) == pytest.approx(transfer)
    # Up port and down port see the same flow: who waited for it at the one does not wait at the other.
    assert mean(busy, substrate, [0, 1]) == pytest.approx(transfer / (1 - rho))


@pytest.mark.parametrize("branches", [2, 4, 8, 12])
def test_the_last_of_parallel_transfers_ends_when_all_bits_are_sent(branches: int) -> None:
    """Within 10 % of the mean; of the deviation 40 %, as O does not vary with what the others send."""
    substrate = star(branches + 1, delay=0.0, latency=(0.0, 0.0, 0.0))
    leaves = [f"b{i}" for i in range(branches)]
    one = dag(
        [stage("a", 0), *(stage(leaf, 0) for leaf in leaves)],
        [("a", leaf) for leaf in leaves],
        rate=1e-6, payload=0.0, inner=1_000 * KB, response=0.0,
    )  # fmt: skip
    found = Evaluator(problem(one, substrate), STATUS).evaluate(array(list(range(branches + 1)))).one()
    transfer = 1_000 * KB / GBPS
    assert found.mean == pytest.approx(branches * transfer, rel=0.1)
    assert found.jitter == pytest.approx(math.sqrt(branches * PAYLOAD_VARIATION) * transfer, rel=0.4)


@pytest.mark.parametrize(
    ("placement", "load", "mean_error", "p95_error"),
    [
        ("compact", 0.3, 0.04, 0.16),
        ("compact", 0.8, 0.11, 0.17),
        ("random", 0.6, 0.08, 0.19),
    ],
)
def test_pipelines_agree_with_the_simulation(
    placement: str, load: float, mean_error: float, p95_error: float
) -> None:
    """About twice the mean errors of docs/explanation/model.md: these runs are shorter."""
    found = compare(placement, load, seed=2, requests=6_000)
    assert np.mean([abs(one.mean_error) for one in found]) < mean_error
    assert np.mean([abs(one.p95_error) for one in found]) < p95_error
