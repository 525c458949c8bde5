"""The prediction of a settled placement at any load: waits and queues, job times, the request's recursion.

Pods that are not ours (`Infrastructure.crowd`) are not known here: simulated cities have none.
"""

import math
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined
from edgewright.core.lanes import (
    LANES,
    alike,
    exponent,
    fraction,
    larger,
    put,
    put_columns,
    smaller,
    take,
    two_to,
    where_less,
    whole,
)
from edgewright.core.latency import recur
from edgewright.core.outcome import judge
from edgewright.core.request import Request, add_overlap, write_times
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import SHARED, Settled, Times
from edgewright.core.substrate import FloatArray
from edgewright.core.waiting import OVERLOAD, RHO_CAP, own_share

LN2 = math.log(2.0)
POWERS = tuple(
    Chebyshev.interpolate(np.exp2, 7, domain=[-0.5, 0.5]).convert(kind=Polynomial).coef[::-1].tolist()
)
"""Coefficients of 2^x for x in [-0.5, 0.5], the highest power first."""
LOGARITHMS = tuple(2.0 / LN2 / (2 * k + 1) for k in range(6, -1, -1))
"""log2 f = s (L_0 + L_1 s^2 + ...) of s = (f - 1) / (f + 1), the highest power first: within 1e-12."""
LOG, SLACK, INVERSE, QUEUE = range(4)
LEVELS = 4
"""What waits need of a station, side by side, as no cache holds all: the binary logarithm of its utilisation,
1 / (1 - rho), `inverse_of` rho, and seconds of queued work."""


@inlined
def write_levels(level: FloatArray, rho: FloatArray, queue: FloatArray) -> None:
    """(stations, LEVELS) from utilisation and queue (stations,) of each; stations in whole LANES."""
    one, idle, overload = alike(1.0), alike(0.0), alike(OVERLOAD)
    for k in range(0, len(rho), LANES):
        load = take(rho, k)
        capped = smaller(load, alike(RHO_CAP))
        some, slack, rest = larger(load, alike(1e-300)), one - capped, fraction(capped)
        divided = one / (some * slack * (rest + 1.0))  # once for all: nothing takes longer
        s = (rest - 1.0) * (some * slack * divided)
        square, value = s * s, alike(LOGARITHMS[0])
        for i in range(1, len(LOGARITHMS)):
            value = value * square + LOGARITHMS[i]
        inverse = where_less(
            load, overload, where_less(idle, load, slack * (rest + 1.0) * divided, idle), idle
        )
        slack = some * (rest + 1.0) * divided
        put_columns(level, k, exponent(capped) + s * value, slack, inverse, take(queue, k))


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
    for h in range(0, H, LANES):  # what is beyond H belongs to nobody
        put(stretched, h, take(fixed.scale, h) * _power_of_two(take(stretched, h)))
    for job in range(stages):
        overlap = 0.0
        for unit in range(fixed.first[job], fixed.first[job + 1]):  # its only visit has the same number
            station, own = fixed.station[unit], rate * fixed.own[unit]
            q = stretched[unit] * level[station, SLACK]
            stretched[unit] = q
            overlap += fixed.bend[unit] * (1.0 + q)
            if own > 0.0:
                own = min(own, RHO_CAP)
                own /= 1.0 - own
                q = math.sqrt(own * own + q * q)
            times.wait[unit] = fixed.ideal[unit] * q
            times.late[unit] = fixed.fixed[unit] + level[station, QUEUE]
        added[job] = overlap
    for job in range(stages, J):
        overlap = 0.0
        for unit in range(fixed.first[job], fixed.first[job + 1]):
            q, worst, late, own = 0.0, 0.0, fixed.fixed[unit], rate * fixed.own[unit]
            for h in range(fixed.visit[unit], fixed.last[unit]):
                station = fixed.station[h]
                here = stretched[h] * level[station, SLACK]
                stretched[h] = here
                late += level[station, QUEUE]
                overlap += fixed.bend[h] * (1.0 + here)
                for_own = here * own_share(own * fixed.scale[h], level[station, INVERSE])
                q += here - for_own
                worst = max(worst, for_own)
            times.wait[unit], times.late[unit] = fixed.ideal[unit] * (q + worst), late
        added[job] = overlap
    for row in range(fixed.meets[0]):
        worst = 0.0
        for i in range(SHARED):
            bend = fixed.meet_bend[row * SHARED + i]
            worst = max(worst, bend + bend * stretched[fixed.meet_visit[row * SHARED + i]])
        added[fixed.meet_job[row]] += worst


@inlined
def _power_of_two(x: Any) -> Any:
    """2^x of lanes for x <= 0, within 1e-10 of itself."""
    x = larger(x, alike(-1000.0))
    near = whole(x - 0.5)
    rest, value = x - near, alike(POWERS[0])
    for k in range(1, len(POWERS)):
        value = value * rest + POWERS[k]
    return value * two_to(near)


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
