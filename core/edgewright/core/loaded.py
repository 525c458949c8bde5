"""The prediction of a settled placement at any load: waits and queues, job times, the request's recursion.

Pods that are not ours (`Infrastructure.crowd`) are not known here: simulated cities have none.
"""

import math

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined
from edgewright.core.latency import recur
from edgewright.core.outcome import judge
from edgewright.core.request import Request, add_overlap, write_times
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import SHARED, Settled, Times
from edgewright.core.substrate import FloatArray
from edgewright.core.waiting import RHO_CAP, inverse_of, own_share

LN2 = math.log(2.0)
POWERS = tuple(
    Chebyshev.interpolate(np.exp2, 7, domain=[-0.5, 0.5]).convert(kind=Polynomial).coef[::-1].tolist()
)
"""Coefficients of 2^x for x in [-0.5, 0.5], the highest power first."""
LOG, SLACK, INVERSE, QUEUE = range(4)
LEVELS = 4
"""What waits need of a station, side by side, as no cache holds all: the binary logarithm of its utilisation,
1 / (1 - rho), `inverse_of` rho, and seconds of queued work."""


@inlined
def write_level(level: FloatArray, rho: float, queue: float) -> None:
    """(LEVELS,) of a station."""
    capped = min(rho, RHO_CAP)
    level[LOG], level[SLACK], level[INVERSE], level[QUEUE] = -np.inf, 1.0, 0.0, queue
    if rho > 0.0:
        level[LOG], level[SLACK] = math.log(capped) / LN2, 1.0 / (1.0 - capped)
        level[INVERSE] = inverse_of(rho)


@inlined
def predict_fixed(
    dag: DagArrays,
    table: Scenarios,
    req: Request,
    times: Times,
    fixed: Settled,
    rate: float,
    level: FloatArray,
    out: FloatArray,
) -> None:
    """Predict into `out` (PROCESSING,) at `rate` requests per second and the stations' `level` (., LEVELS).

    The same as `latency.sample` of the same placement, to rounding, less Eq. 14's parts, which would need the
    mean time of every job.
    """
    _press(len(dag.work), times, fixed, rate, level, req.added)
    _draw(dag, table, req, times, fixed)
    recur(dag, table, req, out)
    judge(dag, fixed.reached[0], out)


@inlined
def _press(
    stages: int,
    times: Times,
    fixed: Settled,
    rate: float,
    level: FloatArray,
    added: FloatArray,
) -> None:
    """Waits and delays of every unit, and the overlap O of every job in `added` (J,)."""
    stretched, J = times.stretched, len(fixed.first) - 1
    H = fixed.visit[fixed.first[J]]
    for h in range(H):
        stretched[h] = fixed.power[h] * level[fixed.station[h], LOG]
    for h in range(H):
        stretched[h] = fixed.scale[h] * _power_of_two(stretched[h])
    for job in range(J):
        overlap = 0.0
        for unit in range(fixed.first[job], fixed.first[job + 1]):
            q, worst, late, own = 0.0, 0.0, fixed.fixed[unit], rate * fixed.own[unit]
            for h in range(fixed.visit[unit], fixed.last[unit]):
                station = fixed.station[h]
                stretched[h] *= level[station, SLACK]
                q += stretched[h]
                late += level[station, QUEUE]
                overlap += fixed.bend[h] * (1.0 + stretched[h])
                if job >= stages:
                    for_own = stretched[h] * own_share(own * fixed.scale[h], level[station, INVERSE])
                    q -= for_own
                    worst = max(worst, for_own)
            q += worst
            if job < stages and own > 0.0:
                own = min(own, RHO_CAP)
                own /= 1.0 - own
                q = math.sqrt(own * own + q * q)
            times.wait[unit], times.late[unit] = fixed.ideal[unit] * q, late
        added[job] = overlap
    for row in range(fixed.meets[0]):
        worst = 0.0
        for i in range(SHARED):
            bend = fixed.meet_bend[row * SHARED + i]
            worst = max(worst, bend + bend * stretched[fixed.meet_visit[row * SHARED + i]])
        added[fixed.meet_job[row]] += worst


@inlined
def _power_of_two(x: float) -> float:
    """2^x for x <= 0 within 1e-10 of itself; no branch, no call: compilers make its loops ones of vectors."""
    x = max(x, -1000.0)
    whole = np.int32(x - 0.5)
    fraction, value = x - whole, 0.0
    for k in range(len(POWERS)):
        value = value * fraction + POWERS[k]
    power: float = np.int64((np.int64(whole) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return value * power


@inlined
def _draw(dag: DagArrays, table: Scenarios, req: Request, times: Times, fixed: Settled) -> None:
    """Sample every stage and transfer: T = s x (1 + Q omega) + g(s) O + d, as `request.draw`."""
    M, J, K = len(dag.work), len(fixed.first) - 1, len(req.total)
    for job in range(J):
        size = table.work[job] if job < M else table.payload[job - M]
        omega = table.work_wait[job] if job < M else table.payload_wait[job - M]
        unit, seconds = fixed.first[job], req.seconds[job]
        if fixed.first[job + 1] - unit == 1:
            write_times(seconds, size, omega, fixed.ideal[unit], times.wait[unit], times.late[unit])
        else:
            pick = fixed.pick[job * K : (job + 1) * K]
            for k in range(K):
                unit = pick[k]
                seconds[k] = size[k] * fixed.ideal[unit] + omega[k] * times.wait[unit] + times.late[unit]
    add_overlap(dag, table, req)
