"""The statistics against values known from elsewhere, and what they must never do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rliable import metrics

from edgewright.emulation.experiments.statistics import (
    TAIL_REQUESTS,
    hierarchical,
    holm,
    interquartile_mean,
    jain,
    paired,
    recovery,
    sign_flip,
    tail,
)


def test_the_interquartile_mean_drops_a_quarter_on_either_side() -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1000.0])[:, None]
    found = interquartile_mean(scores)
    assert found.value == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 1), (7, 2), (10, 3)])
def test_the_interquartile_mean_is_rliable_s(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(shape).random(shape)
    assert interquartile_mean(scores).value == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)


def test_a_single_seed_has_no_interval_but_itself() -> None:
    found = interquartile_mean(np.array([[1.0, 2.0, 4.0]]))
    assert found.low == found.value == found.high


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(1).random((10, 3))
    assert interquartile_mean(scores, seed=3) == interquartile_mean(scores, seed=3)


def test_an_interval_over_seeds_is_wider_than_one_that_takes_requests_for_independent() -> None:
    stream = np.random.default_rng(2)
    samples = [stream.normal(centre, 0.1, 200) for centre in stream.normal(0, 1, 8)]
    nested, flat = hierarchical(samples), hierarchical([np.concatenate(samples)])
    assert nested.value == pytest.approx(flat.value)
    assert nested.high - nested.low > 5 * (flat.high - flat.low)


def test_the_hierarchical_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    stream, covered = np.random.default_rng(3), 0
    for trial in range(40):
        samples = [stream.normal(centre, 0.5, 20) for centre in stream.normal(5, 1, 12)]
        found = hierarchical(samples, seed=trial)
        covered += found.low <= 5 <= found.high
    assert covered >= 33


def test_holm_is_the_textbook_example() -> None:
    # Four hypotheses: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 raised to the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_nor_reorders(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= b and a <= 1 for a, b in zip(adjusted, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


@pytest.mark.parametrize("n", [3, 5, 10])
def test_signs_all_alike_have_the_least_p_there_is(n: int) -> None:
    assert sign_flip(np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)
    assert sign_flip(-np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)


def test_no_difference_has_p_one() -> None:
    assert sign_flip(np.zeros(6)) == 1.0


def test_many_pairs_are_sampled_with_the_same_p_for_the_same_seed() -> None:
    difference = np.random.default_rng(4).normal(0.5, 1, 40)
    first = sign_flip(difference, seed=1)
    assert 0 < first < 0.2
    assert first == sign_flip(difference, seed=1)


def test_pairs_are_compared_method_by_method() -> None:
    reference = np.arange(10.0)
    found = paired({"worse": reference + 2, "same": reference}, reference)
    assert found["worse"].mean.value == pytest.approx(2)
    assert found["worse"].adjusted == pytest.approx(2 * 2 / 2**10)
    assert found["same"].p == found["same"].adjusted == 1


def test_pairs_must_belong_together() -> None:
    with pytest.raises(ValueError, match="not paired"):
        paired({"a": np.zeros(3)}, np.zeros(4))


def test_a_99th_percentile_needs_a_hundred_thousand_requests() -> None:
    latency = np.linspace(0, 1, TAIL_REQUESTS)
    assert tail(latency, 99) == pytest.approx(0.99)
    assert tail(latency[1:], 99) is None
    assert tail(latency[:100], 95) is not None
    assert tail(np.zeros(0), 95) is None


def test_recovery_is_the_first_of_three_periods_near_the_level_before() -> None:
    levels = np.array([5.0, 1.0, 3.0, 1.1, 1.05, 1.0, 9.0])
    assert recovery(levels, 1.0) == 3
    assert recovery(levels[:5], 1.0) is None
    assert recovery(np.array([np.inf, np.nan, 1.0, 1.0, 1.0]), 1.0) == 2
    assert recovery(np.array([1.0, 1.0]), 1.0) is None


def test_jain_is_one_for_equal_shares_and_one_nth_for_a_single_one() -> None:
    assert jain(np.full(5, 0.3)) == pytest.approx(1)
    assert jain(np.array([0.0, 0.0, 0.0, 7.0])) == pytest.approx(1 / 4)
    assert jain(np.zeros(3)) == 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(1e-3, 1e3))
@settings(max_examples=50)
def test_jain_is_between_one_nth_and_one_and_knows_no_unit(shares: list[float], unit: float) -> None:
    index = jain(np.array(shares))
    assert 1 / len(shares) - 1e-9 <= index <= 1 + 1e-9
    if min(shares) > 1e-3:
        assert jain(unit * np.array(shares)) == pytest.approx(index)


@pytest.mark.parametrize("bad", [np.zeros(0), np.array([1.0, np.nan]), np.array([1.0, np.inf])])
def test_what_is_not_finite_is_refused(bad: np.ndarray) -> None:
    for function in (jain, sign_flip, lambda values: hierarchical([values])):
        with pytest.raises(ValueError, match=r"values"):
            function(bad)


def test_negative_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        jain(np.array([-1.0, 1.0]))
