"""Neighbouring numbers of an array as one value: kernels compute eight scenarios at once.

A loop that reads arrays and writes one stays scalar where no compiler can prove that they do not overlap, and
numba cannot tell it. What is taken as lanes is read before anything is written. Lanes add, subtract and
multiply (`+`, `-`, `*`) number by number, and with a single number for all of them.
"""

from typing import Any

from edgewright.core.kernel import COMPILES
from edgewright.core.scenarios import LANES

if COMPILES:
    from edgewright.core.vectors import (
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
else:

    def _only_in_kernels(*_: Any) -> Any:
        raise NotImplementedError("lanes exist in machine code only")

    alike = exponent = fraction = larger = put = put_columns = _only_in_kernels
    smaller = take = total = two_to = where_less = whole = _only_in_kernels

__all__ = [
    "LANES",
    "alike",
    "exponent",
    "fraction",
    "larger",
    "put",
    "put_columns",
    "smaller",
    "take",
    "total",
    "two_to",
    "where_less",
    "whole",
]
