"""The measurement of core's errors: its strata, its honesty about its own intervals, a few pairs."""

from collections import Counter

import numpy as np
import pytest

from edgewright.core.load import station_load, world_load
from edgewright.emulation.events.fidelity import (
    LOADS,
    MEAN_INTERVAL,
    OPTIMISED,
    RANDOM,
    TAIL_INTERVAL,
    Case,
    cases,
    interval,
    measure,
    replicated,
    scaled,
)
from edgewright.emulation.instances import make_problem


def test_pairs_are_spread_over_loads_placements_replicas_and_flows() -> None:
    some = list(cases(200))
    assert len(some) == len({case.seed for case in some}) == 200
    for field, values in (("load", 3), ("placement", 2), ("replicas", 3), ("flow", 2)):
        counted = Counter(getattr(case, field) for case in some)
        assert len(counted) == values
        assert min(counted.values()) >= 200 // values - 12
    assert not {case.seed for case in some} & {case.seed for case in cases(200, seed=1)}


@pytest.mark.parametrize("load", LOADS)
def test_the_busiest_station_is_at_the_load_asked_for(load: float) -> None:
    problem = replicated(make_problem(3), 2)
    draw = np.random.default_rng(0)
    assign = np.concatenate([np.sort(draw.choice(20, 2, replace=False)) for _ in range(10)]).astype(np.int32)
    world, subject = scaled(problem, assign, load)
    total = world_load(world).rho + station_load(subject, world.substrate)
    assert total.max() == pytest.approx(load)


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    hits = []
    for _ in range(300):
        latency = draw.lognormal(0.0, 0.5, 4_000)
        hits.append(abs(latency.mean() / np.exp(0.125) - 1) <= interval(latency)[0])
    assert 0.91 <= np.mean(hits) <= 0.98


@pytest.mark.parametrize(
    "case",
    [
        Case(11_000, 0.3, OPTIMISED, 1, "pipeline"),
        Case(12_000, 0.6, RANDOM, 2, "requestResponse"),
        Case(13_000, 0.6, OPTIMISED, 3, "requestResponse"),
    ],
)
def test_core_is_within_its_targets_on_a_few_pairs(case: Case) -> None:
    pair = measure(case)
    assert pair.mean_interval <= MEAN_INTERVAL
    assert pair.p95_interval <= TAIL_INTERVAL
    assert abs(pair.mean_error) < 0.10
    assert abs(pair.p95_error) < 0.18
    assert abs(pair.queueing_error) < 0.10
    assert pair.row()["mean_ms"] == pytest.approx(pair.mean * 1e3, abs=1e-3)
