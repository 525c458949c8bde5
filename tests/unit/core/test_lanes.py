"""Lanes calculate what numpy calculates on the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn
from numba.core.errors import TypingError

from edgewright.core.kernel import entry
from edgewright.core.lanes import (
    LANES,
    alike,
    exponent,
    fraction,
    larger,
    put,
    put_columns,
    smaller,
    take,
    total,
    two_to,
    where_less,
    whole,
)
from edgewright.core.scenarios import random_scenarios, scenarios
from edgewright.core.substrate import FloatArray

rows = drawn.arrays(np.float64, 3 * LANES, elements=st.floats(-1e6, 1e6))


@entry
def calculate(a: FloatArray, b: FloatArray, x: float, out: FloatArray) -> float:
    """Uses every operation, and writes to a row that it reads."""
    sums = alike(x)
    for k in range(0, len(a), LANES):
        here = take(a, k)
        high, low = larger(here * x, take(b, k)), smaller(here, take(b, k))
        put(a, k, 2.0 * high - low)
        put(out, k, where_less(here, x, high + x, np.inf))
        sums = sums + (here - take(b, k))
    return float(total(sums))


@settings(deadline=None)
@given(rows, rows, st.floats(-10, 10))
def test_lanes_calculate_like_numpy(a: FloatArray, b: FloatArray, x: float) -> None:
    row, out = a.copy(), np.zeros_like(a)
    found = calculate(row, b, x, out)
    np.testing.assert_allclose(row, 2 * np.maximum(a * x, b) - np.minimum(a, b), rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(out, np.where(a < x, np.maximum(a * x, b) + x, np.inf), rtol=1e-12, atol=1e-6)
    assert found == pytest.approx(LANES * x + (a - b).sum(), rel=1e-9, abs=1e-6)


@entry
def take_apart(a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    """Writes 2^e, f of a = 2^e f, a / b and the whole part of b."""
    for k in range(0, len(a), LANES):
        here, other = take(a, k), take(b, k)
        put_columns(out, k, two_to(exponent(here)), fraction(here), here / other, whole(other))


@settings(deadline=None)
@given(
    drawn.arrays(np.float64, 3 * LANES, elements=st.floats(1e-300, 1e300)),
    drawn.arrays(np.float64, 3 * LANES, elements=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3)),
)
def test_lanes_are_taken_apart_like_numpy_s(a: FloatArray, b: FloatArray) -> None:
    out = np.zeros((len(a), 4))
    take_apart(a, b, out)
    power, rest, ratio, truncated = out.T
    np.testing.assert_array_equal(power * rest, a)
    assert set(np.frexp(power)[0]) == {0.5}, "powers of two"
    assert (rest >= np.sqrt(0.5) * (1 - 1e-15)).all()
    assert (rest <= np.sqrt(2.0) * (1 + 1e-15)).all()
    np.testing.assert_array_equal(ratio, a / b)
    np.testing.assert_array_equal(truncated, np.trunc(b))


def test_nothing_is_taken_apart_as_2_to_the_smallest() -> None:
    out = np.zeros((LANES, 4))
    take_apart(np.zeros(LANES), np.ones(LANES), out)
    assert (out[:, 0] == 0.0).all()
    assert (out[:, 1] == 1.0).all()


def test_numbers_that_are_no_neighbours_are_refused() -> None:
    columns = np.zeros((LANES, LANES))
    with pytest.raises(TypingError, match="columns lie in contiguous rows of float64, not in array"):
        take_apart(columns[0], columns[0], columns.T)
    with pytest.raises(TypingError, match="lanes lie in contiguous rows of float64, not in array"):
        calculate(columns[:, 0], columns[0], 1.0, columns[1])


@pytest.mark.parametrize("count", [-LANES, 0, 4, LANES + 1])
def test_tables_that_do_not_fill_the_lanes_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} scenarios: a table needs a positive multiple of {LANES}"):
        scenarios(count)
    with pytest.raises(ValueError, match="positive multiple"):
        random_scenarios(count, 2, 2, np.random.default_rng(0))
