"""Random numbers that depend on what they are for and not on when they are asked for.

A key names one thing (a request, a call, a job); keys of its parts are mixed from it. Equal seeds give
every request the same sizes, replicas and calls wherever its DAG is placed: placements are compared on equal
luck.
"""

import math

import numpy as np

from edgewright.core.kernel import kernel

# numba makes a float of a mixed signed and unsigned sum: every operand below is unsigned.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE, _TWO = np.uint64(1), np.uint64(2)
_UNIT = 2.0**-53


@kernel
def mix(key: np.uint64, part: int) -> np.uint64:
    """The key of part number `part` >= 0 of the thing that `key` names (SplitMix64's output function)."""
    z = key + (np.uint64(part) + _ONE) * _STEP
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@kernel
def uniform(key: np.uint64) -> float:
    """A number in (0, 1) for a key that `mix` made."""
    return (float(key >> _S11) + 0.5) * _UNIT


@kernel
def exponential(key: np.uint64) -> float:
    """A number of mean 1 from the exponential law."""
    return -math.log(uniform(key))


@kernel
def size_factor(key: np.uint64, sigma: float) -> float:
    """A number of mean 1 from the log-normal law whose logarithm has standard deviation `sigma`."""
    if sigma == 0.0:
        return 1.0
    radius = math.sqrt(-2.0 * math.log(uniform(mix(key, 0))))
    normal = radius * math.cos(2.0 * math.pi * uniform(mix(key, 1)))
    return math.exp(sigma * normal - 0.5 * sigma * sigma)
