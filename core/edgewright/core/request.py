"""One request in many scenarios: the work space, and the time of every stage and transfer."""

import math
from typing import Any, NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.lanes import LANES, put, take, total, where_less
from edgewright.core.overlap import choose
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, replicas
from edgewright.core.substrate import FloatArray, IntArray


class Request(NamedTuple):
    """Work space of one request in K scenarios; rows 0..M are stages, M..M+T transfers."""

    picked: IntArray
    """(K, M) replica of each stage; -1 where it has none."""
    seconds: FloatArray
    """(M + T, K) time of each stage and transfer."""
    finish: FloatArray
    """(M, K) end of each stage (pipeline), or its duration from call to reply."""
    latest: FloatArray
    """(K,) scratch of joins."""
    earliest: FloatArray
    total: FloatArray
    """(K,) latency of the request."""
    added: FloatArray
    """(M + T,) overlap O."""
    begin: FloatArray
    """(M + T,) idle start times, then mean times."""
    duration: FloatArray
    """(M,) idle seconds from call to reply, then ends on the path of means."""
    chosen: IntArray
    """(M,) one choice of replicas."""
    touch: FloatArray
    """(stations,) probability that a request misses the station."""
    rho: FloatArray
    """(stations,) utilisation by everything."""
    critical: FloatArray
    """(M + T,) how often the critical path of a scenario visits each job."""


def make_request(stages: int, transfers: int, stations: int, count: int) -> Request:
    """Empty work space for K = `count` scenarios."""
    M, J, K = stages, stages + transfers, count
    return Request(
        picked=np.zeros((K, M), np.int32),
        seconds=np.zeros((J, K)),
        finish=np.zeros((M, K)),
        latest=np.zeros(K),
        earliest=np.zeros(K),
        total=np.zeros(K),
        added=np.zeros(J),
        begin=np.zeros(J),
        duration=np.zeros(M),
        chosen=np.zeros(M, np.int32),
        touch=np.ones(stations),
        rho=np.zeros(stations),
        critical=np.zeros(J),
    )


@inlined
def mean_of(values: FloatArray) -> float:
    """Mean of (K,)."""
    sums = take(values, 0)
    for k in range(LANES, len(values), LANES):
        sums = sums + take(values, k)
    mean: float = total(sums) / len(values)
    return mean


@inlined
def times_called(dag: DagArrays, table: Scenarios, t: int, k: int) -> float:
    """Calls of invocation t in scenario k: the whole part, and one more as often as the fraction says."""
    whole: float = math.floor(dag.calls[t])
    return whole + (1.0 if table.call[t, k] < dag.calls[t] - whole else 0.0)


@inlined
def times_in_lanes(dag: DagArrays, table: Scenarios, t: int, k: int) -> Any:
    """`times_called` in LANES scenarios from k on."""
    whole = float(int(dag.calls[t]))
    return where_less(take(table.call[t], k), dag.calls[t] - whole, whole + 1.0, whole)


@inlined
def write_times(
    seconds: FloatArray, size: FloatArray, omega: FloatArray, ideal: float, wait: float, fixed: float
) -> None:
    """(K,) s x (1 + Q omega) + d of a job that uses the same unit in all scenarios."""
    for k in range(0, len(seconds), LANES):
        put(seconds, k, take(size, k) * ideal + take(omega, k) * wait + fixed)


@inlined
def add_overlap(dag: DagArrays, table: Scenarios, req: Request) -> None:
    """Lengthen every job's `req.seconds` by g(s) O."""
    M = len(dag.work)
    for job in range(M + len(dag.source)):
        added = req.added[job]
        if added > 0.0:
            shared = table.work_overlap[job] if job < M else table.payload_overlap[job - M]
            seconds = req.seconds[job]
            for k in range(0, len(seconds), LANES):
                put(seconds, k, take(seconds, k) + take(shared, k) * added)


@kernel
def draw(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    table: Scenarios,
    req: Request,
    floor: FloatArray,
) -> None:
    """Sample every stage and transfer: T = s x (1 + Q omega) + g(s) O + d; `floor` where an end is unplaced.

    `req.begin` becomes the mean times.
    """
    M, K = len(dag.work), table.work.shape[1]
    for m in dag.order:
        if lay.total[m] > 1 and lay.placed[m] > 0:
            for k in range(K):
                req.picked[k, m] = choose(dag, infra, lay, req.picked[k], m, table.choice[m, k])
        else:
            req.picked[:, m] = 0 if lay.placed[m] == 1 else -1
    for m in range(M):
        size, wait, first = table.work[m], table.work_wait[m], lay.start[m]
        if lay.total[m] == 1 and lay.placed[m] == 1:
            ideal, delay, fixed = lay.stage_ideal[first], lay.stage_wait[first], lay.stage_late[first]
            write_times(req.seconds[m], size, wait, ideal, delay, fixed)
            continue
        if lay.placed[m] == 0:
            req.seconds[m, :] = floor[m]
            continue
        for k in range(K):
            slot = first + req.picked[k, m]
            if req.picked[k, m] < 0:
                req.seconds[m, k] = floor[m]
            else:
                ideal, delay = lay.stage_ideal[slot], lay.stage_wait[slot]
                req.seconds[m, k] = size[k] * ideal + wait[k] * delay + lay.stage_late[slot]
    for t in range(len(dag.source)):
        _draw_transfer(dag, lay, table, req, floor, t)
    add_overlap(dag, table, req)
    for job in range(len(req.begin)):
        req.begin[job] = mean_of(req.seconds[job])


@kernel
def _draw_transfer(
    dag: DagArrays, lay: Layout, table: Scenarios, req: Request, floor: FloatArray, t: int
) -> None:
    M, K = len(dag.work), table.work.shape[1]
    source, target = dag.source[t], dag.target[t]
    size, wait, first = table.payload[t], table.payload_wait[t], lay.pair_start[t]
    if (source < 0 or (lay.total[source] == 1 and lay.placed[source] == 1)) and (
        target < 0 or (lay.total[target] == 1 and lay.placed[target] == 1)
    ):
        ideal, delay, fixed = lay.ideal[first], lay.wait[first], lay.late[first]
        write_times(req.seconds[M + t], size, wait, ideal, delay, fixed)
        return
    if (source >= 0 and lay.placed[source] == 0) or (target >= 0 and lay.placed[target] == 0):
        req.seconds[M + t, :] = floor[M + t]
        return
    width = replicas(lay, target)
    for k in range(K):
        i = req.picked[k, source] if source >= 0 else 0
        j = req.picked[k, target] if target >= 0 else 0
        if i < 0 or j < 0:
            req.seconds[M + t, k] = floor[M + t]
        else:
            pair = first + i * width + j
            req.seconds[M + t, k] = size[k] * lay.ideal[pair] + wait[k] * lay.wait[pair] + lay.late[pair]
