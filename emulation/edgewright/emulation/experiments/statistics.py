"""The statistics of every comparison: interquartile means, bootstraps, paired tests, recovery."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of every interval."""
RESAMPLES = 2_000
TAIL_REQUESTS = 100_000
"""Requests below which a 99th percentile is not reported: it would rest on fewer than 1,000 of them."""
SETTLED = 3
"""Periods in a row that must be within a level."""
BACK = 1.1
"""Times the level before that counts as recovered."""
EXACT_SIGNS = 14
"""Pairs up to which all signs are tried in a test, and a sample of them beyond."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def interquartile_mean(scores: Floats, *, seed: int = 0) -> Interval:
    """IQM over (seeds, cases) and its stratified bootstrap interval, with `rliable`.

    The mean of the middle half of all scores; seeds are drawn again within each case, and a single one has
    no interval but itself. ValueError for scores that are not finite or not two-dimensional.
    """
    from rliable import library  # noqa: PLC0415 - seconds of imports

    _check(scores, 2)
    if len(scores) == 1:
        alone = float(_middle_half(scores)[0])
        return Interval(alone, alone, alone)
    # rliable draws from numpy's global stream, whatever stream it is given: it is lent one with our seed.
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        values, intervals = library.get_interval_estimates(
            {"": scores},
            _middle_half,
            reps=RESAMPLES,
            confidence_interval_size=LEVEL,
        )
    finally:
        np.random.set_state(before)
    low, high = intervals[""][:, 0]
    return Interval(float(values[""][0]), float(low), float(high))


def _middle_half(scores: Floats) -> Floats:
    """(1,) `rliable.metrics.aggregate_iqm`, which takes ten times as long for a few scores."""
    cut = scores.size // 4
    return np.array([np.sort(scores, axis=None)[cut : scores.size - cut].mean()])


def hierarchical(
    samples: Sequence[Floats],
    statistic: Callable[[Floats], float] = lambda values: float(values.mean()),
    *,
    seed: int = 0,
) -> Interval:
    """A statistic of pooled values and its interval by a two-level bootstrap: seeds, then values within.

    `samples` holds one array (values,) for each seed: requests, DAGs or instances. Drawing values only would
    take those of one seed for independent and give intervals that are too narrow.
    """
    if not samples:
        raise ValueError("no seeds: give one array of values for each")
    for values in samples:
        _check(values, 1)
    stream = np.random.default_rng([seed, len(samples)])
    drawn = np.empty(RESAMPLES)
    for b in range(RESAMPLES):
        seeds = stream.integers(len(samples), size=len(samples))
        drawn[b] = statistic(
            np.concatenate(
                [samples[i][stream.integers(len(samples[i]), size=len(samples[i]))] for i in seeds]
            )
        )
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(statistic(np.concatenate(list(samples))), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Difference:
    """One method against another on the same seeds and workloads."""

    mean: Interval
    """Of method - reference; the interval from a bootstrap over pairs."""
    p: float
    """Two-sided, by flipping signs of pairs."""
    adjusted: float
    """The same after Holm's correction for all methods compared."""


def paired(methods: Mapping[str, Floats], reference: Floats, *, seed: int = 0) -> dict[str, Difference]:
    """Each method's values (pairs,) against the reference's of the same pairs, with Holm's correction.

    Pairs must be independent: one value for each seed, averaged over what was done with that seed. With n
    pairs no p is below 2 / 2**n, so five seeds cannot show p < 0.05; ten can.
    """
    found: dict[str, tuple[Interval, float]] = {}
    for name, values in methods.items():
        if values.shape != reference.shape:
            raise ValueError(f"{name} has {values.shape} values, the reference {reference.shape}: not paired")
        difference = values - reference
        found[name] = hierarchical([difference], seed=seed), sign_flip(difference, seed=seed)
    adjusted = holm([p for _, p in found.values()])
    return {
        name: Difference(mean, p, corrected)
        for (name, (mean, p)), corrected in zip(found.items(), adjusted, strict=True)
    }


def sign_flip(difference: Floats, *, seed: int = 0) -> float:
    """Two-sided p that paired differences (pairs,) have mean 0: their signs are exchangeable if so."""
    _check(difference, 1)
    n = len(difference)
    if n <= EXACT_SIGNS:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
    else:
        signs = np.random.default_rng([seed, n]).choice((-1.0, 1.0), size=(20_000, n))
        signs[0] = 1.0  # what was observed is one of the possibilities, so that p is never 0
    sums = np.abs(signs @ difference)
    return float((sums >= abs(difference.sum()) * (1 - 1e-12)).mean())


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance of any false finding among all is at most the adjusted p."""
    order = np.argsort(p, kind="stable")
    adjusted, largest = np.empty(len(p)), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return [float(value) for value in adjusted]


def tail(latency: Floats, percentile: float) -> float | None:
    """A percentile in (0, 100) of latencies (requests,); above 95 only from at least 100,000 requests."""
    if not len(latency) or (percentile > 95 and len(latency) < TAIL_REQUESTS):
        return None
    return float(np.percentile(latency, percentile))


def settled(levels: Floats, most: float) -> int | None:
    """Index of the first of 3 consecutive periods with a level of at most `most`; None if censored.

    `levels` (periods,) begins with the first period of the disturbance; infinite and NaN are above.
    """
    within = levels <= most
    for first in range(len(levels) - SETTLED + 1):
        if within[first : first + SETTLED].all():
            return first
    return None


def recovery(levels: Floats, before: float) -> int | None:
    """Index of the first of 3 consecutive periods within 1.1 times the level before; None if censored."""
    return settled(levels, BACK * before)


def jain(shares: Floats) -> float:
    """Jain's index of non-negative shares (tenants,): 1 when all are equal, 1/n when one has everything.

    (sum x)^2 / (n sum x^2); all zeros count as equal. ValueError for negative shares.
    """
    _check(shares, 1)
    if (shares < 0).any():
        raise ValueError("shares must not be negative")
    squares = float((shares**2).sum())
    return 1.0 if squares == 0 else float(shares.sum()) ** 2 / (len(shares) * squares)


def _check(values: Floats, dimensions: int) -> None:
    if values.ndim != dimensions or not values.size:
        raise ValueError(
            f"values of shape {values.shape}; {dimensions} dimension(s) and at least one are needed"
        )
    if not np.isfinite(values).all():
        raise ValueError("values must be finite; count unplaced DAGs and lost requests as violations instead")
