"""Rewards of agents: [MAPPO] Eqs. 11-20, made well-posed, and as printed for comparison."""

import math

import numpy as np

from edgewright.core.kernel import entry, inlined, kernel
from edgewright.core.outcome import JITTER, MEAN, PERCENTILE, SKEW, SUCCESS
from edgewright.core.substrate import FloatArray, IntArray

WORST = 10.0
"""Cost of unplaced demand, and the most that a mean latency can cost, in units of its limit."""
WEIGHTS = (0.4, 0.2, 0.2, 0.2)
"""alpha_1..4 of Eq. 11 and omega_1..4 of Eq. 13: latency, resources, load imbalance, then spread or success."""
PENALTIES = (1 / 3, 1 / 3, 1 / 3)
"""rho_1..3 of Eq. 19: resource overuse, temporal violations, robustness."""
COOPERATION = 0.5
"""phi of Eq. 20."""
LARGEST_VARIANCE = 0.25
"""Of shares in [0, 1]: half of the nodes full, half empty."""
LARGEST_DEVIATION = 0.5
STABLE = 0.85
"""gamma_stab of Eq. 19: the utilisation that a gate admits."""
RATE, COST, REACHED, TEMPORAL, ROBUST, LATENCY = range(6)
SUMS = 6
"""Columns of what DAGs add to a region: request rate, and weighted by it cost, success, hinges, latency."""


@entry
def usage(
    capacity: FloatArray, used: FloatArray, region: IntArray, count: FloatArray, out: FloatArray
) -> int:
    """Moments of reserved shares; see `moments`."""
    return moments(capacity, used, region, count, out)


@kernel
def moments(
    capacity: FloatArray, used: FloatArray, region: IntArray, count: FloatArray, out: FloatArray
) -> int:
    """Mean share (Eq. 16 over nodes x resources), variance between nodes (Eq. 17), overuse, by region.

    `capacity` and `used` (N, R), `region` (N,) in -1..G-1, `count` (G + 1,) nodes of each region and (last)
    in all; `out` (5, G + 1): those three, averaged over the resources that some node offers, and work space.
    Shares are clipped to [0, 1], overuse is what is beyond. Returns how many resources are offered.
    """
    G, N, offered = len(count) - 1, len(capacity), 0
    out[:] = 0.0
    mean, variance, over, total, square = out[0], out[1], out[2], out[3], out[4]
    for r in range(capacity.shape[1]):
        there = False
        total[:] = 0.0
        square[:] = 0.0
        for n in range(N):
            if capacity[n, r] <= 0.0:
                continue
            there = True
            share, g = used[n, r] / capacity[n, r], region[n]
            if share > 1.0:
                over[G] += share - 1.0
                if g >= 0:
                    over[g] += share - 1.0
            share = min(max(share, 0.0), 1.0)
            total[G] += share
            square[G] += share * share
            if g >= 0:
                total[g] += share
                square[g] += share * share
        if there:
            offered += 1
            for g in range(G + 1):
                centre = total[g] / count[g]
                mean[g] += centre
                variance[g] += max(square[g] / count[g] - centre * centre, 0.0)
    for g in range(G + 1):
        mean[g] /= max(offered, 1)
        variance[g] /= max(offered, 1)
        over[g] = min(over[g] / (count[g] * max(offered, 1)), 1.0)
    return offered


@inlined
def _hinge(ratio: float) -> float:
    """[x - 1]+, at most 1; an infinite limit never binds."""
    return min(max(ratio - 1.0, 0.0), 1.0)


@inlined
def add(
    sums: FloatArray,
    out: FloatArray,
    rate: float,
    limits: tuple[float, float, float, float],
    busiest: float,
    printed: bool,
) -> None:
    """Add one DAG with prediction `out` (OUTPUTS,) to `sums` (SUMS,) of its region.

    `limits`: latency, jitter, skew in seconds, least success; `busiest`: utilisation of its busiest node.
    A DAG that is not served costs WORST and has success 0. As printed its slack in one bound cancels another's
    violation, and it adds nothing while it is not served.
    """
    latency, jitter, skew, success = limits
    served = out[MEAN] < np.inf
    if printed and not served:
        return
    sums[RATE] += rate
    sums[COST] += rate * min(out[MEAN] / latency, WORST)
    sums[REACHED] += rate * out[SUCCESS]
    missing = success / max(out[SUCCESS], 1e-9)
    if printed:
        sums[LATENCY] += rate * out[MEAN]
        slack = out[PERCENTILE] / latency + out[JITTER] / jitter + out[SKEW] / skew - 3.0
        sums[TEMPORAL] += max(slack, 0.0)
        sums[ROBUST] += max(busiest / STABLE + missing - 2.0, 0.0)
    elif served:
        late = _hinge(out[PERCENTILE] / latency) + _hinge(out[JITTER] / jitter) + _hinge(out[SKEW] / skew)
        sums[TEMPORAL] += rate * late / 3.0
        sums[ROBUST] += rate * (_hinge(busiest / STABLE) + _hinge(missing)) / 2.0
    else:
        sums[TEMPORAL] += rate
        sums[ROBUST] += rate


@kernel
def rewards(
    sums: FloatArray,
    usage: FloatArray,
    offered: int,
    weights: FloatArray,
    largest: float,
    printed: bool,
    out: FloatArray,
) -> float:
    """Rewards (G,) of Eq. 20 in `out`, and the global one of Eq. 11.

    `sums` (G + 1, SUMS) by region and (last) in all; `usage` and `offered` from `moments`; `weights` (12,):
    alpha, omega, rho, phi. `largest` seconds is the printed l_max. Eq. 17 as printed sums over resources.
    """
    G, mean, over = len(out), usage[0], usage[2]
    scale = float(offered) if printed else 1.0 / LARGEST_VARIANCE
    most = np.inf if printed else 1.0
    spread = deviation(mean, G)
    fairness = spread if printed else min(spread / LARGEST_DEVIATION, 1.0)
    common = -(
        weights[0] * _latency(sums[G], largest, printed)
        + weights[1] * mean[G]
        + weights[2] * min(usage[1, G] * scale, most)
        + weights[3] * fairness
    )
    for g in range(G):
        rate = sums[g, RATE]
        success = sums[g, REACHED] / rate if rate > 0.0 else 1.0
        local = -(
            weights[4] * _latency(sums[g], largest, printed)
            + weights[5] * mean[g]
            + weights[6] * min(usage[1, g] * scale, most)
            + weights[7] * (1.0 - success)
        )
        divisor = 1.0 if printed else max(rate, 1e-12)
        penalty = -(
            weights[8] * over[g]
            + weights[9] * sums[g, TEMPORAL] / divisor
            + weights[10] * sums[g, ROBUST] / divisor
        )
        out[g] = weights[11] * common + (1.0 - weights[11]) * local + penalty
    return common


@inlined
def _latency(sums: FloatArray, largest: float, printed: bool) -> float:
    if sums[RATE] <= 0.0:
        return 0.0
    return sums[LATENCY] / sums[RATE] / largest if printed else sums[COST] / sums[RATE] / WORST


@inlined
def deviation(mean: FloatArray, G: int) -> float:
    """Standard deviation between the first G values."""
    centre, square = 0.0, 0.0
    for g in range(G):
        centre += mean[g] / G
    for g in range(G):
        square += (mean[g] - centre) ** 2 / G
    return math.sqrt(square)
