"""Kernels read a reference as they read the named tuple, and write the arrays that Python has."""

from typing import NamedTuple

import numpy as np
import pytest

from edgewright.core.kernel import entry
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.fluid.reference import by_reference


class Inner(NamedTuple):
    values: FloatArray
    marks: BoolArray


class Outer(NamedTuple):
    table: IntArray
    inner: Inner
    value: Inner
    scale: float
    number: int
    turned: bool


@entry
def total(outer: Outer) -> float:
    """Reads every kind of field, and counts in one of them."""
    found = float(outer.table[1, 2] + 10 * outer.table.shape[0] + 100 * outer.table.shape[1])
    found += outer.inner.values.sum() * outer.scale + outer.value.values[1] + outer.number
    outer.table[0, 0] += 1
    if outer.turned == outer.value.marks[0]:
        outer.inner.marks[1] = True
    return float(found + outer.table[0, 0])


def outer(values: FloatArray) -> tuple[Outer, Inner]:
    inner = Inner(values, np.zeros(2, np.bool_))
    table = np.arange(6, dtype=np.int32).reshape(2, 3)
    value = Inner(np.array([3.0, 0.25]), np.array([True]))
    return Outer(table, by_reference(inner), value, 0.5, -7, turned=True), inner


def test_every_kind_of_field_is_read_and_arrays_are_shared() -> None:
    whole, inner = outer(np.array([1.0, 2.0, 4.0]))
    referred = by_reference(whole)
    assert total(referred) == 5 + 20 + 300 + 3.5 + 0.25 - 7 + 1
    assert whole.table[0, 0] == 1
    assert inner.marks.tolist() == [False, True]
    inner.values[:] = 0.0
    assert total(referred) == 5 + 20 + 300 + 0.25 - 7 + 2


def test_what_has_no_place_in_a_table_is_refused() -> None:
    with pytest.raises(TypeError, match="C-contiguous arrays, numbers and references, not array"):
        by_reference(Inner(np.arange(6.0)[::2], np.zeros(1, np.bool_)))
