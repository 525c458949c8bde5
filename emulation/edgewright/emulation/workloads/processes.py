"""Arrival processes as pure functions of a seeded generator: Poisson, Pareto on/off, a day.

All are one kind of process: Poisson arrivals whose intensity is given per source and slice of time.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BUSIEST_HOUR = 20.0
"""Of a day of entertainment and gaming traffic."""
NIGHT = 0.04
"""Share of the busiest hour's traffic that is left at night: [MAPPO] 'Training performance' has 10-15 of
150-400 requests per second."""


def poisson(intensity: Floats, width: float, random: np.random.Generator) -> tuple[Floats, Ints]:
    """Sorted arrival times (n,) in seconds and their sources (n,), for `intensity` (S, slices) per second.

    A slice is `width` seconds long; within it a source's arrivals are a Poisson process.
    """
    counts = random.poisson(intensity * width)
    source, piece = np.nonzero(counts)
    often = counts[source, piece]
    times = (np.repeat(piece, often) + random.random(int(often.sum()))) * width
    order = np.argsort(times, kind="stable")
    return times[order], np.repeat(source, often)[order]


def on_off(
    sources: int,
    slices: int,
    width: float,
    random: np.random.Generator,
    *,
    on: float,
    off: float,
    shape: float,
) -> Floats:
    """(sources, slices) share of each slice in which each source is on, for Pareto periods of these means.

    Stationary from the start: the first period is what is left of one that was under way. With a `shape`
    between 1 and 2 the periods' variance is infinite, and many sources together are self-similar with Hurst
    parameter (3 - shape) / 2.
    """
    if not shape > 1.0:
        raise ValueError(f"shape {shape:g}: periods have a mean only above 1")
    edges = np.arange(slices + 1) * width
    shares = np.empty((sources, slices))
    for row in range(sources):
        changes, busy = _periods(edges[-1], random, on, off, shape)
        shares[row] = np.diff(np.interp(edges, changes, busy)) / width
    return shares


def _periods(
    end: float, random: np.random.Generator, on: float, off: float, shape: float
) -> tuple[Floats, Floats]:
    """Moments at which one source changes, and how long it was on until each."""
    begins_on = random.random() < on / (on + off)
    means = (on, off) if begins_on else (off, on)
    lengths = [_rest(random, means[0], shape)]
    reached = lengths[0]
    while reached < end:
        count = 2 * (8 + int((end - reached) / (on + off)))
        mean = np.where(np.arange(len(lengths), len(lengths) + count) % 2 == 0, *means)
        more = (1.0 + random.pareto(shape, count)) * mean * (shape - 1.0) / shape
        lengths += more.tolist()
        reached += float(more.sum())
    periods = np.array(lengths)
    counted = np.where((np.arange(len(periods)) % 2 == 0) == begins_on, periods, 0.0)
    return np.append(0.0, periods.cumsum()), np.append(0.0, counted.cumsum())


def _rest(random: np.random.Generator, mean: float, shape: float) -> float:
    """What is left of a Pareto period that is met under way: the equilibrium distribution, by inversion."""
    u, least = random.random(), mean * (shape - 1.0) / shape
    if u < (shape - 1.0) / shape:
        return u * mean
    return float(least * (shape * (1.0 - u)) ** (-1.0 / (shape - 1.0)))


def diurnal(hour: Floats) -> Floats:
    """Traffic at `hour` (0-24) relative to the busiest one: a cosine between NIGHT and 1."""
    swing = (1.0 + np.cos(2.0 * math.pi * (np.asarray(hour) - BUSIEST_HOUR) / 24.0)) / 2.0
    curve: Floats = NIGHT + (1.0 - NIGHT) * swing
    return curve


def dispersion(times: Floats, window: float, end: float) -> float:
    """Variance over mean of the counts per `window` seconds up to `end`: 1 for Poisson arrivals."""
    counts = np.histogram(times, np.arange(0.0, end + window / 2, window))[0]
    return float(counts.var() / counts.mean())


def hurst(times: Floats, window: float, end: float) -> float:
    """Hurst parameter by the variance of counts over windows of 1 to 64 times `window`: 0.5 for Poisson."""
    counts = np.histogram(times, np.arange(0.0, end + window / 2, window))[0].astype(float)
    sizes = [2**power for power in range(7) if len(counts) >> power >= 32]
    variances = []
    for size in sizes:
        groups = counts[: len(counts) // size * size].reshape(-1, size).mean(axis=1)
        variances.append(groups.var())
    slope = np.polyfit(np.log(sizes), np.log(variances), 1)[0]
    return float(1.0 + slope / 2.0)
