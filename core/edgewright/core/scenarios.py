"""The fixed table of scenarios that every evaluation shares: sizes, waiting and choice of replicas."""

import math
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from edgewright.core.substrate import FloatArray

STATUS = 256
"""Scenarios for status, gates and `exact`."""
SEARCH = 16
"""Scenarios for search and learning."""
LANES = 8
"""Kernels compute so many scenarios at once: every table has a multiple of them."""
COLUMNS = 64
"""Stages or transfers that a table has rows for at first; it grows by doubling."""
WORK_VARIATION = 0.5
PAYLOAD_VARIATION = 0.75
"""[MAPPO] 'Request generation' prints 1.5 and 1.3 MB, read as mean and standard deviation: (1.3 / 1.5)^2."""
WAITING_VARIATION = 3.0
"""Squared variation of a wait around its mean, fitted to the event simulation at 30-80 % load: most jobs wait
little, a few meet a crowd (docs/explanation/model.md)."""
CHOICES = 8
"""Fixed choices of replicas over which the overlap of parallel branches is averaged."""


class Scenarios(NamedTuple):
    """K scenarios of one request; rows are stages or transfers, columns scenarios, means exactly 1."""

    work: FloatArray
    """(rows, K) size factor of a stage's work."""
    work_wait: FloatArray
    """(rows, K) the same times the stage's waiting factor."""
    work_overlap: FloatArray
    """(rows, K) factor of the overlap with other branches, from the stage's size factor (`_overlap`)."""
    payload: FloatArray
    """(rows, K) size factor of a transfer."""
    payload_wait: FloatArray
    """(rows, K) the same times the transfer's waiting factor."""
    payload_overlap: FloatArray
    """(rows, K) factor of the overlap with other branches, from the transfer's size factor."""
    choice: FloatArray
    """(rows, K) in [0, 1): which replica of a stage the request picks."""
    call: FloatArray
    """(rows, K) in [0, 1): whether a fractional call happens."""
    overlap_choice: FloatArray
    """(rows, CHOICES) in [0, 1): replica choices for the overlap of branches."""


def scenarios(count: int, rows: int = COLUMNS) -> Scenarios:
    """The table of `count` scenarios with at least `rows` rows; the same in every process.

    Each row is stratified (Latin hypercube): one value from each of `count` equally likely strata, in an
    order that keeps rows nearly uncorrelated; log-normal rows have mean 1 and the stated variation exactly.
    Raises ValueError unless `count` is a positive multiple of LANES.
    """
    _check(count)
    size = COLUMNS
    while size < rows:
        size *= 2
    return _table(count, size)


def random_scenarios(count: int, stages: int, transfers: int, random: np.random.Generator) -> Scenarios:
    """`count` independent scenarios of the fixed table's laws: rows for so many stages and transfers.

    The overlap of branches stays that of the fixed table: it is a constant of a placement, not of a request.
    Raises ValueError unless `count` is a positive multiple of LANES.
    """
    _check(count)
    work = _factors(random, (stages, count), WORK_VARIATION)
    payload = _factors(random, (transfers, count), PAYLOAD_VARIATION)
    return Scenarios(
        work=work,
        work_wait=work * _factors(random, (stages, count), WAITING_VARIATION),
        work_overlap=_overlap(work, WORK_VARIATION),
        payload=payload,
        payload_wait=payload * _factors(random, (transfers, count), WAITING_VARIATION),
        payload_overlap=_overlap(payload, PAYLOAD_VARIATION),
        choice=random.random((stages, count)),
        call=random.random((transfers, count)),
        overlap_choice=scenarios(STATUS, max(stages, transfers)).overlap_choice,
    )


def _check(count: int) -> None:
    if count < LANES or count % LANES:
        raise ValueError(f"{count} scenarios: a table needs a positive multiple of {LANES}")


def _factors(random: np.random.Generator, shape: tuple[int, int], variation: float) -> FloatArray:
    """Log-normal draws of mean 1 and squared `variation`."""
    variance = math.log1p(variation)
    drawn: FloatArray = np.exp(math.sqrt(variance) * random.standard_normal(shape) - variance / 2)
    return drawn


@cache
def _table(count: int, rows: int) -> Scenarios:
    work = _order(log_normal(count, WORK_VARIATION), rows, 1)
    payload = _order(log_normal(count, PAYLOAD_VARIATION), rows, 2)
    waiting = log_normal(count, WAITING_VARIATION)
    uniform = (np.arange(count) + 0.5) / count
    return Scenarios(
        work=work,
        work_wait=_mean_one(work * _order(waiting, rows, 3)),
        work_overlap=_mean_one(_overlap(work, WORK_VARIATION)),
        payload=payload,
        payload_wait=_mean_one(payload * _order(waiting, rows, 4)),
        payload_overlap=_mean_one(_overlap(payload, PAYLOAD_VARIATION)),
        choice=_order(uniform, rows, 5),
        call=_order(uniform, rows, 6),
        overlap_choice=_order((np.arange(CHOICES) + 0.5) / CHOICES, rows, 7),
    )


def log_normal(count: int, variation: float) -> FloatArray:
    """(count,) one value per stratum of a log-normal; mean and variation hold in the sample."""
    normal = np.array([NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)])
    low, high = 0.0, 5.0
    for _ in range(60):
        sigma = (low + high) / 2
        values = np.exp(sigma * normal)
        values /= values.mean()
        low, high = (sigma, high) if values.var() < variation else (low, sigma)
    return values


def _overlap(sizes: FloatArray, variation: float) -> FloatArray:
    """g(s) = E[min(s, S)] of size factors `sizes` over its mean, S being another job's size factor.

    A job meets others only as long as they last, so what they add to it grows slower than its own size.
    """
    factors: FloatArray = np.interp(sizes, *_shared(variation))
    return factors


@cache
def _shared(variation: float) -> tuple[FloatArray, FloatArray]:
    """Size factors and their g."""
    sizes = log_normal(STATUS, variation)
    shared = np.minimum.outer(sizes, sizes).mean(axis=1)
    return sizes, shared / shared.mean()


def _mean_one(table: FloatArray) -> FloatArray:
    """The same rows with mean 1: in few scenarios size and wait correlate by chance; means must not move."""
    scaled: FloatArray = table / table.mean(axis=1, keepdims=True)
    return scaled


def _order(values: FloatArray, rows: int, stream: int) -> FloatArray:
    """(rows, K) permutations of `values`; of a few random orders each row takes the least correlated one.

    Rows are drawn one after the other from their own generator, so a larger table only adds rows.
    """
    table = np.empty((rows, len(values)))
    centred = values - values.mean()
    before = np.empty((rows, len(values)))
    for row in range(rows):
        draw = np.random.default_rng([len(values), stream, row])
        orders = np.stack([draw.permutation(len(values)) for _ in range(8)])
        earlier = before[max(0, row - 24) : row]
        worst = (np.abs(centred[orders] @ earlier.T)).sum(1) if len(earlier) else np.zeros(8)
        best = orders[int(worst.argmin())]
        table[row], before[row] = values[best], centred[best]
    return table
