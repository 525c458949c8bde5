"""The prediction of a settled placement at any load: waits and queues, job times, the request's recursion.

Pods that are not ours (`Infrastructure.crowd`) are not known here: simulated cities have none.
"""

import math

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined
from edgewright.core.latency import recur
from edgewright.core.outcome import judge
from edgewright.core.request import Request, add_overlap
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import SHARED, Settled, Times
from edgewright.core.substrate import FloatArray
from edgewright.core.waiting import RHO_CAP, own_share


@inlined
def level(rho: float) -> tuple[float, float]:
    """What `stretch` needs of a utilisation: log(rho), -inf for an idle station, and 1 / (1 - rho)."""
    if rho <= 0.0:
        return -math.inf, 1.0
    rho = min(rho, RHO_CAP)
    return math.log(rho), 1.0 / (1.0 - rho)


@inlined
def predict_fixed(
    dag: DagArrays,
    table: Scenarios,
    req: Request,
    times: Times,
    fixed: Settled,
    rate: float,
    log_rho: FloatArray,
    slack: FloatArray,
    backlog: FloatArray,
    queued: bool,
    out: FloatArray,
) -> None:
    """Predict into `out` (PROCESSING,) at `rate` requests per second and the stations' `level`s.

    The same as `latency.sample` of the same placement, to rounding, less Eq. 14's parts, which would need the
    mean time of every job. `backlog` (stations,) seconds of queued
    work count where `queued`.
    """
    _press(len(dag.work), times, fixed, rate, log_rho, slack, req.added)
    late = fixed.fixed
    if queued:
        _queue(times, fixed, backlog)
        late = times.late
    _draw(dag, table, req, times, fixed, late)
    recur(dag, table, req, out)
    judge(dag, fixed.reached[0], out)


@inlined
def _press(
    stages: int,
    times: Times,
    fixed: Settled,
    rate: float,
    log_rho: FloatArray,
    slack: FloatArray,
    added: FloatArray,
) -> None:
    """Waits of every unit, and the overlap O of every job in `added` (J,)."""
    stretched, J = times.stretched, len(fixed.first) - 1
    for h in range(fixed.visit[fixed.first[J]]):
        station = fixed.station[h]
        stretched[h] = fixed.scale[h] * math.exp(fixed.power[h] * log_rho[station]) * slack[station]
    for job in range(J):
        overlap = 0.0
        for unit in range(fixed.first[job], fixed.first[job + 1]):
            q, worst, own = 0.0, 0.0, rate * fixed.own[unit]
            for h in range(fixed.visit[unit], fixed.visit[unit + 1]):
                q += stretched[h]
                overlap += fixed.bend[h] * (1.0 + stretched[h])
                if job >= stages:
                    rho = 1.0 - 1.0 / slack[fixed.station[h]]
                    for_own = stretched[h] * own_share(own * fixed.scale[h], rho)
                    q -= for_own
                    worst = max(worst, for_own)
            q += worst
            if job < stages and own > 0.0:
                own = min(own, RHO_CAP)
                own /= 1.0 - own
                q = math.sqrt(own * own + q * q)
            times.wait[unit] = fixed.ideal[unit] * q
        added[job] = overlap
    for row in range(fixed.meets[0]):
        worst = 0.0
        for i in range(SHARED):
            bend = fixed.meet_bend[row, i]
            worst = max(worst, bend + bend * stretched[fixed.meet_visit[row, i]])
        added[fixed.meet_job[row]] += worst


@inlined
def _queue(times: Times, fixed: Settled, backlog: FloatArray) -> None:
    for unit in range(fixed.first[len(fixed.first) - 1]):
        late = fixed.fixed[unit]
        for h in range(fixed.visit[unit], fixed.visit[unit + 1]):
            late += backlog[fixed.station[h]]
        times.late[unit] = late


@inlined
def _draw(
    dag: DagArrays, table: Scenarios, req: Request, times: Times, fixed: Settled, late: FloatArray
) -> None:
    """Sample every stage and transfer: T = s x (1 + Q omega) + g(s) O + d, as `request.draw`."""
    M, J, K = len(dag.work), len(fixed.first) - 1, len(req.total)
    for job in range(J):
        size = table.work[job] if job < M else table.payload[job - M]
        omega = table.work_wait[job] if job < M else table.payload_wait[job - M]
        unit, seconds = fixed.first[job], req.seconds[job]
        if fixed.first[job + 1] - unit == 1:
            ideal, wait, fix = fixed.ideal[unit], times.wait[unit], late[unit]
            for k in range(K):
                seconds[k] = size[k] * ideal + omega[k] * wait + fix
        else:
            pick = fixed.pick[job]
            for k in range(K):
                unit = pick[k]
                seconds[k] = size[k] * fixed.ideal[unit] + omega[k] * times.wait[unit] + late[unit]
    add_overlap(dag, table, req)
