"""Drawn DAGs have the statistics that are published of Alibaba's call graphs (84,030 distinct graphs)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.emulation.demand.shapes import Shape, draw_shape, draw_size

COUNT = 6000


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    random = np.random.default_rng(2026)
    return [draw_shape(draw_size(random), random) for _ in range(COUNT)]


def depth(shape: Shape) -> int:
    levels = [1] * shape.size
    for caller, called, _ in shape.calls:
        levels[called] = max(levels[called], levels[caller] + 1)
    return max(levels)


def quantiles(values: list[int]) -> list[int]:
    return [int(value) for value in np.percentile(values, [50, 90, 99], method="inverted_cdf")]


def test_sizes(shapes: list[Shape]) -> None:
    p50, p90, p99 = quantiles([shape.size for shape in shapes])
    assert (p50, p90) == (6, 10)
    assert 17 <= p99 <= 22
    assert 40 <= max(shape.size for shape in shapes) <= 65


def test_depths(shapes: list[Shape]) -> None:
    assert quantiles([depth(shape) for shape in shapes]) == [3, 3, 4]
    assert max(depth(shape) for shape in shapes) <= 12


def test_fan_out(shapes: list[Shape]) -> None:
    fans = [
        n
        for shape in shapes
        for n in np.bincount([caller for caller, _, _ in shape.calls], minlength=1).tolist()
        if n
    ]
    p50, p90, p99 = quantiles(fans)
    assert p50 == 2
    assert 6 <= p90 <= 7
    assert 14 <= p99 <= 18
    assert np.mean(fans) == pytest.approx(3.0, abs=0.15)
    assert np.mean(np.array(fans) == 1) == pytest.approx(0.48, abs=0.02)


def test_trees_and_repeated_calls(shapes: list[Shape]) -> None:
    trees = [len(shape.calls) == shape.size - 1 for shape in shapes]
    assert np.mean(trees) == pytest.approx(0.825, abs=0.02)
    repeated = [often > 1 for shape in shapes for _, _, often in shape.calls]
    assert np.mean(repeated) == pytest.approx(0.167, abs=0.01)


@given(size=st.integers(1, 80), seed=st.integers(0, 2**32))
def test_every_shape_is_a_dag_with_one_source(size: int, seed: int) -> None:
    shape = draw_shape(size, np.random.default_rng(seed))
    assert all(0 <= caller < called < size for caller, called, _ in shape.calls)
    assert len({(caller, called) for caller, called, _ in shape.calls}) == len(shape.calls)
    assert {called for _, called, _ in shape.calls} == set(range(1, size))


def test_a_dag_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_shape(0, np.random.default_rng(1))
