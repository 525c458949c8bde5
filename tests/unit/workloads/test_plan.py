"""Workloads spread requests as users are spread, over regions and over the day."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.emulation.workloads import KINDS, Target, Workload, arrivals
from edgewright.emulation.workloads.plan import PERIOD, densities, intensity, positions, rates
from edgewright.emulation.workloads.processes import dispersion

CENTRE = tuple(np.median(positions(), axis=0).tolist())
TARGETS = (
    Target("/west/a", 20.0, (CENTRE[0], CENTRE[1])),
    Target("/west/b", 20.0, (CENTRE[0] - 600.0, CENTRE[1])),
    Target("/east/c", 20.0, (CENTRE[0] + 9_000.0, CENTRE[1])),
)


def first(workload: Workload, targets: tuple[Target, ...] = TARGETS) -> tuple[Any, Any]:
    return next(arrivals(workload, targets))


def test_dense_places_ask_more() -> None:
    assert densities(TARGETS) == [0, 1, 2]
    found = rates(Workload(rate=100.0), TARGETS)
    assert found.sum() == pytest.approx(100.0)
    assert found[0] > found[2]
    # The classes of [MAPPO] keep their ratios: 150-400, 80-200, 10-50.
    assert 150 / 50 <= found[0] / found[2] <= 400 / 10
    assert 80 / 50 <= found[1] / found[2] <= 200 / 10


def test_what_is_declared_is_asked() -> None:
    found = rates(Workload("declared", rate=2 * sum(t.demand for t in TARGETS)), TARGETS)
    assert found == pytest.approx([2 * target.demand for target in TARGETS])


def test_without_a_rate_the_demands_are_met_in_sum() -> None:
    targets = (*TARGETS, Target("/east/d", 60.0))
    assert rates(Workload(), targets).sum() == pytest.approx(120.0)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_requests(kind: Any, seed: int) -> None:
    workload = Workload(kind, rate=5.0, seed=seed)
    one, other = first(workload), first(workload)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert (
        len(first(replace(workload, seed=seed + 1))[0]) != len(one[0])
        or (first(replace(workload, seed=seed + 1))[0] != one[0]).any()
    )


@pytest.mark.parametrize("kind", ["poisson", "bursts"])
def test_the_total_rate_is_met(kind: Any) -> None:
    times, target = first(Workload(kind, rate=200.0))
    assert len(times) / PERIOD == pytest.approx(200.0, rel=0.02 if kind == "poisson" else 0.25)
    assert len(times) == len(target)
    assert (np.diff(times) >= 0).all()
    assert times[-1] < PERIOD


def test_bursts_are_bursts() -> None:
    calm, _ = first(Workload("poisson", rate=200.0))
    wild, _ = first(Workload("bursts", rate=200.0))
    assert dispersion(calm, 1.0, PERIOD) == pytest.approx(1.0, abs=0.2)
    assert dispersion(wild, 1.0, PERIOD) > 5.0


def test_a_day_has_its_shape_and_goes_on_the_next_day() -> None:
    workload = Workload("day", rate=400.0, day_seconds=300.0, seed=3)
    parts = [intensity(workload, TARGETS, part).sum(axis=0) for part in range(2)]
    hourly = np.concatenate(parts).reshape(4, 24, -1).mean(axis=(0, 2))
    assert 17 <= hourly.argmax() <= 22
    assert 6 <= hourly.argmin() <= 10
    assert hourly.min() < 0.15 * hourly.max()
    times = np.concatenate([times for times, _ in itertools.islice(arrivals(workload, TARGETS), 2)])
    assert (np.diff(times) >= 0).all()
    assert PERIOD < times[-1] < 2 * PERIOD


def test_a_share_of_the_requests_goes_to_another_region() -> None:
    workload = Workload(rate=200.0, cross_region=0.3)
    home = np.array(["west", "west", "east"])
    weight = rates(workload, TARGETS)
    _, target = first(workload)
    counts = np.bincount(target, minlength=3) / PERIOD
    west = weight[home == "west"].sum()
    # The east gets what is its own and stays, and three tenths of the west's.
    assert counts[2] == pytest.approx(0.7 * weight[2] + 0.3 * west, rel=0.05)
    _, at_home = first(replace(workload, cross_region=0.0))
    np.testing.assert_allclose(np.bincount(at_home, minlength=3) / PERIOD, weight, rtol=0.1)


def test_one_region_keeps_its_requests() -> None:
    targets = TARGETS[:2]
    _, target = first(Workload(rate=100.0, cross_region=0.9), targets)
    np.testing.assert_allclose(
        np.bincount(target, minlength=2) / PERIOD, rates(Workload(rate=100.0), targets), rtol=0.1
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "storm"}, "workload 'storm': there are poisson, bursts, day, declared"),
        ({"rate": 0.0}, "rate 0: give more than 0"),
        ({"cross_region": 1.5}, "cross-region share 1.5: give 0 to 1"),
        ({"shape": 1.0}, "Pareto shape 1: give more than 1"),
        ({"day_seconds": float("inf")}, "day_seconds inf"),
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workload(**fields)


def test_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no ServiceDAG to send requests to"):
        rates(Workload(), ())
