"""What is read from the scenarios of a request: percentile, jitter, success, Eq. 14's parts."""

import math

import numpy as np

from edgewright.core.arrays import TIMEOUT, DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.request import Request
from edgewright.core.stations import Infrastructure, Layout, pairs
from edgewright.core.substrate import FloatArray

OUTPUTS = 10
MEAN, PERCENTILE, JITTER, SKEW, SUCCESS, VIOLATION, ACCESS, PROCESSING, SYNCHRONISATION, BOUND = range(
    OUTPUTS
)
"""Columns of a prediction, from PROCESSING on those of Eq. 14 and of transfers.

BOUND is the largest transfer time at the percentile over its own limit.
"""


@kernel
def lose(out: FloatArray) -> None:
    """The prediction of a request that never ends."""
    out[:] = np.inf
    out[SUCCESS] = 0.0
    out[VIOLATION] = 1.0


@inlined
def judge(dag: DagArrays, reached: float, out: FloatArray) -> bool:
    """Percentile, violation and success from the scenarios' mean and deviation; whether the request ends.

    `reached`: probability that everything a request touches works, from `reach`.
    """
    mean, deviation = out[MEAN], out[JITTER]
    if not mean < 1e9:
        lose(out)
        return False
    variance = _log_variance(mean, deviation)
    out[PERCENTILE] = _quantile(mean, variance, dag.z)
    out[VIOLATION] = _beyond(mean, variance, dag.limit)
    out[SUCCESS] = reached * (1.0 - _beyond(mean, variance, TIMEOUT))
    return True


@inlined
def read(dag: DagArrays, req: Request, reached: float, out: FloatArray) -> None:
    """What `judge` reads, and Eq. 14's parts from the mean job times `req.begin`."""
    if not judge(dag, reached, out):
        return
    mean = out[MEAN]
    out[PROCESSING] = min(_critical(dag, req), mean - out[ACCESS])
    out[SYNCHRONISATION] = mean - out[ACCESS] - out[PROCESSING]
    out[BOUND] = transfer_bounds(dag, req)


@inlined
def percentile(mean: float, deviation: float, z: float) -> float:
    """Quantile of the log-normal with this mean and standard deviation."""
    return _quantile(mean, _log_variance(mean, deviation), z)


@inlined
def _log_variance(mean: float, deviation: float) -> float:
    """Variance of the logarithm of the log-normal with this mean and standard deviation."""
    return math.log1p((deviation / mean) ** 2) if mean > 0.0 else 0.0


@inlined
def _quantile(mean: float, variance: float, z: float) -> float:
    return mean * math.exp(z * math.sqrt(variance) - variance / 2.0)


@inlined
def _beyond(mean: float, variance: float, limit: float) -> float:
    """Share of the log-normal above `limit`."""
    if variance < 1e-12:
        return 1.0 if mean > limit else 0.0
    score = (math.log(limit / mean) + variance / 2.0) / math.sqrt(variance)
    if score > 8.5:  # less than what rounds to 0 beside 1
        return 0.0
    return 0.5 * math.erfc(score / math.sqrt(2.0))


@inlined
def transfer_bounds(dag: DagArrays, req: Request) -> float:
    """Largest ratio of a transfer's time at the percentile to its own limit; 0 without limits."""
    M, K, worst = len(dag.work), len(req.total), 0.0
    for t in range(len(dag.source)):
        if dag.bound[t] < np.inf:
            mean, variance = req.begin[M + t], 0.0
            for k in range(K):
                variance += (req.seconds[M + t, k] - mean) ** 2
            worst = max(worst, percentile(mean, math.sqrt(variance / K), dag.z) / dag.bound[t])
    return worst


@inlined
def _critical(dag: DagArrays, req: Request) -> float:
    """Critical path of the mean job times `req.begin` from the sources' arrivals to the user."""
    M, mean, end = len(dag.work), req.begin, req.duration
    if dag.pipeline:
        for m in dag.order:
            start = 0.0
            for e in range(dag.inward_start[m], dag.inward_start[m + 1]):
                t = dag.inward[e]
                if dag.source[t] >= 0:
                    start = max(start, end[dag.source[t]] + mean[M + t])
            end[m] = start + mean[m]
    else:
        for at in range(M - 1, -1, -1):
            m = dag.order[at]
            longest = 0.0
            end[m] = mean[m]
            for e in range(dag.outward_start[m], dag.outward_start[m + 1]):
                t = dag.outward[e]
                if dag.target[t] >= 0:
                    trip = dag.calls[t] * (mean[M + t] + end[dag.target[t]] + mean[M + dag.back[t]])
                    if dag.parallel[t]:
                        longest = max(longest, trip)
                    else:
                        end[m] += trip
            end[m] += longest
    total = 0.0
    for e in range(dag.inward_start[M], dag.inward_start[M + 1]):
        t = dag.inward[e]
        total = max(total, end[dag.source[t]] + mean[M + t])
    return total


@kernel
def reach(dag: DagArrays, infra: Infrastructure, lay: Layout, miss: FloatArray) -> float:
    """Product of the success of the distinct nodes, links and cells, each as often as a request meets it."""
    for m in range(len(lay.placed)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            miss[lay.node[slot]] *= 1.0 - lay.share[slot]
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            for h in range(lay.hops[pair]):
                miss[infra.element[lay.route[pair, h]]] *= 1.0 - lay.joint[pair]
    success = 1.0
    for m in range(len(lay.placed)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            success *= once(infra, miss, lay.node[slot])
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            for h in range(lay.hops[pair]):
                success *= once(infra, miss, infra.element[lay.route[pair, h]])
    return success


@inlined
def once(infra: Infrastructure, miss: FloatArray, station: int) -> float:
    """Success of a station that counts once: its miss probability is 1 from now on."""
    success: float = 1.0 - (1.0 - miss[station]) * (1.0 - infra.success[station])
    miss[station] = 1.0
    return success
