"""The map and the division into regions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.emulation import eua
from edgewright.emulation.geography import SLACK, Frame, divide


def test_the_data_is_complete() -> None:
    assert len({site.id for site in eua.sites()}) == 125
    assert len(eua.users()) == 816


@given(x=st.floats(-5000, 5000), y=st.floats(-5000, 5000))
def test_degrees_and_metres_are_inverse(x: float, y: float) -> None:
    frame = Frame.around(eua.users())
    assert frame.metres(*frame.degrees(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_distances_are_right_within_a_city() -> None:
    # Flinders Street Station to Melbourne Central, great-circle distance 1,001 m.
    frame = Frame.around(eua.users())
    a, b = frame.metres(-37.81829, 144.96715), frame.metres(-37.80996, 144.96289)
    assert np.hypot(a[0] - b[0], a[1] - b[1]) == pytest.approx(999, abs=4)


@given(count=st.integers(1, 8), sites=st.integers(8, 60), seed=st.integers(0, 1000))
def test_a_division_is_complete_balanced_and_repeatable(count: int, sites: int, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 1000, (sites, 2))
    group = divide(points, count, seed)
    sizes = np.bincount(group, minlength=count)
    assert sizes.min() >= 1
    assert sizes.max() <= np.ceil(sites / count * SLACK)
    assert np.array_equal(group, divide(points, count, seed))


def test_too_few_sites_are_refused() -> None:
    with pytest.raises(ValueError, match="3 sites cannot be divided into 4 regions"):
        divide(np.zeros((3, 2)), 4, 0)


def test_sites_on_one_spot_are_divided_too() -> None:
    points = np.repeat([[0.0, 0.0], [5.0, 5.0]], 5, axis=0)
    assert len(np.unique(divide(points, 8, 0))) == 8
