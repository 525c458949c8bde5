"""The arrival processes have the statistics that they are named for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.emulation.workloads.processes import Floats, dispersion, diurnal, hurst, on_off, poisson

SECONDS, WIDTH = 4_000.0, 0.1
SLICES = round(SECONDS / WIDTH)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bursty(shape: float, sources: int = 50, rate: float = 100.0) -> Floats:
    active = on_off(sources, SLICES, WIDTH, generator(3), on=1.0, off=2.0, shape=shape)
    return poisson(rate / sources * 3.0 * active, WIDTH, generator(4))[0]


def test_poisson_arrivals_have_their_rate_and_exponential_gaps() -> None:
    times, _ = poisson(np.full((1, SLICES), 50.0), WIDTH, generator())
    assert len(times) / SECONDS == pytest.approx(50.0, rel=0.01)
    gaps = np.diff(times)
    assert gaps.min() >= 0.0
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.02)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1.0), abs=0.01)


def test_poisson_counts_are_as_variable_as_they_are_many_at_every_scale() -> None:
    times, _ = poisson(np.full((1, SLICES), 50.0), WIDTH, generator())
    for window in (0.1, 1.0, 10.0):
        assert dispersion(times, window, SECONDS) == pytest.approx(1.0, abs=0.15)
    assert hurst(times, 1.0, SECONDS) == pytest.approx(0.5, abs=0.1)


def test_sources_get_the_rates_that_they_ask_for() -> None:
    rates = np.array([10.0, 40.0, 0.0, 5.0])
    times, source = poisson(np.repeat(rates[:, None], SLICES, 1), WIDTH, generator())
    np.testing.assert_allclose(np.bincount(source, minlength=4) / SECONDS, rates, rtol=0.05, atol=1e-9)
    assert (np.diff(times) >= 0).all()


def test_users_who_are_on_and_off_make_self_similar_traffic() -> None:
    times = bursty(shape=1.4)
    assert len(times) / SECONDS == pytest.approx(100.0, rel=0.15)
    assert dispersion(times, 10.0, SECONDS) > 5.0 > dispersion(times, 0.1, SECONDS)
    assert hurst(times, 1.0, SECONDS) == pytest.approx((3 - 1.4) / 2, abs=0.12)


def test_lighter_tails_have_less_memory() -> None:
    assert hurst(bursty(shape=3.5), 1.0, SECONDS) < 0.65 < hurst(bursty(shape=1.4), 1.0, SECONDS)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 5), st.floats(0.5, 5), st.floats(1.1, 3), st.integers(0, 2**32))
def test_shares_of_time_are_shares(on: float, off: float, shape: float, seed: int) -> None:
    active = on_off(4, 500, WIDTH, generator(seed), on=on, off=off, shape=shape)
    assert active.shape == (4, 500)
    assert active.min() >= -1e-9
    assert active.max() <= 1.0 + 1e-9


@pytest.mark.parametrize("begin", [0, 2_000])
def test_users_are_on_for_their_share_of_the_time_from_the_start(begin: int) -> None:
    active = on_off(4_000, 2_100, WIDTH, generator(), on=1.0, off=3.0, shape=1.6)
    assert active[:, begin : begin + 100].mean() == pytest.approx(0.25, abs=0.02)


def test_periods_have_a_heavy_tail() -> None:
    active = on_off(300, SLICES // 4, WIDTH, generator(), on=1.0, off=1.0, shape=1.4)
    whole = (active > 1.0 - 1e-9).astype(int)
    lengths = np.concatenate(
        [np.diff(np.flatnonzero(np.diff(row, prepend=0, append=0)))[::2] for row in whole]
    )
    lengths = lengths * WIDTH
    # Of a Pareto law, P(longer than t) falls as t^-1.4: a hundredfold from 1 s to 27 s.
    ratio = (lengths > 20.0).mean() / (lengths > 2.0).mean()
    assert ratio == pytest.approx(10.0**-1.4, rel=0.4)


def test_periods_without_a_mean_are_refused() -> None:
    with pytest.raises(ValueError, match="shape 1: periods have a mean only above 1"):
        on_off(1, 10, WIDTH, generator(), on=1.0, off=1.0, shape=1.0)


def test_a_day_is_quiet_at_night_and_busy_in_the_evening() -> None:
    hours = np.arange(0.0, 24.0, 0.25)
    curve = diurnal(hours)
    assert hours[curve.argmax()] == 20.0
    assert hours[curve.argmin()] == 8.0
    assert curve.max() == pytest.approx(1.0)
    assert 10 / 400 <= curve.min() <= 15 / 150
    assert curve[0] == pytest.approx(float(diurnal(np.array([24.0]))[0]))
